"""What a check comes to: findings, which name a broken promise, and an account of what went well."""

from dataclasses import dataclass, field
from typing import Final

KINDS: Final = {
    "lost": "acknowledged or due, and not there",
    "doubled": "there more than once",
    "reordered": "came after what follows it",
    "gap": "something was left out on the way to a member",
    "foreign": "nobody posted that",
    "altered": "not what was posted",
    "misplaced": "not where the acknowledgement said",
    "unwanted": "refused, and there all the same",
    "vanished": "a member got what the log does not have",
    "untold": "Redis lost it, and nobody said so",
    "needless": "a member was told of a loss where nothing was lost",
    "epoch": "an epoch that was over came back, or a position went on that could not",
    "state": "edits, deletions and reactions do not come to what the log comes to",
    "presence": "who is there is not who is told to be there",
    "unanswered": "a command got no reply, or more than one",
    "uninvited": "an entry came to somebody who is no member",
    "stuck": "a client did not come to rest",
    "leaked": "threads, descriptors or subscriptions are left over",
    "cut": "a connection was ended by a fault that was to leave it alone",
    "complaint": "a server logged an error that nobody expects",
    "late": "people were not served again in the time promised",
    "slow": "an answer took longer than promised",
}
"""Every kind of finding, and what it means."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: of which kind, where, about what, who noticed, and in words."""

    kind: str
    room: str
    offset: int | None
    id: str | None
    client: str | None
    explanation: str

    def __str__(self) -> str:
        place = self.room if self.offset is None else f"{self.room}@{self.offset}"
        where = " ".join(part for part in (place, self.id and f"id {self.id}", self.client) if part)
        return f"{self.kind}: {where}: {self.explanation}"


@dataclass(slots=True)
class Account:
    """Figures of one run."""

    acked: int = 0
    """Acts of which somebody was told that they are in the log."""
    delivered: int = 0
    """Entries that members took in, pages included."""
    slowest_answer: float = 0.0
    """Seconds to the reply of a command that writes, on connections that lasted until then."""


@dataclass(slots=True)
class Verdict:
    """What a check came to."""

    findings: list[Finding] = field(default_factory=list)
    account: Account = field(default_factory=Account)

    def count(self, *kinds: str) -> int:
        """Return the number of findings of these kinds."""
        return sum(finding.kind in kinds for finding in self.findings)

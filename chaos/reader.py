"""One client as a member of one room: the spans in which it was joined, and what it was entitled to in them.

It follows docs/protocol.md: pages continue from `since`, then every entry comes once and in order until the client
leaves, is reset, or loses its connection. What comes while it is no member is passed over, for a flush that began
before a leave may still arrive. It is told only what the client itself was told.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from chaos import shown
from chaos.acts import Place, place
from chaos.findings import Finding
from chaos.history import Json
from chaos.shown import State


class Phase(Enum):
    """How far it is from being a member."""

    OUT = auto()
    ASKED = auto()
    PAGING = auto()
    LIVE = auto()
    ASTRAY = auto()
    """A member that was not sent an entry: it takes none until it joins again."""


@dataclass(slots=True)
class Reader:
    """``entries`` and ``state`` are what it has of the room since it was last told to forget."""

    client: str
    room: str
    report: Callable[[Finding], None]
    phase: Phase = Phase.OUT
    asked_ref: int = 0
    """The ref of the last join."""
    position: Place | None = None
    entries: dict[int, Json] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    told_at: list[float] = field(default_factory=list)
    """When it was told that what it missed, or had, is gone."""
    delivered: int = 0

    # ---- spans ------------------------------------------------------------------------------------------------------

    def asked(self, ref: int, since: Json | None) -> None:
        """A join was sent: what comes before its reply belongs to the membership that it ends."""
        self.phase, self.asked_ref = Phase.ASKED, ref
        if since and place(since) != self.position:  # it goes on from elsewhere than where it was
            self.position, self.entries, self.state = place(since), {}, {}

    def out(self) -> None:
        """It left, was refused, or lost its connection; what it has, it keeps."""
        self.phase = Phase.OUT

    def joined(self, result: Json, since: Json | None, at: float) -> None:
        """A join was answered."""
        self.present = {user["id"] for user in result["members"]["users"]}
        if since and result["recovered"]:
            self.position = self.position or place(since)  # reset while the answer was on its way
            self._page(result["messages"])
            self._at_end(result)
        else:
            if result["recovered"]:
                self._find("epoch", result["offset"], None, "recovered, though nothing was to be")
            if since:
                self.told_at.append(at)
            self._begin(result)
        self.position = place(result)
        self.phase = Phase.PAGING if result["more"] else Phase.LIVE

    def _begin(self, result: Json) -> None:
        self.entries, self.state = {}, {}
        offsets = [entry["offset"] for entry in result["messages"]]
        if offsets != sorted(set(offsets)) or any(offset > result["offset"] for offset in offsets):
            self._find("reordered", result["offset"], None, f"the newest messages come as {offsets}")
        for entry in result["messages"]:
            self._keep(entry)

    def replayed(self, push: Json) -> None:
        """A further page came."""
        if self.phase is not Phase.PAGING or self.position is None:
            return
        epoch = self.position[0]
        self._page(push["messages"])
        self.position = epoch, self.position[1]
        if not push["more"]:
            self.phase = Phase.LIVE

    def _page(self, entries: Iterable[Json]) -> None:
        for entry in entries:
            self._take(entry)

    def _at_end(self, result: Json) -> None:
        if self.position and self.position[1] != result["offset"]:
            where = f"a page that ends at {self.position[1]} says that it ends at {result['offset']}"
            self._find("gap", result["offset"], None, where)

    def reset(self, at: float) -> None:
        """It was told that what it missed, or had, is gone."""
        self.told_at.append(at)
        if self.phase is not Phase.ASKED:  # the answer to what was asked meanwhile is the newer word
            self.phase = Phase.OUT
        self.position, self.entries, self.state = None, {}, {}

    # ---- entries ----------------------------------------------------------------------------------------------------

    def pushed(self, entry: Json) -> None:
        """An entry came by itself."""
        if self.phase is Phase.LIVE:
            self._take(entry)
        elif self.phase is Phase.ASTRAY and self.position and entry["offset"] == self.position[1] + 1:
            self._find("reordered", entry["offset"], entry["id"], "came after what follows it")

    @property
    def joined_on(self) -> bool:
        """Whether it is a member, as far as the servers know."""
        return self.phase in (Phase.LIVE, Phase.ASTRAY)

    def _take(self, entry: Json) -> None:
        offset, last = entry["offset"], self.position[1] if self.position else 0
        if offset == last + 1:
            self._keep(entry)
            self.position = place(entry)
        elif offset > last + 1:
            self._find("gap", offset, entry["id"], f"came where {last + 1} was due")
            self.phase = Phase.ASTRAY
        elif offset in self.entries:
            self._find("doubled", offset, entry["id"], f"came again, after {last}")
        else:
            self._find("reordered", offset, entry["id"], f"came after {last}")

    def _keep(self, entry: Json) -> None:
        self.entries[entry["offset"]] = entry
        self.delivered += 1
        shown.apply(self.state, entry, entry.get("text"))

    # ---- who is there -----------------------------------------------------------------------------------------------

    def presence(self, push: Json) -> None:
        """Who is there has changed."""
        if push.get("members"):
            self.present = {user["id"] for user in push["members"]["users"]}
        self.present |= {user["id"] for user in push.get("joins", [])}
        self.present -= set(push.get("leaves", []))

    def _find(self, kind: str, offset: int | None, id: str | None, explanation: str) -> None:
        self.report(Finding(kind, self.room, offset, id, self.client, explanation))

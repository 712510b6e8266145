"""What a scenario asks of a server, declared: who is there, who speaks how often, what goes wrong."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Arrivals = Literal["poisson", "constant"]
Sizes = Literal["equal", "zipf"]
FaultKind = Literal["freeze server", "kill server", "restart server", "kill worker", "freeze redis"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the plan. ``connections`` is how many are planned at its end (None: as before); newcomers enter evenly
    spread over the phase. ``rate`` is messages a second of all together; up to ``end_rate`` at the end, if given."""

    name: str
    seconds: float
    rate: float = 0.0
    end_rate: float | None = None
    connections: int | None = None
    measured: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to the server, ``at`` seconds after the plan began, for ``seconds`` where it lasts."""

    at: float
    kind: FaultKind
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Stall:
    """A ``share`` of the members stops reading ``at`` some time, for ``seconds``; ``forever`` they are mute: they
    neither read nor answer pings nor close, as a peer whose network is gone."""

    share: float
    at: float
    seconds: float = 0.0
    forever: bool = False


@dataclass(frozen=True, slots=True)
class Requests:
    """HTTP requests beside the sockets, each on a connection of its own."""

    path: str
    rate: float


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Calls of a handler that blocks or computes for ``seconds``: ``rate`` a second, from ``at`` on."""

    what: Literal["block", "burn"]
    seconds: float
    rate: float
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """``connections`` users are members before the plan begins; each is in one room at a time."""

    connections: int
    phases: tuple[Phase, ...]
    rooms: int = 1
    sizes: Sizes = "equal"
    speakers: int | None = None
    """members of each room who ever speak; None: all"""
    arrivals: Arrivals = "poisson"
    words: tuple[int, int] = (5, 20)
    moves: float = 0.0
    """leave and join another room, per second, of all together"""
    cuts: float = 0.0
    """sockets reset by the client's network per second, back after ``away`` seconds"""
    away: tuple[float, float] = (0.2, 3.0)
    returning: bool = True
    """whether a connection that the server ended or refused comes back, with full jitter"""
    stall: Stall | None = None
    requests: Requests | None = None
    diagnostics: Diagnostics | None = None
    faults: tuple[Fault, ...] = ()
    workers: int = 1
    """processes of the server"""
    settings: Mapping[str, str] = field(default_factory=dict)
    """CHAT_* variables of both backends"""

    @property
    def duration(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def most_connections(self) -> int:
        """The largest number that is planned at any time."""
        return max(self.connections, *(phase.connections or 0 for phase in self.phases))

    @property
    def highest_rate(self) -> float:
        return max(max(phase.rate, phase.end_rate or 0.0) for phase in self.phases)

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        plain["settings"] = dict(self.settings)
        return plain


def workload_from(plain: Mapping[str, Any]) -> Workload:
    """Return the workload that ``as_json`` took apart. Raises TypeError where it is none."""
    whole = dict(plain)
    whole["phases"] = tuple(Phase(**phase) for phase in whole["phases"])
    whole["faults"] = tuple(Fault(**fault) for fault in whole["faults"])
    for name, kind in {"stall": Stall, "requests": Requests, "diagnostics": Diagnostics}.items():
        whole[name] = kind(**whole[name]) if whole[name] else None
    return Workload(**whole | {"words": tuple(whole["words"]), "away": tuple(whole["away"])})


def resized(
    workload: Workload, connections: int | None = None, rate: float | None = None, duration: float | None = None
) -> Workload:
    """Return ``workload`` with that many connections at most, that highest rate, that long; all else in proportion.

    How long a fault lasts does not change.
    """
    more = connections / workload.most_connections if connections else 1.0
    faster = rate / workload.highest_rate if rate and workload.highest_rate else 1.0
    longer = duration / workload.duration if duration else 1.0
    phases = tuple(
        replace(
            phase,
            seconds=phase.seconds * longer,
            rate=phase.rate * faster,
            end_rate=None if phase.end_rate is None else phase.end_rate * faster,
            connections=None if phase.connections is None else round(phase.connections * more),
        )
        for phase in workload.phases
    )
    stall, diagnostics = workload.stall, workload.diagnostics
    return replace(
        workload,
        connections=round(workload.connections * more),
        rooms=max(1, min(workload.rooms, round(workload.most_connections * more))),
        phases=phases,
        stall=replace(stall, at=stall.at * longer) if stall else None,
        diagnostics=replace(diagnostics, at=diagnostics.at * longer) if diagnostics else None,
        faults=tuple(replace(fault, at=fault.at * longer) for fault in workload.faults),
    )

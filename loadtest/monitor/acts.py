"""What can be done to the servers, what they promise all the same, and whether it held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

BACK_WITHIN: Final = 2.5
"""Seconds after a server is up again within which everybody is back: pauses between attempts are 2 s at most."""
LATE: Final = 0.5
"""Seconds from when a message was meant to be sent, beyond which a delivery counts as late."""

Means = Literal["stack", "request", "crowd"]


@dataclass(frozen=True)
class Act:
    """One button. ``means`` is who does it; ``verb`` is the word for that; ``target`` is Redis or each backend."""

    name: str
    title: str
    explanation: str
    means: Means
    verb: str
    target: Literal["backends", "redis"]
    seconds: float
    promises: tuple[str, ...]


_ACTS: Final = (
    Act(
        name="kill_worker",
        title="Kill a worker",
        explanation="SIGKILL to a process of each backend; it is started again.",
        means="stack",
        verb="kill_worker",
        target="backends",
        seconds=1.0,
        promises=("delivered", "back"),
    ),
    Act(
        name="freeze_redis",
        title="Freeze Redis",
        explanation="SIGSTOP for three seconds, then it goes on.",
        means="stack",
        verb="freeze",
        target="redis",
        seconds=3.0,
        promises=("delivered", "stayed"),
    ),
    Act(
        name="kill_redis",
        title="Kill Redis",
        explanation="SIGKILL; it comes back after a second with what is on disk.",
        means="stack",
        verb="kill",
        target="redis",
        seconds=1.0,
        promises=("delivered", "stayed"),
    ),
    Act(
        name="mute",
        title="Stop readers",
        explanation="A quarter of the members reads nothing for five seconds.",
        means="crowd",
        verb="mute",
        target="backends",
        seconds=5.0,
        promises=("delivered", "unnoticed"),
    ),
    Act(
        name="block",
        title="Block a handler",
        explanation="A request handler sleeps for two seconds.",
        means="request",
        verb="block",
        target="backends",
        seconds=2.0,
        promises=("delivered", "unnoticed"),
    ),
    Act(
        name="burn",
        title="Burn CPU",
        explanation="A request handler computes for two seconds.",
        means="request",
        verb="burn",
        target="backends",
        seconds=2.0,
        promises=("delivered", "unnoticed"),
    ),
    Act(
        name="drain",
        title="Drain",
        explanation="Each backend is told to stop (SIGTERM), and started again.",
        means="stack",
        verb="drain",
        target="backends",
        seconds=0.0,
        promises=("delivered", "back"),
    ),
    Act(
        name="cut",
        title="Cut all sockets",
        explanation="Every connection of the crowd is reset at once.",
        means="crowd",
        verb="cut",
        target="backends",
        seconds=0.0,
        promises=("delivered", "back"),
    ),
)
ACTS: Final = {act.name: act for act in _ACTS}
MUTED_SHARE: Final = 0.25


@dataclass(frozen=True)
class Judged:
    """A promise after an act. ``detail`` says for how many, and how long."""

    text: str
    held: bool
    detail: str


def judge(act: Act, before: Mapping[str, int], after: Mapping[str, Any], lasted: float) -> list[Judged]:
    """Return what became of the promises of one backend.

    ``before`` are the crowd's counts when it began, ``after`` what its check found (`demo.Demo`), ``lasted`` the
    seconds until what was hurt was set right.
    """
    grown = {name: count - before.get(name, 0) for name, count in after["counts"].items()}
    return [_JUDGES[promise](grown, after, lasted) for promise in act.promises]


def _delivered(grown: Mapping[str, int], after: Mapping[str, Any], _: float) -> Judged:
    wrong = [f"{grown[name]} {name}" for name in ("lost", "duplicated", "corrupt", "foreign") if grown.get(name)]
    wrong += after["missing"]
    right = f"{_number(grown.get('acknowledged', 0))} messages, {_number(grown.get('deliveries', 0))} deliveries"
    if recovered := grown.get("recovered", 0):
        right += f", {_number(recovered)} of them caught up"
    if told := grown.get("told", 0):
        right += f"; {told} members were told to load anew"
    return Judged("Every message arrived once and in order", not wrong, "; ".join(wrong) or right)


def _back(_: Mapping[str, int], after: Mapping[str, Any], lasted: float) -> Judged:
    allowed = lasted + BACK_WITHIN
    if not after["interrupted"]:
        return Judged("Everybody is back soon", True, "nobody was cut off")
    detail = f"{after['interrupted']} members cut off, {after['down']:.1f} s at the longest"
    return Judged("Everybody is back soon", after["down"] <= allowed, f"{detail} ({allowed:.1f} s allowed)")


def _stayed(grown: Mapping[str, int], _after: Mapping[str, Any], _: float) -> Judged:
    ended, refused = grown.get("ended", 0), grown.get("unavailable", 0)
    detail = f"{ended} connections ended" if ended else "none ended"
    if refused:
        detail += f"; {_number(refused)} posts answered “unavailable” and sent again"
    return Judged("Connections stay open", not ended, detail)


def _unnoticed(grown: Mapping[str, int], after: Mapping[str, Any], _: float) -> Judged:
    late, longest = grown.get("late", 0), after["longest"]
    text = f"Others are served within {LATE:g} s"
    if not late:
        return Judged(text, True, f"longest {_milliseconds(longest)}")
    return Judged(text, False, f"{_number(late)} deliveries late, longest {_milliseconds(longest)}")


_JUDGES: Final = {"delivered": _delivered, "back": _back, "stayed": _stayed, "unnoticed": _unnoticed}


def _number(count: int) -> str:
    return f"{count:,}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def held(judged: Sequence[Judged]) -> bool:
    """Whether all did."""
    return all(one.held for one in judged)

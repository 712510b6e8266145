"""Several targets in turns, of which one may fail without the others."""

from collections.abc import Callable, Sequence

from loadtest.baselines.node import InstallError
from loadtest.bench.results import Found
from loadtest.bench.rig import Report
from loadtest.generator import GeneratorError
from stack.errors import StackError


def in_turns(names: Sequence[str], repeats: int) -> list[tuple[int, str]]:
    """Return the number of each repeat and whose it is: all once, then all again, each time another one first."""
    return [(turn, names[(turn + place) % len(names)]) for turn in range(repeats) for place in range(len(names))]


def attempted(found: Found, report: Report, measure: Callable[[], None]) -> None:
    """Measure; where that is not possible, what was ``found`` says why."""
    try:
        measure()
    except (StackError, GeneratorError, InstallError, OSError) as error:
        found.error = str(error)
        report(f"  {found.target:<18} {error}")

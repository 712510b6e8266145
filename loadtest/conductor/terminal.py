"""A run as it is seen in the terminal: a table that changes, or a line now and then where there is no terminal."""

import sys
import time
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from loadtest.conductor.experiment import Experiment
from loadtest.outcome.format import quantity
from loadtest.record.models import Second

EVERY: Final = 5.0
"""Seconds between two lines where there is no terminal."""
COLUMNS: Final = ("target", "trial", "phase", "members", "deliveries/s", "p50", "p99", "wrong", "generator")


class Progress:
    """A context manager. ``plain`` says that lines are wanted."""

    def __init__(self, experiment: Experiment, *, plain: bool) -> None:
        self._experiment = experiment
        self._rows: dict[str, tuple[str, ...]] = {}
        self._console = Console(stderr=True)
        self._live = None if plain or not self._console.is_terminal else Live(console=self._console, transient=True)
        self._said = 0.0
        self._wrong: dict[tuple[str, int], int] = {}

    def see(self, label: str, repeat: int, second: Second | None, what: str) -> None:
        """Something happened: see `loadtest.conductor.experiment.Seen`."""
        trial = f"trial {repeat + 1} (of {self._experiment.repeats})"
        if second is None:
            self._rows[label] = (label, trial, what, *[""] * (len(COLUMNS) - 3))
        else:
            self._rows[label] = (label, trial, what, *self._cells(label, repeat, second))
        if self._live:
            self._live.update(self._table())
        elif second is None or time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            print("  ".join(cell for cell in self._rows[label] if cell), file=sys.stderr, flush=True)

    def _cells(self, label: str, repeat: int, second: Second) -> tuple[str, ...]:
        found = second.ledger
        wrong = found.lost + found.duplicated + found.reordered + found.corrupt + found.foreign
        self._wrong[label, repeat] = self._wrong.get((label, repeat), 0) + wrong
        return (
            f"{second.connections.members} members",
            f"{second.deliveries:,}/s",
            quantity(second.delivery.p50, "seconds"),
            quantity(second.delivery.p99, "seconds"),
            f"{self._wrong[label, repeat]} wrong",
            f"generator {second.generator.cpu:.0%}",
        )

    def _table(self) -> Table:
        scenario = self._experiment.scenario
        table = Table(title=f"{scenario.name}: {scenario.title}", title_justify="left")
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in ("target", "trial", "phase") else "right")
        for row in self._rows.values():
            table.add_row(*row)
        return table

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

"""Writing a run directory while the run is on, and reading it back."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

from pydantic import ValidationError

from loadtest.record.models import (
    FILES,
    Event,
    Fairness,
    Plan,
    Record,
    Run,
    Second,
    ServerSample,
    Trial,
    Verdict,
)

AnyRecord = TypeVar("AnyRecord", bound=Record)

ENVIRONMENT: Final = "environment.json"
LINES: Final = tuple(name for name in FILES if name.endswith(".jsonl"))


class DamagedRunError(Exception):
    """A directory is no run, or a damaged one. The text is one line that names file and line."""


class RunWriter:
    """Whole files are replaced in one step; lines are flushed one by one, so that who reads along sees whole ones.

    A context manager; at every moment what lies on disk is a valid run directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self._lock = threading.Lock()  # of the lines: a fault is noted by the thread that does it
        self._lines: dict[str, TextIO] = {name: (path / name).open("a", encoding="utf-8") for name in LINES}

    def write(self, name: str, record: Record) -> None:
        """Write one of the files that hold one object."""
        self._replace(name, record.model_dump_json(indent=1) + "\n")

    def write_environment(self, environment: dict[str, str]) -> None:
        self._replace(ENVIRONMENT, json.dumps(environment, indent=1, ensure_ascii=False) + "\n")

    def append(self, name: str, record: Record) -> None:
        """Add a line to one of the files that hold one object per line."""
        lines = self._lines[name]
        with self._lock:
            lines.write(record.model_dump_json() + "\n")
            lines.flush()

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for lines in self._lines.values():
            lines.close()

    def _replace(self, name: str, text: str) -> None:
        draft = self.path / f".{name}.draft"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.path / name)


@dataclass
class StoredRun:
    """All of a run directory. ``verdict`` is None while the run is on, or where it was killed."""

    path: Path
    run: Run
    plan: Plan
    fairness: Fairness
    environment: dict[str, str]
    verdict: Verdict | None
    trials: list[Trial] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "StoredRun":
        """Raises DamagedRunError, also for a line of the series that cannot be read: nothing is passed over."""
        if not (path / "run.json").is_file():
            raise DamagedRunError(f"{path} is no run directory: there is no run.json in it")
        stored = cls(
            path,
            run=_one(path, "run.json", Run),
            plan=_one(path, "plan.json", Plan),
            fairness=_one(path, "fairness.json", Fairness),
            environment=_environment(path / ENVIRONMENT),
            verdict=_one(path, "verdict.json", Verdict) if (path / "verdict.json").exists() else None,
            trials=list(_many(path, "trials.jsonl", Trial)),
            events=list(_many(path, "events.jsonl", Event)),
        )
        for _ in stored.series():
            pass
        for _ in stored.servers():
            pass
        return stored

    def series(self) -> Iterator[Second]:
        return _many(self.path, "series.jsonl", Second)

    def servers(self) -> Iterator[ServerSample]:
        return _many(self.path, "servers.jsonl", ServerSample)

    def as_json(self) -> dict[str, Any]:
        """Return everything as one object, by the names of the files without their endings: for a page."""
        return {
            "run": self.run.model_dump(mode="json"),
            "plan": self.plan.model_dump(mode="json"),
            "fairness": self.fairness.model_dump(mode="json"),
            "environment": self.environment,
            "series": [second.model_dump(mode="json") for second in self.series()],
            "servers": [sample.model_dump(mode="json") for sample in self.servers()],
            "events": [event.model_dump(mode="json") for event in self.events],
            "trials": [trial.model_dump(mode="json") for trial in self.trials],
            "verdict": self.verdict.model_dump(mode="json") if self.verdict else None,
        }


def run_directories(path: Path) -> list[Path]:
    """Return ``path`` itself, or the runs that lie in it where it is no run. Raises DamagedRunError where none does."""
    inside = [] if (path / "run.json").exists() else sorted(found.parent for found in path.glob("*/run.json"))
    return inside or [path]


def _one(path: Path, name: str, kind: type[AnyRecord]) -> AnyRecord:
    try:
        return kind.model_validate_json((path / name).read_bytes())
    except OSError as error:
        raise DamagedRunError(f"{path} is damaged: {name}: {error.strerror}") from error
    except ValidationError as error:
        raise DamagedRunError(f"{path} is damaged: {name}: {_first(error)}") from error


def _many(path: Path, name: str, kind: type[AnyRecord]) -> Iterator[AnyRecord]:
    try:
        with (path / name).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield kind.model_validate_json(line)
                except ValidationError as error:
                    raise DamagedRunError(f"{path} is damaged: {name}, line {number}: {_first(error)}") from error
    except OSError as error:
        raise DamagedRunError(f"{path} is damaged: {name}: {error.strerror}") from error


def _environment(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise DamagedRunError(f"{path.parent} is damaged: {path.name}: {error.strerror}") from error
    except ValueError as error:
        raise DamagedRunError(f"{path.parent} is damaged: {path.name}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise DamagedRunError(f"{path.parent} is damaged: {path.name}: not an object of texts")
    return found


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]

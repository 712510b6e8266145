"""The runs that are stored on this machine: which there are, and one of them whole."""

from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from loadtest.record.directory import DamagedRunError, StoredRun
from loadtest.record.models import Run, Verdict

MOST_LISTED: Final = 200


def listed(directory: Path) -> list[dict[str, Any]]:
    """Return what a person chooses by, newest first; a damaged one says so."""
    found = sorted(directory.glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [_described(path.parent) for path in found[:MOST_LISTED]]


def read(directory: Path, name: str) -> bytes:
    """Return the run as the JSON object that the page draws; raise DamagedRunError."""
    if name not in {path.parent.name for path in directory.glob("*/run.json")}:
        raise DamagedRunError(f"there is no run {name!r} here")
    try:
        return to_json(StoredRun.read(directory / name).as_json())
    except DamagedRunError as error:
        raise DamagedRunError(str(error).replace(f"{directory / name}", name)) from None


def _described(path: Path) -> dict[str, Any]:
    about = {"id": path.name, "scenario": "", "question": "", "began": 0.0, "status": "", "outcome": None}
    about |= {"headline": "", "targets": [], "demo": False, "error": ""}
    try:
        run = Run.model_validate_json((path / "run.json").read_bytes())
        about |= {"scenario": run.scenario, "question": run.question, "began": run.began, "status": run.status}
        about |= {"targets": [target.label for target in run.targets], "demo": run.demo}
        if (path / "verdict.json").exists():
            verdict = Verdict.model_validate_json((path / "verdict.json").read_bytes())
            about |= {"outcome": verdict.outcome, "headline": verdict.headline}
    except (OSError, ValidationError):
        about["error"] = "damaged: run.json or verdict.json cannot be read"
    return about

"""The files of a run directory, their schemas, and the page that holds a run."""

import base64
import gzip
import json
from pathlib import Path

import pytest

from loadtest.conductor.experiment import plan_of
from loadtest.record import page
from loadtest.record.directory import DamagedRunError, RunWriter, StoredRun
from loadtest.record.models import Fairness
from loadtest.record.page import PLACE, write_report
from loadtest.record.schemas import DIRECTORY, schemas
from loadtest.scenarios import scenarios
from loadtest.schedule import make_schedule
from tests.loadtest.test_outcome import run_of, trial

SCENARIO = scenarios()["ramp"]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory as it lies there while the run is on."""
    path = tmp_path / "run"
    with RunWriter(path) as writer:
        writer.write("run.json", run_of("a"))
        writer.write("plan.json", plan_of(SCENARIO, make_schedule(SCENARIO.workload, 1)))
        writer.write("fairness.json", Fairness(settings=[]))
        writer.write_environment({"machine": "this one"})
        writer.append("trials.jsonl", trial("a"))
    return path


def test_schemas_are_those_of_the_models() -> None:
    """`python -m loadtest.record.schemas` writes them."""
    written = {path.name: path.read_text() for path in DIRECTORY.glob("*.json")}
    assert written == schemas()
    assert json.loads(written["series.schema.json"])["title"] == "Second"


def test_a_run_that_is_on_can_be_read(stored: Path) -> None:
    found = StoredRun.read(stored)
    assert found.verdict is None
    assert [one.label for one in found.trials] == ["a"]
    assert found.as_json()["run"]["scenario"] == "ramp"


@pytest.mark.parametrize("name", ["plan.json", "fairness.json", "environment.json", "series.jsonl", "events.jsonl"])
def test_a_file_that_is_missing_is_named(stored: Path, name: str) -> None:
    (stored / name).unlink()
    with pytest.raises(DamagedRunError, match=name):
        StoredRun.read(stored)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"more": "than there is"}'])
def test_a_file_that_holds_something_else_is_named(stored: Path, text: str) -> None:
    for name in ("run.json", "plan.json", "fairness.json", "environment.json"):
        before = (stored / name).read_text()
        (stored / name).write_text(text if name != "environment.json" else f"[{text or 'x'}]")
        with pytest.raises(DamagedRunError, match=name) as caught:
            StoredRun.read(stored)
        assert "\n" not in str(caught.value)
        (stored / name).write_text(before)


def test_the_page_holds_the_run_and_is_the_same_for_the_same_run(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = tmp_path / "report.html"
    built.write_text(f"<html>{PLACE}</html>")
    monkeypatch.setattr(page, "PAGE", built)
    assert stored / "report.html" in write_report(StoredRun.read(stored))
    first = (stored / "report.html").read_text()
    write_report(StoredRun.read(stored))
    assert (stored / "report.html").read_text() == first
    packed = first.partition('stream">')[2].partition("<")[0]
    (run,) = json.loads(gzip.decompress(base64.b64decode(packed)))["runs"]
    assert run == StoredRun.read(stored).as_json()


def test_without_a_page_there_are_tables(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "none.html")
    assert [path.name for path in write_report(StoredRun.read(stored))] == ["report.md", "series.csv", "trials.csv"]

"""Whole runs of reduced scenarios against real servers: what is recorded, what is caught, what follows.

How fast anything is, is not asserted here: the machine may be busy, and then a run is void, as it should be.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from loadtest.histogram import UNIT, highest
from loadtest.record.directory import DamagedRunError, StoredRun
from loadtest.record.models import Latency, Trial
from stack.backends import Backend
from stack.ports import free_port
from stack.redis import RedisServer
from stack.server import ROOT

pytestmark = pytest.mark.slow

MEASURED = (0, 1, 3)
"""Passed, missed or void: whatever the machine was doing, it was measured."""


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def measured(out: Path, *arguments: str) -> StoredRun:
    """Make a run and return what is stored of it."""
    done = loadtest("run", *arguments, "--out", str(out), "--plain", "--patience", "0")
    assert done.returncode in MEASURED, done.stderr + done.stdout
    (path,) = out.iterdir()
    stored = StoredRun.read(path)
    assert stored.verdict is not None
    assert stored.verdict.exit_code == done.returncode
    assert stored.verdict.headline in done.stdout
    assert not [trial.error or trial.status for trial in stored.trials if trial.status != "complete"], done.stderr
    return stored


def clean(trial: Trial) -> bool:
    counts = trial.ledger.model_dump(exclude={"late_after_leave", "refused", "unsent", "disconnected"})
    return not any(counts.values())


def beyond(latency: Latency, seconds: float) -> int:
    """Return how many took longer than that."""
    return sum(count for bucket, count in latency.buckets if highest(bucket) * UNIT > seconds)


@pytest.fixture(scope="module")
def fanout(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    arguments = ["--target", "async", "--target", "sync", "--connections", "40", "--duration", "4", "--repeats", "1"]
    return measured(tmp_path_factory.mktemp("fanout"), "fanout", *arguments, "--processes", "2")


def test_every_delivery_is_accounted_for_by_two_processes(fanout: StoredRun) -> None:
    assert [trial.status for trial in fanout.trials] == ["complete", "complete"]
    for trial in fanout.trials:
        assert not any(trial.ledger.model_dump().values()), trial.examples
        counts = trial.denominators
        assert counts.intended == counts.connected == counts.delivered == fanout.plan.posts * 40
        assert sum(phase.latency.delivery.count for phase in trial.phases) == counts.delivered
        assert sum(phase.latency.last.count for phase in trial.phases) == 2 * fanout.plan.posts, "once per process"


def test_the_series_add_up_to_the_ledger(fanout: StoredRun) -> None:
    for trial in fanout.trials:
        seconds = [second for second in fanout.series() if second.label == trial.label]
        assert sum(second.deliveries for second in seconds) == trial.denominators.delivered
        assert sum(second.messages.sent for second in seconds) == fanout.plan.posts
        assert [second.t for second in seconds] == list(range(len(seconds)))


def test_the_server_is_seen_from_outside_and_from_inside(fanout: StoredRun) -> None:
    for label in ("async", "sync"):
        samples = [sample for sample in fanout.servers() if sample.label == label]
        assert {process.role for sample in samples for process in sample.processes} >= {"server", "redis"}
        assert any(sample.scheduler_lag for sample in samples)
        assert any(sample.redis and sample.redis.ops > 0 for sample in samples)


def test_replay_gives_the_same_report(fanout: StoredRun) -> None:
    assert fanout.verdict is not None
    again = loadtest("replay", str(fanout.path))
    assert again.returncode == fanout.verdict.exit_code
    assert again.stdout.rstrip() == (fanout.path / "report.md").read_text().rstrip()
    assert again.stderr == ""


def test_report_and_compare_read_what_is_stored(fanout: StoredRun) -> None:
    before = (fanout.path / "report.md").read_text()
    assert loadtest("report", str(fanout.path)).returncode == 0
    assert (fanout.path / "report.md").read_text() == before
    header, *lines = (fanout.path / "series.csv").read_text().splitlines()
    assert header.startswith("label,repeat,t,phase,members")
    assert len(lines) == len(list(fanout.series()))
    summed = loadtest("summary", str(fanout.path.parent), "--since", fanout.run.id)
    assert summed.returncode == 0
    assert "| fanout " in summed.stdout
    assert loadtest("summary", str(fanout.path.parent), "--since", "3").stderr == "loadtest: no run since 3\n"
    compared = loadtest("compare", str(fanout.path), str(fanout.path))
    assert compared.returncode == 0
    assert compared.stdout.count(f"async of {fanout.run.id}") == 2


def test_a_damaged_run_is_told_in_one_line(fanout: StoredRun, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(fanout.path, copy)
    series = copy / "series.jsonl"
    series.write_text(series.read_text()[:-20])
    with pytest.raises(DamagedRunError, match=r"series\.jsonl, line \d+"):
        StoredRun.read(copy)
    done = loadtest("report", str(copy))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_standstill_is_seen_from_the_intended_time_and_only_from_there(tmp_path: Path) -> None:
    stored = measured(tmp_path, "freeze", "--target", "async", "--duration", "6")
    (trial,) = stored.trials
    assert clean(trial), trial.examples
    (talk,) = trial.phases
    assert (trial.figures["delivery_p99"] or 0) > 1.5
    late = beyond(talk.latency.first, 1.0)
    assert late > 50, "of 100 messages that were due in the first second of it"
    assert beyond(talk.latency.uncorrected, 1.0) <= late / 10, "who waits for an answer is kept waiting once"
    (fault,) = (event for event in stored.events if event.kind == "fault")
    assert fault.name == "freeze server"
    assert fault.until is not None
    assert 1.9 < fault.until - fault.t < 3


def test_whoever_comes_back_gets_what_was_missed(tmp_path: Path) -> None:
    stored = measured(tmp_path, "jitter", "--target", "sync", "--connections", "60", "--duration", "5")
    (trial,) = stored.trials
    assert clean(trial), trial.examples
    assert trial.closes["cut"] > 20
    assert sum(second.recovered for second in stored.series()) > 0
    assert trial.denominators.connected == trial.denominators.delivered
    while_it_waits = [second.generator.loop_lag_p99 for second in stored.series() if second.phase is None]
    assert min(lag for lag in while_it_waits if lag is not None) < 0.01, (
        "waiting for those who come back is not lateness"
    )


def test_who_keeps_moving_gets_what_is_said_where_they_are(tmp_path: Path) -> None:
    stored = measured(tmp_path, "churn", "--target", "sync", "--connections", "60", "--duration", "4")
    (trial,) = stored.trials
    assert clean(trial), trial.examples
    assert trial.denominators.connected == trial.denominators.delivered > 0
    assert trial.counters["chat_commands_total"] > 60, "a move is a leave and a join"


def test_who_does_not_fit_is_refused_and_the_rest_is_served(tmp_path: Path) -> None:
    arguments = ["wall", "--target", "sync", "--connections", "120", "--duration", "5"]
    (trial,) = measured(tmp_path, *arguments).trials
    assert clean(trial), trial.examples
    assert trial.figures["members_max"] == 84
    assert trial.closes == {"HTTP 503": 36}
    assert trial.figures["http_failed"] == 0
    assert next(loss.deliveries for loss in trial.losses if loss.cause == "never got in") > 0


def test_a_server_that_loses_doubles_and_swaps_is_caught(tmp_path: Path) -> None:
    arguments = ["fanout", "--target", "broken", "--connections", "10", "--rate", "250", "--duration", "5"]
    stored = measured(tmp_path, *arguments)
    (trial,) = stored.trials
    posts = stored.plan.posts
    assert 1000 < posts < 1500
    assert (trial.ledger.lost, trial.ledger.reordered) == (10, 10)
    assert trial.ledger.duplicated == (20 if posts >= 1250 else 10)
    assert [(loss.cause, loss.deliveries) for loss in trial.losses] == [("client gap", 10)]
    assert trial.denominators.delivered == posts * 10 - 10
    assert stored.verdict is not None
    assert stored.verdict.exit_code in (1, 3)


def test_a_generator_that_cannot_keep_up_voids_the_run(tmp_path: Path) -> None:
    arguments = ["fanout", "--target", "null", "--connections", "200", "--rate", "20000", "--duration", "2"]
    stored = measured(tmp_path, *arguments)
    assert stored.verdict is not None
    assert stored.verdict.exit_code == 3
    assert "VOID" in stored.verdict.headline
    report = (stored.path / "report.md").read_text()
    assert "## Figures" not in report
    assert "deliveries/s" not in report


@pytest.mark.parametrize("whom", ["process", "group"])
def test_ctrl_c_leaves_a_valid_directory_and_no_process(whom: str, tmp_path: Path) -> None:
    """A terminal interrupts the whole group: the servers and the generator's processes, if they are in it, too."""
    command = [
        sys.executable,
        "-m",
        "loadtest",
        "run",
        "fanout",
        "--target",
        "async",
        "--out",
        str(tmp_path),
        "--plain",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as run:
        assert run.stderr is not None
        assert any("members  " in line for line in run.stderr)
        started = psutil.Process(run.pid).children(recursive=True)
        assert len(started) > 2
        (os.killpg if whom == "group" else os.kill)(run.pid, signal.SIGINT)
        said = run.stderr.read()
        assert run.wait(15) == 130
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(started, 5)
    assert not alive, started
    (path,) = tmp_path.iterdir()
    stored = StoredRun.read(path)
    assert stored.run.status == "interrupted"
    assert list(stored.series())
    assert stored.verdict is not None
    assert stored.verdict.outcome == "interrupted"
    again = loadtest("replay", str(path))
    assert again.returncode == 130
    assert again.stderr == ""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Backend]:
    with contextlib.ExitStack() as stack:
        redis = RedisServer(tmp_path / "redis")
        stack.callback(redis.kill)
        redis.start()
        settings = {"CHAT_COMMAND_RATE": "0", "CHAT_CONNECTION_RATE": "0"}
        yield stack.enter_context(Backend("sync", redis.url, settings=settings, log_path=tmp_path / "sync.log"))


def test_a_server_that_runs_already_is_measured_by_its_address(running: Backend, tmp_path: Path) -> None:
    arguments = ["fanout", "--target", running.url, "--connections", "20", "--duration", "2"]
    (trial,) = measured(tmp_path / "runs", *arguments).trials
    assert trial.status == "complete", trial.error
    assert trial.ledger.disconnected == trial.ledger.lost == 0
    assert running.running


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nothing"], "no scenario 'nothing'"),
        (["run", "fanout", "--target", "nobody"], "no target 'nobody'"),
        (["run", "fanout", "--target", "http://127.0.0.1:{port}"], "nobody answers there"),
        (["run", "fanout", "--target", "http://[::1"], "is no address"),
        (["run", "fanout", "--target", "ftp://127.0.0.1/"], "is no address to measure"),
        (["run", "fanout", "--target", "null", "--connections", "9000000"], "ulimit -n"),
        (["report", "{tmp}"], "there is no run.json"),
        (["replay", "{tmp}/none"], "there is no run.json"),
        (["compare", "{tmp}"], "there is no run.json"),
        (["summary", "{tmp}"], "there is no run.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_is_one_line_and_exit_code_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    filled = [argument.format(tmp=tmp_path, port=free_port()) for argument in arguments]
    done = loadtest(*filled, *(["--out", str(tmp_path / "out")] if filled[0] == "run" else []))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--connections", "--rate", "--duration", "--repeats", "--processes"])
def test_absurd_numbers_are_refused(option: str) -> None:
    done = loadtest("run", "fanout", option, "-1")
    assert done.returncode == 2
    assert option in done.stderr


def test_list_names_everything() -> None:
    done = loadtest("list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("fanout", "half_open", "async", "null", "http://HOST:PORT"))


@pytest.mark.parametrize("wrong", ["nobody", "silent"])
def test_a_target_that_does_not_conform_is_not_measured(wrong: str, tmp_path: Path) -> None:
    """It answers /healthz, and nothing else as it should."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(healthy(closing=wrong == "nobody"))
        arguments = ["run", "fanout", "--target", f"http://127.0.0.1:{port}", "--connections", "4", "--plain"]
        done = loadtest(*arguments, "--out", str(tmp_path))
    assert done.returncode == 4, done.stderr
    assert "does not conform" in done.stdout
    (path,) = tmp_path.iterdir()
    assert StoredRun.read(path).trials[0].conformance


@contextlib.contextmanager
def healthy(closing: bool) -> Iterator[int]:
    """Something on a port that is fit by its own account only; any other request it answers with 404, or closes."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if closing and self.path != "/healthz":
                self.connection.close()
                return
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()

"""The whole way, against real servers, for a few seconds."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadtest.generator import Generator, GeneratorError
from loadtest.ledger import Ledger
from loadtest.plan import Shape, make_plan
from loadtest.targets import HOST, TARGETS, Baseline
from stack.server import ROOT

SHAPE = Shape("small", "3 rooms of 10", 3, 10, 10)
BENCH = [sys.executable, "-m", "loadtest", "bench", "--target", "null", "--shape", "1to1", "--duration", "0.3"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Baseline]:
    with Baseline(TARGETS["null"], SHAPE.connections, None, tmp_path / "null.log") as server:
        yield server


def filled(server: Baseline, ledger: Ledger) -> Generator:
    generator = Generator((HOST, server.port), SHAPE, "test", ledger, lambda number: {})
    generator.open(10)
    generator.join(10)
    return generator


def test_every_delivery_is_accounted_for(server: Baseline) -> None:
    ledger = Ledger(objective=0.1)
    with filled(server, ledger) as generator:
        for label in ("a", "b"):
            posts = make_plan(SHAPE, 300, 0.5, 1, label)
            before = ledger.delivered
            offered = generator.run(posts, warm_up=0.2)
            measured = [post for post in posts if post.due >= 0.2]
            assert offered.sent == offered.planned == len(posts)
            assert offered.settled
            assert ledger.delivered - before == len(posts) * SHAPE.members
            assert ledger.latency.count == len(measured) * SHAPE.members
    assert not any(ledger.faults.counts().values()), ledger.faults.examples


def test_a_server_that_dies_is_noticed_and_its_backlog_is_no_loss(server: Baseline) -> None:
    ledger = Ledger(objective=0.1)
    with filled(server, ledger) as generator:
        threading.Timer(0.2, server.kill).start()
        generator.run(make_plan(SHAPE, 300, 0.6, 1, "a"), warm_up=0.0)
        counts = ledger.faults.counts()
        assert counts["disconnected"] == SHAPE.connections
        assert counts["unsent"] > 0
        assert not ledger.faults.broken
        with pytest.raises(GeneratorError, match=r"connection 0 of 30: Connection refused"):
            generator.refill(5)


def test_members_that_were_disconnected_come_back_for_the_next_step(server: Baseline) -> None:
    ledger = Ledger(objective=0.1)
    with filled(server, ledger) as generator:
        for number in (3, 17):
            generator.connections[number].socket.shutdown(socket.SHUT_RDWR)
        generator.run(make_plan(SHAPE, 300, 0.2, 1, "a"), warm_up=0.0)
        assert ledger.faults.counts()["disconnected"] == 2
        generator.refill(5)
        before = ledger.delivered
        posts = make_plan(SHAPE, 300, 0.2, 1, "b")
        generator.run(posts, warm_up=0.0)
        assert ledger.delivered - before == len(posts) * SHAPE.members
        assert ledger.faults.counts()["disconnected"] == 2
    assert not ledger.faults.broken, ledger.faults.examples


@pytest.mark.slow
def test_bench_writes_table_and_json(tmp_path: Path) -> None:
    done = subprocess.run([*BENCH, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| null " in done.stdout
    (saved,) = tmp_path.glob("*.json")
    found = json.loads(saved.read_text())
    assert found["rows"][0]["held_rate"] >= 50
    assert saved.with_suffix(".md").read_text() in done.stdout
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*BENCH, "--out", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as bench:
        assert bench.stderr is not None
        assert any("msg/s" in line for line in bench.stderr)
        started = psutil.Process(bench.pid).children(recursive=True)
        assert started
        bench.send_signal(signal.SIGINT)
        assert bench.wait(10) == 130
    deadline = time.monotonic() + 5
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in started):
        assert time.monotonic() < deadline, started
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--target", "nobody"], ["--shape", "round"], ["--duration", "0"]], ids=str)
def test_misuse_says_so(arguments: list[str]) -> None:
    done = subprocess.run([*BENCH, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage:" in done.stderr

"""What workers say of themselves, once a second by their own clocks."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_core.stats import SILENT_AFTER, VERSION
from loadtest.conductor.counters import Counters

Say = Callable[[int, int], None]
HERE = os.getpid()


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[Counters]:
    with Counters(tmp_path / "stats") as counters:
        yield counters


@pytest.fixture
def say(counters: Counters) -> Iterator[Say]:
    """A worker with that number says how many connections it has."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:

        def send(pid: int, connections: int) -> None:
            values = {"chat_connections_open": connections} if connections else {}
            said = {"version": VERSION, "pid": pid, "values": values, "histograms": {}}
            speaker.sendto(json.dumps(said).encode(), str(counters.path))

        yield send


def test_a_word_that_is_late_is_no_loss_of_connections(counters: Counters, say: Say) -> None:
    say(HERE, 5)
    for now in (0.0, SILENT_AFTER):
        counters.listen(now)
        assert counters.connections(HERE) == counters.values()["chat_connections_open"] == 5
    counters.listen(SILENT_AFTER + 0.1)
    assert counters.connections(HERE) is None
    assert counters.values() == {}, "nothing is known, which is not nothing"


def test_who_has_no_connection_says_so(counters: Counters, say: Say) -> None:
    say(HERE, 0)
    counters.listen(0.0)
    assert counters.connections(HERE) == counters.values()["chat_connections_open"] == 0


def test_a_worker_that_is_gone_has_no_connections(counters: Counters, say: Say) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    say(gone.pid, 7)
    say(HERE, 5)
    counters.listen(0.0)
    assert counters.values()["chat_connections_open"] == 5

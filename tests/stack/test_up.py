"""`python -m stack up`: what a person sees, and that nothing is left behind, however it ends."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from stack.__main__ import main
from stack.ports import free_port
from stack.server import ROOT

Until = Callable[[Callable[[], bool]], None]
Alive = Callable[[int], bool]


@contextmanager
def _up(data: Path, *options: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    ports = [f"--port={name}={free_port()}" for name in ("async", "sync")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.stack.up_with_stand_ins",
            "up",
            "--data",
            str(data),
            "--monitor=0",
            *ports,
            *options,
        ],
        cwd=ROOT,
        env=kept | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _addresses(process: subprocess.Popen[str]) -> dict[str, int]:
    """Read what it prints until it is up: the ports by title."""
    assert process.stdout is not None
    ports = {}
    for line in process.stdout:
        if match := re.fullmatch(r"  (FastAPI chat|Flask chat) +http://127\.0\.0\.1:(\d+) .*\n", line):
            ports[match[1]] = int(match[2])
        if "Ctrl-C stops everything" in line:
            return ports
    raise AssertionError(f"it ended: {process.communicate()[1]}")


def _descendants(process: subprocess.Popen[str]) -> list[int]:
    """Guard, Redis, two backends and a child of each."""
    pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    return pids if len(pids) == 6 else []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_in_order_when_asked(number: signal.Signals, tmp_path: Path, alive: Alive, until: Until) -> None:
    with _up(tmp_path) as process:
        _addresses(process)
        until(lambda: bool(_descendants(process)))
        pids = _descendants(process)
        process.send_signal(number)
        _, said = process.communicate(timeout=10)
        assert (process.returncode, said) == (0, "")
        until(lambda: not any(map(alive, pids)))


def test_nothing_is_left_when_it_is_killed(tmp_path: Path, alive: Alive, until: Until) -> None:
    with _up(tmp_path, CHAT_STAND_IN="stubborn") as process:
        _addresses(process)
        until(lambda: bool(_descendants(process)))
        pids = _descendants(process)
        os.kill(pids[-1], signal.SIGSTOP)
        process.kill()
        until(lambda: not any(map(alive, pids)))


def test_second_signal_kills(tmp_path: Path) -> None:
    with _up(tmp_path, CHAT_STAND_IN="stubborn") as process:
        _addresses(process)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert any("Ctrl-C again kills" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0


def test_signal_while_starting_stops_it(tmp_path: Path) -> None:
    with _up(tmp_path, CHAT_STAND_IN="silent") as process:
        assert process.stdout is not None
        assert "Redis" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_server_that_ends_by_itself_is_said_and_ends_all(tmp_path: Path, alive: Alive, until: Until) -> None:
    with _up(tmp_path) as process:
        _addresses(process)
        until(lambda: bool(_descendants(process)))
        pids = _descendants(process)
        redis = next(pid for pid in pids if "redis-server" in psutil.Process(pid).cmdline()[0])
        os.kill(redis, signal.SIGKILL)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 1
        assert re.fullmatch(r"tandem: redis ended unexpectedly \(exit code -9\): .*\(log: .*redis\.log\)\n", said)
        until(lambda: not any(map(alive, pids)))


def test_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with _up(tmp_path, f"--port=sync={port}") as process:
            _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert re.fullmatch(rf"tandem: CHAT_PORT: port {port} is taken.*\n", said)


def test_each_backend_is_told_its_twin_and_the_options(tmp_path: Path) -> None:
    with _up(tmp_path, "--workers=2", "--threads=64", CHAT_HISTORY="7", CHAT_SECRET="mine") as process:
        ports = _addresses(process)
        for title, twin in (("FastAPI chat", "Flask chat"), ("Flask chat", "FastAPI chat")):
            with closing(http.client.HTTPConnection("127.0.0.1", ports[title], timeout=5)) as connection:
                connection.request("GET", "/")
                seen = json.loads(connection.getresponse().read())
            assert seen["CHAT_TWIN"] == f":{ports[twin]}"
            assert seen["CHAT_REDIS_URL"].startswith("unix://")
            told = [seen[f"CHAT_{name}"] for name in ("WORKERS", "THREADS", "HISTORY", "SECRET")]
            assert told == ["2", "64", "7", "mine"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "9000"], "with several say --port PROFILE=PORT"),
        (["--port", "async=9000", "--port", "sync=9000"], "async and sync would share port 9000"),
        (["--profile", "async", "--profile", "async-portable"], "async and async-portable would share port 8001"),
        (["--profile", "async", "--port", "sync=1"], "sync is not one of the profiles to start"),
        (["--port", "async=many"], "--port: 'many' is not a number"),
        (["--port", "async=65536"], "--port: '65536' is not a number from 1 to 65535"),
        (["--cpus", "2-1"], "--cpus: '1' is not a number from 2"),
        (["--workers", "0"], "--workers: '0' is not a number from 1"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--data", str(tmp_path), *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tandem: ")
    assert said in err
    assert err.count("\n") == 1


def test_help_explains_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["up", "--help"])
    said = capsys.readouterr().out
    for word in ("async-portable", "sync-gevent", "--workers", "--port", "--cpus", "CHAT_REDIS_URL"):
        assert word in said

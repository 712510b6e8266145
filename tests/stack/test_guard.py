"""No process outlives the one that started it, whatever happens to that one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.backends import Backend
from stack.errors import StackError
from stack.guard import GRACE, Guard
from stack.profiles import Profile
from stack.server import ROOT

Until = Callable[[Callable[[], bool]], None]
Alive = Callable[[int], bool]

START = """
import os, signal, sys, time
from pathlib import Path
from stack.backends import Backend
from stack.guard import GUARD
from tests.stack.conftest import STAND_IN
backend = Backend(STAND_IN, "unix:///nowhere", log_path=Path(sys.argv[1]) / "log")
"""


def _run(script: str, tmp_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START + script, str(tmp_path)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_server_ends_when_its_starter_is_killed(tmp_path: Path, alive: Alive, until: Until) -> None:
    script = "backend.start(); print(*backend.pids(), flush=True); backend.freeze(); time.sleep(600)"
    with _run(script, tmp_path) as starter:
        assert starter.stdout is not None
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        assert pids
        starter.kill()
        killed = time.monotonic()
        until(lambda: not any(map(alive, pids)))
        assert time.monotonic() - killed < GRACE, "frozen as it was, it never got the chance to stop by itself"


def test_starter_killed_before_the_guard_knows_starts_nothing(tmp_path: Path, alive: Alive, until: Until) -> None:
    started = tmp_path / "started"
    script = f"""
backend.command = lambda: ["/usr/bin/env", "touch", {str(started)!r}]
GUARD.watch = lambda group: (print(group, flush=True), os.kill(os.getpid(), signal.SIGKILL))
backend.launch()
"""
    with _run(script, tmp_path) as starter:
        assert starter.stdout is not None
        child = int(starter.stdout.readline())
        until(lambda: not alive(child))
    assert not started.exists()


def test_forked_child_of_the_starter_does_not_keep_servers_alive(tmp_path: Path, alive: Alive, until: Until) -> None:
    script = """
backend.start()
forked = os.fork()
if forked:
    print(forked, *backend.pids(), flush=True)
time.sleep(600)
"""
    with _run(script, tmp_path) as starter:
        assert starter.stdout is not None
        forked, *pids = [int(pid) for pid in starter.stdout.readline().split()]
        try:
            starter.kill()
            until(lambda: not any(map(alive, pids)))
            assert alive(forked)
        finally:
            os.kill(forked, signal.SIGKILL)


def test_without_a_guard_nothing_is_started(stand_in: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard()
    guard.watch(2**22 + 1)  # a number that no process has: the guard is running from here on
    assert guard._process is not None
    guard._process.kill()
    guard._process.wait()
    monkeypatch.setattr("stack.server.GUARD", guard)
    backend = Backend(stand_in, "unix:///nowhere", log_path=tmp_path / "log")
    with pytest.raises(StackError, match="guard process has ended"):
        backend.start()
    assert not backend.running


def test_watched_directory_is_removed(tmp_path: Path) -> None:
    left, kept = tmp_path / "left", tmp_path / "kept"
    (left / "inside").mkdir(parents=True)
    kept.mkdir()
    guard = Guard()
    guard.remove(left)
    guard.close()
    assert not left.exists()
    assert kept.exists()

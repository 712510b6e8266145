"""What is asked of the stack over its control socket is done, and set right again."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stack.control import Control
from stack.profiles import Profile
from stack.up import Stack

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def stack(tmp_path: Path, stand_in: Profile) -> Iterator[Stack]:
    with Stack([stand_in], data_dir=tmp_path) as stack:
        yield stack


@pytest.fixture
def control(stack: Stack, tmp_path: Path) -> Iterator[Control]:
    control = Control(stack.servers, stack.redis.url, tmp_path / "control")
    yield control
    control.close()


def ask(directory: Path, **question: Any) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(directory / "control"))
        with connection.makefile("rw") as lines:
            lines.write(json.dumps(question) + "\n")
            lines.flush()
            return dict(json.loads(lines.readline()))


def test_it_says_what_runs(stack: Stack, control: Control, tmp_path: Path) -> None:
    told = ask(tmp_path, do="describe")
    backend = stack.backends["stand-in"]
    assert [server["name"] for server in told["servers"]] == ["stand-in", "redis"]
    about = {"name": "stand-in", "pid": backend.pid, "hurt": False, "title": "Stand-in", "model": "asgi", "workers": 1}
    assert told["servers"][0] == about | {"url": backend.url}
    assert (tmp_path / "control").stat().st_mode & 0o077 == 0


def test_whoever_hangs_up_before_the_answer_hurts_nobody(stack: Stack, control: Control) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(b'{"do": "describe"}\n')
    ours.close()
    control._converse(theirs)
    assert theirs.fileno() == -1


@pytest.mark.parametrize("act", ["kill", "kill_worker", "drain"])
def test_what_is_ended_comes_back(stack: Stack, control: Control, tmp_path: Path, act: str) -> None:
    backend = stack.backends["stand-in"]
    before = backend.pid
    told = ask(tmp_path, do=act, server="stand-in", seconds=0.1)
    assert told["seconds"] >= 0.1
    assert backend.pid != before
    assert backend.probe() is None
    assert stack.fallen() is None


def test_what_is_frozen_goes_on_and_is_not_hurt_twice_at_once(
    stack: Stack, control: Control, tmp_path: Path, until: Until
) -> None:
    backend = stack.backends["stand-in"]
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(ask(tmp_path, do="freeze", server="stand-in", seconds=0.5)))
    asking.start()
    until(lambda: psutil.Process(backend.pid).status() == psutil.STATUS_STOPPED)
    assert ask(tmp_path, do="describe")["servers"][0]["hurt"] is True
    assert ask(tmp_path, do="kill", server="stand-in") == {"error": "stand-in is being hurt already"}
    asking.join()
    assert answers[0]["seconds"] >= 0.5
    assert backend.probe() is None


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"do": "explode", "server": "stand-in"}, "there is no 'explode' for 'stand-in' here"),
        ({"do": "kill", "server": "other"}, "there is no 'kill' for 'other' here"),
        ({"do": "freeze", "server": "redis", "seconds": 3600}, "3600 s: from 0 to 30 can be had"),
        ({"do": "freeze", "server": "redis", "seconds": "long"}, "not understood: "),
        ({}, "not understood: "),
    ],
)
def test_what_makes_no_sense_is_told_so(
    stack: Stack, control: Control, tmp_path: Path, question: dict[str, Any], said: str
) -> None:
    assert ask(tmp_path, **question)["error"].startswith(said)
    assert all(server.running for server in stack.servers)

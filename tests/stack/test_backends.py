"""One backend: its environment, its ports, its ends."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stack.backends import Backend
from stack.errors import StackError
from stack.profiles import Profile

NOWHERE = "unix:///nowhere"


@pytest.fixture
def backend(stand_in: Profile, tmp_path: Path) -> Iterator[Backend]:
    with Backend(stand_in, NOWHERE, log_path=tmp_path / "log") as running:
        yield running


def _environment(backend: Backend) -> dict[str, Any]:
    with closing(http.client.HTTPConnection(backend.host, backend.port, timeout=5)) as connection:
        connection.request("GET", "/")
        return dict(json.loads(connection.getresponse().read()))


def test_backend_sees_its_settings_and_nothing_of_ours(
    stand_in: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_HISTORY", "7")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    settings = {"CHAT_TWIN": ":8002"}
    with Backend(stand_in, NOWHERE, workers=3, settings=settings, log_path=tmp_path / "log") as backend:
        seen = _environment(backend)
    assert {name: value for name, value in seen.items() if name.startswith("CHAT_")} == {
        "CHAT_HOST": "127.0.0.1",
        "CHAT_PORT": str(backend.port),
        "CHAT_REDIS_URL": NOWHERE,
        "CHAT_RUNTIME_DIR": seen["CHAT_RUNTIME_DIR"],
        "CHAT_TWIN": ":8002",
        "CHAT_WORKERS": "3",
    }
    assert "PYTHONPATH" not in seen


def test_every_process_of_it_is_seen_and_killed(
    backend: Backend, alive: Callable[[int], bool], until: Callable[[Callable[[], bool]], None]
) -> None:
    until(lambda: len(backend.pids()) == 2)
    parent, child = backend.pids()
    backend.kill()
    assert not alive(parent)
    until(lambda: not alive(child))


def test_child_that_outlives_its_parent_is_ended(
    backend: Backend, alive: Callable[[int], bool], until: Callable[[Callable[[], bool]], None]
) -> None:
    until(lambda: len(backend.pids()) == 2)
    child = backend.pids()[1]
    assert backend.stop() == -signal.SIGTERM
    until(lambda: not alive(child))


def test_frozen_backend_answers_again_when_thawed(backend: Backend) -> None:
    backend.freeze()
    assert backend.probe() == "it does not answer GET /readyz"
    backend.thaw()
    assert backend.probe() is None


def test_restart_keeps_the_address(backend: Backend) -> None:
    url, pid = backend.url, backend.pid
    backend.restart()
    assert backend.url == url
    assert backend.pid != pid
    assert backend.probe() is None


def test_one_that_ignores_the_request_to_stop_is_killed(stand_in: Profile, tmp_path: Path) -> None:
    settings = {"CHAT_STAND_IN": "stubborn"}
    with Backend(stand_in, NOWHERE, settings=settings, log_path=tmp_path / "log") as backend:
        assert backend.stop(grace=0.2) == -signal.SIGKILL


def test_taken_port_is_one_line_that_names_the_setting(stand_in: Profile, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"^CHAT_PORT: port {port} is taken.*$"):
            Backend(stand_in, NOWHERE, port=port, log_path=tmp_path / "log").start()


def test_port_of_our_choice_that_was_taken_meanwhile_is_chosen_again(stand_in: Profile, tmp_path: Path) -> None:
    backend = Backend(stand_in, NOWHERE, log_path=tmp_path / "log")
    lost = backend.port
    with socket.create_server(("127.0.0.1", lost)), backend:
        assert backend.port != lost


def test_port_lost_at_the_last_moment_is_chosen_again(
    stand_in: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend(stand_in, NOWHERE, log_path=tmp_path / "log")
    lost = backend.port
    with socket.create_server(("127.0.0.1", lost)):
        answers = iter([True])
        monkeypatch.setattr("stack.backends.is_free", lambda host, port: next(answers, False))
        with backend:
            assert backend.port != lost


def test_crash_at_start_quotes_the_log(stand_in: Profile, tmp_path: Path) -> None:
    backend = Backend(stand_in, NOWHERE, settings={"CHAT_STAND_IN": "crash"}, log_path=tmp_path / "log")
    with pytest.raises(
        StackError, match=r"^stand-in ended before it was ready \(exit code 1\): the stand-in was told to crash \(log: "
    ):
        backend.start()


def test_one_that_never_gets_ready_is_given_up(
    stand_in: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backend, "ready_within", 0.5)
    backend = Backend(stand_in, NOWHERE, settings={"CHAT_STAND_IN": "silent"}, log_path=tmp_path / "log")
    with pytest.raises(StackError, match="GET /readyz says 503"):
        backend.start()
    assert not backend.running


def test_program_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    profile = Profile("absent", "Absent", "asgi", 0, ("/nowhere/program",), "")
    with pytest.raises(StackError, match="exit code 127"):
        Backend(profile, NOWHERE, log_path=tmp_path / "log").start()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPU sets need Linux")
def test_all_its_processes_stay_on_their_cpus(
    stand_in: Profile, tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    cpu = min(os.sched_getaffinity(0))
    with Backend(stand_in, NOWHERE, cpus={cpu}, log_path=tmp_path / "log") as backend:
        until(lambda: len(backend.pids()) == 2)
        assert [os.sched_getaffinity(pid) for pid in backend.pids()] == [{cpu}, {cpu}]


def test_cpu_that_does_not_exist_is_a_clear_error(stand_in: Profile, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"cannot run on CPUs 4000|CPU sets need Linux"):
        Backend(stand_in, NOWHERE, cpus={4000}, log_path=tmp_path / "log").start()


def test_log_of_the_run_before_is_kept(stand_in: Profile, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    with Backend(stand_in, NOWHERE, log_path=log):
        assert (tmp_path / "log.1").read_text() == "before\n"


def test_address_of_a_backend_that_listens_everywhere(stand_in: Profile) -> None:
    everywhere = Backend(stand_in, NOWHERE, port=8001, settings={"CHAT_HOST": "::"})
    assert everywhere.ws_url == "ws://[::1]:8001/ws"

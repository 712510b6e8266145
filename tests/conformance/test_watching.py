"""A backend seen by who watches it: its counters by datagram, and what its handlers do when they misbehave."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.backends import Backend
from tests.conformance.conftest import Enter
from tests.wire.people import fresh_room
from tests.wire.rest import Rest
from tests.wire.servers import Servers

WORKERS = 2
CONNECTIONS = 6


@dataclass
class Watched:
    """A backend and the socket that it reports to."""

    backend: Backend
    socket: socket.socket

    def hear(self) -> dict[str, Any]:
        """Wait for the next datagram."""
        return dict(json.loads(self.socket.recv(65536)))


@pytest.fixture(scope="module", params=["async", "sync", "sync-gevent"])
def watched(request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Any:
    servers.backend("async")  # so that Redis runs
    path = tmp_path_factory.mktemp("watch") / "stats"
    settings = {"CHAT_STATS_SOCKET": str(path), "CHAT_DIAGNOSTICS": "1", "CHAT_DRAIN_SECONDS": "0"}
    backend = servers.unstarted(request.param, workers=WORKERS, settings=settings)
    with closing(_listen(path)) as listener, backend:
        yield Watched(backend, listener)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(10)
    listener.bind(str(path))
    return listener


async def test_every_worker_reports_and_together_they_are_what_a_scrape_says(
    watched: Watched, enter: Enter, http: Rest
) -> None:
    for number in range(CONNECTIONS):
        await enter(watched.backend, fresh_room(), name=f"M{number}")
    latest: dict[int, dict[str, Any]] = {}
    while len(latest) < WORKERS or _sum(latest, "chat_connections_open") != CONNECTIONS:
        heard = watched.hear()
        assert heard["sequence"] > latest.get(heard["pid"], {"sequence": 0})["sequence"]
        latest[heard["pid"]] = heard
    assert set(latest) <= set(watched.backend.pids())
    assert {one["backend"] for one in latest.values()} == {watched.backend.name.partition("-")[0]}
    scraped = http.get(f"{watched.backend.url}/metrics").text.splitlines()
    for name in ('chat_handshakes_total{outcome="accepted"}', 'chat_commands_total{type="join"}'):
        assert f"{name} {_sum(latest, name)}" in scraped
    for one in latest.values():
        beats = sum(one["histograms"]["chat_scheduler_lag_seconds"]["counts"])
        assert beats >= 4 * (one["sequence"] - 1), "the scheduler is looked at all the time"


def _sum(latest: dict[int, dict[str, Any]], name: str) -> float:
    return float(sum(one["values"].get(name, 0) for one in latest.values()))


@pytest.mark.parametrize("profile", ["async", "sync"])
async def test_a_listener_that_never_reads_changes_nothing(
    profile: str, servers: Servers, enter: Enter, tmp_path: Path
) -> None:
    path = tmp_path / "stats"
    with closing(_listen(path)), closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as stuffer:
        stuffer.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                stuffer.sendto(b"x" * 1000, str(path))
        with servers.unstarted(
            profile, settings={"CHAT_STATS_SOCKET": str(path), "CHAT_DRAIN_SECONDS": "0"}
        ) as backend:
            chat = await enter(backend, room := fresh_room())
            began = time.monotonic()
            while time.monotonic() - began < 1.5:  # it has reported, or tried to, at least once
                await chat.post(room, "on we go")


@pytest.fixture
def blocking(watched: Watched, http: Rest) -> Iterator[threading.Thread]:
    """A handler of one worker that sleeps for a second."""
    thread = threading.Thread(target=_misbehave, args=(watched.backend, "block", 1.0))
    thread.start()
    yield thread
    thread.join()


def _misbehave(backend: Backend, how: str, seconds: float) -> Any:
    with Rest() as http:
        return http.post(f"{backend.url}/api/diagnostics/{how}", json={"seconds": seconds})


@pytest.mark.parametrize("how", ["block", "burn"])
def test_a_handler_misbehaves_for_as_long_as_it_is_told(watched: Watched, how: str) -> None:
    began = time.monotonic()
    answer = _misbehave(watched.backend, how, 0.3)
    assert answer.status_code == 200, answer.text
    assert 0.3 <= answer.json()["seconds"] <= time.monotonic() - began


def test_a_blocking_handler_shows_in_the_lag_of_a_loop_and_not_in_that_of_threads(
    watched: Watched, blocking: threading.Thread
) -> None:
    def longest() -> float:
        """Wait until every worker has reported twice since now: the upper bound of the longest lag among them."""
        reports: dict[int, list[dict[str, Any]]] = {}
        while len(reports) < WORKERS or any(len(heard) < 2 for heard in reports.values()):
            heard = watched.hear()
            reports.setdefault(heard["pid"], []).append(heard["histograms"]["chat_scheduler_lag_seconds"])
        bounds: list[float] = []
        for heard in (heard[-1] for heard in reports.values()):
            bounds += [bound for bound, count in zip([*heard["bounds"], 60], heard["counts"], strict=True) if count]
        return max(bounds)

    blocking.join()
    if watched.backend.profile.model == "asgi":
        assert longest() >= 1
    else:
        assert longest() < 1


@pytest.mark.parametrize("body", [{}, {"seconds": 10.1}, {"seconds": -1}, {"seconds": "long"}])
def test_a_diagnosis_without_end_is_refused(watched: Watched, http: Rest, body: Any) -> None:
    answer = http.post(f"{watched.backend.url}/api/diagnostics/block", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:tandem:problem:invalid")
    elsewhere = http.post(
        f"{watched.backend.url}/api/diagnostics/block", json={"seconds": 0}, headers={"Origin": "http://evil.example"}
    )
    assert elsewhere.status_code == 403


def test_diagnostics_are_documented_where_they_are_and_not_there_otherwise(
    watched: Watched, servers: Servers, http: Rest
) -> None:
    lone = servers.backend(watched.backend.name)
    assert "/api/diagnostics/burn" in http.get(f"{watched.backend.url}/openapi.json").json()["paths"]
    assert "/api/diagnostics/burn" not in http.get(f"{lone.url}/openapi.json").json()["paths"]
    answer = http.post(f"{lone.url}/api/diagnostics/burn", json={"seconds": 0})
    nowhere = http.post(f"{lone.url}/api/nowhere", json={"seconds": 0})
    assert (answer.status_code, answer.json()) == (nowhere.status_code, nowhere.json())
    assert answer.status_code == 404

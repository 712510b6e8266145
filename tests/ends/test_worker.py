"""What `ChatWorker` does that gunicorn's own thread worker does not."""

import os
import resource
import signal
import socket
from collections.abc import Callable

import psutil
import pytest

from tests.ends.conftest import SERVERS, Server

Start = Callable[..., Server]


@pytest.fixture(params=["gthread", "gevent"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_mute_peers_do_not_hold_up_http(start: Start, kind: str) -> None:
    """Ten peers that never answer our close: gunicorn's worker would wait 2 s for each, one after the other."""
    server = start(kind)
    peers = [server.peer() for _ in range(10)]
    for peer in peers:
        peer.send("leave")
        peer.receive()
    assert max(server.healthz() for _ in range(20)) < 0.5


def ask_and_stay(server: Server) -> socket.socket:
    """Return a client that got its answer with ``Connection: close``, and does not close."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 200 " in client.recv(4096)
    return client


def test_mute_http_clients_do_not_hold_up_http(start: Start) -> None:
    server = start("gthread")
    clients = [ask_and_stay(server) for _ in range(10)]
    assert max(server.healthz() for _ in range(20)) < 0.5
    for client in clients:
        client.close()


def test_connections_are_counted_out_once(start: Start) -> None:
    server = start("gthread")
    observer = server.peer()
    for _ in range(5):
        polite, vanishing, refused, sent_away = [server.peer() for _ in range(4)]
        polite.send(b"\x03\xe8", 8)
        vanishing.close()
        refused.send(b"\0", 2)
        sent_away.send("leave")
        for peer in (polite, refused, sent_away):
            peer.receive()
            peer.close()
    server.until(lambda: bool(observer.ask("who")["nr_conns"] == 1))
    assert observer.ask("who")["connections"] == 1


def test_one_thread_and_one_descriptor_per_connection(start: Start) -> None:
    server = start("gthread")
    observer = server.peer()
    process = psutil.Process(observer.ask("who")["pid"])
    threads, descriptors = process.num_threads(), process.num_fds()
    peers = [server.peer() for _ in range(20)]
    server.until(lambda: bool(observer.ask("who")["connections"] == 21))
    assert process.num_threads() - threads <= 20
    assert process.num_fds() - descriptors == 20
    for peer in peers:
        peer.close()
    server.until(lambda: process.num_fds() == descriptors)


def test_draining_worker_leaves_the_listener_to_its_sibling(start: Start, kind: str) -> None:
    server = start(kind, "--workers", "2")
    peers = [server.peer() for _ in range(12)]
    pids = [peer.ask("who")["pid"] for peer in peers]
    draining = peers[0]
    os.kill(pids[0], signal.SIGTERM)
    frame = draining.receive()
    assert (frame.opcode, frame.code) == (8, 1012)
    for _ in range(10):  # the peer does not answer, so its worker is still there
        peer = server.peer()
        assert peer.ask("who")["pid"] != pids[0]
    assert psutil.pid_exists(pids[0])
    for peer, pid in zip(peers, pids, strict=True):
        if pid != pids[0]:
            assert peer.ask("who")["pid"] == pid
    server.until(lambda: not psutil.pid_exists(pids[0]))


def test_running_out_of_descriptors_ends_nothing(start: Start, kind: str) -> None:
    server = start(kind)
    observer = server.peer()
    pid = observer.ask("who")["pid"]
    now = psutil.Process(pid).num_fds()
    _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (now + 4, most))
    waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    server.until(lambda: psutil.Process(pid).num_fds() >= now + 4)
    observer.send("still here")
    assert observer.receive().payload == b"still here"
    for client in waiting:
        client.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
    server.until(lambda: server.healthz() < 5)
    assert observer.ask("who")["pid"] == pid
    server.may_log = True  # gevent prints the error of each attempt, and gunicorn that of a selector it cannot make


def test_stock_worker_shows_that_these_tests_can_fail(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that `ChatWorker` is there for, in gunicorn as it is."""
    monkeypatch.setitem(SERVERS, "stock", ["gunicorn", "-c", "tests/ends/gunicorn_conf.py", "-k", "gthread"])
    server = start("stock")
    with ask_and_stay(server):
        assert max(server.healthz() for _ in range(5)) > 1.5

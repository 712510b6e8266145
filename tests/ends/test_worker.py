"""What `ChatWorker` does that gunicorn's own thread worker does not."""

import os
import resource
import signal
import socket
from collections.abc import Callable

import psutil
import pytest

from tests.ends.commands import CLOSE_TIMEOUT
from tests.ends.conftest import SYNC, THREADS, Server, on
from tests.ends.gunicorn_conf import threads as POOL
from tests.ends.peer import BINARY, CLOSE, TEXT

NORMAL = b"\x03\xe8"

Start = Callable[..., Server]


@on(SYNC)
def test_conversation_runs_when_its_request_is_over(server: Server) -> None:
    within, after = server.peer(target="/ws?within"), server.peer()
    assert not within.ask("who")["request_over"]
    assert after.ask("who")["request_over"]


@on(THREADS)
def test_conversations_leave_the_pool_to_requests(server: Server) -> None:
    peers = [server.peer() for _ in range(POOL + 4)]
    assert {peer.ask("who")["thread"] for peer in peers} == {"connection"}
    assert server.healthz() < 0.5
    assert server.peer(target="/ws?within").ask("who")["thread"].startswith("ThreadPoolExecutor")


@on(SYNC)
@pytest.mark.parametrize("target", ["/ws", "/ws?within"], ids=["after-the-request", "within-the-request"])
def test_conversation_that_fails_ends_in_order_with_1011(server: Server, target: str) -> None:
    server.may_log = True
    peer = server.peer(target=target)
    peer.send("first")
    peer.send("crash")
    peer.send("not heard")
    frames = [peer.receive(), peer.receive()]
    assert [frame.opcode for frame in frames] == [TEXT, CLOSE]
    assert (frames[0].payload, frames[1].code) == (b"first", 1011)
    with pytest.raises(EOFError):  # not an HTTP answer
        peer.receive()
    peer.close()
    server.until(lambda: server.connections() == 0, CLOSE_TIMEOUT)
    server.until(lambda: "RuntimeError: as asked" in server.log)


@on(THREADS)
def test_connections_are_counted_out_once(server: Server) -> None:
    server.may_log = True
    observer = server.peer()
    for target in ["/ws", "/ws", "/ws", "/ws?within", "/ws?within"]:
        polite, vanishing, refused, sent_away, crashed = peers = [server.peer(target=target) for _ in range(5)]
        assert observer.ask("who")["nr_conns"] >= 1 + len(peers)
        polite.send(NORMAL, CLOSE)
        vanishing.close()
        refused.send(b"\0", BINARY)
        sent_away.send("leave")
        crashed.send("crash")
        for peer in (polite, refused, sent_away, crashed):
            assert peer.receive().opcode == CLOSE
            peer.close()
        server.until(lambda: bool(observer.ask("who")["nr_conns"] == 1))
    assert observer.ask("who")["connections"] == 1


@on(THREADS)
def test_one_thread_and_one_descriptor_per_connection(server: Server) -> None:
    observer = server.peer()
    process = psutil.Process(observer.ask("who")["pid"])
    server.until(lambda: bool(observer.ask("who")["nr_conns"] == 1))
    descriptors = process.num_fds()
    peers = [server.peer() for _ in range(20)]
    server.until(lambda: observer.ask("who")["threads"].count("connection") == 21)
    server.until(lambda: process.num_threads() == len(observer.ask("who")["threads"]))  # none that Python does not know
    others = {name.partition("-")[0] for name in observer.ask("who")["threads"]}
    assert others == {"MainThread", "ThreadPoolExecutor", "flusher", "connection"}
    assert process.num_fds() - descriptors == 20
    for peer in peers:
        peer.close()
    server.until(lambda: process.num_fds() == descriptors)
    server.until(lambda: observer.ask("who")["threads"].count("connection") == 1)


def ask_and_stay(server: Server) -> socket.socket:
    """Return a client that got its answer with ``Connection: close``, and does not close."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 200 " in client.recv(4096)
    return client


@on(THREADS)
def test_mute_http_clients_do_not_hold_up_http(server: Server) -> None:
    clients = [ask_and_stay(server) for _ in range(10)]
    assert max(server.healthz() for _ in range(20)) < 0.5
    for client in clients:
        client.close()


@pytest.mark.parametrize("kind", SYNC)
def test_draining_worker_leaves_the_listener_to_its_sibling(start: Start, kind: str) -> None:
    server = start(kind, "--workers", "2")
    peers = [server.peer() for _ in range(12)]
    pids = [peer.ask("who")["pid"] for peer in peers]
    draining = peers[0]
    os.kill(pids[0], signal.SIGTERM)
    frame = draining.receive()
    assert (frame.opcode, frame.code) == (CLOSE, 1012)
    for _ in range(10):  # the peer does not answer, so its worker is still there
        assert server.peer().ask("who")["pid"] != pids[0]
    assert psutil.pid_exists(pids[0])
    for peer, pid in zip(peers, pids, strict=True):
        if pid != pids[0]:
            assert peer.ask("who")["pid"] == pid
    server.until(lambda: not psutil.pid_exists(pids[0]))


@on(SYNC)
def test_running_out_of_descriptors_ends_nothing(server: Server) -> None:
    server.may_log = True  # gevent prints the error of each attempt, and gunicorn that of a selector it cannot make
    observer = server.peer()
    pid = observer.ask("who")["pid"]
    now = psutil.Process(pid).num_fds()
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (now + 4, limit[1]))
    waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    server.until(lambda: psutil.Process(pid).num_fds() >= now + 4)
    observer.send("still here")
    assert observer.receive().payload == b"still here"
    for client in waiting:
        client.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    server.until(lambda: server.healthz() < 5)
    assert observer.ask("who")["pid"] == pid


def test_stock_worker_shows_that_these_tests_can_fail(start: Start) -> None:
    """The fault that `ChatWorker` is there for, in gunicorn as it is."""
    server = start("stock")
    with ask_and_stay(server):
        assert max(server.healthz() for _ in range(5)) > 1.5

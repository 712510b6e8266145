"""What every server does with a connection's end, seen from the peer."""

import contextlib
import socket
import time

import pytest

from tests.ends.commands import CLOSE_TIMEOUT
from tests.ends.conftest import OWN, Server, on
from tests.ends.peer import BINARY, CLOSE, PING, PONG, TEXT, Peer, frame

AT_ONCE = CLOSE_TIMEOUT / 2


def connections(observer: Peer) -> int:
    return int(observer.ask("who")["connections"])


@on(OWN)
@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /ws", f"X: {'x' * 9000}\r\n", b"431"),
        (f"GET /ws?{'x' * 9000}", "", b"414"),
    ],
    ids=["long-header", "long-address"],
)
def test_handshake_that_is_none_gets_a_status(server: Server, line: str, headers: str, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(
            f"{line} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}\r\n".encode()
        )
        assert client.recv(4096).split()[1] == status


@on(OWN)
def test_refusal_is_not_overtaken_by_a_reset(server: Server) -> None:
    """Who closes a socket with unread bytes resets it, and the peer may never see why it was refused."""
    peer = server.peer()
    peer.socket.sendall(b"\x81\xff" + (1 << 20).to_bytes(8, "big") + b"\0" * 80_000)
    frame = peer.receive()
    assert (frame.opcode, frame.code) == (CLOSE, 1009)
    for _ in range(20):
        peer.socket.sendall(b"\0" * 20_000)
        time.sleep(0.01)  # gives a reset the time to arrive
    with pytest.raises(EOFError):
        peer.receive()


def test_garbage_ends_a_connection_without_a_traceback(server: Server) -> None:
    for garbage in (
        b"\xff" * 300,
        b"\x81\xfe\xff\xff" + b"\0" * 200,
        b"\x88\x80\0\0\0\0\x81\x81\0\0\0\0\xff",
        b"\x01" * 50,
        b"\x81\x81\0\0\0\0\xff\x89\x80\0\0\0\0",
    ):
        peer = server.peer()
        peer.socket.sendall(garbage)
        peer.close()
    if server.kind == "portable":
        server.may_log = True
    observer = server.peer()
    server.until(lambda: connections(observer) == 1)


def test_messages_are_read_however_they_are_cut(server: Server) -> None:
    peer = server.peer()
    long, frames = "ä" * 2000, b""

    def said(*texts: str) -> None:
        assert [peer.receive().payload.decode() for _ in texts] == list(texts)

    peer.send("whole")
    said("whole")
    for text in ("one", "two", "three", long):
        frames += frame(text)
    peer.socket.sendall(frames[: len(frame("one")) + 3])
    said("one")
    peer.socket.sendall(frames[len(frame("one")) + 3 :])
    said("two", "three", long)
    peer.send("be", final=False)
    peer.send("", PING)
    assert peer.receive().opcode == PONG
    peer.socket.sendall(frame("tween", opcode=0) + frame("behind"))
    said("between", "behind")
    peer.send("whole again")
    said("whole again")


def test_a_message_within_a_message_is_an_error(server: Server) -> None:
    server.may_log = server.kind == "portable"
    peer = server.peer()
    peer.send("whole")
    assert peer.receive().payload == b"whole"
    peer.socket.sendall(frame("one") + frame("be", final=False))
    assert peer.receive().payload == b"one"
    peer.send("not what follows")
    closing = peer.receive()
    assert (closing.opcode, closing.code) == (CLOSE, 1002)


@on(OWN)
def test_a_message_of_nothing_but_heads_is_too_large(server: Server) -> None:
    peer, observer = server.peer(), server.peer()
    peer.send("", final=False)
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(100):
            peer.socket.sendall(frame("", opcode=0, final=False) * 1000)
    closing = peer.receive()
    assert (closing.opcode, closing.code) == (CLOSE, 1009)
    peer.close()
    server.until(lambda: connections(observer) == 1)


@on(OWN)
def test_ping_of_the_server_arrives(server: Server) -> None:
    peer, actor = server.peer(), server.peer()
    actor.send("ping")
    assert peer.receive().opcode == PING


def test_peer_that_answers_our_close_is_gone_at_once(server: Server) -> None:
    peer, actor = server.peer(), server.peer()
    actor.send("close")
    frame = peer.receive()
    assert (frame.opcode, frame.code) == (CLOSE, 4500)
    peer.send(frame.payload, CLOSE)
    assert peer.ended(AT_ONCE)
    peer.close()
    server.until(lambda: connections(actor) == 1, AT_ONCE)


def test_peers_that_answer_no_close_are_ended(server: Server) -> None:
    server.may_log = True
    crashed, actor = server.peer(), server.peer()
    crashed.send("crash")
    peers = [server.peer() for _ in range(3)]
    actor.send("close")
    server.until(lambda: "RuntimeError: as asked" in server.log)
    assert crashed.ended(CLOSE_TIMEOUT + 1)
    server.until(lambda: connections(actor) == 1, CLOSE_TIMEOUT + 1)
    assert all(peer.ended(CLOSE_TIMEOUT + 1) for peer in peers) or server.kind == "portable"


@on(OWN)
def test_refused_peers_that_answer_no_close_are_ended(server: Server) -> None:
    refused = {server.peer(): (1003, b"\0", BINARY), server.peer(): (1007, b"\xff\xff", TEXT)}
    refused[server.peer()] = (1009, b"x" * 3_000_000, TEXT)
    for peer, (code, payload, opcode) in refused.items():
        peer.send(payload, opcode)
        frame = peer.receive()
        assert (frame.opcode, frame.code) == (CLOSE, code)
    assert all(peer.ended(CLOSE_TIMEOUT + 1) for peer in refused)
    server.until(lambda: server.connections() == 0, CLOSE_TIMEOUT + 1)


def test_abort_ends_at_once(server: Server) -> None:
    peer, actor = server.peer(), server.peer()
    actor.send("abort")
    assert peer.ended(AT_ONCE)
    server.until(lambda: connections(actor) == 1, AT_ONCE)


def test_backlog_arrives_whole_and_before_pong_and_close(server: Server) -> None:
    """200 KiB for a peer that does not read yet: more than the kernel takes, less than the bound."""
    peer, actor = server.peer(receive_buffer=4096), server.peer()
    actor.send("flood 50 4096")
    assert actor.ask("who")["connections"] == 2
    if server.kind != "portable":  # its pongs are the server's, and do not queue with the application's texts
        peer.send(b"late", PING)
    actor.send("close")
    frames = [peer.receive() for _ in range(50)]
    assert [int(frame.payload[:8]) for frame in frames] == list(range(50))
    assert {len(frame.payload) for frame in frames} == {4096}
    rest = [peer.receive()]
    while rest[-1].opcode != CLOSE:
        rest.append(peer.receive())
    assert rest[-1].code == 4500
    assert [frame.opcode for frame in rest[:-1]] in ([PONG], [])


def test_slow_consumer_is_cut_and_the_others_get_everything(server: Server) -> None:
    slow, healthy, actor = server.peer(receive_buffer=4096), server.peer(), server.peer()
    for _ in range(20):
        actor.send("flood 20 4096")
        assert [int(healthy.receive().payload[:8]) for _ in range(20)] == list(range(20))
    server.until(lambda: connections(actor) == 2)
    assert slow.ended(AT_ONCE) or server.kind == "portable"
    healthy.send("still here")
    assert healthy.receive().payload == b"still here"


def test_peers_that_vanish_leave_nothing_behind(server: Server) -> None:
    observer = server.peer()
    for _ in range(5):
        peers = [server.peer() for _ in range(4)]
        server.until(lambda: connections(observer) == 5)
        for peer in peers:
            peer.close()
        server.until(lambda: connections(observer) == 1, 2)

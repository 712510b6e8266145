"""What every server does with a connection's end, seen from the peer."""

import contextlib
import socket
import time

import pytest

from tests.ends.conftest import Server
from tests.ends.peer import BINARY, CLOSE, PING, PONG, TEXT, Peer

CLOSE_TIMEOUT = 3.0


def connections(observer: Peer) -> int:
    return int(observer.ask("who")["connections"])


def test_text_comes_back_whole_and_split(server: Server) -> None:
    peer = server.peer()
    assert b" 101 " in peer.response
    peer.send("häl", final=False)
    peer.send("lo", opcode=0)
    assert peer.receive().payload.decode() == "hällo"


def test_no_compression_is_agreed_on(server: Server) -> None:
    peer = server.peer(headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    assert b" 101 " in peer.response
    assert b"extensions" not in peer.response.lower()


@pytest.mark.parametrize(
    ("payload", "opcode", "mask", "code"),
    [
        (b"\0", BINARY, True, 1003),
        (b"x" * 70_000, TEXT, True, 1009),
        (b"x" * 3_000_000, TEXT, True, 1009),
        (b"\xff\xff", TEXT, True, 1007),
        (b"unmasked", TEXT, False, 1002),
        (b"", 0, True, 1002),
        (b"", 5, True, 1002),
    ],
    ids=["binary", "oversized", "much oversized", "not utf-8", "unmasked", "nothing to continue", "unknown opcode"],
)
def test_what_may_not_be_sent_is_refused_with_its_code(
    server: Server, payload: bytes, opcode: int, mask: bool, code: int
) -> None:
    if server.kind == "portable" and code != 1003:
        pytest.skip("there the server's own protocol refuses, and logs as it likes")
    peer = server.peer()
    with contextlib.suppress(ConnectionError):
        peer.send(payload, opcode, mask=mask)
    frame = peer.receive()
    assert (frame.opcode, frame.code) == (CLOSE, code)
    assert server.kind == "portable" or peer.ended(CLOSE_TIMEOUT + 1)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /ws", "", b"400"),
        ("GET /ws", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 8\r\n", b"400"),
        ("GET /ws", f"X: {'x' * 9000}\r\n", b"431"),
        (f"GET /ws?{'x' * 9000}", "", b"414"),
    ],
    ids=["no key", "old version", "long header", "long address"],
)
def test_handshake_that_is_none_gets_a_status(server: Server, line: str, headers: str, status: bytes) -> None:
    if server.kind == "portable":
        pytest.skip("there the server leaves some of these unanswered")
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(
            f"{line} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}\r\n".encode()
        )
        assert client.recv(4096).split()[1] == status


def test_refusal_is_not_overtaken_by_a_reset(server: Server) -> None:
    """Who closes a socket with unread bytes resets it, and the peer may never see why it was refused."""
    if server.kind == "portable":
        pytest.skip("there the server closes at once, with what is unread")
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
    ):
        peer = server.peer()
        peer.socket.sendall(garbage)
        peer.close()
    if server.kind == "portable":
        server.may_log = True
    observer = server.peer()
    server.until(lambda: connections(observer) == 1)


def test_peer_that_leaves_in_order_gets_its_close_back(server: Server) -> None:
    peer = server.peer()
    peer.send(b"\x03\xe8", CLOSE)
    frame = peer.receive()
    assert (frame.opcode, frame.code) == (CLOSE, 1000)
    assert peer.ended(1)


def test_ping_of_the_peer_is_answered(server: Server) -> None:
    peer = server.peer()
    peer.send(b"sign", PING)
    frame = peer.receive()
    assert (frame.opcode, frame.payload) == (PONG, b"sign")


def test_ping_of_the_server_arrives(server: Server) -> None:
    if server.kind == "portable":
        pytest.skip("there the server itself sends the pings")
    peer, actor = server.peer(), server.peer()
    actor.send("ping")
    assert peer.receive().opcode == PING


def test_peer_that_answers_our_close_is_gone_at_once(server: Server) -> None:
    peer, actor = server.peer(), server.peer()
    actor.send("close")
    frame = peer.receive()
    assert (frame.opcode, frame.code) == (CLOSE, 4500)
    peer.send(frame.payload, CLOSE)
    assert peer.ended(1)
    peer.close()
    server.until(lambda: connections(actor) == 1, 1)


def test_peer_that_answers_no_close_is_ended(server: Server) -> None:
    peers, actor = [server.peer() for _ in range(3)], server.peer()
    actor.send("close")
    server.until(lambda: connections(actor) == 1, CLOSE_TIMEOUT + 1)
    assert all(peer.ended(CLOSE_TIMEOUT + 1) for peer in peers) or server.kind == "portable"


def test_abort_ends_at_once(server: Server) -> None:
    peer, actor = server.peer(), server.peer()
    actor.send("abort")
    assert peer.ended(1)
    server.until(lambda: connections(actor) == 1, 1)


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
    assert slow.ended(1) or server.kind == "portable"
    healthy.send("still here")
    assert healthy.receive().payload == b"still here"


def test_stop_does_not_wait_for_mute_peers(server: Server) -> None:
    mute = [server.peer() for _ in range(10)]
    stuck = server.peer(receive_buffer=4096)
    mute[0].send("flood 40 4096")
    polite = server.peer()
    server.healthz()
    if server.kind == "portable":
        # It has no way to cut a stuck transport: the server's own limit ends it, and says so.
        server.may_log = True
        assert server.terminate() < 10
    else:
        assert server.terminate() < 5.5
        assert (polite.receive().code, mute[1].receive().opcode) in {(1012, TEXT), (1012, CLOSE)}
    stuck.close()


def test_stop_without_connections_is_quick(server: Server) -> None:
    assert server.terminate() < 1.5


def test_a_crashed_handler_says_so(server: Server) -> None:
    server.may_log = True
    peer = server.peer()
    peer.send("crash")
    if server.kind in ("gthread", "gevent"):
        frame = peer.receive()
        assert (frame.opcode, frame.code) == (CLOSE, 1011)
    assert peer.ended(CLOSE_TIMEOUT + 1)


def test_peers_that_vanish_leave_nothing_behind(server: Server) -> None:
    observer = server.peer()
    for _ in range(5):
        peers = [server.peer() for _ in range(4)]
        server.until(lambda: connections(observer) == 5)
        for peer in peers:
            peer.close()
        server.until(lambda: connections(observer) == 1, 2)

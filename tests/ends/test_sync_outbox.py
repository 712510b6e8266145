"""The outbox of `sync_chat` on a real connection, without a server."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chat_core import disconnects
from sync_chat import flusher
from sync_chat.outbox import Outbox
from tests.ends.peer import CLOSE, PING, Frame

Pair = tuple[Outbox, socket.socket]


@pytest.fixture(scope="module", autouse=True)
def running_flusher() -> None:
    flusher.start()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """An outbox with a bound of 1 MiB on a connection with small buffers, and the peer's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            peer.settimeout(10)
            peer.connect(listener.getsockname())
            connection, _ = listener.accept()
            with connection:
                outbox = Outbox({"gunicorn.socket": connection, "HTTP_SEC_WEBSOCKET_EXTENSIONS": "x"}, 1 << 20)
                yield outbox, peer
                peer.close()
                outbox.linger()


def frames(peer: socket.socket, pause: float = 0.0) -> Iterator[Frame]:
    """Read frames to the end of the stream, slowly if asked to."""
    data = b""
    while chunk := peer.recv(4096):
        time.sleep(pause)
        data += chunk
        while (size := _size(data)) is not None:
            head, length = size
            yield Frame(data[0] & 0x0F, data[head : head + length])
            data = data[head + length :]
    assert not data, "the stream ends within a frame"


def _size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 4:
        return None if len(data) < 2 or data[1] else (2, 0)
    head, length = (4, int.from_bytes(data[2:4], "big")) if data[1] == 126 else (2, data[1])
    return (head, length) if len(data) >= head + length else None


def test_frames_of_many_threads_stay_whole_and_in_order_for_a_slow_reader(pair: Pair) -> None:
    outbox, peer = pair

    def write(author: int) -> None:
        for number in range(60):
            outbox.write(Outbox.prepare([f"{author} {number} ".encode().ljust(1000 + 37 * number, b"x")]))

    writers = [threading.Thread(target=write, args=(author,)) for author in range(5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    outbox.close(disconnects.RESTART)
    *texts, last = frames(peer, 0.0005)
    assert (last.opcode, last.code) == (CLOSE, 1012)
    for author in range(5):
        own = [text.payload.split() for text in texts if text.payload.startswith(b"%d " % author)]
        assert [int(number) for _, number, *_ in own] == list(range(60))
    assert len(texts) == 300
    assert outbox.queued == 0


def test_queued_counts_what_the_kernel_did_not_take(pair: Pair) -> None:
    outbox, peer = pair
    prepared = Outbox.prepare([b"x" * 500_000])
    outbox.write(prepared)
    left = outbox.queued
    assert 0 < left < len(prepared)
    outbox.write(prepared)
    assert outbox.queued >= len(prepared)
    taken = 0
    while taken < 2 * len(prepared):
        taken += len(peer.recv(65536))
    deadline = time.monotonic() + 5
    while outbox.queued:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_beyond_the_bound_the_consumer_is_aborted_and_nothing_is_kept(pair: Pair) -> None:
    outbox, peer = pair
    for _ in range(20):
        outbox.write(Outbox.prepare([b"x" * 100_000]))
    assert outbox.disconnect is disconnects.SLOW
    assert outbox.queued == 0
    assert outbox.recv(10) == b""
    with contextlib.suppress(ConnectionError, AssertionError):
        assert sum(len(frame.payload) for frame in frames(peer)) < 300_000


def test_ping_goes_out_alone_only(pair: Pair) -> None:
    outbox, peer = pair
    outbox.ping()
    outbox.write(Outbox.prepare([b"x" * 60_000] * 10))
    outbox.ping()
    outbox.close(disconnects.NORMAL)
    assert [frame.opcode for frame in frames(peer) if frame.opcode != 1] == [PING, CLOSE]


def test_first_reason_wins_and_nothing_follows_a_close(pair: Pair) -> None:
    outbox, peer = pair
    outbox.close(disconnects.RESTART)
    outbox.close(disconnects.INTERNAL)
    outbox.write(Outbox.prepare([b"late"]))
    outbox.ping()
    assert [(frame.opcode, frame.code) for frame in frames(peer)] == [(CLOSE, 1012)]
    outbox.abort(disconnects.SLOW)
    assert outbox.disconnect is disconnects.RESTART


def test_peer_that_went_first_leaves_no_reason(pair: Pair) -> None:
    outbox, peer = pair
    peer.close()
    assert outbox.recv(10) == b""
    outbox.close(disconnects.RESTART)
    outbox.write(Outbox.prepare([b"late"]))
    assert outbox.disconnect is None


def test_received_at_is_the_time_of_the_last_bytes(pair: Pair) -> None:
    outbox, peer = pair
    before = outbox.received_at
    time.sleep(0.02)
    peer.sendall(b"x")
    assert outbox.recv(10) == b"x"
    assert before + 0.02 <= outbox.received_at <= time.monotonic()


@pytest.mark.parametrize(("code", "reason"), [(1009, disconnects.TOO_LARGE), (1000, None)], ids=["refusal", "answer"])
def test_closes_of_the_library_are_told_apart(pair: Pair, code: int, reason: object) -> None:
    outbox, peer = pair
    outbox.send(b"\x8a\x02hi\x88\x02" + code.to_bytes(2, "big"))
    outbox.write(Outbox.prepare([b"late"]))
    assert [frame.opcode for frame in frames(peer)] == [10, CLOSE]
    assert outbox.disconnect is reason

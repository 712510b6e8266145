"""What a contender must do right before anything is measured: a fast wrong answer is no answer."""

import json
import selectors
import socket
import time
from typing import Any, Final

from loadtest import wire
from loadtest.crew.passport import Passports
from loadtest.generator import Generator, GeneratorError
from loadtest.ledger import Ledger
from loadtest.plan import Shape, make_plan

ROOMS: Final = Shape("conformance", "2 rooms of 4", 2, 4, 4)
PATIENCE: Final = 3.0


def failures(address: tuple[str, int], passports: Passports, prefix: str, *, tandem: bool) -> list[str]:
    """Return what is wrong, in one line each; ``tandem`` says whether sessions and ids are promised as well."""
    try:
        found = _delivers(address, passports, prefix)
        if tandem and not found:
            found = _needs_session(address) + _takes_ids_once(address, passports, prefix)
    except OSError as error:
        return [f"it does not answer: {error}"]
    return found


def _delivers(address: tuple[str, int], passports: Passports, prefix: str) -> list[str]:
    """Everybody gets everything once and in order, every post one reply; no extension is agreed on."""
    ledger = Ledger(PATIENCE)
    try:
        with Generator(address, ROOMS, f"{prefix}-conformance", ledger, passports.headers) as generator:
            generator.open(10)
            generator.join(10)
            posts = make_plan(ROOMS, 100, 0.3, 1, "conformance")
            generator.run(posts, 0.0)
    except (GeneratorError, OSError) as error:
        return [f"nobody gets in: {error}"]
    expected = len(posts) * ROOMS.members
    if ledger.delivered != expected:
        return [f"{ledger.delivered} of {expected} deliveries arrived", *ledger.faults.examples]
    return ledger.faults.examples


def _needs_session(address: tuple[str, int]) -> list[str]:
    with socket.create_connection(address, timeout=PATIENCE) as peer:
        peer.sendall(wire.request(f"{address[0]}:{address[1]}", "/ws", b"0" * 16, {}))
        status = peer.recv(4096).partition(b"\r\n")[0]
    return [] if b" 401 " in status + b" " else [f"a handshake without a session is answered {status.decode()!r}"]


def _takes_ids_once(address: tuple[str, int], passports: Passports, prefix: str) -> list[str]:
    """The same id posted twice has one place in the log."""
    room = f"{prefix}-conformance-ids"
    post: dict[str, Any] = {"type": "post", "room": room, "id": "twice", "text": "once"}
    commands = [{"type": "join", "ref": 1, "room": room}, post | {"ref": 2}, post | {"ref": 3}]
    try:
        replies = _ask(address, passports, commands)
    except (OSError, wire.BrokenStream) as error:
        return [f"no reply to a post: {error}"]
    first, second = replies[2].get("result"), replies[3].get("result")
    if not first or not second or first["offset"] != second["offset"] or second.get("duplicate") is not True:
        return [f"an id that was used before is answered {replies[3]} after {replies[2]}"]
    return []


def _ask(address: tuple[str, int], passports: Passports, commands: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the replies by ref."""
    replies: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE
    with socket.create_connection(address, timeout=PATIENCE) as peer:
        peer.sendall(wire.request(f"{address[0]}:{address[1]}", "/ws", b"1" * 16, passports.headers(0)))
        data = b""
        while b"\r\n\r\n" not in data:
            data += _more(peer, deadline)
        data = data.partition(b"\r\n\r\n")[2]
        for command in commands:
            peer.sendall(wire.encode(wire.TEXT, json.dumps(command).encode(), 0x5A5A5A5A))
            while command["ref"] not in replies:
                if (frame := wire.frame_at(data, 0)) is None:
                    data += _more(peer, deadline)
                    continue
                data = data[len(frame.whole) :]
                if frame.opcode == wire.TEXT and (content := json.loads(frame.payload)).get("type") == "reply":
                    replies[content["ref"]] = content
    return replies


def _more(peer: socket.socket, deadline: float) -> bytes:
    with selectors.DefaultSelector() as selector:
        selector.register(peer, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError("nothing in time")
    if not (data := peer.recv(65536)):
        raise ConnectionError("the server closed")
    return data

"""Bytes to commands, and results to bytes. Log entries and pages stay the JSON text that the scripts made."""

import struct
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from chat_core.frames import AnyCommand, Command, RefusalCode

_COMMANDS: TypeAdapter[Command] = TypeAdapter(AnyCommand)


class Malformed(ValueError):
    """A frame that is no command; ``ref`` is its ref where one could be read."""

    def __init__(self, ref: int | None, message: str) -> None:
        super().__init__(message)
        self.ref = ref


def decode(text: str | bytes) -> Command:
    """Return the command in one text frame; raise Malformed for anything else."""
    try:
        return _COMMANDS.validate_json(text)
    except ValidationError as error:
        raise Malformed(_ref(text), _explain(error)) from None


def _ref(text: str | bytes) -> int | None:
    try:
        value = from_json(text)
    except ValueError:
        return None
    ref = value.get("ref") if isinstance(value, dict) else None
    return ref if type(ref) is int and 0 <= ref < 2**53 else None


def _explain(error: ValidationError) -> str:
    """One line for people: where the first fault is and what it is. Never repeats what the client sent."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"].startswith("union_tag"):
        return "type: not one of the known commands"
    where = ".".join(str(part) for part in first["loc"][1:] or first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def dump(value: object) -> str:
    """Return ``value`` as compact JSON text."""
    return to_json(value).decode()


def reply(ref: int | None, result: str = "{}") -> bytes:
    """Return a reply with ``result``, a JSON text."""
    return b'{"type":"reply","ref":%s,"result":%s}' % (_number(ref), result.encode())


def refusal(ref: int | None, code: RefusalCode, message: str, retry_after: float | None = None) -> bytes:
    """Return a reply that says why not. ``retry_after`` is in seconds."""
    error: dict[str, object] = {"code": code, "message": message}
    if retry_after is not None:
        error["retry_after"] = round(retry_after, 3)
    return b'{"type":"reply","ref":%s,"error":%s}' % (_number(ref), to_json(error))


def push(kind: str, **fields: object) -> bytes:
    """Return a push of ``kind``."""
    return to_json({"type": kind, **fields})


def array(fragments: Sequence[bytes]) -> str:
    """Return a JSON array of texts that are JSON already."""
    return f"[{b','.join(fragments).decode()}]"


def _number(ref: int | None) -> bytes:
    return b"null" if ref is None else b"%d" % ref


def text_frame(payload: bytes) -> bytes:
    """Return ``payload`` (UTF-8) as one unmasked WebSocket text frame: the same bytes for every recipient.

    Source: RFC 6455 §5.2. True only while no extension is negotiated.
    """
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


def whole_text(data: bytes) -> str | None:
    """Return the text where ``data`` is one masked text frame, whole and nothing else; None for anything else.

    Source: RFC 6455 §5.2. What is None may still be good, as are longer and empty ones: a parser has to tell.
    """
    if len(data) < 7 or data[0] != 0x81 or not 0x80 < data[1] < 0xFF:
        return None
    start, size = (6, data[1] & 0x7F) if data[1] < 0xFE else (8, int.from_bytes(data[2:4]))
    if len(data) != start + size or (start == 8 and size < 126):
        return None
    key = data[start - 4 : start] * (size // 4 + 1)
    try:
        return (int.from_bytes(data[start:]) ^ int.from_bytes(key[:size])).to_bytes(size).decode()
    except UnicodeDecodeError:
        return None

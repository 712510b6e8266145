"""Why a connection was closed: one table of close codes with their consequences.

The ranges tell a client what to do without knowing the code: 4000–4499 reconnect, 4500–4999 do not. 1012 (service
restart) asks to reconnect as well. Every row is a metric label and a row of ``docs/protocol.md``.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Disconnect:
    """One way to end a connection: ``code`` goes on the wire, ``reason`` (< 123 bytes) beside it and into metrics."""

    code: int
    reason: str

    @property
    def reconnectable(self) -> bool:
        """Whether the client is to come back by itself (with full jitter)."""
        return not (4500 <= self.code <= 4999 or self.code in (1002, 1003, 1007, 1009))


NORMAL: Final = Disconnect(1000, "closed by the client")
PROTOCOL_ERROR: Final = Disconnect(1002, "not a valid WebSocket frame")
BINARY_FRAME: Final = Disconnect(1003, "binary frames are not accepted")
LOST: Final = Disconnect(1006, "connection lost")
INVALID_UTF8: Final = Disconnect(1007, "not valid UTF-8")
TOO_LARGE: Final = Disconnect(1009, "frame larger than the limit")
INTERNAL: Final = Disconnect(1011, "internal error")
RESTART: Final = Disconnect(1012, "server restarts, come back")
SLOW: Final = Disconnect(4000, "slow consumer")
NO_PONG: Final = Disconnect(4001, "no sign of life")
SESSION_EXPIRED: Final = Disconnect(4500, "session expired, ask for a new one")
TOO_MANY_REFUSALS: Final = Disconnect(4501, "too many refused commands")

TABLE: Final[tuple[Disconnect, ...]] = (
    NORMAL,
    PROTOCOL_ERROR,
    BINARY_FRAME,
    LOST,
    INVALID_UTF8,
    TOO_LARGE,
    INTERNAL,
    RESTART,
    SLOW,
    NO_PONG,
    SESSION_EXPIRED,
    TOO_MANY_REFUSALS,
)


def named(code: int) -> Disconnect:
    """Return the row of ``code``; for one that only the peer uses, a row that says no more than that."""
    return next((row for row in TABLE if row.code == code), Disconnect(code, "closed by the client"))

"""What the applications of these tests do with a text: the same on every server."""

import json
import os
import threading
from collections.abc import Collection
from typing import Any, Final

from chat_core import disconnects

HARD: Final = 256 * 1024
MAX_FRAME: Final = 64 * 1024
CLOSE_TIMEOUT: Final = 0.8
"""Seconds, set in every server of these tests in place of its own ``CLOSE_TIMEOUT``."""


def perform(text: str, outbox: Any, outboxes: Collection[Any], **facts: object) -> None:
    """``flood N SIZE``, ``ping``, ``abort``, ``close``: to all others. ``who``, ``crash``. Anything else comes back.

    ``who`` tells of the process and of the connection that asks, with the ``facts`` that only the caller knows.
    """
    others = [other for other in list(outboxes) if other is not outbox]
    match text.split():
        case ["flood", count, size]:
            for number in range(int(count)):
                prepared = outbox.prepare([f"{number:08}".encode().ljust(int(size), b".")])
                for other in others:
                    other.write(prepared)
        case ["ping"]:
            for other in others:
                other.ping()
        case ["close"]:
            for other in others:
                other.close(disconnects.SESSION_EXPIRED)
        case ["abort"]:
            for other in others:
                other.abort(disconnects.NO_PONG)
        case ["leave"]:
            outbox.close(disconnects.SESSION_EXPIRED)
        case ["crash"]:
            raise RuntimeError("as asked")
        case ["who"]:
            facts |= {
                "connections": len(outboxes),
                "pid": os.getpid(),
                "thread": threading.current_thread().name,
                "threads": [thread.name for thread in threading.enumerate()],
            }
            outbox.write(outbox.prepare([json.dumps(facts).encode()]))
        case _:
            outbox.write(outbox.prepare([text.encode()]))

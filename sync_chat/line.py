"""The two kinds of connection to Redis on which throughput depends: `Line` for commits, `Subscription` for deliveries.

redis-py opens them, since it knows about addresses, passwords and TLS.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError, InvalidResponse, RedisError
from redis.retry import Retry

from chat_core.settings import Settings

ANSWER_TIMEOUT: Final = 0.5
"""Seconds that Redis has for one answer: with the wait in a queue, below the second within which every command gets
its reply."""
MOST_AT_ONCE: Final = 16
"""Questions under way at a time, commits and probes beside them."""
TURN_TIMEOUT: Final = 5.0
"""Seconds that one may wait for its turn when many join at once."""
MOST_DRAINED: Final = 500
"""Most publications taken at once: what is left waits until these are on their way."""
READ: Final = 256 * 1024
"""Most bytes read at once from what is published."""
_INCOMPLETE = object()


def connect(settings: Settings) -> Redis:
    """Return a client that never tries twice: a command sent again could be carried out again."""
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=MOST_AT_ONCE + settings.shards + 2,
        timeout=TURN_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
        socket_connect_timeout=ANSWER_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return Redis.from_pool(pool)


class Line:
    """The one connection for the commits of a shard: a batch waits for no turn behind those who read pages.

    A client of redis-py would cost as much again: what it does about each command is done here once.
    """

    def __init__(self, settings: Settings) -> None:
        self._pool: Any = connect(settings).connection_pool
        self._connection: Any = None

    def execute_command(self, *command: Any) -> Any:
        """Send ``command`` and return the answer. After an error the connection is made anew by the next one."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        self._connection.send_packed_command(self._connection.pack_command(*command))
        return self._connection.read_response()

    def close(self) -> None:
        """Let Redis go."""
        self._pool.disconnect()


class Subscription:
    """What is published on channels, in the order in which Redis sends it.

    Read here, past redis-py: which looks at the socket three times for each publication, and each time gives the
    interpreter's lock to whoever wants it.
    """

    def __init__(self, settings: Settings) -> None:
        self._pool: Any = connect(settings).connection_pool
        self._socket: Any = None
        self._reader: Any = hiredis.Reader(InvalidResponse, DefaultParser.parse_error, notEnoughData=_INCOMPLETE)
        self._buffer = bytearray(READ)
        self._confirmed = 0
        self._arrived: list[bytes] = []
        self._error: Exception | None = None

    def open(self, channels: Sequence[str], seconds: float) -> None:
        """Subscribe, once; raise RedisError or OSError, also where Redis does not confirm all within ``seconds``."""
        deadline = time.monotonic() + seconds
        connection = self._pool.get_connection()
        self._socket = connection._sock
        connection.send_command("SUBSCRIBE", *channels)
        while self._confirmed < len(channels) and not self._error and time.monotonic() < deadline:
            self._read(deadline - time.monotonic())
        if self._confirmed < len(channels):
            raise self._error or ConnectionError(f"no subscription within {seconds:g} s")

    def receive(self, seconds: float) -> list[bytes]:
        """Return what has come, or comes within ``seconds``; an empty list where nothing does. Raises RedisError."""
        if not (self._arrived or self._error):
            self._read(seconds)
        taken, self._arrived = self._arrived[:MOST_DRAINED], self._arrived[MOST_DRAINED:]
        if self._error and not taken:
            raise self._error
        return taken

    def _read(self, seconds: float) -> None:
        """Take what comes within ``seconds``, if only a part of something; note where nothing more can."""
        try:
            self._socket.settimeout(max(0.001, seconds))
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise ConnectionError("Redis closed the connection")
            self._reader.feed(self._buffer, 0, size)
            while (answer := self._reader.gets()) is not _INCOMPLETE:
                self._take(answer)
        except TimeoutError:
            pass
        except (RedisError, OSError) as error:
            self._error = error

    def _take(self, answer: Any) -> None:
        match answer:
            case [b"message", _, bytes(data)]:
                self._arrived.append(data)
            case [b"subscribe", *_]:
                self._confirmed += 1
            case Exception():
                raise answer

    def close(self) -> None:
        """Let Redis go."""
        self._pool.disconnect()

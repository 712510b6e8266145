"""The two kinds of connection to Redis on which throughput depends: `Line` for commits, `Subscription` for deliveries.

redis-py reads them for us: without a loop between the socket and the thread that waits, it costs little.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import ConnectionError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
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
    """What is published on channels, in the order in which Redis sends it."""

    def __init__(self, settings: Settings) -> None:
        self._pool: Any = connect(settings).connection_pool
        self._subscription: Any = PubSub(self._pool)  # redis-py leaves much of itself untyped
        self._error: Exception | None = None

    def open(self, channels: Sequence[str], seconds: float) -> None:
        """Subscribe, once; raise RedisError or OSError, also where Redis does not confirm all within ``seconds``."""
        deadline = time.monotonic() + seconds
        self._subscription.subscribe(*channels)
        for _ in channels:  # Redis confirms all channels before it sends what is published on any
            if not self._next(max(0, deadline - time.monotonic())):
                raise ConnectionError(f"no subscription within {seconds:g} s")

    def receive(self, seconds: float) -> list[bytes]:
        """Return what has come, or comes within ``seconds``; an empty list where nothing does. Raises RedisError."""
        taken: list[bytes] = []
        try:
            while not self._error and len(taken) < MOST_DRAINED:
                if not (publication := self._next(0 if taken else seconds)):
                    break
                taken.append(publication["data"])
        except (RedisError, OSError) as error:
            self._error = error
        if self._error and not taken:  # else first what came before it
            raise self._error
        return taken

    def _next(self, seconds: float) -> Any:
        """Return the next publication; None where none has come whole after ``seconds``.

        One that has come in part stays with the connection, which goes on with it the next time. redis-py's own
        `get_message` gives up the connection then.
        """
        connection = self._subscription.connection
        if not connection.can_read(timeout=seconds):
            return None
        try:
            response = connection.read_response(disconnect_on_error=False, push_request=True, timeout=seconds)
        except RedisTimeoutError:
            return None
        return self._subscription.handle_message(response)

    def close(self) -> None:
        """Let Redis go."""
        self._subscription.close()
        self._pool.disconnect()

"""The two kinds of connection to Redis on which throughput depends: `Line` for commits, `Subscription` for deliveries.

redis-py opens them, since it knows about addresses, passwords and TLS; then their transports are read here. Its own
asyncio client takes a stream, a task's wake-up and several timeouts for each answer: more than all the work on the
commands of a small batch.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

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
MOST_UNTAKEN: Final = 8 * 1024 * 1024
"""Bytes of publications that wait here, before the rest has to wait in Redis."""
_INCOMPLETE = object()
_CLOSED = "Redis closed the connection"


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
    pool.connection_class = _packing(pool.connection_class)
    return Redis.from_pool(pool)


def _packing(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return ``base`` with commands packed by hiredis, as redis-py does for threads but not for asyncio.

    A probe names all rooms: packed in Python, thousands of them would hold up the loop.
    """

    class PackingConnection(base):  # type: ignore[misc, valid-type]
        def pack_command(self, *args: Any) -> list[bytes]:
            return [hiredis.pack_command((*args[0].split(), *args[1:]))]

    return PackingConnection


class Wire(asyncio.Protocol):
    """A connection to Redis, opened by redis-py and read by us. Subclasses say what becomes of what Redis sends."""

    def __init__(self, settings: Settings) -> None:
        self._pool: Any = connect(settings).connection_pool
        self._connection: Any = None  # redis-py's: it owns the transport, which it would close if it were let go
        self._transport: asyncio.Transport | None = None
        self._reader: Any = None

    def answered(self, answer: Any) -> None:
        """Take one answer or push; an error that Redis told of is an instance of RedisError."""
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """Nothing more comes."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let Redis go."""
        self.abort(ConnectionError("closed"))
        await self._pool.disconnect()

    def abort(self, error: Exception) -> None:
        """Cut the connection, if there is one, because of ``error``."""
        if self._transport is not None:
            self._transport.set_protocol(asyncio.Protocol())  # what it has yet to tell is not about the next one
            self._transport.abort()
            self._let_go(error)

    def _let_go(self, error: Exception) -> None:
        self._transport = None
        self._connection._close()  # else redis-py would wait for its own protocol to hear of the end
        self.failed(error)

    async def _open(self) -> None:
        """Connect; raise RedisError or OSError."""
        if self._connection is None:
            self._connection = await self._pool.get_connection()
        await self._connection.connect()
        self._reader = hiredis.Reader(InvalidResponse, DefaultParser.parse_error, notEnoughData=_INCOMPLETE)
        transport: asyncio.Transport = self._connection._writer.transport
        transport.set_protocol(self)
        self._transport = transport
        if self._connection._reader.at_eof():  # which was told to redis-py, and will not be told again
            self.abort(ConnectionError(_CLOSED))

    def _send(self, *command: Any) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError(_CLOSED)
        self._transport.write(hiredis.pack_command(command))

    # What the transport calls.

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._transport and (answer := self._reader.gets()) is not _INCOMPLETE:
                self.answered(answer)
        except InvalidResponse as error:
            self.abort(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._let_go(ConnectionError(f"{_CLOSED}: {error}" if error else _CLOSED))


class Line(Wire):
    """The one connection for the commits of a shard: a batch waits for no turn behind those who read pages."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._answer: asyncio.Future[Any] | None = None

    async def execute_command(self, *command: Any) -> Any:
        """Send ``command`` and return the answer, one at a time. After an error the next one connects anew."""
        if self._transport is None:
            await self._open()
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        patience = loop.call_later(ANSWER_TIMEOUT, self.abort, RedisTimeoutError("no answer in time"))
        try:
            self._send(*command)
            answer = await self._answer
        except BaseException as error:
            self.abort(ConnectionError(f"given up: {error}"))  # or the next command would get this one's answer
            raise
        finally:
            self._answer = None
            patience.cancel()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answered(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification):  # of a service that tells of its maintenance
            return
        if self._answer is None or self._answer.done():
            self.abort(ConnectionError("an answer to nothing"))
        else:
            self._answer.set_result(answer)

    def failed(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Subscription(Wire):
    """What is published on channels, in the order in which Redis sends it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._confirmed = 0
        self._arrived: list[bytes] = []
        self._size = 0  # bytes of what arrived
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None

    async def open(self, channels: Sequence[str], seconds: float) -> None:
        """Subscribe, once; raise RedisError or OSError, also where Redis does not confirm all within ``seconds``."""
        await self._open()
        self._send("SUBSCRIBE", *channels)
        await self._wait(lambda: self._confirmed == len(channels), seconds)
        if self._confirmed < len(channels):
            raise self._error or ConnectionError(f"no subscription within {seconds:g} s")

    async def receive(self, seconds: float) -> list[bytes]:
        """Return what has come, or comes within ``seconds``; an empty list where nothing does. Raises RedisError."""
        if not self._arrived:
            await self._wait(lambda: bool(self._arrived), seconds)
        taken, self._arrived = self._arrived[:MOST_DRAINED], self._arrived[MOST_DRAINED:]
        if self._error and not taken:
            raise self._error
        self._size -= sum(map(len, taken))
        if self._transport and not self._transport.is_reading() and self._size <= MOST_UNTAKEN:
            self._transport.resume_reading()
        return taken

    async def _wait(self, come: Callable[[], bool], seconds: float) -> None:
        """Wait until what is waited for has come, nothing more comes, or ``seconds`` are over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (come() or self._error):
                    self._news = asyncio.get_running_loop().create_future()
                    await self._news

    def answered(self, answer: Any) -> None:
        match answer:
            case [b"message", _, bytes(data)]:
                self._arrived.append(data)
                self._size += len(data)
            case [b"subscribe", *_]:
                self._confirmed += 1
            case Exception():
                self.abort(answer)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._size > MOST_UNTAKEN and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def failed(self, error: Exception) -> None:
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

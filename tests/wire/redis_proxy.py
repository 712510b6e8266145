"""Stands between backends and Redis, and does to publications what a network, or Redis itself, may do to them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Self

from stack.ports import free_port


class RedisProxy:
    """A context manager: `url` is what backends are told. Everything but publications passes through untouched.

    Its loop runs in a thread of its own; what is asked of it is done there before the call returns.
    """

    def __init__(self, redis_url: str) -> None:
        self._path = redis_url.removeprefix("unix://")
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lost = b""
        self._halved = b""
        self._held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self._gathered: dict[asyncio.StreamWriter, bytes] = {}
        self.subscriptions = 0
        """Subscriptions that were begun so far."""
        self.lost = 0
        """Publications that were swallowed."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def holding(self) -> int:
        """The number of publications of which half was delivered and half is kept."""
        return len(self._held)

    def lose(self, marker: bytes) -> None:
        """Swallow every publication in which ``marker`` occurs; none where it is empty."""
        self._ask(lambda: setattr(self, "_lost", marker))

    def halve(self, marker: bytes) -> None:
        """From now on keep what is published until ``marker`` occurs: then deliver it and half of that one at once."""
        self._ask(lambda: setattr(self, "_halved", marker))

    def release(self) -> None:
        """Deliver the other halves."""
        self._ask(self._release)

    def _release(self) -> None:
        self._halved = b""
        for writer, rest in self._held:
            writer.write(rest)
        self._held.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        served = asyncio.all_tasks() - {asyncio.current_task()}
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)

    def _ask(self, act: Callable[[], object]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(act)
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(5)

    # ---- in the loop --------------------------------------------------------------------------------

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        redis, forth = await asyncio.open_unix_connection(self._path)
        subscribed = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(client, forth, subscribed))
                group.create_task(self._down(redis, back, subscribed))
        except* (OSError, EOFError):
            pass
        finally:
            for writer in (forth, back):
                writer.transport.abort()

    async def _up(self, client: asyncio.StreamReader, forth: asyncio.StreamWriter, subscribed: asyncio.Event) -> None:
        while data := await client.read(65536):
            if b"SUBSCRIBE\r\n" in data:
                self.subscriptions += 1
                subscribed.set()
            forth.write(data)
        raise EOFError

    async def _down(self, redis: asyncio.StreamReader, back: asyncio.StreamWriter, subscribed: asyncio.Event) -> None:
        buffer = b""
        while data := await redis.read(65536):
            if not subscribed.is_set():
                back.write(data)
                continue
            buffer += data
            while size := _message_size(buffer):
                self._forward(buffer[:size], back)
                buffer = buffer[size:]
        raise EOFError

    def _forward(self, message: bytes, back: asyncio.StreamWriter) -> None:
        if self._lost and self._lost in message:
            self.lost += 1
        elif self._halved:
            self._gathered[back] = self._gathered.get(back, b"") + message
            if self._halved in message:
                whole = self._gathered.pop(back)
                half = len(whole) - len(message) // 2
                back.write(whole[:half])
                self._held.append((back, whole[half:]))
        else:
            back.write(message)


def _message_size(buffer: bytes) -> int:
    """Return the size of the message of three elements that ``buffer`` begins with; 0 where it is not all there."""
    with contextlib.suppress(ValueError):  # a line has no end yet
        end = buffer.index(b"\r\n") + 2
        assert buffer[:end] in (b"*3\r\n", b">3\r\n"), buffer[:40]
        for _ in range(3):
            line = buffer.index(b"\r\n", end)
            size = int(buffer[end + 1 : line]) + 2 if buffer[end : end + 1] == b"$" else 0
            end = line + 2 + size
        return end if end <= len(buffer) else 0
    return 0

"""What servers hold: threads, descriptors, memory, and subscriptions at Redis."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil
from redis import Redis

from stack.backends import Backend
from stack.redis import RedisServer

SLACK: Final = {"threads": 6, "descriptors": 12, "subscriptions": 0}
"""What may be there beyond an idle start: pools that grew and stay, such as connections to Redis."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of all backends together. ``memory`` is in bytes."""

    threads: int
    descriptors: int
    memory: int
    subscriptions: int

    def beyond(self, other: "Footprint", processes: int = 2) -> str:
        """Say what this has more of than ``other``, but for the slack of that many processes; "" for nothing."""
        more = []
        for name, slack in SLACK.items():
            now, then = getattr(self, name), getattr(other, name)
            if now > then + slack * processes:
                more.append(f"{now} {name}, {then} before")
        return ", ".join(more)


def footprint(backends: Iterable[Backend], redis: RedisServer) -> Footprint:
    """Measure from outside. Raises redis.RedisError where Redis does not answer."""
    threads = descriptors = memory = 0
    for backend in backends:
        for pid in backend.pids():
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                threads += process.num_threads()
                descriptors += process.num_fds()
                memory += process.memory_info().rss
    with Redis.from_url(redis.url) as client:
        subscriptions = len(client.client_list(_type="pubsub"))
    return Footprint(threads, descriptors, memory, subscriptions)

"""How late this process gets to run, and its counters, once a second, for a monitor."""

import asyncio
import os
import random
import time
from contextlib import closing

from chat_core import stats
from chat_core.metrics import BEAT, Metrics
from chat_core.settings import Settings
from launch.stats import StatsSender


class Pulse:
    """Beats from ``start`` to ``stop``. ``process`` is the name of the process on the bus."""

    def __init__(self, process: str, settings: Settings, metrics: Metrics) -> None:
        self._process = process
        self._settings = settings
        self._metrics = metrics
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to beat, and to report where that is wanted."""
        self._tasks = [asyncio.create_task(self._beat_forever())]
        if self._settings.stats_socket:
            self._tasks.append(asyncio.create_task(self._report_forever(StatsSender(self._settings.stats_socket))))

    async def stop(self) -> None:
        """End what was started."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _beat_forever(self) -> None:
        """Sleep, and see how late the sleep ends: that does not depend on how long it was.

        Of uneven length, so that the beat does not keep time with anything else; in whole milliseconds, which is what
        uvloop counts in.
        """
        while True:
            pause = random.randrange(round(500 * BEAT), round(1500 * BEAT)) / 1000  # noqa: S311 - jitter
            due = time.monotonic() + pause
            await asyncio.sleep(pause)
            self._metrics.woke(time.monotonic() - due)

    async def _report_forever(self, sender: StatsSender) -> None:
        backend, registry, pid, sequence = self._settings.backend, self._metrics.registry, os.getpid(), 0
        with closing(sender):
            while True:
                sequence += 1
                sender.send(stats.datagram(registry, backend, self._process, pid, sequence, time.time()))
                await asyncio.sleep(stats.INTERVAL)

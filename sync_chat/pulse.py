"""How late this process gets to run, and its counters, once a second, for a monitor."""

import os
import random
import threading
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
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to beat, and to report where that is wanted."""
        threading.Thread(target=self._beat_forever, name="beat", daemon=True).start()
        if self._settings.stats_socket:
            sender = StatsSender(self._settings.stats_socket)
            threading.Thread(target=self._report_forever, args=(sender,), name="report", daemon=True).start()

    def stop(self) -> None:
        """End what was started."""
        self._stopped.set()

    def _beat_forever(self) -> None:
        """Sleep, and see how late the sleep ends: that does not depend on how long it was.

        Of uneven length, so that the beat does not keep time with anything else; in whole milliseconds, as on the twin.
        """
        while not self._stopped.is_set():
            pause = random.randrange(round(500 * BEAT), round(1500 * BEAT)) / 1000  # noqa: S311 - jitter
            due = time.monotonic() + pause
            time.sleep(pause)
            self._metrics.woke(time.monotonic() - due)

    def _report_forever(self, sender: StatsSender) -> None:
        backend, registry, pid, sequence = self._settings.backend, self._metrics.registry, os.getpid(), 0
        with closing(sender):
            while not self._stopped.is_set():
                sequence += 1
                sender.send(stats.datagram(registry, backend, self._process, pid, sequence, time.time()))
                self._stopped.wait(stats.INTERVAL)

"""How publications reach this process: one subscription to all shards, and a probe that proves that it delivers.

The relay is the only owner of the Pub/Sub connection. Delivery counts as working only while a probe, published the way
of every publication, came back lately; a connection that looks healthy is taken for nothing.

Every subscription is proved anew, at once: what was published while there was none is missing, and a room in which
nobody speaks would lack it until somebody does.
"""

import logging
import random
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol

from redis.exceptions import RedisError

from chat_core import keys
from chat_core.log import Unavailable
from chat_core.metrics import Metrics
from chat_core.settings import Settings
from launch.workers import prove
from sync_chat.bus import Bus
from sync_chat.line import Subscription

logger = logging.getLogger(__name__)

PROBE_INTERVAL: Final = 2.0
PROBE_TIMEOUT: Final = 5.0
RETRY_CAP: Final = 0.5


class Receiver(Protocol):
    """Who the relay delivers to."""

    def deliver(self, envelopes: Sequence[bytes]) -> None:
        """Take publications, in the order in which Redis sent them."""

    def names(self) -> list[str]:
        """Return the rooms that are to be compared with Redis."""

    def verify(self, tops: dict[str, tuple[str, int]]) -> None:
        """Take epoch and top of rooms, all publications up to which have been delivered if none was lost."""

    def announce(self, delivering: bool) -> None:
        """Delivery stopped working, or works again."""


class Relay:
    """See the module. ``proved_at`` is the monotonic time of the last probe that came back."""

    def __init__(self, bus: Bus, settings: Settings, metrics: Metrics) -> None:
        self.proved_at = float("-inf")
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._returning: dict[bytes, threading.Event] = {}
        self._term: object | None = None  # the subscription there is: what proved an earlier one proves nothing
        self._subscribed = threading.Event()
        self._delivering = False
        self._probed_at = float("-inf")
        self._heard_at = float("-inf")
        self._judging = threading.Lock()  # guards _delivering, _term, proved_at, the order of what is announced
        self._stopped = threading.Event()

    @property
    def delivering(self) -> bool:
        """Whether delivery works."""
        return time.monotonic() - self.proved_at < PROBE_TIMEOUT

    def start(self, receiver: Receiver) -> None:
        """Begin to deliver to ``receiver``, and to prove it."""
        threading.Thread(target=self._relay, args=(receiver,), name="relay", daemon=True).start()
        threading.Thread(target=self._prove, args=(receiver,), name="prove", daemon=True).start()

    def stop(self) -> None:
        """Deliver no more."""
        self._stopped.set()

    def returned(self, probe: bytes) -> None:
        """A probe came back; those of other processes mean nothing here."""
        if event := self._returning.get(probe):
            event.set()

    # ---- the subscription -----------------------------------------------------------------------

    def _relay(self, receiver: Receiver) -> None:
        while not self._stopped.is_set():
            try:
                self._listen(receiver)
            except Exception as error:
                if not isinstance(error, RedisError | OSError):
                    logger.exception("the relay failed; it begins anew")
                self._lost(receiver, error)
                self._stopped.wait(random.uniform(0.02, RETRY_CAP))  # noqa: S311 - jitter

    def _listen(self, receiver: Receiver) -> None:
        subscription = Subscription(self._settings)
        try:
            subscription.open([keys.channel(shard) for shard in self._bus.shards], PROBE_TIMEOUT)
            since = time.monotonic()
            self._give_up_probes()
            self._term = object()
            self._subscribed.set()
            while not self._stopped.is_set():
                if publications := subscription.receive(1.0):
                    self._heard_at = time.monotonic()
                    receiver.deliver(publications)
                elif time.monotonic() - max(since, self.proved_at) > PROBE_TIMEOUT:
                    raise ConnectionError(f"no probe came back for {PROBE_TIMEOUT:g} s")
        finally:
            subscription.close()

    def _lost(self, receiver: Receiver, error: Exception) -> None:
        with self._judging:
            self._term, self.proved_at = None, float("-inf")
        self._give_up_probes()
        self._metrics.bus_reconnects.inc()
        self._judge(receiver, error)

    def _give_up_probes(self) -> None:
        """Wake who waits for probes that were sent under an earlier subscription: they do not come back."""
        for probe in list(self._returning.values()):
            probe.set()

    # ---- the proof ------------------------------------------------------------------------------

    def _prove(self, receiver: Receiver) -> None:
        while not self._stopped.is_set():
            if time.monotonic() >= self._probed_at + PROBE_INTERVAL or not (self._bus.answering and self.delivering):
                self._probe_all(receiver)
            self._judge(receiver, None)
            self._subscribed.wait(RETRY_CAP / 2)
            self._subscribed.clear()

    def _probe_all(self, receiver: Receiver) -> None:
        """Send a probe through every shard and wait for all."""
        if not self._bus.recheck() or (term := self._term) is None:
            return
        self._probed_at = time.monotonic()
        rooms = receiver.names()
        for shard in self._bus.shards:
            try:
                tops = self._probe(term, shard, [room for room in rooms if self._bus.shard(room) == shard])
            except (Unavailable, TimeoutError):
                return
            receiver.verify(tops)
        with self._judging:
            if self._term is not term:
                return
            self.proved_at = time.monotonic()
        prove(self._settings.runtime_dir)

    def _probe(self, term: object, shard: int, rooms: list[str]) -> dict[str, tuple[str, int]]:
        probe = f"{self._bus.process}.{time.monotonic_ns()}"
        back = self._returning[probe.encode()] = threading.Event()
        try:
            tops = self._bus.probe(shard, probe, rooms)
            if not self._comes_back(back) or self._term is not term:
                raise TimeoutError
        finally:
            del self._returning[probe.encode()]
        return tops

    def _comes_back(self, back: threading.Event) -> bool:
        """Wait for a probe; longer while anything comes, because then it is late and not lost."""
        for patience in (PROBE_INTERVAL, PROBE_TIMEOUT - PROBE_INTERVAL):
            began = time.monotonic()
            if back.wait(patience):
                return True
            if self._heard_at < began:
                break
        return False

    def _judge(self, receiver: Receiver, error: Exception | None) -> None:
        """Say so where delivery stopped or began to work."""
        with self._judging:
            if self.delivering == self._delivering:
                return
            self._delivering = self.delivering
            if self._delivering:
                logger.info("delivery works")
            else:
                logger.warning("delivery stopped: %s", error or "no probe came back")
            receiver.announce(self._delivering)

"""What one process of the backend consists of, and the order in which it comes up and goes down."""

import secrets
import time
from dataclasses import dataclass
from typing import Final, Self

from chat_core.metrics import Metrics
from chat_core.settings import Settings
from launch.workers import alone
from sync_chat.bus import Bus
from sync_chat.hub import Hub
from sync_chat.pulse import Pulse
from sync_chat.relay import Relay

CLOSE_SECONDS: Final = 3.0
"""Seconds that members have to close after the drain told the last of them to."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one process."""

    settings: Settings
    metrics: Metrics
    bus: Bus
    relay: Relay
    hub: Hub
    pulse: Pulse

    @classmethod
    def assemble(cls, settings: Settings) -> Self:
        """Return the parts, connected but at rest."""
        metrics = Metrics()
        bus = Bus(settings, metrics, process=secrets.token_hex(6))
        relay = Relay(bus, settings, metrics)
        hub = Hub(bus, relay, settings, metrics)
        return cls(settings, metrics, bus, relay, hub, Pulse(bus.process, settings, metrics))

    @property
    def leaving(self) -> bool:
        """Whether the whole backend is about to stop, and not this worker alone."""
        return self.hub.draining and alone(self.settings.workers, self.settings.runtime_dir)

    def start(self) -> None:
        """Begin to work: to be called in the process that serves, after the fork."""
        self.hub.start()
        self.relay.start(self.hub)
        self.pulse.start()

    def drain(self) -> None:
        """Send everybody away, and wait until they are gone or the time for it is over."""
        deadline = time.monotonic() + self.settings.drain_seconds + CLOSE_SECONDS
        self.hub.drain()
        while self.hub.open and time.monotonic() < deadline:
            time.sleep(0.05)

    def stop(self) -> None:
        """Say goodbye to the other processes, and let everything go."""
        self.hub.farewell()
        self.relay.stop()
        self.hub.stop()
        self.bus.stop()
        self.pulse.stop()

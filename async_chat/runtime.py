"""What one process of the backend consists of, and the order in which it comes up and goes down."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Final, Self

from async_chat.bus import Bus
from async_chat.hub import Hub
from async_chat.pulse import Pulse
from async_chat.relay import Relay
from chat_core.metrics import Metrics
from chat_core.settings import Settings
from launch.workers import alone

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
        """Begin to work: to be called in the process, and the event loop, that serves."""
        self.hub.start()
        self.relay.start(self.hub)
        self.pulse.start()

    async def drain(self) -> None:
        """Send everybody away, and wait until they are gone or the time for it is over."""
        deadline = time.monotonic() + self.settings.drain_seconds + CLOSE_SECONDS
        await self.hub.drain()
        while self.hub.open and time.monotonic() < deadline:  # noqa: ASYNC110 - it is asked for once in a lifetime
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Say goodbye to the other processes, and let everything go."""
        await self.hub.farewell()
        await self.relay.stop()
        await self.hub.stop()
        await self.bus.stop()
        await self.pulse.stop()

"""A monitor that holds a whole hour already: two backends with four workers each, under load."""

import asyncio
import json
import math
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn

from loadtest.monitor.pages import Pages
from loadtest.monitor.watch import KEPT, Target, Watch

LABELS: Final = {"async": "asgi", "sync": "wsgi"}
EVENT_EVERY: Final = 180
"""Seconds between two acts that are marked."""


class FullWatch(Watch):
    """What it would have seen is made up; all else, from the ticks to the stream, is the monitor's own."""

    def __init__(self, stats: Path) -> None:
        targets = {
            label: Target(label, f"{label} chat", model, "http://127.0.0.1:9") for label, model in LABELS.items()
        }
        super().__init__(str(stats), None, targets, None)
        self._dice = random.Random(6)
        self.until = round(time.time()) - 1
        self.ticks.extend(self.text(self.until - KEPT + 1 + second) for second in range(KEPT))

    def text(self, t: int) -> str:
        return json.dumps(self.made(t), separators=(",", ":"))

    def made(self, t: int) -> dict[str, Any]:
        """Return a tick with everything in it that a tick can have."""
        side = {label: self._made_side(t, number) for number, label in enumerate(LABELS)}
        redis = {"state": "live", "m": {"memory": 2e6, "clients": 20, "ops": round(self._near(900), 1)}}
        return {"t": t, "sides": side, "redis": redis, "generator": {"cpu": round(self._near(0.3), 4), "lag": 0.0004}}

    def _near(self, value: float) -> float:
        return value * self._dice.uniform(0.7, 1.3)

    def _made_side(self, t: int, number: int) -> dict[str, Any]:
        wave = 1.5 + math.sin(t / 90 + number)
        times = {"p50": 0.004, "p95": 0.01, "p99": 0.02, "max": 0.08, "relay50": 0.002, "relay99": 0.008}
        times |= {"lag50": 0.0004, "lag99": 0.003, "lagMax": 0.01}
        rates = {"offered": 40, "acked": 40, "seen": 2000, "dlv": 2000, "posts": 40, "cpu": 0.8, "switches": 3000}
        counts = {"open": 500, "planned": 500, "members": 500, "rss": 3e8, "threads": 520, "fds": 560, "outbox": 2e5}
        nothing = ("handshaking", "refused", "closed", "lost", "duplicated", "corrupt", "told", "recovered", "probeAge")
        m = {name: round(self._near(value * wave), 5) for name, value in (times | rates | counts).items()}
        m |= dict.fromkeys(nothing, 0.0) | {"dlvTotal": 2000.0 * t, "seenTotal": 2000.0 * t}
        heat = [(row, self._dice.randrange(1, 400)) for row in range(6, 6 + self._dice.randrange(6, 14))]
        closes = {"slow": 2.0} if t % 60 == 0 else {}
        return {"state": "live", "workers": [4, 4], "m": m, "heat": heat, "closes": closes}

    async def _tick(self) -> dict[str, Any]:
        """Return the tick of the second that has just begun."""
        self.until = max(self.until + 1, round(time.time()))
        return self.made(self.until)


class FullMonitor:
    """The monitor's own pages over a `FullWatch`."""

    def __init__(self, directory: Path) -> None:
        self._watch = FullWatch(directory / "stats")
        self._pages = Pages(self._watch, directory, loopback=True)
        drill = self._pages._drill  # acts themselves would take the hour that they are marked in
        for number in range(KEPT // EVENT_EVERY):
            event = drill.note("Freeze Redis", "fault")
            event["t"] = self._watch.until - KEPT + number * EVENT_EVERY
            event["until"] = event["t"] + 3
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FullMonitor"]:
        server = uvicorn.Server(uvicorn.Config(self._pages.application(), log_level="warning"))
        task = asyncio.create_task(server.serve([self._socket]))
        yield self
        self._pages.hang_up()
        server.should_exit = True
        await task

    async def hurry(self, seconds: int, at_once: int = 15, pause: float = 0.04) -> None:
        """Let that many seconds pass in less time."""
        for passed in range(seconds):
            self._watch.until += 1
            text = self._watch.text(self._watch.until)
            self._watch.ticks.append(text)
            self._pages._publish(f"data: {text}\n\n")  # as tick_forever has it published
            if passed % at_once == 0:
                await asyncio.sleep(pause)

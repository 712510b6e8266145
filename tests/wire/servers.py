"""The servers that the tests speak to: one Redis and each profile once, started when first asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.backends import Backend
from stack.ports import free_port
from stack.redis import RedisServer
from tests.wire.people import OLD_SECRET, SECRET

LAX = {"CHAT_SECRET": f"{SECRET},{OLD_SECRET}", "CHAT_COMMAND_RATE": "0", "CHAT_DRAIN_SECONDS": "1"}
"""Settings under which no test meets a limit by accident."""

TWINS = {"async": "sync", "sync": "async", "async-portable": "sync-gevent", "sync-gevent": "async-portable"}


class Servers:
    """Redis, and backends by profile. ``logs`` gets one file for each."""

    def __init__(self, directory: Path, logs: Path, settings: Mapping[str, str] | None = None) -> None:
        self.redis = RedisServer(directory / "redis", log_path=logs / "redis.txt")
        self._logs = logs
        self._label = directory.name
        self._settings = {**LAX, **(settings or {})}
        self._ports = {profile: free_port() for profile in TWINS}
        self._started: dict[str, Backend] = {}

    def backend(self, profile: str, workers: int = 1) -> Backend:
        """Return the backend run as ``profile``, started unless it is already."""
        if profile not in self._started:
            if not self.redis.running:
                self.redis.start()
            backend = self.unstarted(profile, workers=workers)
            backend.start()
            self._started[profile] = backend
        return self._started[profile]

    def unstarted(
        self, profile: str, workers: int = 1, settings: Mapping[str, str] | None = None, redis_url: str = ""
    ) -> Backend:
        """Return another backend on the same Redis, or on the way to it that is given; who asks starts and stops it."""
        settings = settings or {}
        port = 0 if settings or redis_url or profile in self._started else self._ports[profile]
        name = f"{self._label}-{profile}" + "".join(f"-{value}" for value in settings.values() if value.isalnum())
        name += "-astray" if redis_url else ""
        return Backend(
            profile,
            redis_url or self.redis.url,
            port=port,
            workers=workers,
            settings={**self._settings, "CHAT_TWIN": f":{self._ports[TWINS[profile]]}", **settings},
            log_path=self._logs / f"{name}.log",
        )

    def stop(self) -> None:
        """Stop all, Redis last."""
        for backend in self._started.values():
            backend.terminate()
        for backend in self._started.values():
            backend.wait(15)
        self.redis.stop()


@dataclass(frozen=True)
class Site:
    """Where a test takes place: two backends on one Redis, or twice the same one."""

    name: str
    here: Backend
    there: Backend
    redis: RedisServer

    @property
    def paired(self) -> bool:
        """Whether there are two."""
        return self.here is not self.there

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Each one once."""
        return (self.here, self.there) if self.paired else (self.here,)


def site_of(servers: Servers, name: str) -> Site:
    """Return the site called ``name``: a profile, or two joined by a plus."""
    here, _, there = name.partition("+")
    return Site(name, servers.backend(here), servers.backend(there or here), servers.redis)

"""Redis and a set of backends as one thing that is up or not."""

import shutil
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from stack.backends import Backend
from stack.control import Control
from stack.guard import GUARD
from stack.monitor import HOST, Monitor
from stack.ports import free_port
from stack.profiles import Profile, profile_named
from stack.redis import choose_redis, short_directory
from stack.server import DATA, Server


class Stack:
    """Redis first, then the backends, each told the address of its twin. A context manager.

    `ports` and `cpus` are by profile name; a backend without a port gets a free one, one without CPUs runs on all.
    `settings` are CHAT_* variables for every backend. Redis is that of `redis_url`, else one of our own in `data_dir`.
    With a `monitor_port`, a monitor watches them there and can hurt them: its handlers that misbehave are offered too,
    unless others than this machine can reach a backend.
    """

    def __init__(
        self,
        profiles: Sequence[str | Profile] = ("async", "sync"),
        *,
        data_dir: Path = DATA,
        redis_url: str | None = None,
        ports: Mapping[str, int] | None = None,
        workers: int = 1,
        settings: Mapping[str, str] | None = None,
        cpus: Mapping[str, Collection[int]] | None = None,
        monitor_port: int | None = None,
    ) -> None:
        chosen = [profile_named(profile) if isinstance(profile, str) else profile for profile in profiles]
        logs = data_dir / "logs"
        self.redis = choose_redis(redis_url, data_dir / "redis", logs / "redis.log")
        self.monitor: Monitor | None = None
        told: dict[str, str] = {}
        if monitor_port:
            self.monitor, told = self._watch(monitor_port, data_dir)
            if dict(settings or {}).get("CHAT_HOST", HOST) == HOST:
                told["CHAT_DIAGNOSTICS"] = "1"
        self._control: Control | None = None
        by_name = {profile.name: (ports or {}).get(profile.name) or free_port() for profile in chosen}
        self.backends = {
            profile.name: Backend(
                profile,
                self.redis.url,
                port=by_name[profile.name],
                workers=workers,
                settings=_twin(profile, chosen, by_name) | told | dict(settings or {}),
                cpus=(cpus or {}).get(profile.name),
                log_path=logs / f"{profile.name}.log",
            )
            for profile in chosen
        }

    def start(self, report: Callable[[str], None] = lambda line: None) -> None:
        """Return when all are ready; `report` gets a line of progress for each. StackError leaves nothing running."""
        try:
            self.redis.start()
            report(f"Redis {self.redis.version} is ready")
            for server in self._watchers_first():
                server.launch()
            for backend in self.backends.values():
                backend.wait_ready()
                report(f"{backend.name} is ready")
            if self.monitor is not None:
                self.monitor.wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self, grace: float = 15.0) -> None:
        """Backends at the same time, then Redis: they still need it to say goodbye."""
        self._let_go()
        for backend in self.backends.values():
            backend.terminate()
        for backend in self.backends.values():
            backend.wait(grace)
        self.redis.stop()

    def kill(self) -> None:
        self._let_go()
        for server in self.servers:
            server.kill()

    @property
    def servers(self) -> list[Server]:
        """Every process of ours, Redis last."""
        return [*self.backends.values(), *([self.redis] if isinstance(self.redis, Server) else [])]

    def fallen(self) -> Server | None:
        """The first server that ended though nobody here ended it. A monitor that ended is missed by nobody."""
        hurting = self._control.hurting if self._control else ()
        return next((server for server in self.servers if server.fallen and server not in hurting), None)

    def _watch(self, port: int, data_dir: Path) -> tuple[Monitor, dict[str, str]]:
        """A monitor, and what the backends have to know of it."""
        self._meeting_place = short_directory()
        GUARD.remove(self._meeting_place)
        weakref.finalize(self, shutil.rmtree, self._meeting_place, ignore_errors=True)
        stats, control = self._meeting_place / "stats", self._meeting_place / "control"
        log_path = data_dir / "logs" / "monitor.log"
        monitor = Monitor(port, stats=stats, control=control, runs=data_dir / "runs", log_path=log_path)
        told = {"CHAT_MONITOR_PORT": str(port), "CHAT_STATS_SOCKET": str(stats)}
        return monitor, told

    def _watchers_first(self) -> list[Server]:
        if self.monitor is None:
            return [*self.backends.values()]
        self._control = Control(self.servers, self.redis.url, self._meeting_place / "control")
        return [self.monitor, *self.backends.values()]

    def _let_go(self) -> None:
        """End the monitor, and what it could ask for."""
        if self._control is not None:
            self._control.close()
            self._control = None
            (self._meeting_place / "control").unlink(missing_ok=True)
        if self.monitor is not None:
            self.monitor.stop(4.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _twin(profile: Profile, chosen: Sequence[Profile], ports: Mapping[str, int]) -> dict[str, str]:
    """The setting by which a page of one backend finds, and is allowed by, the first one of the other kind."""
    return next(({"CHAT_TWIN": f":{ports[other.name]}"} for other in chosen if other.model != profile.model), {})


def settings_from(environ: Mapping[str, str]) -> dict[str, str]:
    """The CHAT_* variables that are for every backend alike; the rest the stack decides for each."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("CHAT_") and name not in ("CHAT_PORT", "CHAT_TWIN", "CHAT_REDIS_URL", "CHAT_WORKERS")
    }

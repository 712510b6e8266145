"""What can be measured: our profiles, what people write from the tutorials, and the generator's own ceiling."""

import os
import secrets
import socket
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from chat_core import sessions
from loadtest.baselines import node
from stack.backends import Backend
from stack.ports import free_port
from stack.profiles import PROFILES, Profile
from stack.server import Server

HOST: Final = "127.0.0.1"
SPARE_THREADS: Final = 64
SECRET: Final = secrets.token_hex()
"""Signs the sessions of the members; given to every backend that is started here."""

Kind = Literal["tandem", "baseline", "null"]


@dataclass(frozen=True)
class Target:
    """A row of the table."""

    name: str
    title: str
    kind: Kind
    profile: Profile | None = None
    command: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def _ours(name: str, title: str, **settings: str) -> Target:
    profile = PROFILES[name]
    return Target(title, profile.summary, "tandem", replace(profile, settings={**profile.settings, **settings}))


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"loadtest.baselines.{name}")


FLASK: Final = (sys.executable, "-m", "gunicorn", "--config", "loadtest/baselines/flask_gunicorn.py")

TARGETS: Final = {
    target.name: target
    for target in (
        Target(
            "fastapi-tutorial", "FastAPI's ConnectionManager on uvicorn", "baseline", command=_module("fastapi_manager")
        ),
        Target("flask-tutorial", "flask-sock on gunicorn's gthread worker", "baseline", command=FLASK),
        Target("node-ws", "ws on Node.js", "baseline", command=node.COMMAND),
        _ours("async-portable", "async-portable"),
        _ours("async", "async-uncoalesced", CHAT_MAX_BATCH="1"),
        _ours("async", "async"),
        _ours("sync", "sync"),
        _ours("sync-gevent", "sync-gevent"),
        Target("broken", "null that loses, doubles and swaps now and then", "null", command=_module("broken")),
        Target("null", "writes to everybody at once, and does nothing else", "null", command=_module("null")),
    )
}


class Baseline(Server):
    """No backend of ours: it is told HOST, PORT and CONNECTIONS by its environment, and is ready when it listens."""

    def __init__(self, target: Target, connections: int, cpus: Collection[int] | None, log_path: Path) -> None:
        super().__init__(target.name, log_path, cpus)
        self.port = free_port(HOST)
        self._command = target.command
        self._connections = connections

    def command(self) -> list[str]:
        return list(self._command)

    def environment(self) -> dict[str, str]:
        told = {"HOST": HOST, "PORT": str(self.port), "CONNECTIONS": str(self._connections), "PYTHONUNBUFFERED": "1"}
        return super().environment() | told

    def probe(self) -> str | None:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError as error:
            return f"nobody listens on port {self.port}: {error}"
        return None


AnyServer = Backend | Baseline


def limits_off(connections: int) -> dict[str, str]:
    """Return the settings that let ``connections`` users of one machine do what they like."""
    return {
        "CHAT_COMMAND_RATE": "0",
        "CHAT_THREADS": str(connections + SPARE_THREADS),
        "CHAT_MAX_CONNECTIONS": "0",
        "CHAT_MAX_CONNECTIONS_PER_USER": "0",
        "CHAT_CONNECTION_RATE": "0",
        "CHAT_DRAIN_SECONDS": "0",
    }


def make_server(
    target: Target, connections: int, redis_url: str, cpus: Collection[int] | None, logs: Path
) -> AnyServer:
    """Return the server of ``target``, not started, with room for ``connections``."""
    log_path = logs / f"{target.name}.log"
    if target.profile is None:
        if target.command == node.COMMAND:
            node.install()
        return Baseline(target, connections, cpus, log_path)
    settings = limits_off(connections) | dict(target.profile.settings) | {"CHAT_SECRET": SECRET}
    return Backend(target.profile, redis_url, settings=settings, cpus=cpus, log_path=log_path)


def headers(target: Target, now: float) -> Mapping[str, str]:
    """Return the headers of a handshake: with a session of a new user where the target asks for one."""
    if target.profile is None:
        return {}
    token, _ = sessions.issue(f"member {os.urandom(4).hex()}", [SECRET], now)
    return {"Authorization": f"Bearer {token}"}

"""What is measured in a run: a profile or baseline that is started for it, or a server that runs already."""

import http.client
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from loadtest.targets import HOST, SECRET, TARGETS, AnyServer, Target, limits_off, make_server
from loadtest.workload import Workload
from stack.backends import Backend
from stack.redis import RedisServer

Model = Literal["asgi", "wsgi", "other"]
BASELINE_MODELS: Final[Mapping[str, Model]] = {"fastapi-tutorial": "asgi", "flask-tutorial": "wsgi"}


class UsageError(Exception):
    """What was asked for cannot be done. The text is one line."""


@dataclass(frozen=True)
class Contender:
    """``label`` names it within a run. ``target`` is None for a server that runs already, at ``url``."""

    label: str
    name: str
    title: str
    model: Model
    target: Target | None
    url: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is a backend of Tandem that is started here."""
        return self.target is not None and self.target.profile is not None


@dataclass
class Running:
    """A contender that is up. ``server`` is None where it is not ours to hurt."""

    contender: Contender
    address: tuple[str, int]
    server: AnyServer | None
    redis: RedisServer | None

    @property
    def speaks_http(self) -> bool:
        """Whether there is more than a socket: /healthz, /metrics, sessions."""
        return self.contender.target is None or self.contender.ours


def contenders(names: Sequence[str]) -> list[Contender]:
    """Return what ``names`` name; one that is named again gets a label of its own. Raises UsageError."""
    found: list[Contender] = []
    for name in names:
        if "//" in name:
            _address(name)
        times = sum(one.name == name for one in found)
        label = f"{_short(name)}-{times + 1}" if times else _short(name)
        found.append(_contender(name, label))
    return found


def check(found: Sequence[Contender]) -> None:
    """Raises UsageError where nobody answers at an address."""
    for contender in found:
        if contender.target is None:
            _reached(contender.url)


def _short(name: str) -> str:
    return urlsplit(name).netloc if "//" in name else name


def _contender(name: str, label: str) -> Contender:
    if "//" in name:
        return Contender(label, name, f"what runs at {name}", "other", None, name)
    if name not in TARGETS:
        raise UsageError(f"no target {name!r}: there are {', '.join(TARGETS)}, or the http:// address of a server")
    target = TARGETS[name]
    model: Model = target.profile.model if target.profile else BASELINE_MODELS.get(name, "other")
    return Contender(label, name, target.title, model, target)


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url} is no address: {error}") from error
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise UsageError(f"{url} is no address to measure: http://HOST:PORT is")
    return parts.hostname, port or 80


@contextmanager
def started(
    contender: Contender, workload: Workload, cpus: frozenset[int] | None, work_dir: Path, log: Path, stats: Path
) -> Iterator[Running]:
    """Start the contender, with an empty Redis of its own if it needs one; nothing of either is left afterwards.

    ``stats`` is the socket to which its workers send their counters.

    Raises StackError where it does not come up, UsageError where nobody is at its address.
    """
    if contender.target is None:
        yield Running(contender, _reached(contender.url), None, None)
        return
    data = work_dir / "redis"
    with ExitStack() as stack:
        redis = None
        if contender.target.profile is not None:
            stack.callback(shutil.rmtree, data, ignore_errors=True)
            redis = RedisServer(data, cpus=cpus)
            stack.callback(redis.kill)
            redis.start()
        server = _server(contender, workload, redis.url if redis else "", cpus, log, stats)
        stack.callback(server.stop, 3.0)
        server.start()
        yield Running(contender, (HOST, server.port), server, redis)


def settings(contender: Contender, workload: Workload) -> dict[str, str]:
    """Return the settings that ``contender`` is started with, where it has any."""
    if contender.target is None or contender.target.profile is None:
        return {}
    profile = contender.target.profile
    asked = limits_off(workload.most_connections) | dict(workload.settings) | dict(profile.settings)
    return asked | {"CHAT_WORKERS": str(workload.workers)}


def _server(
    contender: Contender, workload: Workload, redis: str, cpus: frozenset[int] | None, log: Path, stats: Path
) -> AnyServer:
    target = contender.target
    if target is None or target.profile is None:
        return make_server(target or TARGETS["null"], workload.most_connections, redis, cpus, log.parent)
    asked = settings(contender, workload) | {"CHAT_SECRET": SECRET, "CHAT_STATS_SOCKET": str(stats)}
    return Backend(target.profile, redis, workers=workload.workers, settings=asked, cpus=cpus, log_path=log)


def _reached(url: str) -> tuple[str, int]:
    host, port = _address(url)
    try:
        connection = http.client.HTTPConnection(host, port, timeout=3)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(f"{url}: nobody answers there: {error}") from error
    if status != http.HTTPStatus.OK:
        raise UsageError(f"{url} is no backend of Tandem: GET /healthz says {status}")
    return host, port

"""The settings of a backend, read once from ``CHAT_*`` in the environment and frozen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal

DEVELOPMENT_SECRET: Final = "for development on this machine only, never elsewhere"  # noqa: S105 - refused off loopback
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
BackendName = Literal["async", "sync"]
PORTS: Final[dict[BackendName, int]] = {"async": 8001, "sync": 8002}
LABELS: Final[dict[BackendName, str]] = {"async": "FastAPI", "sync": "Flask"}
TWINS: Final[dict[BackendName, BackendName]] = {"async": "sync", "sync": "async"}
MONITOR_PORT: Final = 8000
PREFIX: Final = "CHAT_"
MISSPELT: Final = 0.9
"""How alike two names are, by difflib's ratio, one of which is taken for the other with a slip in it."""


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it and says what is expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """See ``docs/operations.md``; units are in seconds, bytes and characters."""

    backend: BackendName
    redis_url: str
    host: str = "127.0.0.1"
    port: int = 0
    secrets: tuple[str, ...] = field(default=(DEVELOPMENT_SECRET,), repr=False)
    workers: int = 1
    threads: int = 1024
    worker: Literal["gthread", "gevent"] = "gthread"
    prepared_frames: bool = True
    shards: int = 1
    stats_socket: str = ""
    diagnostics: bool = False
    monitor_port: int = MONITOR_PORT
    runtime_dir: str = ""
    metrics_port: int = 0
    max_connections: int = 0
    max_connections_per_user: int = 0
    connection_rate: float = 500.0
    connection_burst: float = 1000.0
    handshake_timeout: float = 10.0
    command_rate: float = 20.0
    command_burst: float = 40.0
    max_text: int = 4000
    max_frame: int = 64 * 1024
    history: int = 10_000
    max_batch: int = 0
    outbox_soft: int = 64 * 1024
    outbox_hard: int = 1024 * 1024
    ping_interval: float = 20.0
    ping_timeout: float = 20.0
    drain_seconds: float = 10.0
    twin: str = ""
    allowed_origins: tuple[str, ...] = ()

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK


def read(backend: BackendName, environment: Mapping[str, str]) -> Settings:
    """Return the settings in ``environment``; raise SettingsError at the first that cannot be used."""
    source = _Reader(environment)
    host = source.text("CHAT_HOST", "127.0.0.1")
    twin = f":{PORTS[TWINS[backend]]}" if host in LOOPBACK else ""
    settings = Settings(
        backend=backend,
        redis_url=_redis_url(
            source.required("CHAT_REDIS_URL", "the address of Redis, such as redis://127.0.0.1:6379/0")
        ),
        host=host,
        port=source.integer("CHAT_PORT", PORTS[backend], 1, 65535),
        secrets=_secrets(source.text("CHAT_SECRET", ""), host),
        workers=source.integer("CHAT_WORKERS", 1, 1, 256),
        threads=source.integer("CHAT_THREADS", 1024, 18, 100_000),
        worker=source.choice("CHAT_WORKER", ("gthread", "gevent")),
        prepared_frames=source.choice("CHAT_PREPARED_FRAMES", ("1", "0")) == "1",
        shards=source.integer("CHAT_SHARDS", 1, 1, 1024),
        stats_socket=source.text("CHAT_STATS_SOCKET", ""),
        monitor_port=source.integer("CHAT_MONITOR_PORT", MONITOR_PORT, 1, 65535),
        diagnostics=source.choice("CHAT_DIAGNOSTICS", ("0", "1")) == "1",
        runtime_dir=source.text("CHAT_RUNTIME_DIR", ""),
        metrics_port=source.integer("CHAT_METRICS_PORT", 0, 0, 65535),
        max_connections=source.integer("CHAT_MAX_CONNECTIONS", 0, 0, 10_000_000),
        max_connections_per_user=source.integer("CHAT_MAX_CONNECTIONS_PER_USER", 0, 0, 10_000_000),
        connection_rate=source.number("CHAT_CONNECTION_RATE", 500.0, 0.0),
        connection_burst=source.number("CHAT_CONNECTION_BURST", 1000.0, 1.0),
        handshake_timeout=source.number("CHAT_HANDSHAKE_TIMEOUT", 10.0, 0.1),
        command_rate=source.number("CHAT_COMMAND_RATE", 20.0, 0.0),
        command_burst=source.number("CHAT_COMMAND_BURST", 40.0, 1.0),
        max_text=source.integer("CHAT_MAX_TEXT", 4000, 1, 100_000),
        max_frame=source.integer("CHAT_MAX_FRAME", 64 * 1024, 1024, 16 * 1024 * 1024),
        history=source.integer("CHAT_HISTORY", 10_000, 1, 10_000_000),
        max_batch=source.integer("CHAT_MAX_BATCH", 0, 0, 1_000_000),
        outbox_soft=source.integer("CHAT_OUTBOX_SOFT", 64 * 1024, 1024, 1 << 30),
        outbox_hard=source.integer("CHAT_OUTBOX_HARD", 1024 * 1024, 1024, 1 << 30),
        ping_interval=source.number("CHAT_PING_INTERVAL", 20.0, 0.1),
        ping_timeout=source.number("CHAT_PING_TIMEOUT", 20.0, 0.1),
        drain_seconds=source.number("CHAT_DRAIN_SECONDS", 10.0, 0.0),
        twin=_twin(source.text("CHAT_TWIN", twin), TWINS[backend]),
        allowed_origins=tuple(source.text("CHAT_ALLOWED_ORIGINS", "").replace(",", " ").split()),
    )
    source.check_names()
    if settings.outbox_hard <= settings.outbox_soft:
        raise SettingsError("CHAT_OUTBOX_HARD must be larger than CHAT_OUTBOX_SOFT")
    return settings


def _redis_url(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("CHAT_REDIS_URL must begin with redis://, rediss:// or unix://")
    return url


def _twin(address: str, name: BackendName) -> str:
    """Both backends can be told the same: ``{twin}`` stands for the name of the other one."""
    if address and not re.match(r":\d{1,5}$|/[^/]|https?://[^/]", address):
        raise SettingsError(f"CHAT_TWIN must be :PORT, /PATH or a URL, not {address!r}")
    return address.replace("{twin}", name)


def _secrets(text: str, host: str) -> tuple[str, ...]:
    secrets = tuple(secret for secret in (part.strip() for part in text.split(",")) if secret)
    if not secrets:
        if host not in LOOPBACK:
            raise SettingsError(f"CHAT_SECRET is required where CHAT_HOST ({host}) is not loopback")
        return (DEVELOPMENT_SECRET,)
    if any(len(secret.encode()) < 32 for secret in secrets):
        raise SettingsError(
            "CHAT_SECRET must have at least 32 bytes; python -c 'import secrets; print(secrets.token_hex())' makes one"
        )
    return secrets


class _Reader:
    """Reads one setting at a time; an empty value is as good as none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._names: list[str] = []

    def check_names(self) -> None:
        """Raise SettingsError for a name that was not read and is nearly one that was: it would be without effect.

        Others are let be: the prefix is nobody's in particular.
        """
        for name in self._environment.keys() - self._names:
            if name.startswith(PREFIX) and (meant := get_close_matches(name, self._names, 1, MISSPELT)):
                raise SettingsError(f"{name} is no setting; {meant[0]} is one")

    def text(self, name: str, default: str) -> str:
        self._names.append(name)
        return self._environment.get(name, "").strip() or default

    def required(self, name: str, meaning: str) -> str:
        if not (value := self.text(name, "")):
            raise SettingsError(f"{name} is not set: {meaning}")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
            raise SettingsError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    def number(self, name: str, default: float, low: float) -> float:
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number < float("inf"):
            raise SettingsError(f"{name} must be a number not below {low:g}, not {value!r}")
        return number

    def choice(self, name: str, choices: tuple[str, ...]) -> Any:
        value = self.text(name, choices[0])
        if value not in choices:
            raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

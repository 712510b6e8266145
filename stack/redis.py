"""Redis for one machine: durable as the promise needs it, on a socket that only this user can reach."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from stack.errors import StackError
from stack.guard import GUARD
from stack.redis_binary import OLDEST, find_redis, show
from stack.server import Server

LONGEST_SOCKET_PATH = 100
"""Bytes. The system's limit is 107 on Linux and 103 on macOS."""

# A relay that fell behind is cut off late: it would only have to read again, from the log, what Redis still had for it.
CONFIGURATION = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",
    "client-output-buffer-limit": "pubsub 64mb 32mb 60",
}


class RedisServer(Server):
    """Our own Redis. Its address stays the same over restarts; its data stay in `data_dir`.

    The log is `data_dir/redis.log` unless `log_path` is given. StackError if this machine has no Redis to run.
    """

    def __init__(self, data_dir: Path, *, log_path: Path | None = None, cpus: Collection[int] | None = None) -> None:
        super().__init__("redis", log_path or data_dir / "redis.log", cpus)
        self.data_dir = data_dir
        self.binary = find_redis()
        self._socket_dir = short_directory()
        GUARD.remove(self._socket_dir)
        weakref.finalize(self, shutil.rmtree, self._socket_dir, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"unix://{self._socket_dir}/redis.sock"

    @property
    def version(self) -> str:
        return show(self.binary.version)

    def command(self) -> list[str]:
        arguments = [str(self.binary.path), "--dir", str(self.data_dir.resolve())]
        arguments += ["--unixsocket", f"{self._socket_dir}/redis.sock"]
        for name, value in CONFIGURATION.items():
            arguments += [f"--{name}", *(value.split() or [""])]
        return arguments

    def probe(self) -> str | None:
        return unreachable(self.url)

    def launch(self) -> None:
        """StackError also if another Redis still uses the data, or a newer one wrote them."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.binary.version < (7, 0, 0) and self._multipart.is_dir():
            raise StackError(f"{self.data_dir} was written by Redis 7 or newer, but here is only {self.version}")
        with _locked(self.data_dir) as lock:
            self._launch(inherited=[lock])  # and so it is Redis that holds the lock, as long as it lives

    def append_only_file(self) -> Path:
        """The file Redis appends to now: to cut its tail (while stopped) as a power failure would."""
        if not self._multipart.is_dir():
            return self.data_dir / "appendonly.aof"
        manifest = (self._multipart / "appendonly.aof.manifest").read_text().splitlines()
        return self._multipart / [line.split()[1] for line in manifest if line.endswith("type i")][-1]

    def lose_data(self) -> None:
        """Remove all that Redis wrote (while stopped)."""
        shutil.rmtree(self._multipart, ignore_errors=True)
        (self.data_dir / "appendonly.aof").unlink(missing_ok=True)

    @property
    def _multipart(self) -> Path:
        """Where Redis 7 and newer keep the parts of the append-only file."""
        return self.data_dir / "appendonlydir"


class ExternalRedis:
    """Somebody else's Redis: checked, never started, stopped or hurt by us."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.version = "unknown"

    def start(self) -> None:
        """StackError if it cannot be reached or is older than 6.2."""
        if (reason := unreachable(self.url)) is not None:
            raise StackError(f"CHAT_REDIS_URL: {reason}")
        with _client(self.url) as client:
            self.version = str(client.info("server")["redis_version"])
        if tuple(int(part) for part in self.version.split(".")[:3]) < OLDEST:
            raise StackError(f"CHAT_REDIS_URL: Redis there is {self.version}, but 6.2 or newer is needed")

    def stop(self) -> None:
        """Nothing: it is not ours."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def choose_redis(url: str | None, data_dir: Path, log_path: Path | None = None) -> RedisServer | ExternalRedis:
    """The Redis at `url` if there is one (CHAT_REDIS_URL), else one of our own; neither is started yet."""
    return ExternalRedis(url) if url else RedisServer(data_dir, log_path=log_path)


def unreachable(url: str) -> str | None:
    """None if Redis answers there within a second, else the reason in one line. The URL's password is never in it."""
    try:
        with _client(url) as client:
            client.ping()
    except ValueError as error:  # not an address at all
        return str(error)
    except (RedisError, OSError) as error:
        return f"no Redis answers: {error}"
    return None


def _client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def short_directory() -> Path:
    """A new directory that only this user can enter, whose path is short enough for sockets."""
    directory = Path(tempfile.mkdtemp(prefix="tandem-"))
    if len(os.fsencode(directory / "redis.sock")) > LONGEST_SOCKET_PATH:
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="tandem-", dir="/tmp"))
    return directory


@contextlib.contextmanager
def _locked(data_dir: Path, wait: float = 1.0) -> Iterator[int]:
    """Hold the directory's lock; a Redis whose stack just died gets `wait` seconds to end."""
    deadline = time.monotonic() + wait
    with (data_dir / "lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"another Redis is using {data_dir}: stop that one, or choose other data"
                    ) from None
                time.sleep(0.05)
        yield lock.fileno()

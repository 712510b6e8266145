"""Real servers, each in a process of its own, on a listener that the tests made: one of each kind for all tests."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
import uvloop
from redis import Redis

from stack.redis import RedisServer
from tests.ends.peer import Peer

ROOT: Final = Path(__file__).parents[2]
SERVERS: Final = {
    "prepared": ["tests.ends.async_app", "{fd}", "prepared"],
    "portable": ["tests.ends.async_app", "{fd}", "portable"],
    "gthread": ["gunicorn", "-c", "tests/ends/gunicorn_conf.py", "-k", "sync_chat.worker.ChatWorker"],
    "gevent": ["gunicorn", "-c", "tests/ends/gunicorn_conf.py", "-k", "sync_chat.gevent_worker.ChatGeventWorker"],
    # the fault that `ChatWorker` is there for, in gunicorn as it is
    "stock": ["gunicorn", "-c", "tests/ends/gunicorn_conf.py", "-k", "gthread"],
}
THREADS: Final = ("gthread",)
SYNC: Final = (*THREADS, "gevent")
OWN: Final = ("prepared", *SYNC)
"""Where the closing is ours, not the server's."""
ALL: Final = ("prepared", "portable", *SYNC)
STARTING: Final = 20.0  # seconds


class Server:
    """One server. A traceback in its log fails the test unless ``may_log`` is set."""

    def __init__(self, kind: str, log: Path, *options: str) -> None:
        self.kind = kind
        self.may_log = False
        self._peers: list[Peer] = []
        self._log = log
        self._judged = 0  # characters of the log
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
            # Small, and inherited by every connection: else megabytes vanish in the kernel before anything is slow.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
            self.port: int = listener.getsockname()[1]
            command = [part.format(fd=listener.fileno()) for part in SERVERS[kind]]
            if command[0] == "gunicorn":
                command += ["--bind", f"fd://{listener.fileno()}", *options]
            with log.open("wb") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    cwd=ROOT,
                    pass_fds=[listener.fileno()],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
        self.healthz()  # waits in the listener's queue until the server is there

    @property
    def log(self) -> str:
        """What it wrote since the test began."""
        return self._log.read_text()[self._judged :]

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def peer(self, receive_buffer: int | None = None, target: str = "/ws") -> Peer:
        """Return a peer that the application knows: it may send its 101 before it counts the connection."""
        peer = Peer(self.port, receive_buffer, target)
        self._peers.append(peer)
        peer.ask("who")
        return peer

    def connections(self) -> int:
        """Return how many WebSocket connections the application has: the body of the answer to /healthz."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=STARTING) as client:
            client.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = b""
            while data := client.recv(4096):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 200 " in head, answer
        return int(body)

    def healthz(self) -> float:
        """Return the seconds that a new HTTP connection waits for its answer."""
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=STARTING) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b" 200 " in client.recv(4096)
        return time.monotonic() - begin

    def until(self, fact: Callable[[], bool], seconds: float = 8.0) -> None:
        deadline = time.monotonic() + seconds
        while not fact():
            assert time.monotonic() < deadline, f"not within {seconds} s\n{self.log}"
            time.sleep(0.02)

    def terminate(self) -> float:
        """Return the seconds from SIGTERM to the end of the process, which must be its own."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) in (0, -signal.SIGTERM)
        return time.monotonic() - begin

    def settle(self) -> None:
        """End what a test has left behind, and judge what was logged since the last time."""
        for peer in self._peers:
            peer.close()
        self._peers.clear()
        try:
            if self.running:
                self.until(lambda: self.connections() == 0)
        except BaseException:
            self.kill()  # the next test gets another
            raise
        self.judge()

    def judge(self) -> None:
        """Fail on a traceback that was logged since the last time, unless one was announced."""
        logged = self.log
        self._judged += len(logged)
        may_log, self.may_log = self.may_log, False
        assert may_log or "Traceback" not in logged, logged

    def kill(self) -> None:
        """End the process, with a worker that it may have."""
        arbiter = psutil.Process(self.process.pid)
        for process in [*arbiter.children(), arbiter]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


def end(servers: Iterable[Server]) -> None:
    """Stop all at the same time, and judge what they logged."""
    running = [server for server in servers if server.running]
    for server in running:
        server.process.send_signal(signal.SIGTERM)
    for server in running:
        try:
            server.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            raise
        server.judge()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of the test's own."""
    servers: list[Server] = []

    def start_one(kind: str, *options: str) -> Server:
        servers.append(Server(kind, tmp_path / f"{len(servers)}.log", *options))
        return servers[-1]

    yield start_one
    for server in servers:
        server.settle()
        server.kill()  # told to stop while it starts, a successor would not, for as long as the arbiter is patient


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Return the server of a kind, started when first asked for, and anew where a test has stopped it."""
    servers: dict[str, Server] = {}
    directory = tmp_path_factory.mktemp("ends")
    numbers = count()

    def server_of(kind: str) -> Server:
        if kind not in servers or not servers[kind].running:
            servers[kind] = Server(kind, directory / f"{kind}-{next(numbers)}.log")
        return servers[kind]

    yield server_of
    end(servers.values())


@pytest.fixture(params=ALL)
def server(request: pytest.FixtureRequest, started: Callable[[str], Server]) -> Iterator[Server]:
    """One of each kind, without connections; `on` chooses the kinds."""
    running = started(request.param)
    yield running
    running.settle()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Run a coroutine on one kind of event loop."""

    def run_one(coroutine: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(coroutine)

    return run_one


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests of one file, which may hurt it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Any]:
    """Another client of it."""
    with Redis.from_url(redis_server.url) as client:
        yield client


def on(kinds: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test on the servers of these kinds alone."""
    return pytest.mark.parametrize("server", kinds, indirect=True)

"""Real servers, each in a process of its own, on a listener that the test made."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.ends.peer import Peer

ROOT: Final = Path(__file__).parents[2]
SERVERS: Final = {
    "prepared": ["tests.ends.async_app", "{fd}", "prepared"],
    "portable": ["tests.ends.async_app", "{fd}", "portable"],
    "gthread": ["gunicorn", "-c", "tests/ends/gunicorn_conf.py", "-k", "sync_chat.worker.ChatWorker"],
    "gevent": ["gunicorn", "-c", "tests/ends/gunicorn_conf.py", "-k", "sync_chat.gevent_worker.ChatGeventWorker"],
}


class Server:
    """One server. ``log`` is what it wrote; a traceback in it fails the test unless ``may_log`` is set."""

    def __init__(self, kind: str, log: Path, *options: str) -> None:
        self.kind = kind
        self.may_log = False
        self.peers: list[Peer] = []
        self._log = log
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
        return self._log.read_text()

    def peer(self, receive_buffer: int | None = None, headers: str = "") -> Peer:
        self.peers.append(Peer(self.port, receive_buffer, headers))
        return self.peers[-1]

    def healthz(self) -> float:
        """Return the seconds that a new HTTP connection waits for its answer."""
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers; all are gone afterwards, and none has logged a traceback."""
    servers: list[Server] = []

    def start_one(kind: str, *options: str) -> Server:
        servers.append(Server(kind, tmp_path / f"{len(servers)}.log", *options))
        return servers[-1]

    yield start_one
    for server in servers:
        for peer in server.peers:
            peer.close()
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()
    for server in servers:
        assert server.may_log or "Traceback" not in server.log, server.log


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest, start: Callable[..., Server]) -> Server:
    """One of each kind."""
    return start(request.param)

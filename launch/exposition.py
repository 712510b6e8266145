"""The metrics of all workers, as Prometheus reads them.

The workers write their values to files that they share, so whoever reads these needs no worker: ``python -m
launch.exposition DIRECTORY FD`` serves them on the listening socket that it inherits, until its standard input ends,
which is when the backend has.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from chat_core.api import VERSION
from chat_core.metrics import CONTENT_TYPE, Metrics
from launch.workers import METRICS_DIRECTORY, proof_ages

PATIENCE: Final = 5.0
"""Seconds that whoever asks may take over it."""


class Workers(Collector):
    """What a worker cannot say of itself: whether it is there, and whether it still gets anything done."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look at the proofs of delivery in the directory."""
        ages = proof_ages(self._directory)
        yield GaugeMetricFamily("chat_workers", "workers that are alive", len(ages))
        oldest = max(ages, default=0.0)
        yield GaugeMetricFamily("chat_proof_age_seconds", "since the last worker proved that delivery works", oldest)
        build = GaugeMetricFamily("chat_build_info", "1; the version is a label", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build


def page(directory: str, own: Metrics) -> bytes:
    """Return the values of all workers that share ``directory``; with none, those of this process."""
    return shared(directory) if directory else own.render()


def shared(directory: str) -> bytes:
    """Return the values of all workers that share ``directory``, in the text format of Prometheus."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, os.environ[METRICS_DIRECTORY])  # type: ignore[no-untyped-call]
    registry.register(Workers(directory))
    return generate_latest(registry)


class Server(ThreadingHTTPServer):
    """Serves the page of one directory."""

    daemon_threads = True

    def __init__(self, directory: str, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.directory = directory


class Handler(BaseHTTPRequestHandler):
    """Answers ``GET /metrics``."""

    server: Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with the page, or with 404."""
        found = self.path.partition("?")[0] == "/metrics"
        body = shared(self.server.directory) if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of scrapes."""


def main(directory: str, descriptor: int) -> int:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the backend, whose last values are worth reading
    server = Server(directory, socket.socket(fileno=descriptor))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))

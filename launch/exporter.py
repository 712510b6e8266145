"""``/metrics`` on a port of its own, from a process of its own, which does not wait for a worker that is stuck."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Final

PATIENCE: Final = 5.0
"""Seconds that the process may take to end."""


@contextmanager
def exporter(directory: str, listener: socket | None) -> Iterator[None]:
    """Have the metrics in ``directory`` served on ``listener``, see ``launch.exposition``; None: nowhere."""
    if listener is None:
        yield
        return
    with listener:
        command = [sys.executable, "-m", "launch.exposition", directory, str(listener.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)

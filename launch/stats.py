"""Where a process sends its counters: to whoever listens on a unix socket, and to nobody as well."""

import socket
from contextlib import suppress
from typing import Final

BUFFER: Final = 64 * 1024
"""Bytes of one datagram at most. macOS allows 2 KiB unless asked."""


class StatsSender:
    """Sends datagrams to the socket at ``path``, without ever waiting: what is not taken at once is let go."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    def send(self, datagram: bytes) -> None:
        """Send, if anybody listens and has room. By path each time: a monitor that was started anew is found."""
        with suppress(OSError):
            self._socket.sendto(datagram, self._path)

    def close(self) -> None:
        self._socket.close()

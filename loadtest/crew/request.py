"""One HTTP request beside the sockets, on a connection of its own."""

import selectors
import socket
from collections.abc import Callable
from typing import Final

MOST_READ: Final = 1 << 20


class Request:
    """A GET that is under way; ``done`` is called once, with ``failed`` saying whether it got no answer below 500."""

    def __init__(
        self, address: tuple[str, int], path: str, selector: selectors.BaseSelector, done: Callable[["Request"], None]
    ) -> None:
        self.failed = True
        self._done = done
        self._selector = selector
        self._received = b""
        self._request = f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nConnection: close\r\n\r\n".encode()
        self._socket: socket.socket | None = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self._socket.setblocking(False)
        self._socket.connect_ex(address)
        selector.register(self._socket, selectors.EVENT_WRITE, self)

    def on_event(self, mask: int) -> int:
        """The socket can be read or written: returns the number of bytes read."""
        if self._socket is None:
            return 0
        try:
            if mask & selectors.EVENT_WRITE:
                self._socket.send(self._request)
                self._selector.modify(self._socket, selectors.EVENT_READ, self)
                return 0
            data = self._socket.recv(65536)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if data and len(self._received) < MOST_READ:
            self._received += data
            return len(data)
        status = self._received.partition(b"\r\n")[0].split()
        self.failed = len(status) < 2 or not status[1].isdigit() or int(status[1]) >= 500
        self.close()
        self._done(self)
        return 0

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

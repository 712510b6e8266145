"""One HTTP request beside the sockets, on a connection of its own."""

import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Final

MOST_READ: Final = 1 << 20


class Request:
    """A request that is under way, a POST if it has a ``body``.

    ``done`` is called once; ``failed`` then says whether it got no answer below 400.
    """

    def __init__(
        self,
        address: tuple[str, int],
        path: str,
        selector: selectors.BaseSelector,
        done: Callable[["Request"], None],
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> None:
        self.failed = True
        self._done = done
        self._selector = selector
        self._received = b""
        lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self._request = "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body
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
        self.failed = len(status) < 2 or not status[1].isdigit() or int(status[1]) >= 400
        self.close()
        self._done(self)
        return 0

    def close(self) -> None:
        """Give up."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

"""HTTP requests beside the sockets, each on a connection of its own."""

import errno
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Final

from loadtest.crew.books import Books
from loadtest.crew.request import Request

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""What a connection cannot be tried for: the generator's limit, not the server's."""


class Asides:
    """Those under way."""

    def __init__(
        self,
        address: tuple[str, int],
        selector: selectors.BaseSelector,
        headers: Callable[[], Mapping[str, str]],
        books: Books,
    ) -> None:
        self._address = address
        self._selector = selector
        self._headers = headers
        self._books = books
        self._requests: set[Request] = set()

    def measure(self, path: str, intended: float, window: int) -> None:
        """Make a request, and note how long it takes from when it was meant to be made."""

        def done(request: Request) -> None:
            latency = time.monotonic() - intended
            if request.failed:
                self._books.second.http_failed += 1
            self._books.second.latency["http"].record(latency)
            self._books.phases[window].latency["http"].record(latency)

        self.ask(path, done)

    def ask(self, path: str, then: Callable[[Request], None], body: bytes = b"") -> None:
        """Make a request; ``then`` is told of its end."""

        def done(request: Request) -> None:
            self._requests.discard(request)
            then(request)

        try:
            self._requests.add(Request(self._address, path, self._selector, done, self._headers(), body))
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self._books.second.failures += 1

    def close(self) -> None:
        """Give up what is under way."""
        for request in list(self._requests):
            request.close()

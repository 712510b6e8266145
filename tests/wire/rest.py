"""REST for tests. Every request waits for its answer, also in an asynchronous test: there is nothing else to do."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import httpx


class Rest:
    """A client that keeps no connections, and cookies only if asked to: a context manager."""

    def __init__(self, *, cookies: bool = False) -> None:
        self._client = httpx.Client(
            timeout=10,
            trust_env=False,
            cookies=CookieJar(None if cookies else DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Return the answer; ``options`` are those of httpx."""
        return self._client.request(method, url, **options)

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> httpx.Response:
        return self.request("HEAD", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", url, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

"""One backend, run by its profile."""

import http.client
import shutil
import tempfile
import weakref
from collections.abc import Collection, Mapping
from pathlib import Path

from stack.errors import StackError
from stack.guard import GUARD
from stack.ports import free_port, is_free
from stack.profiles import Profile, profile_named
from stack.server import DATA, Server

ATTEMPTS = 3
"""How often a port of our own choice may turn out to be taken."""


class Backend(Server):
    """`python -m async_chat` or `python -m sync_chat`, told everything by its environment; ready when /readyz is 200.

    `port` 0 takes a free one. `settings` are CHAT_* variables beside those that follow from the other arguments; of
    our own environment a backend sees none of them. The log is `.data/logs/PROFILE.log` unless `log_path` is given.
    """

    def __init__(
        self,
        profile: str | Profile,
        redis_url: str,
        *,
        port: int = 0,
        workers: int = 1,
        settings: Mapping[str, str] | None = None,
        cpus: Collection[int] | None = None,
        log_path: Path | None = None,
    ) -> None:
        self.profile = profile_named(profile) if isinstance(profile, str) else profile
        super().__init__(self.profile.name, log_path or DATA / "logs" / f"{self.profile.name}.log", cpus)
        self.settings = {"CHAT_HOST": "127.0.0.1", **self.profile.settings, **(settings or {})}
        self.settings |= {"CHAT_REDIS_URL": redis_url, "CHAT_WORKERS": str(workers)}
        self._runtime_dir = Path(tempfile.mkdtemp(prefix="tandem-"))
        GUARD.remove(self._runtime_dir)
        weakref.finalize(self, shutil.rmtree, self._runtime_dir, ignore_errors=True)
        self.workers = workers
        self._any_port = port == 0
        self.port = port or free_port(self.listen_host)

    @property
    def listen_host(self) -> str:
        return self.settings["CHAT_HOST"]

    @property
    def host(self) -> str:
        """The host to connect to; an IPv6 address in brackets."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen_host, self.listen_host)  # noqa: S104
        return f"[{host}]" if ":" in host else host

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}/ws"

    def command(self) -> list[str]:
        return list(self.profile.command)

    def environment(self) -> dict[str, str]:
        own = {"CHAT_PORT": str(self.port), "CHAT_RUNTIME_DIR": str(self._runtime_dir), "PYTHONUNBUFFERED": "1"}
        return super().environment() | self.settings | own

    def probe(self) -> str | None:
        connection = http.client.HTTPConnection(self.host.strip("[]"), self.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            said = response.read(200).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return "it does not answer GET /readyz"
        finally:
            connection.close()
        return None if response.status == http.HTTPStatus.OK else f"GET /readyz says {response.status} {said!r}"

    def launch(self) -> None:
        """StackError if the port is taken, unless any will do."""
        if not is_free(self.listen_host, self.port):
            if not self._any_port:
                raise StackError(f"CHAT_PORT: port {self.port} is taken; {self.name} needs another, or that one freed")
            self.port = free_port(self.listen_host)
        super().launch()

    def start(self) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                super().start()
            except StackError:
                if not (self._any_port and any("in use" in line for line in self.log_tail())):
                    raise
            else:
                return
        super().start()

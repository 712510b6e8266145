"""The monitor: the process that watches the others, and draws what it sees at a port of its own."""

import http.client
import sys
from collections.abc import Collection
from pathlib import Path

from stack.errors import StackError
from stack.ports import is_free
from stack.server import DATA, Server

HOST = "127.0.0.1"
"""It can hurt the servers, so nobody else may reach it."""


class Monitor(Server):
    """`python -m loadtest monitor`. The stack goes on without it: see `Stack.fallen`."""

    def __init__(
        self,
        port: int,
        *,
        stats: Path,
        control: Path,
        runs: Path | None = None,
        log_path: Path | None = None,
        cpus: Collection[int] | None = None,
    ) -> None:
        super().__init__("monitor", log_path or DATA / "logs" / "monitor.log", cpus)
        self.port = port
        self._stats = stats
        self._control = control
        self._runs = runs or DATA / "runs"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        told = {"--port": str(self.port), "--stats": str(self._stats), "--control": str(self._control)}
        told["--runs"] = str(self._runs)
        return [sys.executable, "-m", "loadtest", "monitor", *(part for pair in told.items() for part in pair)]

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PYTHONUNBUFFERED": "1"}

    def launch(self) -> None:
        """StackError if the port is taken."""
        if not is_free(HOST, self.port):
            raise StackError(
                f"CHAT_MONITOR_PORT: port {self.port} is taken; the monitor needs another, or that one freed"
            )
        super().launch()

    def probe(self) -> str | None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return "it does not answer GET /healthz"
        finally:
            connection.close()
        return None if status == http.HTTPStatus.OK else f"GET /healthz says {status}"

"""How the monitor asks for what only the stack can do: say what runs, and hurt it and set it right again.

One JSON object per line and connection on a unix socket that only this user can reach. What is hurt is set right by
this process, whatever becomes of who asked.
"""

import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from stack.backends import Backend
from stack.errors import StackError
from stack.server import Server

LONGEST: Final = 30.0
"""Seconds for which anything may be kept frozen or away."""
GRACE: Final = 20.0


class Control:
    """Answers for ``servers`` until `close`. ``hurting`` are those that are down, or may be, because somebody asked."""

    def __init__(self, servers: Sequence[Server], redis_url: str, path: Path) -> None:
        self.hurting: set[Server] = set()
        self._servers = servers
        self._redis_url = redis_url
        self._closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._acts: dict[str, Callable[[Server, float], Any]] = {
            "kill": self._kill,
            "kill_worker": self._kill_worker,
            "freeze": self._freeze,
            "drain": self._drain,
        }
        threading.Thread(target=self._serve, name="control", daemon=True).start()

    def close(self) -> None:
        """Take no more requests, and let what is frozen or away stay so: everything is about to be stopped."""
        self._closed.set()
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), name="control", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rw", encoding="utf-8") as lines:
            for line in lines:
                lines.write(json.dumps(self._answer(line)) + "\n")
                lines.flush()

    def _answer(self, line: str) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            if asked["do"] == "describe":
                return self._describe()
            return self._hurt(asked["do"], asked["server"], float(asked.get("seconds", 0)))
        except StackError as error:
            return {"error": str(error)}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": f"not understood: {error!r}"}

    def _describe(self) -> dict[str, Any]:
        return {
            "redis": self._redis_url,
            "servers": [_described(server, server in self.hurting) for server in self._servers],
        }

    def _hurt(self, what: str, name: str, seconds: float) -> dict[str, Any]:
        """Do it, and return once it is set right: with the seconds it was down or frozen."""
        server = next((one for one in self._servers if one.name == name), None)
        if what not in self._acts or server is None:
            raise StackError(f"there is no {what!r} for {name!r} here")
        if not 0 <= seconds <= LONGEST:
            raise StackError(f"{seconds:g} s: from 0 to {LONGEST:g} can be had")
        if server in self.hurting:
            raise StackError(f"{name} is being hurt already")
        began = time.monotonic()
        self.hurting.add(server)
        try:
            self._acts[what](server, seconds)
        finally:
            self.hurting.discard(server)
        return {"seconds": time.monotonic() - began}

    def _kill(self, server: Server, seconds: float) -> None:
        server.kill()
        self._bring_back(server, seconds)

    def _kill_worker(self, server: Server, seconds: float) -> None:
        """One worker of several, which its supervisor replaces; the whole where there is no other."""
        workers = server.pids()[1:] if isinstance(server, Backend) and server.workers > 1 else []
        if len(workers) < 2:
            return self._kill(server, seconds)
        with suppress(ProcessLookupError):
            os.kill(random.choice(workers), signal.SIGKILL)  # noqa: S311 - any
        server.wait_ready()
        return None

    def _freeze(self, server: Server, seconds: float) -> None:
        server.freeze()
        try:
            self._closed.wait(seconds)
        finally:
            server.thaw()

    def _drain(self, server: Server, seconds: float) -> None:
        server.stop(GRACE)
        self._bring_back(server, seconds)

    def _bring_back(self, server: Server, seconds: float) -> None:
        if not self._closed.wait(seconds):
            server.start()
        if self._closed.is_set():
            server.kill()


def _described(server: Server, hurt: bool) -> dict[str, Any]:
    about: dict[str, Any] = {"name": server.name, "pid": server.pid if server.running else None, "hurt": hurt}
    if isinstance(server, Backend):
        about |= {"title": server.profile.title, "model": server.profile.model, "url": server.url}
        about |= {"workers": server.workers}
    return about

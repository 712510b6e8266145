"""Where a server writes, over its restarts."""

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

TAIL = 65_536
"""Bytes read from the end to find the last lines."""


class Log:
    """Grows over the restarts of one server; what an earlier one wrote to the path is kept once, as `.1`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start: int | None = None

    def open(self) -> BinaryIO:
        """A file to append to, for one run of the server."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._start is None and self._path.exists():
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        log = self._path.open("ab")
        self._start = log.tell()
        return log

    def tail(self, lines: int) -> list[str]:
        """The last lines that are not empty, of what was written since the last `open`."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._start or 0, end - TAIL))
            written = log.read().decode(errors="replace").splitlines()
            return [line.rstrip() for line in written if line.strip()][-lines:]
        return []

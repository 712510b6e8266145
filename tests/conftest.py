"""What the tests of more than one part share: the servers, started once and only if asked for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.wire.rest import Rest
from tests.wire.servers import Servers

BAD: Final = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|Exception ignored|never retrieved|WORKER TIMEOUT|\w+Error:")
# gunicorn says so of a worker that a test kills.
EXPECTED: Final = re.compile(r"\[ERROR\] Worker \(pid:\d+\) was sent SIGKILL!")


@pytest.fixture(scope="session")
def server_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where every backend that a test starts writes its log, as `*.log`.

    Judged when all else is done: what clients sent is no news, and nothing may have gone wrong unnoticed.
    """
    directory = tmp_path_factory.mktemp("server-logs")
    yield directory
    logs = sorted(directory.glob("**/*.log"))
    assert logs, "no server wrote a log"
    found = {log.name: [line for line in log.read_text(errors="replace").splitlines() if _bad(line)] for log in logs}
    assert {name: lines[:20] for name, lines in found.items() if lines} == {}


def _bad(line: str) -> bool:
    return bool(BAD.search(line) and not EXPECTED.search(line))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[Servers]:
    """One Redis and each profile, under lax limits. Tests leave them as they found them."""
    shared = Servers(tmp_path_factory.mktemp("shared"), server_logs)
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def http() -> Iterator[Rest]:
    """A client for REST that keeps no cookies."""
    with Rest() as client:
        yield client

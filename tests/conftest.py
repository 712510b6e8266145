"""What the tests of more than one part share: the servers, started once and only if asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.rest import Rest
from tests.wire.servers import Servers


@pytest.fixture(scope="session")
def server_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every backend that a test starts writes its log, as `*.log`."""
    return tmp_path_factory.mktemp("server-logs")


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

"""One real Redis for all tests of the scripts, emptied before each; a second one for those that kill it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.redis import RedisServer
from tests.scripts.store import Store


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[Store]:
    """The scripts as a backend asks them, on an empty Redis."""
    with Store(redis_server) as store:
        store.redis.flushall()
        yield store


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Store]:
    """As `store`, on a Redis of its own that a test may kill."""
    with RedisServer(tmp_path / "redis") as server, Store(server) as store:
        yield store

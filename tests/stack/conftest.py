"""What the tests of the stack share: its real Redis, and a stand-in for the backends, which are tested elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stack.profiles import Profile
from stack.redis import RedisServer

STAND_IN = Profile(
    name="stand-in",
    title="Stand-in",
    model="asgi",
    port=0,
    command=(sys.executable, str(Path(__file__).with_name("stand_in.py"))),
    summary="answers every GET with its environment",
)


@pytest.fixture
def stand_in() -> Profile:
    return STAND_IN


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.01)

    return wait


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process runs; a dead one that nobody has reaped yet does not."""

    def is_alive(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return is_alive

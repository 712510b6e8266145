"""The core decides and never waits: no module of it imports what does, or reaches the clock, a thread or a socket."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "chat_core"
MODULES = sorted(CORE.rglob("*.py"))
FORBIDDEN = {
    *("asyncio", "concurrent", "gevent", "multiprocessing", "queue", "sched", "selectors", "signal", "socket"),
    *("socketserver", "ssl", "subprocess", "threading", "_thread", "anyio", "trio"),
    *(
        "fastapi",
        "flask",
        "flask_sock",
        "gunicorn",
        "http.client",
        "http.server",
        "httpx",
        "hiredis",
        "redis",
        "requests",
        "simple_websocket",
    ),
    *("starlette", "urllib.request", "uvicorn", "uvloop", "websockets", "werkzeug", "wsproto", "time"),
    *("async_chat", "sync_chat", "stack", "loadtest"),
}


def imported(tree: ast.Module) -> Iterator[str]:
    """The names of all modules that are imported anywhere in the tree, and of what is taken from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(tree: ast.Module) -> set[str]:
    """What of that the core may not import."""
    return {name for name in imported(tree) if any(f"{name}.".startswith(f"{banned}.") for banned in FORBIDDEN)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_core_imports_nothing_that_waits(path: Path) -> None:
    assert forbidden(ast.parse(path.read_text())) == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_core_has_no_coroutine_and_imports_nothing_by_name(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), ast.unparse(node)
        if isinstance(node, ast.Name):
            assert node.id not in ("__import__", "open", "input", "print", "exec", "eval"), ast.unparse(node)


@pytest.mark.parametrize(
    "source",
    ["import asyncio", "from time import sleep", "def f():\n    import redis.asyncio as r", "from flask import Flask"],
)
def test_walk_finds_what_is_forbidden(source: str) -> None:
    assert forbidden(ast.parse(source))


def test_core_is_all_there() -> None:
    assert {"rooms", "registry", "protocol", "log"} <= {path.stem for path in MODULES}

"""What keeps a backend from starting is one clear line, and an exit code that scripts can see."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stack.ports import free_port
from stack.server import ROOT
from tests.wire.servers import Servers

MODULES = {"async": "async_chat", "sync": "sync_chat"}


def _run(module: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-m", module]
    return subprocess.run(
        command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("profile", MODULES)
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CHAT_REDIS_URL": ""}, "CHAT_REDIS_URL is not set"),
        ({"CHAT_REDIS_URL": "http://127.0.0.1"}, "CHAT_REDIS_URL must begin with"),
        ({"CHAT_HOST": "0.0.0.0"}, "CHAT_SECRET is required"),
        ({"CHAT_SECRET": "short"}, "CHAT_SECRET must have at least 32 bytes"),
        ({"CHAT_HOST": "192.0.2.1", "CHAT_SECRET": "x" * 32}, "CHAT_HOST"),
        ({"CHAT_PORT": "http"}, "CHAT_PORT must be a whole number"),
        ({"CHAT_WORKERS": "0"}, "CHAT_WORKERS must be a whole number"),
        ({"CHAT_COMMAND_RATE": "nan"}, "CHAT_COMMAND_RATE must be a number"),
        ({"CHAT_WORKER": "eventlet"}, "CHAT_WORKER must be one of"),
        ({"CHAT_RUNTIME_DIR": "/dev/null"}, "CHAT_RUNTIME_DIR: /dev/null cannot be used"),
        ({"CHAT_OUTBOX_SOFT": "2000", "CHAT_OUTBOX_HARD": "1024"}, "CHAT_OUTBOX_HARD must be larger"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_setting_that_cannot_be_used_is_one_line(
    settings: dict[str, str], said: str, profile: str, servers: Servers
) -> None:
    servers.backend(profile)  # so that Redis runs
    base = {"CHAT_REDIS_URL": servers.redis.url, **_port()}
    _one_line(_run(MODULES[profile], base | settings), said)


@pytest.fixture(scope="module")
def unreachable() -> dict[str, subprocess.CompletedProcess[str]]:
    """How both end where no Redis answers; it takes them a while to give up, so they are started together."""
    settings = {"CHAT_REDIS_URL": "redis://127.0.0.1:1/0"}
    with ThreadPoolExecutor() as pool:
        runs = {profile: pool.submit(_run, module, settings | _port()) for profile, module in MODULES.items()}
        return {profile: run.result() for profile, run in runs.items()}


@pytest.mark.parametrize("profile", MODULES)
def test_a_redis_that_does_not_answer_is_one_line(
    profile: str, unreachable: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    _one_line(unreachable[profile], "CHAT_REDIS_URL")


def _port() -> dict[str, str]:
    return {"CHAT_PORT": str(free_port())}


@pytest.mark.parametrize("profile", MODULES)
def test_a_taken_port_is_one_line(profile: str, servers: Servers) -> None:
    taken = servers.backend(profile).port
    ended = _run(MODULES[profile], {"CHAT_REDIS_URL": servers.redis.url, "CHAT_PORT": str(taken)})
    _one_line(ended, "CHAT_PORT")
    assert str(taken) in ended.stderr


@pytest.mark.parametrize("profile", MODULES)
def test_another_number_of_shards_than_redis_holds_is_one_line(profile: str, servers: Servers) -> None:
    servers.backend(profile)
    settings = {"CHAT_REDIS_URL": servers.redis.url, **_port(), "CHAT_SHARDS": "8"}
    _one_line(_run(MODULES[profile], settings), "CHAT_SHARDS")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("profile", MODULES)
def test_workers_that_cannot_begin_end_the_backend(
    profile: str, workers: str, servers: Servers, tmp_path: Path
) -> None:
    servers.backend(profile)
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom chat_core.metrics import Metrics\n"
        "def fail(self): raise RuntimeError('sabotage')\nMetrics.__init__ = fail\n"
    )
    base = {"CHAT_REDIS_URL": servers.redis.url, **_port(), "CHAT_WORKERS": workers, "PYTHONPATH": str(tmp_path)}
    ended = _run(MODULES[profile], base)
    assert ended.returncode not in (0, 2)
    assert "sabotage" in ended.stderr


def test_a_health_check_says_whether_a_backend_is_ready(servers: Servers) -> None:
    for profile in MODULES:
        ready = _run("launch.ready", {"CHAT_HOST": "0.0.0.0", "CHAT_PORT": str(servers.backend(profile).port)})
        assert (ready.returncode, ready.stderr) == (0, "")
    _one_line(_run("launch.ready", _port()), "no answer on port")


def _one_line(ended: subprocess.CompletedProcess[str], said: str) -> None:
    assert ended.returncode > 0
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    assert said in lines[0]
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not Path("gunicorn.ctl").exists()

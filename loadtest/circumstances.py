"""Where and with what something was measured: figures mean nothing without it."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

from loadtest.baselines import node
from loadtest.targets import limits_off
from stack.redis import CONFIGURATION, RedisServer
from stack.redis_binary import RedisBinary, show
from stack.server import ROOT

PACKAGES: Final = {
    "async": ("fastapi", "starlette", "uvicorn", "uvloop", "websockets"),
    "sync": ("flask", "flask-sock", "simple-websocket", "wsproto", "gunicorn", "gevent"),
    "both": ("redis", "hiredis", "pydantic", "prometheus-client"),
}


def machine(server_cpus: frozenset[int] | None, generator_cpus: frozenset[int] | None) -> dict[str, str]:
    """Return what is known before anything was started."""
    pinned = "nothing is pinned: the generator and the server share all CPUs"
    if server_cpus and generator_cpus:
        pinned = f"server and Redis on CPU {_list(server_cpus)}, generator on CPU {_list(generator_cpus)}"
    lines = {
        "machine": f"{_cpu_model()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "CPUs": pinned,
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "commit": _git("rev-parse", "--short", "HEAD") + (" with changes" if _git("status", "--porcelain") else ""),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "limits off": " ".join(f"{name}={value}" for name, value in limits_off(0).items() if value == "0"),
    }
    for side, packages in PACKAGES.items():
        lines[f"packages of {side}"] = ", ".join(f"{name} {version(name)}" for name in packages)
    return lines | {"Node.js": f"{node.version()}, ws {node.ws_version()}"}


def describe(redis: RedisServer | None) -> dict[str, str]:
    """Return what is known of a Redis that was started."""
    if redis is None:
        return {}
    return {"Redis": _redis(redis.version)}


def redis(binary: RedisBinary) -> str:
    """Return what is known of a Redis that will be started."""
    return _redis(show(binary.version))


def _redis(version: str) -> str:
    kept = " ".join(f"{name} {CONFIGURATION[name]}" for name in ("appendonly", "appendfsync", "maxmemory-policy"))
    return f"{version}, {kept}"


def _list(cpus: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cpus)))


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

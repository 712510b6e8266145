"""What the workers of one backend know of each other: a directory with a file per worker, and their metrics.

A worker touches its file whenever a probe of its own came back through Redis.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_directory(given: str) -> Iterator[str]:
    """Give a directory for the workers: the one ``given``, or a temporary one. To be entered before metrics exist."""
    if given:
        Path(given, "metrics").mkdir(parents=True, exist_ok=True)
        _clear(given)
        os.environ[METRICS_DIRECTORY] = str(Path(given, "metrics"))
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="tandem-", ignore_cleanup_errors=True) as directory:
        Path(directory, "metrics").mkdir()
        os.environ[METRICS_DIRECTORY] = str(Path(directory, "metrics"))
        yield directory


def prove(directory: str) -> None:
    """This worker has seen that delivery works."""
    if directory:
        with suppress(OSError):  # the backend is going down, and its directory with it
            Path(directory, f"worker-{os.getpid()}").touch()


def proof_ages(directory: str) -> list[float]:
    """Return for each live worker the seconds since it last saw that delivery works."""
    ages = []
    for proof in Path(directory).glob("worker-*"):
        with suppress(OSError):
            if _alive(int(proof.name.removeprefix("worker-"))):
                ages.append(max(0.0, time.time() - proof.stat().st_mtime))
            else:
                proof.unlink()
    return ages


def buried(pid: int) -> None:
    """The worker ``pid`` is dead: its gauges count no more."""
    from prometheus_client import multiprocess  # only now: it decides by the environment, when imported

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _clear(directory: str) -> None:
    """Remove what an earlier run left: its counters would be added to ours."""
    for leftover in (*Path(directory).glob("worker-*"), *Path(directory, "metrics").glob("*.db")):
        leftover.unlink(missing_ok=True)

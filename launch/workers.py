"""What the workers of one backend know of each other: a directory with a file per worker, and their metrics.

A worker touches its file whenever a probe of its own came back through Redis.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from launch.errors import LaunchError

PREFIX: Final = "tandem-backend-"
LOCK: Final = "lock"
STOPPING: Final = "stopping"
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_directory(given: str) -> Iterator[str]:
    """Give a directory for the workers: the one ``given``, or a temporary one. To be entered before metrics exist.

    Raises LaunchError where the one that was given cannot be used.
    """
    _remove_stale()
    owner = os.getpid()
    with ExitStack() as held:
        directory = given or tempfile.mkdtemp(prefix=PREFIX)
        try:
            Path(directory, "metrics").mkdir(parents=True, exist_ok=True)
            _clear(directory)
            if not given:
                held.enter_context(_locked(directory))
        except OSError as error:
            raise LaunchError(f"CHAT_RUNTIME_DIR: {directory} cannot be used ({error.strerror})") from None
        os.environ[METRICS_DIRECTORY] = str(Path(directory, "metrics"))
        try:
            yield directory
        finally:
            # A forked worker that ends comes by here as well, and its siblings go on.
            if not given and os.getpid() == owner:
                shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Hold the directory as long as this process, or a worker that was forked from it, lives."""
    with Path(directory, LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _remove_stale() -> None:
    """Remove the temporary directories of backends that were killed."""
    for lock_path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), lock_path.open("r+") as lock:  # held by who lives, or not ours
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_path.parent, ignore_errors=True)


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


def stop_all(directory: str) -> None:
    """Say that the whole backend is about to stop; to be called before its workers are told to."""
    with suppress(OSError):  # removed under us: then each worker thinks that others go on, and refuses newcomers
        Path(directory, STOPPING).touch()


def alone(workers: int, directory: str) -> bool:
    """Return whether a worker that is told to stop leaves nobody who would serve: of one, or with all the others.

    Such a worker goes on accepting while it drains, for newcomers are to be answered: with 503 and when to come back.
    """
    return workers == 1 or Path(directory, STOPPING).exists()


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
    for leftover in (
        *Path(directory).glob("worker-*"),
        *Path(directory, "metrics").glob("*.db"),
        Path(directory, STOPPING),
    ):
        leftover.unlink(missing_ok=True)

"""The directory that the workers of one backend share: nobody leaves one behind, and nobody loses a sibling's."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.workers import shared_directory
from stack.backends import Backend
from stack.profiles import Profile
from stack.server import ROOT

HOLD = "from launch.workers import shared_directory\nwith shared_directory('') as d: print(d, flush=True); input()"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What these tests have for /tmp; the variable that metrics read is put back afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    return tmp_path


def _holder(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another backend, and the directory that it holds."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    return holder, Path(holder.stdout.readline().strip())


def test_what_a_killed_backend_left_is_removed_and_what_a_live_one_has_is_not(temporary: Path) -> None:
    (killed, stale), (live, held) = _holder(temporary), _holder(temporary)
    assert stale.is_dir()
    killed.kill()
    killed.communicate()
    with shared_directory("") as own:
        assert sorted(temporary.iterdir()) == sorted((held, Path(own)))
    live.communicate("\n")
    assert not list(temporary.iterdir())


FORK = """
import os, sys
from launch.workers import shared_directory
with shared_directory("") as directory:
    if not os.fork():
        sys.exit(0)  # as gunicorn's workers end: through all that was open when they were forked
    os.wait()
    print(os.path.isdir(directory + "/metrics"))
"""


def test_a_forked_worker_that_ends_takes_nothing_from_its_siblings(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    said = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "True\n"
    assert not list(temporary.iterdir())


def test_a_backend_of_the_stack_has_its_own_and_leaves_none(stand_in: Profile, tmp_path: Path) -> None:
    backend = Backend(stand_in, "unix:///nowhere", log_path=tmp_path / "log")
    directory = Path(backend.environment()["CHAT_RUNTIME_DIR"])
    with backend:
        assert directory.is_dir()
        backend.kill()
    del backend
    gc.collect()
    assert not directory.exists()

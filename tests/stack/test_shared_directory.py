"""The directory that the workers of one backend share."""

import subprocess
import sys
from pathlib import Path

from stack.server import ROOT

SCRIPT = """
import os, sys
from launch.workers import shared_directory
with shared_directory("") as directory:
    if os.fork() == 0:
        sys.exit(0)  # as gunicorn ends a worker
    os.wait()
    print(directory, os.path.isdir(directory))
"""


def test_it_outlives_a_forked_worker_and_goes_with_its_owner() -> None:
    command = [sys.executable, "-c", SCRIPT]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    assert told[1:] == ["True"], "a worker that ends takes nothing from its siblings"
    assert not Path(told[0]).exists()

"""Runs when all else is done: what clients sent is no news, and nothing went wrong unnoticed."""

import re
from pathlib import Path

BAD = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|Exception ignored|never retrieved|WORKER TIMEOUT|\w+Error:")
# gunicorn says so of a worker that a test kills.
EXPECTED = re.compile(r"\[ERROR\] Worker \(pid:\d+\) was sent SIGKILL!")


def test_no_server_logged_an_error(server_logs: Path) -> None:
    logs = sorted(server_logs.glob("**/*.log"))
    assert logs
    found = {log.name: [line for line in log.read_text(errors="replace").splitlines() if _bad(line)] for log in logs}
    assert {name: lines[:20] for name, lines in found.items() if lines} == {}


def _bad(line: str) -> bool:
    return bool(BAD.search(line) and not EXPECTED.search(line))

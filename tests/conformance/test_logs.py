"""Runs when all else is done: what clients sent is no news, and nothing went wrong unnoticed."""

import re
from pathlib import Path

BAD = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|Exception ignored|never retrieved|WORKER TIMEOUT|\w+Error:")


def test_no_server_logged_an_error(server_logs: Path) -> None:
    logs = sorted(server_logs.glob("**/*.log"))
    found = {
        log.name: [line for line in log.read_text(errors="replace").splitlines() if BAD.search(line)] for log in logs
    }
    assert {name: lines[:20] for name, lines in found.items() if lines} == {}

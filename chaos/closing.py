"""How a run ends: the crowd comes to rest, and the servers are asked for what they have."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaos.audit import Auditor
from chaos.crowd import Crowd, wait_for
from chaos.findings import Finding
from chaos.history import AUDIT, Recorder
from stack.backends import Backend

BACK_WITHIN: Final = 15.0
GHOSTS_GONE: Final = 32.0
"""Seconds until presence has come to what it should be: ghosts of a killed process are gone within thirty."""


async def settle(crowd: Crowd, backends: Sequence[Backend], auditor: Auditor) -> list[Finding]:
    """Return when all is quiet and everybody has everything, or with who did not come to that."""
    found = [_stuck(client.name, "its last act came to no end") for client in await crowd.hush()]
    try:
        await wait_for(crowd.all_there, BACK_WITHIN)
        await crowd.last_words()
        await wait_for(crowd.all_there, BACK_WITHIN)
    except TimeoutError:
        found += [
            _stuck(client.name, f"is not back in {room.room}")
            for client in crowd.present
            for room in client.rooms.values()
            if not room.live.is_set()
        ]
    deadline = time.monotonic() + GHOSTS_GONE
    while time.monotonic() < deadline:  # what is still wrong then, the check finds
        if crowd.presence_agrees() and await asyncio.to_thread(_members_agree, crowd, backends, auditor):
            break
        await asyncio.sleep(0.2)
    return found


def _members_agree(crowd: Crowd, backends: Sequence[Backend], auditor: Auditor) -> bool:
    return all(
        set(auditor.members(backend, room)) == crowd.members(room) for backend in backends for room in crowd.all_rooms
    )


async def audit(crowd: Crowd, backends: Sequence[Backend], auditor: Auditor, directory: Path) -> None:
    """Write down what the servers say of every room."""
    recorder = Recorder(directory / AUDIT)
    for backend in backends:
        for room in crowd.all_rooms:
            users = await asyncio.to_thread(auditor.members, backend, room)
            recorder.note("members", {"room": room, "backend": backend.name, "users": users})
    for number, room in enumerate(crowd.all_rooms):
        await auditor.read(backends[number % len(backends)], room, recorder)
    recorder.end()


def _stuck(client: str, explanation: str) -> Finding:
    return Finding("stuck", "", None, None, client, explanation)

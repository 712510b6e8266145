"""Clients on a bad line: each is cut without a FIN again and again while messages come, and misses none.

The profile is AnyCable's, by which it compares itself with others, scaled to one machine.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.audit import Auditor
from chaos.checker import check
from chaos.client import Client, Door
from chaos.closing import audit, settle
from chaos.crowd import Crowd, Load
from chaos.findings import Verdict
from chaos.history import RUN, History
from chaos.matrix import Say
from chaos.recovery import replays
from chaos.run import SECRET, servers
from stack.up import Stack

LULL = 1.2
"""Seconds between two cuts of one client, on average."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of it. ``replays`` are the seconds from a join after a cut to its last page, sorted."""

    verdict: Verdict
    cuts: int
    replays: list[float]

    @property
    def p99(self) -> float:
        """The 99th percentile of the replays."""
        return self.replays[min(len(self.replays) - 1, int(len(self.replays) * 0.99))]


async def rehearse(sites: Sequence[str], clients: int, cuts: int, directory: Path, say: Say) -> int:
    """Do it at each site; return 1 if anything was found."""
    found = 0
    for site in sites:
        async with servers(site, directory / site / "servers") as stack:
            result = await play(stack, site, clients, cuts, directory / site)
        account, verdict = result.verdict.account, result.verdict
        say(
            f"{site:<7}{clients} clients, {result.cuts} cuts: {account.acked} acknowledged, "
            f"{account.delivered} delivered, {verdict.count('lost', 'gap')} lost, {verdict.count('doubled')} doubled, "
            f"{len(result.replays)} replays, p99 {result.p99 * 1000:.0f} ms"
        )
        for finding in verdict.findings[:5]:
            say(f"       {finding}")
        found += len(verdict.findings)
    return 1 if found else 0


async def play(stack: Stack, name: str, clients: int, cuts: int, directory: Path) -> Rehearsal:
    """Do it on servers that run. ``directory``, which is there, gets the records."""
    backends = list(stack.backends.values())
    doors = [Door(backend.name, backend.ws_url) for backend in backends]
    crowd = Crowd(doors, SECRET, directory, f"jitter-{name}", Load(clients, rooms=1, rate=20.0, restless=0))
    try:
        await crowd.arrive()
        crowd.begin()
        await asyncio.gather(*(_cut(client, cuts, random.Random(client.name)) for client in crowd.clients))
        findings = await settle(crowd, backends, Auditor(SECRET))
        crowd.end()
        await audit(crowd, backends, Auditor(SECRET), directory)
    finally:
        await crowd.stop()
    (directory / RUN).write_text('{"losses": []}')
    history = History.load(directory)
    verdict = check(history)
    verdict.findings += findings
    return Rehearsal(verdict, clients * cuts, _sorted(history.clients))


async def _cut(client: Client, cuts: int, rng: random.Random) -> None:
    for _ in range(cuts):
        await asyncio.sleep(rng.uniform(0.5, 1.5) * LULL)
        await client.rooms[next(iter(client.rooms))].live.wait()
        rng.choice((client.cut, client.vanish))()


def _sorted(clients: Mapping[str, Sequence[object]]) -> list[float]:
    return sorted(seconds for records in clients.values() for seconds in replays(records))  # type: ignore[arg-type]

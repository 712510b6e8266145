"""Clients that are cut without a FIN again and again while messages come get all of them, once."""

import asyncio
from pathlib import Path

import pytest

from chaos import jitter
from chaos.run import SITES, servers

CLIENTS, CUTS = 40, 8


@pytest.mark.slow
def test_clients_on_a_bad_line_miss_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def rehearse(site: str) -> jitter.Rehearsal:
        async with servers(site, tmp_path / site / "servers") as stack:
            return await jitter.play(stack, site, CLIENTS, CUTS, tmp_path / site)

    async def rehearse_all() -> list[jitter.Rehearsal]:
        return await asyncio.gather(*map(rehearse, SITES))

    for site, result in zip(SITES, asyncio.run(rehearse_all()), strict=True):
        assert [str(finding) for finding in result.verdict.findings] == [], site
        assert len(result.replays) >= result.cuts * 0.9, "each cut is followed by a replay"
        with capsys.disabled():
            print(f" {site}: p99 of {len(result.replays)} replays {result.p99 * 1000:.0f} ms", end="")

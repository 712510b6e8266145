"""The counters on a port of their own: they are there while the workers are not."""

import os
import signal
import time

import httpx
import psutil
import pytest

from stack.ports import free_port
from tests.wire.rest import Rest
from tests.wire.servers import Servers


def values(page: httpx.Response) -> dict[str, float]:
    assert page.status_code == 200
    lines = [line for line in page.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.parametrize("profile", ["async", "sync"])
def test_workers_that_are_stuck_do_not_starve_the_counters(profile: str, servers: Servers, http: Rest) -> None:
    servers.backend(profile)  # so that Redis runs
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    settings = {"CHAT_METRICS_PORT": str(port), "CHAT_DRAIN_SECONDS": "0"}
    with servers.unstarted(profile, workers=2, settings=settings) as backend:
        beside, within = values(http.get(url)), values(http.get(f"{backend.url}/metrics"))
        assert set(beside) == set(within)
        assert beside["chat_workers"] == 2
        pids = [pid for pid in backend.pids() if "launch.exposition" not in psutil.Process(pid).cmdline()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + 10
            while values(http.get(url))["chat_proof_age_seconds"] < 2:
                assert time.monotonic() < deadline, "nobody noticed that the workers are stuck"
                time.sleep(0.1)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert http.get(f"http://127.0.0.1:{port}/").status_code == 404
    with pytest.raises(httpx.ConnectError):
        http.get(url)

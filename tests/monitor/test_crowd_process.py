"""One load at a time, whoever asks for it and how fast."""

import asyncio

from loadtest.monitor.crowd_process import CrowdError, CrowdProcess
from loadtest.monitor.demo import Size


async def test_of_two_loads_that_begin_together_one_does() -> None:
    crowd, nobody_there = CrowdProcess(lambda: None), {"async": "http://127.0.0.1:1"}
    starts = (crowd.start(nobody_there, Size()) for _ in range(2))
    async with asyncio.timeout(30):
        first, second = await asyncio.gather(*starts, return_exceptions=True)
    assert isinstance(first, CrowdError)
    assert "refused" in str(first), "it was sent"
    assert str(second) == "a load is running already: stop it first"
    assert not crowd.running

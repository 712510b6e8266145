"""Faults hit all profiles at once: a story is told at every site side by side, and each site passes or fails alone.

A story is an asynchronous generator; where it yields it waits until all others are there too, and the next step of the
fault happens.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from tests.wire.doors import Doors
from tests.wire.rest import Rest
from tests.wire.servers import Site

Story = Callable[[Site, Doors, Rest], AsyncGenerator[None]]
Step = Callable[[], None]


class Together:
    """Tells each story once and remembers how it ended at each site."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites
        self._ends: dict[tuple[Story, tuple[Step, ...]], dict[str, BaseException | None]] = {}

    def tell(self, story: Story, site: str, *steps: Step) -> None:
        """Raise what went wrong with ``story`` at ``site``; ``steps`` is what happens where it yields."""
        if (story, steps) not in self._ends:
            self._ends[story, steps] = asyncio.run(self._tell_everywhere(story, steps))
        if error := self._ends[story, steps][site]:
            raise error

    async def _tell_everywhere(self, story: Story, steps: Sequence[Step]) -> dict[str, BaseException | None]:
        with Rest() as http:
            doors = [Doors(http) for _ in self._sites]
            tales = [story(site, door, http) for site, door in zip(self._sites, doors, strict=True)]
            ends: list[BaseException | None] = [None] * len(tales)
            for turn in range(len(steps) + 1):
                turned = await asyncio.gather(*(anext(tale, None) for tale in tales), return_exceptions=True)
                ends = [end or raised for end, raised in zip(ends, turned, strict=True)]
                if turn < len(steps):
                    await asyncio.to_thread(steps[turn])
            closed = await asyncio.gather(*(door.__aexit__(None, None, None) for door in doors), return_exceptions=True)
        ends = [end or raised for end, raised in zip(ends, closed, strict=True)]
        return {site.name: end for site, end in zip(self._sites, ends, strict=True)}


async def until(condition: Callable[[], object], within: float = 5.0, every: float = 0.02) -> None:
    """Wait until a condition is true that no frame tells of; it is asked in a thread."""
    async with asyncio.timeout(within):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(every)

"""Hurting the servers, one act at a time, and saying what held."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from loadtest.monitor import acts
from loadtest.monitor.acts import ACTS, Act
from loadtest.monitor.crowd_process import CrowdError
from loadtest.monitor.demo import Size
from loadtest.monitor.http import RequestError, post
from loadtest.monitor.stack_link import StackLinkError
from loadtest.monitor.watch import Target, Watch

MOST_KEPT: Final = 200
SETTLE: Final = 1.5
"""Seconds of ordinary life before something happens, so that the charts show what was."""


class DrillError(Exception):
    """It cannot be done now. The text is one line for a person."""


class Drill:
    """``events`` are what happened when, for the charts; ``cards`` the verdicts, the newest last."""

    def __init__(self, watch: Watch, changed: Callable[[], None]) -> None:
        self.events: list[dict[str, Any]] = []
        self.cards: list[dict[str, Any]] = []
        self._watch = watch
        self._changed = changed
        self._numbers = itertools.count(1)
        self._under_way: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> str | None:
        """The act that is being done, by name."""
        return self._under_way

    def begin(self, name: str) -> None:
        """Do it, in a while; the card tells how it ends. Raises DrillError."""
        if name not in ACTS:
            raise DrillError(f"there is no act {name!r}")
        if self._watch.link is None:
            raise DrillError("the servers are not this monitor's to hurt")
        if self._under_way is not None:
            raise DrillError(f"“{ACTS[self._under_way].title}” is still under way")
        self._under_way = name
        task = asyncio.create_task(self._perform(ACTS[name]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._changed()

    def note(self, name: str, kind: str = "note", detail: str = "") -> dict[str, Any]:
        """Mark this moment in the charts."""
        event = {
            "id": next(self._numbers),
            "t": round(time.time(), 2),
            "until": None,
            "kind": kind,
            "name": name,
            "detail": detail,
        }
        self.events = [*self.events[1 - MOST_KEPT :], event]
        self._changed()
        return event

    async def _perform(self, act: Act) -> None:
        card: dict[str, Any] = {"act": act.name, "title": act.title, "error": "", "sides": {}}
        try:
            await self._with_crowd()
            before = await self._watch.crowd.mark()
            event = self.note(act.title, "fault", act.explanation)
            card |= {"id": event["id"], "t": event["t"]}
            lasted = await self._do(act)
            event["until"] = round(time.time(), 2)
            self._changed()
            after = await self._watch.crowd.check()
            for label, found in after.items():
                judged = acts.judge(act, before[label], found, lasted.get(label, 0.0))
                card["sides"][label] = {"held": acts.held(judged), "promises": [asdict(one) for one in judged]}
        except (CrowdError, StackLinkError, RequestError) as error:
            card["error"] = str(error)
        finally:
            card.setdefault("id", next(self._numbers))
            card.setdefault("t", round(time.time(), 2))
            card["seconds"] = round(time.time() - card["t"], 1)
            self.cards = [*self.cards[1 - MOST_KEPT :], card]
            self._under_way = None
            self._changed()

    async def _with_crowd(self) -> None:
        """Without people there is nobody for whom a promise could hold."""
        if not self._watch.crowd.running:
            await self._watch.crowd.start(await self._watch.addresses(), Size())
            self.note("Load begins", "phase")
            await asyncio.sleep(SETTLE)

    async def _do(self, act: Act) -> dict[str, float]:
        """Hurt both sides at once; return how long each was hurt, in seconds."""
        targets = self._watch.targets
        if act.means == "crowd":
            self._watch.crowd.tell(do=act.verb, share=acts.MUTED_SHARE, seconds=act.seconds)
            await asyncio.sleep(act.seconds)
            return {}
        if act.target == "redis":
            assert self._watch.link is not None  # noqa: S101 - begin() has seen to it
            seconds = await self._watch.link.hurt(act.verb, "redis", act.seconds)
            return dict.fromkeys(targets, seconds)
        lasted = await asyncio.gather(*(self._hurt(act, target) for target in targets.values()))
        return dict(zip(targets, lasted, strict=True))

    async def _hurt(self, act: Act, target: Target) -> float:
        if act.means == "request":
            url, body = f"{target.url}/api/diagnostics/{act.verb}", {"seconds": act.seconds}
            return float((await asyncio.to_thread(post, url, body, act.seconds + 10))["seconds"])
        assert self._watch.link is not None  # noqa: S101 - as above
        return await self._watch.link.hurt(act.verb, target.label, act.seconds)

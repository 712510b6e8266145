"""One connection: its frames go through the protocol, and what the protocol wants is performed here."""

import asyncio
import logging
import time
from functools import partial
from typing import Any, Final

from async_chat.bus import Bus
from async_chat.hub import Hub
from async_chat.outbox import Message, Outbox
from chat_core import disconnects, effects, envelope
from chat_core.effects import Effect, Flow
from chat_core.log import Outcome, Unavailable
from chat_core.metrics import Metrics
from chat_core.protocol import Protocol
from chat_core.sessions import Session
from chat_core.settings import Settings

logger = logging.getLogger(__name__)

ASK_AFTER: Final = 0.75
"""Share of the ping interval: who was heard at the last look but one is asked, who was heard since is not."""
DRAIN_POLL: Final = 0.05
"""Seconds between two looks at an outbox that is to become emptier before the next page of a replay."""


class Connection:
    """Who is at the other end, what they have yet to be sent, and where they are in the conversation."""

    __slots__ = (
        "_bus",
        "_busy",
        "_entered",
        "_expires_at",
        "_freed",
        "_hub",
        "_metrics",
        "_protocol",
        "_settings",
        "outbox",
        "user",
    )

    def __init__(
        self, session: Session, outbox: Outbox, bus: Bus, hub: Hub, settings: Settings, metrics: Metrics
    ) -> None:
        self.user = session.user
        self.outbox = outbox
        self._bus = bus
        self._hub = hub
        self._settings = settings
        self._metrics = metrics
        self._expires_at = session.expires_at
        self._entered: set[str] = set()
        self._protocol = Protocol(session.user, settings, moderator=session.moderator)
        self._busy = False  # whether _protocol has a command whose reply is not sent
        self._freed: asyncio.Future[None] | None = None

    @property
    def rooms(self) -> set[str]:
        """The rooms of which this is a member."""
        return self._protocol.rooms

    async def serve(self) -> None:
        """Converse until either side closes."""
        gone = disconnects.LOST
        self._hub.add(self)
        self.outbox.attend(self._begin)
        try:
            while (message := await self.outbox.receive())["type"] != "websocket.disconnect":
                if left := message if "flow" in message else await self._begin_in_turn(message):
                    await self._drive(left["flow"], left["effect"])
            gone = disconnects.named(message.get("code") or disconnects.LOST.code)
        except Exception:
            logger.exception("a connection failed")
            self.outbox.close(disconnects.INTERNAL)
        finally:
            self._hub.remove(self, tuple(self._entered))
            self._metrics.disconnected(self.outbox.disconnect or gone)

    def look(self, now: float, wall: float) -> None:
        """Twice per ping interval: ask for a sign of life, or act on its absence and on the session's end."""
        settings = self._settings
        silent = now - self.outbox.received_at
        if silent > settings.ping_interval + settings.ping_timeout:
            self.outbox.abort(disconnects.NO_PONG)
        elif wall >= self._expires_at:
            self.outbox.close(disconnects.SESSION_EXPIRED)
        elif silent > settings.ping_interval * ASK_AFTER:
            self.outbox.ping()

    def dropped(self, room: str) -> None:
        """The hub has ended this connection's membership of ``room``."""
        self._entered.discard(room)
        self._protocol.dropped(room)

    def _begin(self, message: Message) -> Message | None:
        """Begin with ``message``; return None where only its commit is waited for.

        Else what `serve` is to receive: the message itself where it is not its turn, or its flow and the first effect.
        """
        if self._busy:
            return message
        self._busy = True
        flow = self._protocol.receive(message.get("text"), time.monotonic())
        try:
            effect = next(flow)
        except Exception:
            self._fail()
            return None
        if isinstance(effect, effects.Commit):
            self._bus.submit(effect.write, partial(self._committed, flow))
            return None
        return {"type": "websocket.receive", "flow": flow, "effect": effect}

    async def _begin_in_turn(self, message: Message) -> Message | None:
        while self._busy:
            self._freed = asyncio.get_running_loop().create_future()
            await self._freed
            self._freed = None
        return self._begin(message)

    async def _drive(self, flow: Flow, effect: Effect) -> None:
        """Perform a flow's effects one by one, as far as a commit; what one raises is thrown into the flow."""
        try:
            while not isinstance(effect, effects.Commit):
                try:
                    result = await self._perform(effect)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration:
            self._end_turn()
        else:
            self._bus.submit(effect.write, partial(self._committed, flow))

    def _committed(self, flow: Flow, outcome: Outcome) -> None:
        """Go on with a flow whose commit has an outcome; called by the committer, which so wakes nobody for a reply."""
        try:
            effect = flow.throw(Unavailable()) if outcome == "unavailable" else flow.send(outcome)
            while True:
                self._emit(effect)
                effect = next(flow)
        except StopIteration:
            self._end_turn()
        except Exception:
            self._fail()

    def _fail(self) -> None:
        logger.exception("a connection failed")
        self.outbox.close(disconnects.INTERNAL)
        self._end_turn()

    def _end_turn(self) -> None:
        self._metrics.commanded(self._protocol.asked)
        self._busy = False
        if self._freed is not None and not self._freed.done():
            self._freed.set_result(None)

    def _emit(self, effect: Effect) -> None:
        """Perform an effect that never waits."""
        match effect:
            case effects.Send(payload, refused):
                self.outbox.write_soon(self.outbox.prepare([payload]))
                if refused:
                    self._metrics.refusals.labels(refused).inc()
            case effects.Close(disconnect):
                self.outbox.close(disconnect)
            case _:
                raise TypeError(effect)

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case effects.Enter(room):
                self._entered.add(room)
                self._hub.enter(room, self)
            case effects.ReadPage(room, mode, since):
                return await self._bus.page(room, mode, since, self.user.id)
            case effects.Admit(room, page, payload):
                return await self._hub.admit(room, self, page, payload)
            case effects.Depart(room):
                self._entered.discard(room)
                self._hub.depart(room, self)
            case effects.Drained():
                while self.outbox.queued > self._settings.outbox_soft:  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(DRAIN_POLL)
            case effects.Mark(room, position):
                return await self._bus.mark(room, self.user.id, position)
            case effects.PublishTyping(room, payload):
                await self._bus.publish(room, envelope.typing(room, self.user.id, payload))
            case _:
                self._emit(effect)

"""One connection: its frames go through the protocol, and what the protocol wants is performed here."""

import logging
import threading
import time
from functools import partial
from typing import Any, Final

from simple_websocket import ConnectionClosed, Server

from chat_core import disconnects, effects, envelope
from chat_core.effects import Effect, Flow
from chat_core.log import Outcome, Unavailable
from chat_core.metrics import Metrics
from chat_core.protocol import Protocol
from chat_core.sessions import Session
from chat_core.settings import Settings
from sync_chat.bus import Bus
from sync_chat.hub import Hub
from sync_chat.outbox import Outbox

logger = logging.getLogger(__name__)

ASK_AFTER: Final = 0.75
"""Share of the ping interval: who was heard at the last look but one is asked, who was heard since is not."""
DRAIN_POLL: Final = 0.05
"""Seconds between two looks at an outbox that is to become emptier before the next page of a replay."""


class Connection:
    """Who is at the other end, what they have yet to be sent, and where they are in the conversation."""

    __slots__ = (
        "_bus",
        "_entered",
        "_expires_at",
        "_hub",
        "_metrics",
        "_protocol",
        "_settings",
        "_turn",
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
        self._turn = threading.Lock()  # guards _protocol: one command at a time, until its reply is sent

    @property
    def rooms(self) -> set[str]:
        """The rooms of which this is a member."""
        return self._protocol.rooms

    def serve(self, ws: Server) -> None:
        """Converse until either side closes."""
        gone = disconnects.LOST
        self._hub.add(self)
        try:
            while True:
                frame = ws.receive()
                self._turn.acquire()
                self._drive(self._protocol.receive(frame if isinstance(frame, str) else None, time.monotonic()))
        except ConnectionClosed as closed:
            gone = disconnects.named(closed.reason or disconnects.LOST.code)
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

    def _drive(self, flow: Flow) -> None:
        """Perform a flow's effects one by one, as far as a commit; what one raises is thrown into the flow."""
        try:
            effect = next(flow)
            while not isinstance(effect, effects.Commit):
                try:
                    result = self._perform(effect)
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
            pass
        except Exception:
            logger.exception("a connection failed")
            self.outbox.close(disconnects.INTERNAL)
        self._end_turn()

    def _end_turn(self) -> None:
        self._metrics.commanded(self._protocol.asked)
        self._turn.release()

    def _emit(self, effect: Effect) -> None:
        """Perform an effect that never waits."""
        match effect:
            case effects.Send(payload, refused):
                self.outbox.write(self.outbox.prepare([payload]))
                if refused:
                    self._metrics.refusals.labels(refused).inc()
            case effects.Close(disconnect):
                self.outbox.close(disconnect)
            case _:
                raise TypeError(effect)

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case effects.Enter(room):
                self._entered.add(room)
                self._hub.enter(room, self)
            case effects.ReadPage(room, mode, since):
                return self._bus.page(room, mode, since, self.user.id)
            case effects.Admit(room, page, payload):
                return self._hub.admit(room, self, page, payload)
            case effects.Depart(room):
                self._entered.discard(room)
                self._hub.depart(room, self)
            case effects.Drained():
                while self.outbox.queued > self._settings.outbox_soft:
                    time.sleep(DRAIN_POLL)
            case effects.Mark(room, position):
                return self._bus.mark(room, self.user.id, position)
            case effects.PublishTyping(room, payload):
                self._bus.publish(room, envelope.typing(room, self.user.id, payload))
            case _:
                self._emit(effect)

"""The users that one process of the generator plays: each enters, moves, speaks, fails and comes back by the plan."""

import heapq
import itertools
import json
import random
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from loadtest import wire
from loadtest.connection import Phase
from loadtest.crew.asides import EXHAUSTED, Asides
from loadtest.crew.books import Books
from loadtest.crew.cast import Cast
from loadtest.crew.member import Member, User, close_label
from loadtest.ledger import Posted
from loadtest.plan import Post
from loadtest.schedule import Action

OPENING: Final = 32
"""Handshakes under way at a time, before the plan begins."""
READS: Final = 32
"""Reads between two looks at the clock and at what is due."""
BUFFER: Final = 256 * 1024
SMALL_BUFFER: Final = 8 * 1024
"""Bytes that the kernel keeps for those who will stop reading."""
LONGEST_WAIT: Final = 0.05
BACKOFF: Final = 0.25
MOST_BACKOFF: Final = 2.0
"""Seconds of the first and of the longest wait before a user comes back; drawn from zero up to it (full jitter)."""
FIRST_REF: Final = 16


class Crew(Cast):
    """A context manager. ``headers`` gives those of a user's handshake; ``prefix`` names the rooms of this trial."""

    def __init__(
        self,
        address: tuple[str, int],
        rooms: int,
        prefix: str,
        books: Books,
        headers: Callable[[int], Mapping[str, str]],
        *,
        returning: bool,
        seed: int,
    ) -> None:
        super().__init__(rooms, prefix, books)
        self.selector = selectors.DefaultSelector()
        self.began = time.monotonic()
        """when the plan begins; known only once all are in"""
        self.heard = time.monotonic()
        self._address = address
        self._headers = headers
        self._returning = returning
        self._buffer = memoryview(bytearray(BUFFER))
        self._dice = random.Random(f"crew {seed}")
        self._refs = itertools.count(FIRST_REF)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()
        self._frames: dict[str, tuple[int, bytes]] = {}
        self._asides = Asides(address, self.selector, lambda: headers(0), books)
        self.over = False
        self.lost_before_leaving = 0
        """deliveries that members lacked who then left the room"""
        self.unsent_audience = 0
        """deliveries that should have been of posts that could not be sent"""

    # ---- what the worker calls ------------------------------------------------------------------

    def prepare(self, action: Action) -> None:
        """Make the frame of a post, so that nothing but sending it is left when it is due."""
        ref = next(self._refs)
        room = self.rooms[action.room].reference.room
        command = {"type": "post", "ref": ref, "room": room, "id": action.id, "text": action.text}
        frame = wire.encode(wire.TEXT, json.dumps(command).encode(), self._dice.getrandbits(32))
        self._frames[action.id] = (ref, frame)

    def expect(self, action: Action, window: int, audience: int) -> None:
        """A post of the plan, whoever sends it; ``audience`` is that of this process."""
        room = self.rooms[action.room].reference.room
        post = Post(action.due, action.user, action.id, action.text)
        intended = self.began + action.due
        for books in (self.books, self.afflicted_books) if self.any_afflicted else (self.books,):
            books.expect(Posted(post, room, intended, measured=True, window=window, audience=audience))

    def act(self, action: Action, intended: float, window: int) -> None:
        """Do what is due."""
        match action.kind:
            case "enter":
                self.enter(action.user, action.room, intended)
            case "post":
                self._post(action, intended, window)
            case "move":
                self._move(self.users[action.user], action.room, intended)
            case "cut":
                self._cut(self.users[action.user], action.seconds)
            case "stall":
                self._stall(self.users[action.user], action.seconds)
            case "request":
                self._asides.measure(action.text, intended, window)
            case "diagnose":
                body = json.dumps({"seconds": action.seconds}).encode()
                self._asides.ask(f"/api/diagnostics/{action.text}", lambda request: None, body)

    def add(self, user: User) -> None:
        """Somebody who will enter."""
        self.users[user.number] = user
        self.any_afflicted = self.any_afflicted or user.will_stall

    def enter(self, number: int, room: int, intended: float) -> None:
        """Open a connection and join."""
        user = self.users[number]
        user.room, user.wanted, user.intended = room, True, intended
        self.room_of(user).users.add(number)
        self._connect(user, intended)

    def turn(self, timeout: float, between: Callable[[], None] | None = None) -> None:
        """Wait for events, at most ``timeout`` seconds, and take them; ``between`` is called every READS events."""
        settle, now = self.settle, time.monotonic
        heard = 0
        for place, (key, mask) in enumerate(self.selector.select(min(timeout, LONGEST_WAIT)), 1):
            heard += key.data.on_event(mask)
            if not place % READS:
                settle(now())
                if between is not None:
                    between()
        moment = now()
        settle(moment)
        if heard:
            self.heard = moment
        while self._timers and self._timers[0][0] <= moment:
            heapq.heappop(self._timers)[2]()

    # ---- actions --------------------------------------------------------------------------------

    def _connect(self, user: User, intended: float) -> None:
        if self.over or not user.wanted:
            return
        self._change_room(user)
        reference = self.room_of(user).reference
        try:
            user.connection = Member(
                self,
                user,
                reference,
                intended,
                address=self._address,
                headers=self._headers(user.number),
                selector=self.selector,
                buffer=self._buffer,
                receive_buffer=SMALL_BUFFER if user.will_stall else None,
            )
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            user.ended = f"not tried: {error.strerror}"
            self.books.second.failures += 1

    def _post(self, action: Action, intended: float, window: int) -> None:
        books, user = self.books, self.users[action.user]
        books.second.planned += 1
        books.phases[window].planned += 1
        connection = user.connection
        if connection is None or connection.phase is not Phase.JOINED or connection.room != self.name(action.room):
            books.second.unsent += 1
            self.unsent_audience += action.audience
            return books.faults.note("unsent", 1, f"connection {user.number}: {user.ended or 'not in yet'}")
        ref, frame = self._frames.pop(action.id)
        books.sending(ref, action.id)
        connection.send(frame)
        now = time.monotonic()
        books.second.sent += 1
        books.phases[window].sent += 1
        books.phases[window].latency["send_lag"].record(now - intended)
        books.second.latency["send_lag"].record(now - intended)
        return None

    def _move(self, user: User, room: int, intended: float) -> None:
        """Be in another room. Who is on the way into one, or out of it, arrives first: one thing at a time."""
        connection, leaving = user.connection, user.next_room is not None
        if user.waiting:  # for a room in which they are not wanted any more
            user.waits.append((self.name(user.wanted_room), user.intended, intended))
        user.next_room, user.intended, user.waiting = room, intended, True
        if connection is None or connection.phase is Phase.CLOSED:
            self._change_room(user)
        elif connection.phase is Phase.JOINED and not leaving:
            connection.leave()

    def _change_room(self, user: User) -> None:
        """The former room is left: from now on the next one is theirs."""
        if user.next_room is not None:
            self.room_of(user).users.discard(user.number)
            user.room, user.next_room, user.offset = user.next_room, None, None
            self.room_of(user).users.add(user.number)

    def _cut(self, user: User, away: float) -> None:
        connection = user.connection
        if connection is None or connection.phase is Phase.CLOSED or user.stalled:
            return
        connection.close("cut: the client's network failed")
        self._later(away, lambda: self._connect(user, time.monotonic()))

    def _stall(self, user: User, seconds: float) -> None:
        user.stalled = True
        if user.connection is not None:
            user.connection.pause()
        if seconds >= 0:
            self._later(seconds, lambda: self._recover(user))

    def _recover(self, user: User) -> None:
        user.stalled = False
        if user.connection is not None:
            user.connection.go_on()

    # ---- what becomes of connections ------------------------------------------------------------

    def on_open(self, user: User, connection: Member) -> None:
        now = time.monotonic()
        self.books.second.latency["handshake"].record(now - connection.began)
        self.books.phases[self._window(now)].latency["handshake"].record(now - connection.began)

    def on_joined(self, user: User, connection: Member, result: dict[str, Any]) -> None:
        room, follower = self.room_of(user), connection.follower
        epoch, offset = str(result["epoch"]), result["offset"]
        user.attempts = 0
        if user.waiting and user.next_room is None:
            user.waiting = False
            user.waits.append((connection.room, user.intended, time.monotonic()))
        others = (self.users[number] for number in room.users if number != user.number)
        if not any(other.offset is not None or self.following(other.number, room) for other in others):
            first = user.offset if user.offset is not None and result.get("recovered") else offset
            if room.reference.epoch != epoch or first > room.reference.top:
                room.reference.rebase(epoch, first)
        if user.offset is not None and result.get("recovered"):
            follower.join(epoch, user.offset)
            self.on_page(connection, result["messages"], more=result["more"])
        else:
            if user.offset is not None:
                user.missed_to_reset += max(0, offset - user.offset)
            follower.join(epoch, offset)
        user.epoch = epoch
        if user.next_room is not None:
            connection.leave()
        if user.stalled:
            connection.pause()

    def on_page(self, connection: Member, messages: list[dict[str, Any]], more: bool) -> None:
        before = self.deliveries
        for entry in messages:
            connection.follower.recover(entry)
        self.settle(time.monotonic())
        self.books.second.recovered += self.deliveries - before
        connection.replaying = more

    def on_reply(self, user: User, reply: dict[str, Any]) -> None:
        self.books.replied(user.number, reply)

    def on_left(self, user: User, connection: Member) -> None:
        if user.next_room is None:
            return
        if lost := connection.follower.lost_inside:
            self.lost_before_leaving += lost
            self.books.faults.note("lost", lost, f"{lost} in {connection.room} by connection {user.number}")
        self._change_room(user)
        reference = self.room_of(user).reference
        connection.follower.move(reference, time.monotonic())
        connection.room, connection.phase = reference.room, Phase.OPEN
        connection.join()

    def on_closed(self, user: User, connection: Member, before: Phase) -> None:
        user.ended = connection.ended
        if connection.follower.joined:
            user.offset = connection.follower.position
            if connection.follower.missing:
                user.offset = min(connection.follower.missing) - 1
        if self.over:
            return
        books = self.books
        books.hang_up(user.number)
        books.second.closes[close_label(connection.ended)] += 1
        if before in (Phase.OPEN, Phase.JOINED):
            books.second.ended += 1
        else:
            books.second.turned_away += 1
        if connection.ended.startswith("cut"):
            return
        if before in (Phase.OPEN, Phase.JOINED):
            books.faults.note("disconnected", 1, f"connection {user.number}: {connection.ended}")
        if self._returning and user.wanted:
            user.attempts += 1
            most = min(MOST_BACKOFF, BACKOFF * 2**user.attempts)
            self._later(self._dice.uniform(0, most), lambda: self._connect(user, time.monotonic()))

    # ---- parts ----------------------------------------------------------------------------------

    def _window(self, now: float) -> int:
        return self.window_at(now - self.began)

    window_at: Callable[[float], int] = staticmethod(lambda due: 0)
    """in which phase a moment of the plan lies; set by who knows the plan"""

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_numbers), do))

    def next_timer(self) -> float | None:
        """Return the seconds until the next timer."""
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        for user in self.users.values():
            if user.connection is not None:
                user.connection.close("the test is over")
        self._asides.close()
        self.selector.close()

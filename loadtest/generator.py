"""All connections of a test in one thread: opened, made members, made to post by the plan, and read.

One thread and one clock: the same monotonic time tells when a message was meant to be sent and when it arrived.
"""

import gc
import json
import random
import selectors
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from loadtest import wire
from loadtest.connection import Connection, Phase
from loadtest.histogram import Histogram
from loadtest.ledger import Ledger, Posted
from loadtest.pacer import Pacer
from loadtest.plan import Post, Shape, members_of, room_of
from loadtest.reference import Reference

OPENING: Final = 32
"""Handshakes under way at a time."""
READS: Final = 32
"""Reads between two looks at the clock and at what is due."""
BUFFER: Final = 256 * 1024
LOOK_EVERY: Final = 0.1
QUIET: Final = 2.0
"""Seconds without a byte after which nothing more is expected."""
LONGEST_BACKLOG: Final = 20.0
"""Seconds in which an overloaded server may still deliver what was accepted."""
HOPELESS: Final = 1.0
"""Seconds that a post waits for its reply before a step is given up."""
ALLOWED_LATE: Final = 0.01

Headers = Callable[[int], Mapping[str, str]]
"""The headers with which the connection of a number opens."""


class GeneratorError(Exception):
    """The connections could not be opened or joined; the text says why."""


@dataclass(slots=True)
class Offered:
    """What became of one step's posts. Seconds; ``lag`` is how late the generator itself was."""

    planned: int
    sent: int = 0
    lag: Histogram = field(default_factory=Histogram)
    offering: float = 0.0
    elapsed: float = 0.0
    """With the time until the last delivery."""
    cpu: float = 0.0
    """CPU seconds of the generator while offering."""
    given_up: bool = False
    settled: bool = True


class Generator:
    """A context manager. ``prefix`` names the rooms; two generators with different ones do not meet."""

    def __init__(self, address: tuple[str, int], shape: Shape, prefix: str, ledger: Ledger, headers: Headers) -> None:
        self.shape = shape
        self.ledger = ledger
        self._address = address
        self._headers = headers
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(BUFFER))
        self._references = [Reference(f"{prefix}-{room}", ledger) for room in range(shape.rooms)]
        self.connections: dict[int, Connection] = {}
        """By number: the latest connection of each member."""
        self._dice = random.Random(prefix)
        self._ref = 0
        self._heard = time.monotonic()

    # ---- opening --------------------------------------------------------------------------------

    def open(self, timeout: float, numbers: Sequence[int] | None = None) -> None:
        """Open the connections with these ``numbers``, or all, some at a time. Raises GeneratorError."""
        self._open(range(self.shape.connections) if numbers is None else numbers, timeout)

    def join(self, timeout: float) -> None:
        """Make every connection that is open a member, some at a time. Raises GeneratorError."""
        deadline = time.monotonic() + timeout
        waiting = [connection for connection in self.connections.values() if connection.phase is Phase.OPEN]
        for first in range(0, len(waiting), OPENING):
            joining = waiting[first : first + OPENING]
            for connection in joining:
                connection.join()
            while not all(one.phase is Phase.JOINED for one in joining):
                self._turn(LOOK_EVERY)
                self._check(joining, deadline)

    def refill(self, timeout: float) -> None:
        """Open and join anew what the server has ended. Raises GeneratorError."""
        self._open([number for number, one in self.connections.items() if one.phase is Phase.CLOSED], timeout)
        self.join(timeout)

    def _open(self, numbers: Sequence[int], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        opening: list[Connection] = []
        for number in numbers:
            opening.append(self._begin(number))
            while len(opening) >= OPENING or (opening and number == numbers[-1]):
                self._turn(LOOK_EVERY)
                self._check(opening, deadline)
                opening = [one for one in opening if one.phase is not Phase.OPEN]

    def _begin(self, number: int) -> Connection:
        reference = self._references[room_of(self.shape, number)]
        connection = Connection(number, reference, self._address, self._headers(number), self._selector, self._buffer)
        self.connections[number] = connection
        return connection

    def _check(self, group: Sequence[Connection], deadline: float) -> None:
        where = f"of {self.shape.connections}"
        for connection in group:
            if connection.phase is Phase.CLOSED:
                raise GeneratorError(f"connection {connection.number} {where}: {connection.ended}")
        if time.monotonic() > deadline:
            raise GeneratorError(f"connection {group[0].number} {where}: no answer in time, {group[0].phase.name}")

    # ---- steps ----------------------------------------------------------------------------------

    def run(self, posts: Sequence[Post], warm_up: float) -> Offered:
        """Offer ``posts`` by their times and wait until all is delivered; the ledger keeps the books.

        What is due in the first ``warm_up`` seconds is accounted for, but does not count as latency.
        """
        frames = {post.id: self._prepare(post) for post in posts}
        self._restart()
        offered = Offered(planned=len(posts))
        gc.collect()
        gc.disable()
        try:
            began, cpu = time.monotonic(), time.process_time()
            self._offer(Pacer(posts, began), frames, warm_up, offered)
            offered.offering, offered.cpu = time.monotonic() - began, time.process_time() - cpu
            offered.settled = self._settle()
            offered.elapsed = min(time.monotonic(), max(self._heard, began + offered.offering)) - began
        finally:
            gc.enable()
        self._close_books(offered)
        return offered

    def room(self, number: int) -> str:
        """Return the name of a room."""
        return self._references[number].room

    def entries(self, room: int) -> list[dict[str, Any]]:
        """Return what members of the room with that number received in the last step, in order."""
        return self._references[room].entries()

    def idle(self, seconds: float) -> None:
        """Read and answer pings for that long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._turn(min(left, LOOK_EVERY))

    def wait_quiet(self, quiet: float, timeout: float) -> None:
        """Read until nothing has come for ``quiet`` seconds, or until ``timeout``."""
        deadline = time.monotonic() + timeout
        self._heard = time.monotonic()
        while time.monotonic() < min(deadline, self._heard + quiet):
            self._turn(LOOK_EVERY)

    def _prepare(self, post: Post) -> tuple[int, bytes]:
        self._ref += 1
        room = self._references[room_of(self.shape, post.speaker)].room
        command = {"type": "post", "ref": self._ref, "room": room, "id": post.id, "text": post.text}
        return self._ref, wire.encode(wire.TEXT, json.dumps(command).encode(), self._dice.getrandbits(32))

    def _restart(self) -> None:
        self.ledger.begin_step()
        for room, reference in enumerate(self._references):
            members = [self.connections[number] for number in members_of(self.shape, room)]
            if all(member.follower.settled for member in members):
                reference.restart()
                for member in members:
                    member.follower.restart()

    def _offer(
        self, pacer: Pacer[Post], frames: Mapping[str, tuple[int, bytes]], warm_up: float, offered: Offered
    ) -> None:
        look = time.monotonic()
        allowed = ALLOWED_LATE * offered.planned * self.shape.members

        def post_due() -> None:
            for post in pacer.due(time.monotonic()):
                self._post(post, pacer.intended(post), post.due >= warm_up, frames[post.id], offered)

        while (wait := pacer.wait(time.monotonic())) is not None:
            self._turn(min(wait, LOOK_EVERY), post_due)
            post_due()
            if (now := time.monotonic()) - look > LOOK_EVERY:
                look = now
                if self.ledger.late > allowed or self.ledger.waited(now) > HOPELESS:
                    offered.given_up = True
                    return

    def _post(self, post: Post, intended: float, measured: bool, frame: tuple[int, bytes], offered: Offered) -> None:
        connection = self.connections[post.speaker]
        if connection.phase is not Phase.JOINED:
            return self.ledger.faults.note("unsent", 1, f"connection {post.speaker}: {connection.ended}")
        ref, data = frame
        self.ledger.posting(ref, Posted(post, connection.room, intended, measured))
        connection.send(data)
        offered.sent += 1
        offered.lag.record(time.monotonic() - intended)
        return None

    def _settle(self) -> bool:
        """Wait until all is delivered; False where a backlog remains."""
        deadline = time.monotonic() + LONGEST_BACKLOG
        self._heard = time.monotonic()
        while not self._all_delivered():
            self._turn(0.02)
            if (now := time.monotonic()) > deadline:
                return False
            if now > self._heard + QUIET:
                break
        return True

    def _all_delivered(self) -> bool:
        return self.ledger.complete and all(
            one.follower.settled for one in self.connections.values() if one.phase is Phase.JOINED
        )

    def _close_books(self, offered: Offered) -> None:
        faults = self.ledger.faults
        staying = [one for one in self.connections.values() if one.phase is Phase.JOINED]
        gone = {number: one for number, one in self.connections.items() if one.phase is Phase.CLOSED}
        for connection in gone.values():
            faults.note("disconnected", 1, f"connection {connection.number}: {connection.ended}")
        if not offered.settled:
            return
        for connection in staying:
            if lost := connection.follower.lost:
                faults.note("lost", lost, f"{lost} in {connection.room} by connection {connection.number}")
        members = Counter(connection.room for connection in staying)
        self.ledger.close_step({one.room: (members[one.room], one.highest) for one in self._references}, gone)

    # ---- events ---------------------------------------------------------------------------------

    def _turn(self, timeout: float, between: Callable[[], None] | None = None) -> None:
        """Wait for events, at most ``timeout`` seconds, and take them; ``between`` is called every READS events."""
        settle, now = self.ledger.settle, time.monotonic
        heard = 0
        for place, (key, mask) in enumerate(self._selector.select(timeout), 1):
            heard += key.data.on_event(mask)
            if not place % READS:
                settle(now())
                if between is not None:
                    between()
        settle(now())
        if heard:
            self._heard = now()

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections.values():
            connection.close("the test is over")
        self._selector.close()

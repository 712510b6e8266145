"""`python -m loadtest.crew.worker`: one process of the generator. Lines of JSON tell it what to do, and it answers so.

The first line is the job: which schedule (workload and seed), which part of it (``segment`` of ``segments``), whom to
connect to. Then ``open`` lets in who is there before the plan begins, ``begin`` with a monotonic time lets the plan
begin, ``close`` with what was acknowledged anywhere closes the books. While the plan is on, a line tells each second.
The end of the input ends the process: nothing is left behind by who started it.
"""

import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from loadtest.connection import Phase
from loadtest.crew.accounts import losses
from loadtest.crew.books import Books, SecondBooks, packed
from loadtest.crew.member import User
from loadtest.crew.orders import Orders, moment, tell
from loadtest.crew.passport import Passports
from loadtest.crew.users import OPENING, Crew
from loadtest.histogram import Histogram
from loadtest.pacer import Pacer
from loadtest.schedule import BEFORE, Schedule, make_schedule
from loadtest.workload import workload_from

HEARTBEAT: Final = 0.01
"""Seconds between two looks at how late the loop is."""
QUIET: Final = 2.0
"""Seconds without a byte after which nothing more is expected."""
LONGEST_BACKLOG: Final = 20.0
"""Seconds in which an overloaded server may still deliver what was accepted."""
LAST_CHANCE: Final = 2.0
"""Seconds for what was acknowledged to other processes to arrive here."""


class Worker:
    """The life of the process, from job to books."""

    def __init__(self, job: Mapping[str, Any], schedule: Schedule) -> None:
        self._schedule = schedule
        self._job = job
        self._own = schedule.segment(job["segment"], job["segments"])
        self.books = Books(len(schedule.windows))
        passports = Passports(tuple(job["address"]), job["secret"], job["sessions"])
        self.crew = Crew(
            tuple(job["address"]),
            schedule.workload.rooms,
            job["prefix"],
            self.books,
            passports.headers,
            returning=schedule.workload.returning,
            seed=schedule.seed,
        )
        self.crew.window_at = schedule.window_at
        self.orders = Orders(self.crew.selector)
        self._beat = 0.0
        self._next_second = 0
        self._told = Counter(self.books.faults.counts())
        self._delivered = 0
        self._cpu = time.process_time()
        self._planned = sum(action.kind == "enter" and action.due == BEFORE for action in self._own)
        self._enters = [action.due for action in self._own if action.kind == "enter" and action.due != BEFORE]
        self._gc_pause = 0.0
        self._loop_lag = Histogram()
        self._watch_gc()

    def run(self) -> None:
        """Obey until the books are closed, or the input ends."""
        with self.crew:
            self._wait_for("open")
            self._open()
            self._prepare()
            tell({"kind": "ready"})
            self._offer(moment(self._wait_for("begin")))
            settled = self._settle()
            tell({"kind": "tops", "tops": self.books.tops(), "settled": settled})
            tops = self._wait_for("close")["tops"]
            self._give_last_chance(tops)
            tell({"kind": "final", **self._final(tops, settled)})

    # ---- before ---------------------------------------------------------------------------------

    def _open(self) -> None:
        """Let in who is there before the plan begins, some at a time."""
        stalling = {action.user for action in self._own if action.kind == "stall"}
        for action in self._own:
            if action.kind == "enter":
                self.crew.add(User(action.user, action.room, will_stall=action.user in stalling))
        entering = [action for action in self._own if action.due == BEFORE]
        deadline = time.monotonic() + 30 + len(entering) * 0.03
        under_way: list[User] = []
        for action in entering:
            self.crew.enter(action.user, action.room, time.monotonic())
            under_way.append(self.crew.users[action.user])
            while len(under_way) >= OPENING or (under_way and action is entering[-1]):
                self.turn()
                under_way = [user for user in under_way if not _inside(user)]
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"user {under_way[0].number} of {len(entering)} did not get in: {_why(under_way)}"
                    )

    def _prepare(self) -> None:
        inside: Counter[int] = Counter()
        place: dict[int, int] = {}
        segment, segments = self._job["segment"], self._job["segments"]
        self._audience = {}
        self._local = {}
        for action in self._schedule.actions:
            mine = action.user % segments == segment
            if action.kind in ("enter", "move") and mine:
                inside[place.pop(action.user, action.room)] -= action.kind == "move"
                place[action.user] = action.room
                inside[action.room] += 1
            elif action.kind == "post":
                self._audience[action.id], self._local[action.id] = action.audience, inside[action.room]
                if mine:
                    self.crew.prepare(action)

    # ---- while the plan is on -------------------------------------------------------------------

    def _offer(self, began: float) -> None:
        crew, schedule = self.crew, self._schedule
        self._began = crew.began = began
        for action in schedule.actions:
            if action.kind == "post":
                crew.expect(action, schedule.window_at(action.due), self._local[action.id])
        self.books.second = SecondBooks()
        for phase in self.books.phases:
            phase.latency["handshake"] = Histogram() if self._enters else phase.latency["handshake"]
        gc.collect()
        self._gc_pause = 0.0
        gc.freeze()  # what is there stays: only what the run itself leaves is ever looked at
        self._cpu, self._beat = time.process_time(), began
        pacer = Pacer([action for action in self._own if action.due != BEFORE], began)
        ends = began + schedule.workload.duration

        def act_due() -> None:
            now = time.monotonic()
            for action in pacer.due(now):
                crew.act(action, pacer.intended(action), schedule.window_at(action.due))
            self._look(time.monotonic())

        while not pacer.finished or time.monotonic() < ends:
            wait = pacer.wait(now := time.monotonic())
            self.turn(min(ends - now if wait is None else wait, max(0.0, self._beat - now)), act_due)
            act_due()

    def _look(self, now: float) -> None:
        """How late the loop is, and whether a second has passed."""
        if now >= self._beat:
            self.books.second.latency["loop_lag"].record(now - self._beat)
            self._loop_lag.record(now - self._beat)
            self._beat = max(self._beat, now - HEARTBEAT) + HEARTBEAT
        if now >= self._began + self._next_second + 1:
            self._tell_second()
            self.crew.trim()

    def _settle(self) -> bool:
        """Wait until all is delivered; False where a backlog remains."""
        deadline = time.monotonic() + LONGEST_BACKLOG
        self.crew.heard = time.monotonic()
        while not self.crew.delivered or self._coming_back():
            self.turn(max(0.0, self._beat - time.monotonic()))  # no longer, or the wait would count as lateness
            self._look(now := time.monotonic())
            if now > deadline:
                return False
            if now > self.crew.heard + QUIET and not self._coming_back():
                break
        return True

    def _coming_back(self) -> bool:
        return self._schedule.workload.returning and any(not _inside(user) for user in self.crew.users.values())

    def _give_last_chance(self, tops: Mapping[str, int]) -> None:
        deadline = time.monotonic() + LAST_CHANCE
        while time.monotonic() < deadline and any(
            room.reference.highest < tops.get(room.reference.room, 0) and room.users for room in self.crew.all_rooms
        ):
            self.turn(0.02)
        self._tell_second()

    def _final(self, tops: Mapping[str, int], settled: bool) -> dict[str, Any]:
        found = losses(self.crew, tops, self._audience, settled)
        self.books.close(settled)
        return {
            "phases": [phase.as_json() for phase in self.books.phases],
            "ledger": self._counts(),
            "examples": self.books.faults.examples + self.crew.afflicted_books.faults.examples,
            "delivered": self.crew.deliveries,
            "losses": found,
            "settled": settled,
            "loop_lag": packed(self._loop_lag),
        }

    # ---- telling --------------------------------------------------------------------------------

    def _tell_second(self) -> None:
        second, self.books.second = self.books.second, SecondBooks()
        t, self._next_second = self._next_second, self._next_second + 1
        counts = self._counts()
        found, self._told = counts - self._told, counts
        cpu, self._cpu = time.process_time() - self._cpu, time.process_time()
        pause, self._gc_pause = self._gc_pause, 0.0
        phases = Counter(user.connection.phase for user in self.crew.users.values() if user.connection)
        planned = self._planned + sum(due < t + 1 for due in self._enters)
        delivered, self._delivered = self.crew.deliveries - self._delivered, self.crew.deliveries
        tell(
            {
                "kind": "second",
                "t": t,
                **second.as_json(),
                "deliveries": delivered,
                "ledger": dict(found),
                "cpu": cpu,
                "gc_pause": pause,
                "connections": {
                    "planned": planned,
                    "handshaking": phases[Phase.CONNECTING] + phases[Phase.UPGRADING],
                    "open": phases[Phase.OPEN] + phases[Phase.JOINED],
                    "members": phases[Phase.JOINED],
                },
            }
        )

    def _counts(self) -> Counter[str]:
        return Counter(self.books.faults.counts()) + Counter(self.crew.afflicted_books.faults.counts())

    def _watch_gc(self) -> None:
        begun = 0.0

        def look(phase: str, info: Mapping[str, int]) -> None:
            nonlocal begun
            if phase == "start":
                begun = time.perf_counter()
            else:
                self._gc_pause = max(self._gc_pause, time.perf_counter() - begun)

        gc.callbacks.append(look)

    # ---- orders ---------------------------------------------------------------------------------

    def turn(self, timeout: float = 0.05, between: Callable[[], None] | None = None) -> None:
        """Take what comes, on sockets and on standard input."""
        self.crew.turn(timeout, between)
        if self.orders.ended:
            raise EOFError

    def _wait_for(self, what: str) -> dict[str, Any]:
        while not self.orders.lines:
            self.turn()
        order = self.orders.lines.pop(0)
        if order["do"] != what:
            raise ValueError(f"told to {order['do']}, expected {what}")
        return order


def _inside(user: User) -> bool:
    return user.connection is not None and user.connection.phase is Phase.JOINED


def _why(users: list[User]) -> str:
    connection = users[0].connection
    return users[0].ended or (f"it is {connection.phase.name.lower()}" if connection else "it was never tried")


def main() -> int:
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as unbuffered:  # the rest is for the selector
        job = json.loads(unbuffered.readline())
    if job["cpu"] is not None:
        os.sched_setaffinity(0, {job["cpu"]})
    schedule = make_schedule(workload_from(job["workload"]), job["seed"])
    try:
        Worker(job, schedule).run()
    except EOFError:
        return 1
    except (OSError, ValueError) as error:
        tell({"kind": "error", "error": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A timer wheel: every connection is looked at once per ping interval, without a timer of its own."""

from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Wheel(Generic[C]):
    """``slots`` sets of connections, one of which is due at each tick. A new one is due a whole turn later."""

    def __init__(self, slots: int) -> None:
        self._slots: list[set[C]] = [set() for _ in range(max(1, slots))]
        self._now = 0
        self._place: dict[C, int] = {}

    def add(self, connection: C) -> None:
        """Begin to look at ``connection``."""
        self._place[connection] = self._now
        self._slots[self._now].add(connection)

    def remove(self, connection: C) -> None:
        """Cease to look at ``connection``; nothing happens where it is not here."""
        place = self._place.pop(connection, None)
        if place is not None:
            self._slots[place].discard(connection)

    def tick(self) -> tuple[C, ...]:
        """Go one slot on and return the connections that are due."""
        self._now = (self._now + 1) % len(self._slots)
        return tuple(self._slots[self._now])

    def __len__(self) -> int:
        return len(self._place)

    def all(self) -> tuple[C, ...]:
        """Return every connection."""
        return tuple(self._place)

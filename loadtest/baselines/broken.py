"""`null` that does wrong at known places: what a ledger must catch.

Of every 1,000 publications of a room the last is dropped, the 250th comes twice, and the 500th changes places with the
next.
"""

import os

from loadtest.baselines.null import Null, Room

EVERY = 1000


class Broken(Null):
    """See the module."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.late: dict[int, bytes] = {}

    def flush_all(self, rooms: list[Room]) -> None:
        for room in rooms:
            first = room.offset - len(room.pending) + 1
            room.pending[:] = [
                part for place, data in enumerate(room.pending) for part in self.spoil(room, first + place, data)
            ]
        super().flush_all([room for room in rooms if room.pending])

    def spoil(self, room: Room, offset: int, data: bytes) -> list[bytes]:
        """Return what is written instead of ``data``."""
        if offset % EVERY == EVERY // 2:
            self.late[id(room)] = data
            return []
        late = self.late.pop(id(room), b"")
        if offset % EVERY == 0:
            return []
        return [data, data] if offset % EVERY == EVERY // 4 else [data, late] if late else [data]


if __name__ == "__main__":
    Broken(os.environ["HOST"], int(os.environ["PORT"])).run()

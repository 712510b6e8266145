"""What one client got of one room, held to the promise while it arrives: no gap, nothing twice."""

from dataclasses import dataclass, field

from chat_core.frames import AnyEntry, Entry, JoinResult, Message, Position, Replay


@dataclass
class Ledger:
    """One membership after another of one client in one room.

    ``entries`` are those that came as pushes and in pages that continued from a position, in the order in which they
    came. ``start`` is where the first of them was expected.
    """

    room: str
    start: int = 0
    position: Position | None = None
    entries: list[AnyEntry] = field(default_factory=list)
    replaying: bool = False
    live: bool = False

    def joined(self, result: JoinResult, since: Position | None) -> None:
        """A join was answered. Without recovery what came before is of no more use."""
        assert result.recovered <= (since is not None), "recovered, but nothing was to be"
        if result.recovered and since is not None:
            if self.position != since:
                self.start, self.entries = since.offset, []
            self.position = since
            self._take_all(result.messages)
            assert self.position.offset == result.offset, "the page does not end where it says"
        else:
            offsets = [entry.offset for entry in result.messages]
            assert offsets == sorted(set(offsets)), "the newest messages are not in order"
            assert not offsets or offsets[-1] <= result.offset
            assert all(entry.type == "message" for entry in result.messages)
            self.start, self.entries = result.offset, []
        self.position = Position(epoch=result.epoch, offset=result.offset)
        self.live, self.replaying = not result.more, result.more

    def replayed(self, page: Replay) -> None:
        """A further page."""
        assert self.replaying, "a page that nobody waits for"
        assert page.more <= bool(page.messages), "an empty page that is not the last"
        epoch = self.position.epoch if self.position else ""
        self._take_all(page.messages)
        if self.position:
            self.position = Position(epoch=epoch, offset=self.position.offset)
        self.live, self.replaying = not page.more, page.more

    def pushed(self, entry: AnyEntry) -> None:
        """An entry came by itself."""
        assert self.live, "an entry came where the client is no member"
        self._take(entry)

    def left(self) -> None:
        """The membership has ended."""
        self.live = self.replaying = False

    @property
    def texts(self) -> list[str | None]:
        """The texts of the messages that came."""
        return [entry.text for entry in self.entries if isinstance(entry, Message)]

    @property
    def keys(self) -> list[tuple[str, int, str]]:
        """What came, to be compared with another ledger."""
        return [(entry.epoch, entry.offset, entry.id) for entry in self.entries]

    def _take_all(self, entries: list[AnyEntry]) -> None:
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        assert entry.room == self.room
        assert self.position is not None
        expected = self.position.offset + 1
        assert entry.offset == expected, f"{self.room}: offset {entry.offset} came where {expected} was due"
        self.position = Position(epoch=entry.epoch, offset=entry.offset)
        self.entries.append(entry)  # type: ignore[arg-type]

"""Who is where, and what of it is settled: the users and rooms that one process of the generator accounts for."""

from collections.abc import Iterator

from loadtest.connection import Phase
from loadtest.crew.books import Books
from loadtest.crew.member import Member, Room, User
from loadtest.follower import Follower
from loadtest.reference import Reference


class Cast:
    """``prefix`` names the rooms of this trial."""

    def __init__(self, rooms: int, prefix: str, books: Books) -> None:
        self.books = books
        self.users: dict[int, User] = {}
        self.rooms = [Room(Reference(f"{prefix}-{room}", books)) for room in range(rooms)]
        self.afflicted_books = Books(len(books.phases))
        """of those who will stop reading: what they receive counts, but how late it comes says nothing of the others"""
        self._afflicted = [Room(Reference(f"{prefix}-{room}", self.afflicted_books)) for room in range(rooms)]
        self.any_afflicted = False

    @property
    def delivered(self) -> bool:
        """Whether every post was answered and everybody who is inside has what others have."""
        return self.books.complete and all(member.follower.settled for member in self.members())

    def members(self) -> Iterator[Member]:
        for user in self.users.values():
            if user.connection is not None and user.connection.phase is Phase.JOINED and not user.stalled:
                yield user.connection

    def room_of(self, user: User) -> Room:
        """Return where the room of a user is followed."""
        return (self._afflicted if user.will_stall else self.rooms)[user.room]

    @property
    def all_rooms(self) -> list[Room]:
        """Every room, once for those who read and once for those who will not."""
        return [*self.rooms, *self._afflicted]

    @property
    def deliveries(self) -> int:
        """What was delivered so far, to whomever."""
        return self.books.delivered + self.afflicted_books.delivered

    def settle(self, now: float) -> None:
        """What arrived since the last call arrived now."""
        self.books.settle(now)
        self.afflicted_books.settle(now)

    def trim(self) -> None:
        """Forget what everybody in a room has, so that a long run takes no more memory than a short one."""
        for room in self.all_rooms:
            if room.reference.arrivals.changes:
                continue
            followers = [follower for number in room.users if (follower := self.following(number, room)) is not None]
            if len(followers) < len(room.users):
                continue
            reference = room.reference
            while all(reference.top + 1 in one.missing for one in followers) and reference.skip_hole():
                pass
            if all(one.caught_up for one in followers):
                reference.restart()
                for follower in followers:
                    follower.restart()

    def following(self, number: int, room: Room) -> Follower | None:
        """Return how far a user is in a room; None where they do not follow it now."""
        connection = self.users[number].connection
        if connection is None or connection.phase is not Phase.JOINED:
            return None
        follower = connection.follower
        return follower if follower.joined and follower.reference is room.reference else None

    def name(self, room: int) -> str:
        """Return what the server calls a room of the plan."""
        return self.rooms[room].reference.room

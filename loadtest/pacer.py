"""Hands out posts when they are due: late if the generator is, but never later because the server is."""

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

MOST_AT_ONCE: Final = 64
"""Posts handed out together, so that a generator that fell behind goes on reading as well."""


class Due(Protocol):
    """Something that is due so many seconds after a plan began."""

    @property
    def due(self) -> float: ...


What = TypeVar("What", bound=Due)


class Pacer(Generic[What]):
    """A plan that began at ``began``, in seconds of the same monotonic clock as every ``now``."""

    def __init__(self, posts: Sequence[What], began: float) -> None:
        self._posts = posts
        self._began = began
        self._next = 0

    @property
    def finished(self) -> bool:
        return self._next == len(self._posts)

    def intended(self, post: What) -> float:
        """Return when ``post`` was meant to be sent."""
        return self._began + post.due

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next post is due; None where all have been handed out."""
        return None if self.finished else max(0.0, self.intended(self._posts[self._next]) - now)

    def due(self, now: float) -> list[What]:
        """Return the next posts that are due, oldest first, at most MOST_AT_ONCE."""
        first = self._next
        last = min(len(self._posts), first + MOST_AT_ONCE)
        while self._next < last and self.intended(self._posts[self._next]) <= now:
            self._next += 1
        return list(self._posts[first : self._next])

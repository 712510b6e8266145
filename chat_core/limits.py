"""How much a connection may ask: token buckets, and the sizes that are not settings."""

from dataclasses import dataclass
from typing import Final

MOST_ROOMS: Final = 100
"""Rooms that one connection may have joined."""
MOST_REFUSALS: Final = 200
"""Refused commands, on top of those that were forgotten, with which a connection is closed."""
REFUSALS_FORGOTTEN: Final = MOST_REFUSALS / 60
"""Refused commands that are forgotten per second: who now and then meets a limit is not closed."""
FRAGMENT_OVERHEAD: Final = 3
"""How many times the bytes of the largest message it may take to send one in fragments."""
FRAGMENT_HEAD: Final = 6
"""Bytes of a fragment's head at least."""
RESERVED_THREADS: Final = 16
"""Threads that the sync backend keeps for HTTP."""


@dataclass(slots=True)
class TokenBucket:
    """``rate`` tokens a second up to ``burst``; a rate of 0 is no limit. Times are monotonic seconds."""

    rate: float
    burst: float
    _tokens: float = -1.0
    _at: float = 0.0

    def take(self, now: float) -> float:
        """Take one token. Return 0, or the seconds until there is one and take none."""
        wait = self.wait(now)
        if self.rate and not wait:
            self._tokens -= 1
        return wait

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token; 0 where there is one."""
        if not self.rate:
            return 0.0
        if self._tokens < 0:
            self._tokens, self._at = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self.rate

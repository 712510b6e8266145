"""One room as a client has it, by the table of docs/protocol.md: what each frame means for its position."""

import asyncio
from collections import deque
from typing import Final

from chaos.acts import Place, place
from chaos.history import Json

REMEMBERED: Final = 40
"""Messages that a client may still edit, delete or react to."""


class Membership:
    """``live`` is set while it is a member that misses nothing, ``astray`` while it has to join (again)."""

    def __init__(self, room: str, user: str) -> None:
        self.room = room
        self.position: Place | None = None
        self.live = asyncio.Event()
        self.astray = asyncio.Event()
        self.astray.set()
        self.asked_ref = 0
        """The ref of the last join: the reply to an earlier one means nothing any more."""
        self.resets = 0
        self.present: set[str] = set()
        self.messages: deque[tuple[Place, str]] = deque(maxlen=REMEMBERED)
        """Place and author of what was said lately."""
        self.written: dict[str, Place] = {}
        """The ids of this user that came back as entries: whatever was answered, these are in the log."""
        self._user = user
        self._paging = False
        self._passed = 0

    @property
    def since(self) -> Json | None:
        """Where to resume from; None where there is nothing to continue."""
        return {"epoch": self.position[0], "offset": self.position[1]} if self.position else None

    def go_astray(self) -> None:
        """The membership has ended, or something is missing: join again."""
        self.live.clear()
        self._paging = False
        self.astray.set()

    def asking(self) -> None:
        """A join is about to be sent."""
        self.live.clear()
        self._paging = False

    def joined(self, result: Json) -> None:
        """It was answered."""
        if not result["recovered"]:
            self.messages.clear()
        self.present = {user["id"] for user in result["members"]["users"]}
        for entry in result["messages"]:
            self._note(entry)
        self.position = place(result)
        self.astray.clear()
        self._paging, self._passed = result["more"], 0
        if not self._paging:
            self.live.set()

    def replayed(self, push: Json) -> None:
        """A further page came."""
        if not self._paging or self.position is None:
            return
        for entry in push["messages"]:
            self._note(entry)
            self.position = self.position[0], entry["offset"]
        if not push["more"]:
            self._paging = False
            self.live.set()
            if self._passed > self.position[1]:
                self.go_astray()

    def pushed(self, entry: Json) -> None:
        """An entry came by itself."""
        if self._paging:
            self._passed = max(self._passed, entry["offset"])
        if not self.live.is_set() or self.position is None or entry["offset"] <= self.position[1]:
            return
        if entry["offset"] > self.position[1] + 1:
            self.go_astray()
            return
        self._note(entry)
        self.position = place(entry)

    def reset(self) -> None:
        """What it has is gone."""
        self.resets += 1
        self.position = None
        self.messages.clear()
        self.go_astray()

    def presence(self, push: Json) -> None:
        """Who is there has changed."""
        if push.get("members"):
            self.present = {user["id"] for user in push["members"]["users"]}
        self.present |= {user["id"] for user in push.get("joins", [])}
        self.present -= set(push.get("leaves", []))

    def _note(self, entry: Json) -> None:
        if entry["user"]["id"] == self._user:
            self.written[entry["id"]] = place(entry)
        if entry["type"] == "message":
            self.messages.append((place(entry), entry["user"]["id"]))

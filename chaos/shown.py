"""What a reader of the log shows: messages with their last text and reactions, derived entry by entry."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chaos.acts import Place, place
from chaos.history import Json


@dataclass(slots=True)
class Shown:
    """One message. ``text`` is None once it was deleted; ``reactions`` has no emoji without users."""

    text: str | None
    reactions: dict[str, set[str]] = field(default_factory=dict)

    def react(self, emoji: str, user: str, on: bool) -> None:
        """Put a reaction on or take it off; either may be known already."""
        users = self.reactions.setdefault(emoji, set())
        if on:
            users.add(user)
        else:
            users.discard(user)
        if not users:
            del self.reactions[emoji]


State = dict[Place, Shown]


def message(entry: Json) -> Shown:
    """Return a message as a page or a push has it."""
    return Shown(entry["text"], {emoji: set(users) for emoji, users in (entry.get("reactions") or {}).items()})


def apply(state: State, entry: Json, text: str | None) -> None:
    """Carry ``entry`` out on ``state``; ``text`` is that of a message or an edit."""
    if entry["type"] == "message":
        state[place(entry)] = message(entry)
        state[place(entry)].text = text
        return
    shown = state.get(place(entry["target"]))
    if shown is None:
        return  # of a message older than what this reader has
    if entry["type"] == "edited":
        shown.text = text
    elif entry["type"] == "deleted":
        shown.text, shown.reactions = None, {}
    else:
        shown.react(entry["emoji"], entry["user"]["id"], entry["on"])


def derive(entries: Iterable[Json]) -> State:
    """Return what ``entries`` come to, each with the text that it says."""
    state: State = {}
    for entry in entries:
        apply(state, entry, entry.get("text"))
    return state

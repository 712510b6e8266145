"""How a backend is run, by name."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stack.errors import StackError


@dataclass(frozen=True)
class Profile:
    name: str
    title: str
    model: Literal["asgi", "wsgi"]
    port: int
    """Where `stack up` lets it listen unless told otherwise."""
    command: tuple[str, ...]
    summary: str
    settings: Mapping[str, str] = field(default_factory=dict)


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="async",
            title="FastAPI chat",
            model="asgi",
            port=8001,
            command=_python("async_chat"),
            summary="FastAPI on uvicorn and uvloop; frames are prepared once and written to the transports",
        ),
        Profile(
            name="async-portable",
            title="FastAPI chat",
            model="asgi",
            port=8001,
            command=_python("async_chat"),
            summary="the same with plain ASGI sends, as any ASGI server takes them",
            settings={"CHAT_PREPARED_FRAMES": "0"},
        ),
        Profile(
            name="sync",
            title="Flask chat",
            model="wsgi",
            port=8002,
            command=_python("sync_chat"),
            summary="Flask and flask-sock on gunicorn, a thread per connection",
        ),
        Profile(
            name="sync-gevent",
            title="Flask chat",
            model="wsgi",
            port=8002,
            command=_python("sync_chat"),
            summary="the same on gunicorn's gevent worker, a greenlet per connection",
            settings={"CHAT_WORKER": "gevent"},
        ),
    )
}


def profile_named(name: str) -> Profile:
    """StackError if there is no such profile."""
    if name not in PROFILES:
        raise StackError(f"no profile {name!r}: there are {', '.join(PROFILES)}")
    return PROFILES[name]

"""Commands as the models have them, nearly so, and not at all: one documented reply to each, or a documented close."""

import json
from typing import Any, Final, get_args

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chat_core.frames import RefusalCode
from stack.backends import Backend
from tests.hostile.conftest import Scales
from tests.hostile.fuzz import REPEAT, ROUNDS, SEED
from tests.wire.people import signed

LIMIT: Final = 64 * 1024
LAST: Final = 2**53 - 1
"""The ref of the command that ends each try."""

epochs = st.sampled_from(["0123456789abcdef", "f" * 16, "", "G" * 16, "0" * 15])
integers = st.one_of(
    st.integers(-2, 5), st.sampled_from([2**31, 2**53 - 2, 2**53, 2**63, 2**64, -(2**63), 10**30, 10**300])
)
characters = st.characters(codec=None, exclude_categories=())
texts = st.one_of(
    st.text(characters, max_size=40),
    st.sampled_from(
        ["\ud800", "\udfff\ud800", "\x00", "a\x00b", "\u202e", "e\u0301" * 50, "👩‍👩‍👧‍👦" * 20, "x" * 4001, "\ufeff"]
    ),
)
rooms = st.one_of(st.sampled_from(["fuzz", "fuzz-2", "", "A", "../x", "a" * 64, "a" * 65]), texts)
positions = st.fixed_dictionaries({"epoch": epochs, "offset": integers})
emoji = st.one_of(st.sampled_from(["👍", "❤️", "x", "", "👍" * 17]), texts)
scalars = st.one_of(st.none(), st.booleans(), integers, st.floats(), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "type": st.sampled_from(["join", "leave", "post", "edit", "delete", "react", "typing", "read", "message", "reply"]),
    "ref": integers,
    "room": rooms,
    "id": st.one_of(st.text("abcXYZ019_-", min_size=1, max_size=64), texts),
    "text": texts,
    "reply_to": st.one_of(st.none(), positions),
    "since": st.one_of(st.none(), positions),
    "target": positions,
    "epoch": epochs,
    "offset": integers,
    "emoji": emoji,
    "on": st.booleans(),
}


@st.composite
def commands(draw: st.DrawFn) -> str:
    """The text of a frame: a command with all fields there are, then things are done to it."""
    fields = {name: draw(strategy) for name, strategy in FIELDS.items()}
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        match draw(st.sampled_from(["drop", "confuse", "keep"])):
            case "drop":
                fields.pop(name, None)
            case "confuse":
                fields[name] = draw(values)
    text = json.dumps(fields)
    match draw(st.sampled_from(["as it is"] * 6 + ["twice", "cut", "deep", "not json", "spaces"])):
        case "twice":  # the same key a second time, with another value
            name = draw(st.sampled_from(sorted(FIELDS)))
            return f'{text[:-1]},"{name}":{json.dumps(draw(values))}}}'
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "deep":
            depth = draw(st.sampled_from([10, 200, 5000]))
            return f'{text[:-1]},"extra":{"[" * depth}{"]" * depth}}}'
        case "not json":
            return draw(st.text(st.characters(codec="utf-8"), max_size=30))
        case "spaces":
            return text + " " * 1000
    return text


def test_every_command_has_one_documented_reply(wary: Backend, scales: Scales) -> None:
    before = scales.weigh()
    url, headers = wary.ws_url, signed().headers

    @seed(f"{SEED} commands")
    @settings(
        max_examples=40 * ROUNDS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(commands(), min_size=10, max_size=60))
    def attempt(frames: list[str]) -> None:
        with connect(url, additional_headers=headers, compression=None, proxy=None, max_size=None) as socket:
            for command in ['{"type":"join","ref":1,"room":"fuzz"}', *frames]:
                socket.send(command)
            socket.send(json.dumps({"type": "typing", "ref": LAST, "room": "not joined"}))
            _judge(socket, len(frames) + 1)

    attempt()
    after = scales.weigh()
    assert after.resident - before.resident < 64 * 1024 * 1024, REPEAT


def _judge(socket: Any, sent: int) -> None:
    """Read until the last reply: as many replies as commands, and each is as documented."""
    replies = 0
    try:
        while True:
            said = json.loads(socket.recv(timeout=10))
            if said["type"] != "reply":
                continue
            if said["ref"] == LAST:
                break
            replies += 1
            assert ("result" in said) != ("error" in said), said
            assert "error" not in said or said["error"]["code"] in get_args(RefusalCode), said
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 1006
    else:
        code = 0
    assert replies == sent if code == 0 else code in (1009, 4501), (code, replies, REPEAT)

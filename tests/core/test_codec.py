"""Bytes to commands and back: whatever a client sends is a command or `Malformed`, never another exception."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import SERVER, Connection
from wsproto.events import TextMessage
from wsproto.utilities import RemoteProtocolError

from chat_core import codec
from chat_core.codec import Malformed
from chat_core.frames import Join, Post, React, User

EPOCH = "0" * 16
POST = {"type": "post", "ref": 1, "room": "lobby", "id": "x1", "text": "hello"}


def explained(text: str) -> str:
    """What a client is told; nothing where the text is a command."""
    try:
        codec.decode(text)
    except Malformed as error:
        return str(error)
    return ""


def decode(**fields: object) -> object:
    return codec.decode(json.dumps({**POST, **fields}))


def refused(text: str | bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        codec.decode(text)
    return caught.value


def test_command_is_read_and_what_is_unknown_is_ignored() -> None:
    assert decode(colour="red") == Post(type="post", ref=1, room="lobby", id="x1", text="hello")
    assert codec.decode(b'{"type":"join","ref":0,"room":"a"}') == Join(type="join", ref=0, room="a")


def test_text_is_normalized_and_keeps_newlines_and_tabs() -> None:
    command = decode(text="e\u0301\n\tso")
    assert isinstance(command, Post)
    assert command.text == "é\n\tso"


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": " \n\t "},
        {"text": "bell \a"},
        {"text": "\x7f"},
        {"text": 5},
        {"text": None},
        {"room": "Lobby"},
        {"room": "-lobby"},
        {"room": "lobby\n"},
        {"room": "l" * 65},
        {"room": ""},
        {"id": ""},
        {"id": "a b"},
        {"id": "a" * 65},
        {"reply_to": {"epoch": EPOCH, "offset": -1}},
        {"reply_to": {"epoch": EPOCH, "offset": 2**53}},
        {"reply_to": {"epoch": EPOCH, "offset": 1.0}},
        {"reply_to": {"epoch": EPOCH, "offset": True}},
        {"reply_to": {"epoch": "xyz", "offset": 1}},
        {"reply_to": [EPOCH, 1]},
        {"type": "shout"},
        {"type": None},
    ],
    ids=str,
)
def test_command_with_one_field_amiss_is_malformed_and_says_which_ref(fields: dict[str, object]) -> None:
    error = refused(json.dumps({**POST, **fields}))
    assert error.ref == 1
    assert next(iter(fields)) in str(error)


@pytest.mark.parametrize("ref", [-1, 2**53, 1.5, True, "1", None, [1], 10**400])
def test_ref_that_is_none_is_not_returned(ref: object) -> None:
    assert refused(json.dumps({**POST, "ref": ref})).ref is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nonsense",
        "[]",
        "5",
        "null",
        '"post"',
        "{",
        '{"type":"post"',
        "[" * 100_000,
        '{"a":' * 100_000,
        "{}",
        "NaN",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_command_is_malformed(text: str) -> None:
    assert refused(text).ref is None


def test_half_of_a_surrogate_pair_is_malformed() -> None:
    refused('{"type":"post","ref":1,"room":"lobby","id":"x","text":"\\ud800"}')
    refused(b'{"type":"post","ref":1,"room":"lobby","id":"x","text":"\xff"}')


def test_refusal_never_repeats_what_the_client_sent() -> None:
    for field in POST:
        assert "s3cret" not in str(refused(json.dumps({**POST, field: ["s3cret"]})))
    assert "s3cret" not in str(refused(json.dumps({**POST, "type": "s3cret"})))
    assert "s3cret" not in str(refused('{"s3cret'))


@pytest.mark.parametrize("emoji", ["👍", "❤️", "👩‍👩‍👧‍👦", "🇨🇭", "1️⃣"])
def test_emoji_is_a_reaction(emoji: str) -> None:
    text = json.dumps({**POST, "type": "react", "target": {"epoch": EPOCH, "offset": 1}, "emoji": emoji})
    command = codec.decode(text)
    assert isinstance(command, React)
    assert (command.emoji, command.on) == (emoji, True)


@pytest.mark.parametrize("emoji", ["", "ok", "A", " ", "\t", '"', "\\", "\n", "👍" * 17, "👍,\t"])
def test_text_is_no_reaction(emoji: str) -> None:
    refused(json.dumps({**POST, "type": "react", "target": {"epoch": EPOCH, "offset": 1}, "emoji": emoji}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*POST, "since", "target", "emoji", "on", "epoch", "offset"]), JSON) | JSON)
def test_any_json_is_a_command_or_malformed(value: object) -> None:
    if isinstance(value, dict):
        value = {**POST, **value}
    assert explained(json.dumps(value)).count("\n") == 0


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.binary() | st.text(st.characters(exclude_categories=["Cs"])))
def test_any_bytes_are_a_command_or_malformed(text: str | bytes) -> None:
    refused(text)


def test_replies_and_pushes_are_json() -> None:
    assert json.loads(codec.reply(3, '{"a":1}')) == {"type": "reply", "ref": 3, "result": {"a": 1}}
    assert json.loads(codec.refusal(None, "rate_limited", 'so "much"', 0.12345)) == {
        "type": "reply",
        "ref": None,
        "error": {"code": "rate_limited", "message": 'so "much"', "retry_after": 0.123},
    }
    assert json.loads(codec.push("typing", room="a", user=User(id="u", name='"'))) == {
        "type": "typing",
        "room": "a",
        "user": {"id": "u", "name": '"'},
    }
    assert codec.array([b'{"a":1}', b"2"]) == '[{"a":1},2]'
    assert codec.array([]) == "[]"


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f" + (65536).to_bytes(8, "big")),
    ],
)
def test_text_frame_has_the_header_of_its_size(size: int, header: bytes) -> None:
    assert codec.text_frame(b"x" * size) == header + b"x" * size


def masked(payload: bytes, key: bytes) -> bytes:
    """One text frame, as a client sends it."""
    size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
    return b"\x81" + size + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


KEYS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(TEXTS, KEYS)
def test_a_text_that_is_one_whole_frame_is_read(text: str, key: bytes) -> None:
    assert codec.whole_text(masked(text.encode(), key)) == text


def parsed(data: bytes) -> list[object]:
    """What wsproto makes of bytes: an error is its last word."""
    connection = Connection(SERVER)
    connection.receive_data(data)
    found: list[object] = []
    try:
        found.extend(connection.events())
    except RemoteProtocolError as error:
        found.append(error)
    return found


@st.composite
def nearly_frames(draw: st.DrawFn) -> bytes:
    """A frame, or two, with a piece cut out or put in and a byte changed."""
    frames = b"".join(draw(st.lists(st.builds(masked, st.binary(max_size=200), KEYS), min_size=1, max_size=2)))
    start, end = sorted(draw(st.tuples(*(st.integers(0, len(frames)),) * 2)))
    changed = bytearray(frames[:start] + draw(st.just(frames[start:end]) | st.binary(max_size=3)) + frames[end:])
    if changed and draw(st.booleans()):
        changed[draw(st.integers(0, min(8, len(changed) - 1)))] = draw(st.integers(0, 255))
    return bytes(changed)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(nearly_frames())
def test_what_is_read_at_once_is_what_a_parser_reads(data: bytes) -> None:
    text = codec.whole_text(data)
    if text is not None:
        assert parsed(data) == [TextMessage(data=text, frame_finished=True, message_finished=True)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        masked(b"two", b"key.") * 2,
        masked(b"in part", b"key.")[:-1],
        b"\x81\xfe\x00\x05key." + bytes(5),
        b"\x81\x05hello",
        b"\x01" + masked(b"goes on", b"key.")[1:],
        b"\xc1" + masked(b"compressed", b"key.")[1:],
        b"\x82" + masked(b"binary", b"key.")[1:],
        masked(b"\xff", b"key."),
    ],
    ids=["end", "two", "part", "size in two bytes", "unmasked", "first of several", "compressed", "binary", "no UTF-8"],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert codec.whole_text(data) is None

"""What a text may be, and that it arrives as it was meant."""

import json

import pytest

from stack.backends import Backend
from tests.conformance.conftest import Enter
from tests.wire.client import Message, place
from tests.wire.servers import Site

ACCEPTED = {
    "longest": ("x" * 4000, "x" * 4000),
    "longest-in-emoji": ("🦜" * 4000, "🦜" * 4000),
    "longest-once-composed": ("e\u0301" * 4000, "é" * 4000),
    "decomposed": ("A\u030angstro\u0308m", "Ångström"),
    "lines-and-tabs": ("one\n\ttwo\n", "one\n\ttwo\n"),
    "json-and-html": ('"\\/\b'.replace("\b", "") + "</script>&amp;{}[]", '"\\/</script>&amp;{}[]'),
    "line-separators": ("a\u2028b\u2029c\u0600", "a\u2028b\u2029c\u0600"),
    "family": ("👨\u200d👩\u200d👧 مرحبا שלום 你好", "👨\u200d👩\u200d👧 مرحبا שלום 你好"),
    "percent-and-lua": ("%s %d %1 %% \\u0041 ${x} {{x}}", "%s %d %1 %% \\u0041 ${x} {{x}}"),
    "highest": ("\U0010ffff\ufffe\ufeff", "\U0010ffff\ufffe\ufeff"),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_text_arrives_in_composed_form_and_otherwise_untouched(
    case: str, site: Site, room: str, enter: Enter
) -> None:
    sent, received = ACCEPTED[case]
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    message = await ada.post(room, sent)
    assert (await bob.expect(Message)).text == received
    await ada.edit(room, message, f"{received[:3990]} edited")
    assert await bob.refused("edit", room=room, id="e", target=place(message), text="x") == "forbidden"
    history = await (await enter(site.there)).join(room)
    assert [entry.text for entry in history.messages if isinstance(entry, Message)] == [f"{received[:3990]} edited"]


REFUSED = {
    "too-long": (json.dumps("x" * 4001), "too_long"),
    "too-long-in-emoji": (json.dumps("🦜" * 4001, ensure_ascii=False), "too_long"),
    "empty": ('""', "malformed"),
    "blank": ('" \\n\\t "', "malformed"),
    "nul": ('"a\\u0000b"', "malformed"),
    "escape": ('"a\\u001bb"', "malformed"),
    "c1-control": ('"a\\u0085b"', "malformed"),
    "carriage-return": ('"a\\r\\nb"', "malformed"),
    "high-surrogate": ('"a\\ud800b"', "malformed"),
    "low-surrogate": ('"a\\udc00b"', "malformed"),
    "swapped-surrogates": ('"\\udc00\\ud800"', "malformed"),
    "number": ("7", "malformed"),
    "null": ("null", "malformed"),
    "array": ('["a"]', "malformed"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_text_outside_the_rules_is_refused(case: str, lone: Backend, room: str, enter: Enter) -> None:
    text, code = REFUSED[case]
    ada = await enter(lone, room)
    message = await ada.post(room, "before")
    target = place(message).model_dump_json()
    await ada.send(f'{{"type":"post","ref":71,"room":"{room}","id":"a","text":{text}}}')
    await ada.send(f'{{"type":"edit","ref":72,"room":"{room}","id":"b","target":{target},"text":{text}}}')
    await ada.until(lambda: len(ada.loose) == 2)
    codes = [reply.error.code for reply in ada.loose if reply.error]
    assert codes == [code, code]
    after = await ada.post(room, "after")
    assert after.offset == message.offset + 1


NO_EMOJI = {
    "nothing": "",
    "text": "ok",
    "text-before": "a👍",
    "space-after": "👍 ",
    "quote": '"',
    "backslash": "\\",
    "tab": "\t",
    "newline": "\n",
    "too-many": "👍" * 17,
    "control": "\x7f",
}


@pytest.mark.parametrize("case", NO_EMOJI)
async def test_a_reaction_is_an_emoji(case: str, lone: Backend, room: str, enter: Enter) -> None:
    ada = await enter(lone, room)
    target = place(await ada.post(room, "hello"))
    assert await ada.refused("react", room=room, id="a", target=target, emoji=NO_EMOJI[case], on=True) == "malformed"


async def test_unusual_emoji_come_back_as_they_were(lone: Backend, room: str, enter: Enter) -> None:
    ada = await enter(lone, room)
    message = await ada.post(room, "hello")
    kinds = ["👍🏽", "👨\u200d👩\u200d👧", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "❤️", "1️⃣"]
    for emoji in kinds:
        await ada.react(room, message, emoji)
    (found,) = (await (await enter(lone)).join(room)).messages
    assert isinstance(found, Message)
    assert list(found.reactions or {}) == kinds


async def test_a_message_takes_twenty_kinds_of_reactions(lone: Backend, room: str, enter: Enter) -> None:
    ada = await enter(lone, room)
    message = await ada.post(room, "hello")
    for number in range(20):
        await ada.react(room, message, chr(0x1F600 + number))
    refusal = await ada.refused("react", room=room, id="a", target=place(message), emoji="👍")
    assert refusal == "forbidden"

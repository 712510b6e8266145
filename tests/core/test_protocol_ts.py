"""The browser's view of the wire is generated; here it is held to the models that it comes from."""

import re

import pytest

from chat_core import frames
from web import generate


def test_protocol_ts_is_what_the_models_generate() -> None:
    assert generate.TARGET.read_text(encoding="utf-8") == generate.protocol(), "run: python -m web.generate"


def test_every_member_of_the_unions_has_an_interface() -> None:
    text = generate.protocol()
    named = set(re.findall(r"^  \| (\w+)", text, re.MULTILINE))
    assert {"Join", "Message", "PresencePush", "Notice", "Reply"} <= named
    assert named <= set(re.findall(r"^export interface (\w+)", text, re.MULTILINE))


def test_a_form_without_a_translation_is_an_error() -> None:
    with pytest.raises(ValueError, match="no TypeScript"):
        generate.type_of({"type": "object"})


def test_the_room_pattern_means_the_same_in_both_languages() -> None:
    assert "/" not in frames.ROOM_PATTERN, "it would end the regular expression in TypeScript"
    assert f"ROOM_PATTERN = /{frames.ROOM_PATTERN}/;" in generate.protocol()

"""The description of the socket is generated; its examples are what this server takes and gives."""

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from chat_core import asyncapi, codec, frames, presence
from chat_core.disconnects import TABLE
from docs import generate

DOCUMENT: dict[str, Any] = yaml.safe_load((generate.HERE / "asyncapi.yaml").read_text(encoding="utf-8"))
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
VECTORS = {
    f"{name}: {example['name']}": (name, example["payload"])
    for name, message in MESSAGES.items()
    for example in message["examples"]
}
RESULTS = {f"{model.__name__}Reply": model for model in asyncapi.RESULTS.values()}


def vector(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = VECTORS[name][1]
    return payload


def parsed(data: bytes) -> Any:
    return TypeAdapter(Any).validate_json(data)


def test_the_documents_are_what_the_models_generate() -> None:
    assert generate.drifted() == [], "run: python -m docs.generate"


@pytest.mark.parametrize("name", VECTORS)
def test_examples_are_frames_of_the_protocol(name: str) -> None:
    message, payload = VECTORS[name]
    if message in {model.__name__ for model in asyncapi.COMMANDS}:
        command = codec.decode(codec.dump(payload))
        assert type(command).__name__ == message
        assert command.model_dump(exclude_unset=True) == payload
        return
    push = TypeAdapter(frames.AnyPush).validate_python(payload)
    if message in RESULTS:
        result = RESULTS[message].model_validate(payload["result"])
        assert result.model_dump(mode="json", exclude_unset=True) == payload["result"]
    else:
        assert type(push).__name__ == message.replace("RefusalReply", "Reply")
        assert push.model_dump(mode="json", exclude_unset=True) == payload


def test_every_message_has_an_example() -> None:
    assert {name for name, _ in VECTORS.values()} == set(MESSAGES)


def test_what_the_core_makes_is_as_in_the_examples() -> None:
    assert parsed(codec.push("notice", notice="draining", reconnect_in=0.4)) == vector("Notice: draining")
    assert parsed(codec.reply(3)) == vector("EmptyReply: done")
    refused = codec.refusal(4, "rate_limited", "too many commands", 0.25)
    assert parsed(refused) == vector("RefusalReply: too many")
    with pytest.raises(codec.Malformed) as malformed:
        codec.decode(b"Hello")
    answer = codec.refusal(malformed.value.ref, "malformed", str(malformed.value))
    assert parsed(answer) == vector("RefusalReply: not a command")


def test_presence_is_as_in_the_examples() -> None:
    ada, bob = (frames.User(**user) for user in vector("PresencePush: full state")["members"]["users"])
    room = presence.Presence()

    def pushed() -> Any:
        return parsed(codec.push("presence", room="lobby", **(room.push() or {})))

    room.track(ada)
    pushed()
    room.track(bob)
    assert pushed() == vector("PresencePush: who came")
    assert parsed(codec.dump(room.state().members()).encode()) == vector("PresencePush: full state")["members"]
    room.untrack(bob, until=0.0)
    room.expire(now=1.0)
    assert pushed() == vector("PresencePush: who left")


def test_the_document_says_how_connections_end() -> None:
    assert [(row["code"], row["reconnect"]) for row in DOCUMENT["info"]["x-close-codes"]] == [
        (row.code, row.reconnectable) for row in TABLE
    ]


def test_every_command_and_push_is_an_operation() -> None:
    sent = {name for name, operation in DOCUMENT["operations"].items() if operation["action"] == "receive"}
    assert sent == {asyncapi.type_of(model) for model in asyncapi.COMMANDS}
    assert set(DOCUMENT["operations"]) - sent == {f"push_{asyncapi.type_of(model)}" for model in asyncapi.PUSHES}

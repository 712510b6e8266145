"""`docs/protocol.md` says what the code does: its examples and tables are held to the models."""

import json
import re
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from chat_core import api, disconnects, frames, limits, problems
from chat_core.frames import AnyCommand, AnyPush, JoinResult
from stack.server import ROOT
from tests.wire.client import held_to

TEXT = (ROOT / "docs" / "protocol.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    json.loads(example) for example in re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL)
]
COMMANDS = ("join", "leave", "post", "edit", "delete", "react", "typing", "read")


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without backticks."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.search(r"^\|.*?\n\|[-|]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert rows
    return [[cell.strip().replace("`", "") for cell in row[1:-1].split("|")] for row in rows[1].splitlines()]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.get("type", "session")))
def test_examples_are_as_described(example: dict[str, Any]) -> None:
    if "token" in example:
        held_to(TypeAdapter(api.IssuedSession), example)
    elif str(example["type"]).startswith("urn:"):
        held_to(TypeAdapter(problems.Problem), example)
        assert example["type"].rpartition(":")[2] in problems.PROBLEMS
    elif "recovered" in example.get("result", {}):
        held_to(TypeAdapter(JoinResult), example["result"])
    else:
        held_to(TypeAdapter(AnyCommand if _is_command(example) else AnyPush), example)


def _is_command(example: dict[str, Any]) -> bool:
    return example["type"] in COMMANDS and "ref" in example


def test_close_codes_are_those_of_the_table() -> None:
    told = [(int(code), reason, back) for code, reason, back in _table("The end of a connection")]
    assert told == [(row.code, row.reason, "yes" if row.reconnectable else "no") for row in disconnects.TABLE]


def test_commands_and_their_fields_are_those_of_the_models() -> None:
    rows = {row[0]: row for row in _table("Commands")}
    models = {model.model_fields["type"].annotation: model for model in get_args(get_args(AnyCommand)[0])}
    named = {get_args(annotation)[0]: model for annotation, model in models.items()}
    assert list(rows) == list(named)
    for name, model in named.items():
        fields = set(model.model_fields) - {"type", "ref", "room"}
        told = set(re.findall(r"\w+", rows[name][1])) - {"optional", "default", "true"}
        assert fields <= told <= fields | {"epoch", "offset"}, name


def test_pushes_are_those_of_the_models() -> None:
    models = get_args(get_args(AnyPush)[0])
    names = [get_args(model.model_fields["type"].annotation)[0] for model in models]
    assert [row[0] for row in _table("Pushes")] == [name for name in names if name != "reply"]


def test_refusals_are_those_of_the_models() -> None:
    assert [row[0] for row in _table("Refusals")] == list(get_args(frames.RefusalCode))


def test_operations_are_those_of_the_interface() -> None:
    told = {row[0].partition("?")[0] for row in _table("REST")}
    assert told == {f"{operation.method} {operation.path}" for operation in api.OPERATIONS.values()}


def test_limits_are_those_of_the_code() -> None:
    rows = dict(_table("Limits"))
    assert rows["rooms joined"].startswith(f"{limits.MOST_ROOMS} ")
    assert rows["refusals, unavailable not counted"].startswith(
        f"{limits.MOST_REFUSALS} at once, {limits.MOST_REFUSALS} "
    )

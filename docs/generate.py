"""Write ``asyncapi.yaml``, and ``socket.md``, which is the same to read.

``python -m docs.generate`` writes the files, ``python -m docs.generate --check`` exits with 1 where they have drifted.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from chat_core import asyncapi

HERE: Final = Path(__file__).parent
Json = dict[str, Any]

HEADER: Final = (
    "# Generated from frames, disconnects and vectors of chat_core by `python -m docs.generate`. Do not edit.\n"
)
INTRODUCTION: Final = """\
# The socket, frame by frame

Generated from [asyncapi.yaml](asyncapi.yaml) by `python -m docs.generate`. What to do with it says
[protocol.md](protocol.md).
"""


class _Plain(yaml.SafeDumper):
    """Repeats what is there twice, instead of pointing to it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(document: Json) -> str:
    """Return the document as YAML."""
    return HEADER + yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def as_markdown(document: Json) -> str:
    """Return the document as a page: each operation with the fields and examples of its messages."""
    parts = [INTRODUCTION]
    headings = {"receive": "What a client sends", "send": "What a server sends by itself"}
    for action, heading in headings.items():
        parts.append(f"## {heading}\n")
        for name, operation in document["operations"].items():
            if operation["action"] == action:
                parts.append(_operation(name.removeprefix("push_"), operation, document))
    parts.append("## What a server replies\n")
    parts += [_message(name, document) for name in document["components"]["messages"] if name.endswith("Reply")]
    parts.append("## What frames are made of\n")
    within = [name for name in document["components"]["schemas"] if name not in document["components"]["messages"]]
    parts += [f"### {name}\n\n{_fields(_schema(name, document))}" for name in within]
    return "\n".join(parts)


def _operation(name: str, operation: Json, document: Json) -> str:
    (message,) = map(_last, operation["messages"])
    text = f"### `{name}`\n\n{operation['summary']}\n\n{_payload(message, document)}"
    if "reply" in operation:
        replies = ", ".join(f"[{_last(reply)}](#{_last(reply).lower()})" for reply in operation["reply"]["messages"])
        text += f"\nReply: {replies}\n"
    return text


def _message(name: str, document: Json) -> str:
    return f"### {name}\n\n{document['components']['messages'][name]['summary']}\n\n{_payload(name, document)}"


def _payload(name: str, document: Json) -> str:
    message = document["components"]["messages"][name]
    schema = _schema(_last(message["payload"]), document) if "$ref" in message["payload"] else message["payload"]
    examples = "".join(
        f"\n{example['name'].capitalize()}:\n\n```json\n{json.dumps(example['payload'], ensure_ascii=False)}\n```\n"
        for example in message["examples"]
    )
    return _fields(schema) + examples


def _fields(schema: Json) -> str:
    rows = [
        f"| `{name}` | {_kind(field)} | {'yes' if name in schema.get('required', ()) else ''} | {_meaning(field)} |\n"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"| field | form | required | meaning |\n|---|---|---|---|\n{''.join(rows)}" if rows else "No fields.\n"


def _kind(field: Json) -> str:
    if "$ref" in field:
        return f"[{_last(field)}](#{_last(field).lower()})"
    for union in ("anyOf", "oneOf"):
        if union in field:
            return " or ".join(map(_kind, field[union]))
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"array of {_kind(field['items'])}"
    if "additionalProperties" in field:
        return f"object of {_kind(field['additionalProperties'])}"
    bounds = [f"{word} {field[key]}" for key, word in _BOUNDS.items() if key in field]
    return " ".join([field["type"], *bounds])


_BOUNDS: Final = {"minimum": "from", "maximum": "to", "minLength": "of at least", "maxLength": "and at most"}


def _meaning(field: Json) -> str:
    told = [field.get("description", "")]
    told += [f"`{field['pattern']}`"] if "pattern" in field else []
    told += [f"default `{json.dumps(field['default'])}`"] if "default" in field else []
    return "; ".join(filter(None, told)).replace("|", "\\|")


def _last(reference: Json) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _schema(name: str, document: Json) -> Json:
    schema: Json = document["components"]["schemas"][name]
    return schema


TARGETS: Final[dict[Path, Callable[[Json], str]]] = {
    HERE / "asyncapi.yaml": as_yaml,
    HERE / "socket.md": as_markdown,
}


def drifted() -> list[Path]:
    """Return the files that are not what would be written."""
    document = asyncapi.document()
    return [
        path
        for path, render in TARGETS.items()
        if not path.exists() or path.read_text(encoding="utf-8") != render(document)
    ]


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` compare them; return the exit code."""
    if arguments == ["--check"]:
        return int(bool(drifted()))
    if arguments:
        print("usage: python -m docs.generate [--check]", file=sys.stderr)
        return 2
    document = asyncapi.document()
    for path, render in TARGETS.items():
        path.write_text(render(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

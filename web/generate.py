"""Write ``src/protocol.ts``: the socket's frames, its close codes and what the client reads over REST.

``python -m web.generate`` writes the file, ``python -m web.generate --check`` exits with 1 where it has drifted. What
Pydantic emits for our models is a dozen forms of JSON Schema; walking them here keeps the docstrings, the order of the
source and one name per model, and the drift test needs no Node.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from chat_core import api, disconnects, frames

TARGET: Final = Path(__file__).parent / "src" / "protocol.ts"
UNIONS: Final[dict[str, Any]] = {
    "AnyCommand": frames.AnyCommand,
    "AnyEntry": frames.AnyEntry,
    "AnyPush": frames.AnyPush,
}
PRIMITIVES: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
FRAMES: Final[tuple[type[BaseModel], ...]] = tuple(
    kind
    for kind in vars(frames).values()
    if isinstance(kind, type) and issubclass(kind, frames.Frame) and kind is not frames.Frame
)
DOCUMENTS: Final[tuple[type[BaseModel], ...]] = (
    api.CurrentSession,
    api.IssuedSession,
    api.Room,
    api.Rooms,
    api.MessagePage,
    api.Twin,
    api.About,
)

HEADER = """\
// Generated from frames, disconnects and api of chat_core by `python -m web.generate`. Do not edit.
// A field with `?` may be absent; what a client sends may leave it out.
"""

Schema = dict[str, Any]


def type_of(schema: Schema) -> str:
    """Return the TypeScript type of a JSON Schema; raise ValueError for a form that no model uses yet."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for union in ("oneOf", "anyOf"):
        if union in schema:
            return " | ".join(type_of(member) for member in schema[union])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if schema.get("type") == "array":
        item = type_of(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return f"Record<string, {type_of(schema['additionalProperties'])}>"
    if schema.get("type") in PRIMITIVES:
        return PRIMITIVES[schema["type"]]
    raise ValueError(f"no TypeScript for {schema}")


def comment(text: str | None, indent: str = "") -> str:
    """Return ``text`` as a JSDoc comment with its line end, or nothing."""
    return f"{indent}/** {' '.join(text.split())} */\n" if text else ""


def interface(model: type[BaseModel]) -> str:
    """Return one model as an exported interface with its docstring; what it inherits stays with its base."""
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    (base,) = model.__bases__
    inherited = base.model_fields if base in (*FRAMES, *DOCUMENTS) else {}
    lines = [
        f"{comment(field.get('description'), '  ')}  {key}{'' if key in required else '?'}: {type_of(field)};\n"
        for key, field in sorted(schema.get("properties", {}).items(), key=lambda item: item[0] != "type")
        if key not in inherited or key in model.__annotations__
    ]
    head = f"{comment(model.__doc__)}export interface {model.__name__}"
    if inherited:
        head += f" extends {base.__name__}"
    return f"{head} {{\n{''.join(lines)}}}\n" if lines else f"{head} {{}}\n"


def union(name: str, schema: Schema) -> str:
    """Return a discriminated union, one member to a line."""
    members = "".join(f"\n  | {type_of(member)}" for member in schema["oneOf"])
    return f"export type {name} ={members};\n"


def close_codes() -> str:
    """Return the table of close codes, with what each asks of the client."""
    rows = "".join(
        f"  {row.code}: {{ reason: {json.dumps(row.reason)}, reconnectable: {json.dumps(row.reconnectable)} }},\n"
        for row in disconnects.TABLE
    )
    kind = "Readonly<Record<number, { reason: string; reconnectable: boolean }>>"
    return f"{comment('Why a connection ends, by close code.')}export const DISCONNECTS: {kind} = {{\n{rows}}};\n"


def protocol() -> str:
    """Return the whole text of ``protocol.ts``."""
    unions = [union(name, TypeAdapter(form).json_schema()) for name, form in UNIONS.items()]
    pattern = f"{comment('What a room may be called.')}export const ROOM_PATTERN = /{frames.ROOM_PATTERN}/;\n"
    text = "\n".join([HEADER, pattern, close_codes(), *map(interface, FRAMES), *unions, *map(interface, DOCUMENTS)])
    entries = type_of(TypeAdapter(frames.AnyEntry).json_schema())
    return text.replace(f"({entries})[]", "AnyEntry[]")


def main(arguments: list[str]) -> int:
    """Write the file, or with ``--check`` compare it; return the exit code."""
    if arguments == ["--check"]:
        return int(not TARGET.exists() or TARGET.read_text(encoding="utf-8") != protocol())
    if arguments:
        print("usage: python -m web.generate [--check]", file=sys.stderr)
        return 2
    TARGET.write_text(protocol(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

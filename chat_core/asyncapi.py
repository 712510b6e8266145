"""The AsyncAPI document of the socket, made from the models of ``frames``; ``python -m docs.generate`` writes it down.

Its examples are golden vectors: the tests of the backends and those of the browser client read them from the document.
"""

from copy import deepcopy
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json

from chat_core import frames, sessions
from chat_core.answers import JSON
from chat_core.api import SOCKET_PATH, VERSION
from chat_core.disconnects import TABLE
from chat_core.frames import AnyCommand, AnyPush, Json
from chat_core.problems import Answer
from chat_core.settings import LABELS, PORTS
from chat_core.vectors import VECTORS

ASYNCAPI_VERSION: Final = "3.1.0"
DESCRIPTION: Final = (
    "The socket of a chat that exists twice, on FastAPI and on Flask, and speaks the same on both. Text frames, one "
    "JSON object each. Clients send commands, each with a `ref`, and get one reply with it; servers send pushes as "
    "well. Ignore fields and types that you do not know. docs/protocol.md says how to miss nothing."
)
COMMANDS: Final[tuple[type[BaseModel], ...]] = get_args(get_args(AnyCommand)[0])
PUSHES: Final[tuple[type[BaseModel], ...]] = tuple(
    model for model in get_args(get_args(AnyPush)[0]) if model is not frames.Reply
)
RESULTS: Final[dict[type[BaseModel], type[BaseModel]]] = {
    command: {"Join": frames.JoinResult}.get(
        command.__name__, frames.CommitResult if "id" in command.model_fields else frames.Empty
    )
    for command in COMMANDS
}
"""What the reply to each command carries."""


@cache
def answer() -> Answer:
    """Return the answer to who asks for the document."""
    return Answer(200, to_json(document()), JSON)


def document() -> Json:
    """Return the whole document."""
    messages = _messages()
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Tandem",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
            "x-close-codes": [
                {"code": row.code, "reason": row.reason, "reconnect": row.reconnectable} for row in TABLE
            ],
        },
        "defaultContentType": "application/json",
        "servers": {
            name: {
                "host": f"localhost:{port}",
                "protocol": "ws",
                "description": f"the backend on {LABELS[name]}, as `make run` starts it",
                "security": [{"$ref": f"#/components/securitySchemes/{scheme}"} for scheme in ("cookie", "bearer")],
            }
            for name, port in PORTS.items()
        },
        "channels": {
            "socket": {
                "address": SOCKET_PATH,
                "description": "One connection of one user, to any number of rooms. No subprotocol, no extension.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {**dict(map(_command, COMMANDS)), **dict(map(_push, PUSHES))},
        "components": {
            "messages": messages,
            "schemas": _schemas(),
            "securitySchemes": {
                "cookie": {
                    "type": "httpApiKey",
                    "in": "cookie",
                    "name": sessions.COOKIE,
                    "description": "set by POST /api/session; what browsers send",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "the token that POST /api/session returned",
                },
            },
        },
    }


def type_of(model: type[BaseModel]) -> str:
    """Return what frames of ``model`` have as their ``type``."""
    return str(get_args(model.model_fields["type"].annotation)[0])


def _command(model: type[BaseModel]) -> tuple[str, Json]:
    replies = [f"{RESULTS[model].__name__}Reply", "RefusalReply"]
    return type_of(model), {
        "action": "receive",
        "channel": _SOCKET,
        "summary": _summary(model),
        "messages": _of_channel(model.__name__),
        "reply": {"channel": _SOCKET, "messages": _of_channel(*replies)},
    }


def _push(model: type[BaseModel]) -> tuple[str, Json]:
    operation = {
        "action": "send",
        "channel": _SOCKET,
        "summary": _summary(model),
        "messages": _of_channel(model.__name__),
    }
    return f"push_{type_of(model)}", operation


def _messages() -> Json:
    plain = {model.__name__: (_summary(model), _schema(model.__name__)) for model in (*COMMANDS, *PUSHES)}
    results = dict.fromkeys(RESULTS.values())
    replies = {f"{model.__name__}Reply": (_summary(model), _reply("result", model.__name__)) for model in results} | {
        "RefusalReply": (_summary(frames.Refusal), _reply("error", "Refusal"))
    }
    return {
        name: {
            "name": name,
            "summary": summary,
            "payload": payload,
            "examples": [{"name": title, "payload": deepcopy(vector)} for title, vector in VECTORS[name].items()],
        }
        for name, (summary, payload) in (plain | replies).items()
    }


def _reply(field: str, model: str) -> Json:
    ref: Json = {"type": "integer", "minimum": 0, "maximum": frames.MAX_SAFE_INTEGER}
    return {
        "type": "object",
        "required": ["type", "ref", field],
        "properties": {
            "type": {"const": "reply"},
            "ref": ref if field == "result" else {"anyOf": [ref, {"type": "null"}]},
            field: _schema(model),
        },
    }


def _schemas() -> Json:
    models: tuple[type[BaseModel], ...] = (*COMMANDS, *PUSHES, *dict.fromkeys(RESULTS.values()), frames.Refusal)
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: Json = found["$defs"]
    for schema in schemas.values():
        _plain(schema)
    return schemas


def _plain(part: Any) -> None:
    """What AsyncAPI has in another form, and what says nothing."""
    if isinstance(part, dict):
        part.pop("discriminator", None)  # a name here, an object there; `type` is a constant in each
        if isinstance(part.get("title"), str):
            del part["title"]
        if part.get("default", ...) is None:
            del part["default"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            _plain(item)


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").replace("``", "`").split())


def _schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _of_channel(*names: str) -> list[Json]:
    return [{"$ref": f"#/channels/socket/messages/{name}"} for name in names]


_SOCKET: Final = {"$ref": "#/channels/socket"}

"""What the frameworks leave out of their OpenAPI documents: problems, examples, and who may call.

Paths, parameters, bodies and answers are as each framework found them in its own handlers; a test holds the two
documents to each other.
"""

from http import HTTPStatus
from typing import Any, Final

from chat_core import problems, sessions
from chat_core.api import DIAGNOSTICS, OPERATIONS, VERSION, Operation
from chat_core.frames import Json
from chat_core.problems import PROBLEMS

OPENAPI_VERSION: Final = "3.1.0"
TITLE: Final = "Tandem"
DESCRIPTION: Final = (
    "The REST side of a chat that exists twice, on FastAPI and on Flask, and answers the same on both. "
    "Messages are written and received over the WebSocket at `/ws`, which `/asyncapi.json` describes; "
    "see docs/protocol.md."
)
TAGS: Final = (
    {"name": "session", "description": "Who somebody is."},
    {"name": "rooms", "description": "What is said, and who is there."},
    {"name": "service", "description": "How the backend does."},
)

_ADA: Final = {"id": "5f2c9a1e7b3d4860", "name": "Ada"}
_EPOCH: Final = "9c1f0a77d2b34e58"
_CURRENT: Final = {"user": _ADA, "moderator": False, "expires_at": 1798761600}
EXAMPLES: Final[dict[str, Any]] = {
    "NewSession": {"name": "Ada"},
    "CurrentSession": _CURRENT,
    "IssuedSession": {**_CURRENT, "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1ZjJjIn0.c2lnbmF0dXJl"},
    "Rooms": {"rooms": [{"name": "lobby", "active_at": 1798675200.125}]},
    "NewMessage": {"id": "3fK9-1", "text": "Hello, all"},
    "CommitResult": {"epoch": _EPOCH, "offset": 42, "duplicate": False},
    "MessagePage": {
        "room": "lobby",
        "epoch": _EPOCH,
        "messages": [
            {
                "type": "message",
                "room": "lobby",
                "epoch": _EPOCH,
                "offset": 42,
                "at": 1798675200.125,
                "id": "3fK9-1",
                "user": _ADA,
                "text": "Hello, all",
            }
        ],
        "more": True,
    },
    "Members": {"count": 1, "users": [_ADA], "sampled": False},
    "About": {
        "backend": "async",
        "label": "FastAPI",
        "twin": {"label": "Flask", "address": ":8002"},
        "version": VERSION,
    },
    "Health": {"status": "ready"},
}
"""One example of each model that is a whole body."""


def complete(document: Json) -> Json:
    """Add to a framework's ``document`` what it cannot know, and return it.

    ``"default": null`` goes: FastAPI leaves it out, flask-openapi3 does not, and it says nothing.
    """
    _drop_null_defaults(document)
    document["tags"] = [dict(tag) for tag in TAGS]
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "cookie": {"type": "apiKey", "in": "cookie", "name": sessions.COOKIE},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    _add_problem_model(components.setdefault("schemas", {}))
    for name, example in EXAMPLES.items():
        components["schemas"][name]["examples"] = [example]
    for methods in document["paths"].values():
        for described in methods.values():
            _complete_operation(described, (OPERATIONS | DIAGNOSTICS)[described["operationId"]])
    return document


def _drop_null_defaults(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("default", ...) is None:
            del part["default"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            _drop_null_defaults(item)


def _add_problem_model(schemas: Json) -> None:
    schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema


def _complete_operation(described: Json, operation: Operation) -> None:
    if operation.session:
        described["security"] = [{"cookie": []}, {"bearer": []}]
    responses = {str(code): described["responses"][str(code)] for code in operation.answers}
    for code, model in operation.answers.items():
        responses[str(code)]["description"] = HTTPStatus(code).phrase
        if model is None and code != HTTPStatus.NO_CONTENT:
            responses[str(code)]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    for slug in operation.slugs:
        _add_problem(responses, slug)
    described["responses"] = dict(sorted(responses.items()))


def _add_problem(responses: Json, slug: str) -> None:
    kind = PROBLEMS[slug]
    response = responses.setdefault(str(kind.status), {"description": "", "content": {problems.MEDIA_TYPE: {}}})
    response["description"] = "; ".join(filter(None, (response["description"], f"`{slug}`: {kind.detail}")))
    content = response["content"][problems.MEDIA_TYPE]
    content["schema"] = {"$ref": "#/components/schemas/Problem"}
    content.setdefault("examples", {})[slug] = {"value": problems.document(slug).model_dump(exclude_none=True)}
    if kind.headers:
        response["headers"] = {name: {"schema": {"type": "string"}} for name, _ in kind.headers}

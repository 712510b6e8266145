"""The REST interface: its table, its models, its problems, and the answers made from what the bus says."""

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from chat_core import answers, api, frames, log, openapi, problems
from chat_core.admission import Head
from chat_core.api import OPERATIONS, HistoryQuery, NewMessage
from chat_core.frames import RefusalCode, User
from chat_core.headers import common
from chat_core.log import Author, Committed, History
from chat_core.presence import State
from chat_core.problems import PROBLEMS, Problem, Refused
from chat_core.sessions import Session
from chat_core.settings import Settings

SETTINGS = Settings("async", "redis://localhost", max_text=10)
ADA = Session(User(id="a", name="Ada"), moderator=False, expires_at=2)


def test_the_version_is_that_of_the_project() -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == api.VERSION


# ---- problems ---------------------------------------------------------------------------------


def test_every_problem_is_a_valid_document_with_its_status() -> None:
    for slug, kind in PROBLEMS.items():
        answer = problems.problem(slug)
        document = Problem.model_validate_json(answer.body)
        assert answer.status == document.status == kind.status
        assert answer.content_type == "application/problem+json"
        assert document.type.endswith(f":{slug}")


def test_who_is_told_to_come_back_is_told_when() -> None:
    for kind in PROBLEMS.values():
        assert ("Retry-After" in dict(kind.headers)) == (kind.status in (429, 503))
    assert dict(problems.problem("rate_limited", retry_after=2.1).headers) == {"Retry-After": "3"}
    assert dict(problems.problem("rate_limited", retry_after=0.01).headers) == {"Retry-After": "1"}


def test_every_refusal_that_a_log_can_give_is_a_problem() -> None:
    assert set(get_args(RefusalCode)) - {"not_joined"} <= set(PROBLEMS)


def test_every_problem_is_documented_or_about_the_address() -> None:
    documented = {slug for operation in OPERATIONS.values() for slug in operation.slugs}
    about_the_address = {"not_found", "method_not_allowed", "upgrade_required", "bad_handshake", "too_slow", "internal"}
    assert documented | about_the_address == set(PROBLEMS)


@pytest.mark.parametrize(
    ("code", "path", "status", "allow"),
    [
        (404, "/nothing", 404, None),
        (405, "/nothing", 404, None),
        (404, "/api/rooms/", 404, None),
        (405, "/api/session", 405, "DELETE, GET, HEAD, POST"),
        (405, "/api/rooms/lobby/messages", 405, "GET, HEAD, POST"),
        (405, "/api/rooms/a/b/messages", 404, None),
        (405, "/ws", 405, "GET, HEAD"),
        (413, "/api/session", 413, None),
        (500, "/api/session", 500, None),
        (400, "/", 400, None),
    ],
)
def test_what_no_route_takes_is_a_problem_with_the_methods_that_are_taken(
    code: int, path: str, status: int, allow: str | None
) -> None:
    answer = api.unrouted(code, path)
    assert (answer.status, dict(answer.headers).get("Allow")) == (status, allow)
    assert answer.content_type == problems.MEDIA_TYPE


def test_an_invalid_request_says_what_is_wrong_where() -> None:
    with pytest.raises(ValidationError) as caught:
        NewMessage.model_validate({"id": "!", "text": "a", "reply_to": {"epoch": "?", "offset": 1}})
    document = Problem.model_validate_json(problems.invalid(caught.value.errors()).body)
    assert document.errors is not None
    assert [error.field for error in document.errors] == ["id", "reply_to.epoch"]


# ---- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON ; charset=utf-8"])
def test_a_json_object_is_taken_as_json(content_type: str) -> None:
    assert answers.json_object(content_type, b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonx", "application/problem+json"])
def test_what_is_not_sent_as_json_is_not_taken_for_it(content_type: str | None) -> None:
    with pytest.raises(Refused, match="unsupported_type"):
        answers.json_object(content_type, b"{}")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b"null", b'"{}"', b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff", b'{"a":' * 10_000]
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Refused, match="malformed"):
        answers.json_object("application/json", body)


def test_history_is_asked_for_from_one_side() -> None:
    assert HistoryQuery.model_validate({"before": "7"}) == HistoryQuery(before=7, after=None, limit=50)
    for query in ({"before": 1, "after": 1}, {"limit": 0}, {"limit": 201}, {"after": -1}, {"before": 2**53}):
        with pytest.raises(ValidationError):
            HistoryQuery.model_validate(query)


def test_a_text_over_the_limit_is_refused_and_one_at_the_limit_is_not() -> None:
    assert answers.post("lobby", NewMessage(id="1", text="x" * 10), ADA, SETTINGS).room == "lobby"
    with pytest.raises(Refused, match="too_long"):
        answers.post("lobby", NewMessage(id="1", text="x" * 11), ADA, SETTINGS)


def test_a_post_over_rest_and_one_over_the_socket_are_the_same_act() -> None:
    command = frames.Post(type="post", ref=99, room="lobby", id="1", text="hi")
    assert answers.post("lobby", NewMessage(id="1", text="hi"), ADA, SETTINGS) == log.write(
        command, Author.of(ADA.user, moderator=False)
    )


# ---- answers ----------------------------------------------------------------------------------


def test_messages_pass_as_the_text_that_redis_made() -> None:
    raw = b'{"type": "message",   "text":"\xc3\xa9"}'
    answer = answers.messages("lobby", History("0" * 16, 9, True, [raw, raw]))
    assert raw + b"," + raw in answer.body
    found = from_json(answer.body)
    assert (found["room"], found["epoch"], found["more"]) == ("lobby", "0" * 16, True)


def test_a_room_that_is_not_there_is_unknown() -> None:
    with pytest.raises(Refused, match="unknown_room"):
        answers.messages("lobby", None)
    with pytest.raises(Refused, match="unknown_room"):
        answers.members(None)


def test_a_commit_is_created_once() -> None:
    assert answers.posted(Committed("0" * 16, 3, False)).status == 201
    assert answers.posted(Committed("0" * 16, 3, True)).status == 200
    statuses: dict[RefusalCode, int] = {"forbidden": 403, "gone": 410, "id_conflict": 409, "stale_epoch": 409}
    for code, status in statuses.items():
        with pytest.raises(Refused) as caught:
            answers.posted(code)
        assert caught.value.answer.status == status


def test_answers_have_the_documented_form() -> None:
    made: dict[type[BaseModel], problems.Answer] = {
        api.IssuedSession: answers.created_session("Ada", SETTINGS, 0, https=False),
        api.CurrentSession: answers.current_session(ADA),
        api.Rooms: answers.rooms([("lobby", 1.5)]),
        api.MessagePage: answers.messages("lobby", History("0" * 16, 9, True, [])),
        frames.CommitResult: answers.posted(Committed("0" * 16, 3, False)),
        frames.Members: answers.members(State(1, {"a": "Ada"})),
        api.About: answers.about(SETTINGS),
        api.Health: answers.readiness(None),
        api.Lasted: answers.lasted(0.25),
    }
    for model, answer in made.items():
        model.model_validate_json(answer.body)
    api.Health.model_validate_json(answers.health(leaving=False).body)
    every = OPERATIONS | api.DIAGNOSTICS
    documented = {model for operation in every.values() for model in operation.answers.values()}
    assert documented - {None} == set(made)


def test_the_twin_is_told_as_it_was_set() -> None:
    assert from_json(answers.about(SETTINGS).body)["twin"] is None
    settings = Settings("sync", "redis://localhost", twin=":8001")
    assert from_json(answers.about(settings).body)["twin"] == {"label": "FastAPI", "address": ":8001"}


# ---- documentation and headers ----------------------------------------------------------------


def models_by_name() -> dict[str, Any]:
    return {name: found for module in (api, frames) for name, found in vars(module).items() if isinstance(found, type)}


@pytest.mark.parametrize("name", openapi.EXAMPLES)
def test_every_example_is_valid(name: str) -> None:
    models_by_name()[name].model_validate(openapi.EXAMPLES[name])


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [
        ("/assets/index-3fK9.js", 200, "public, max-age=31536000, immutable"),
        ("/assets/index-3fK9.js", 304, "public, max-age=31536000, immutable"),
        ("/assets/none.js", 404, "no-cache"),
        ("/", 200, "no-cache"),
        ("/docs", 200, "no-cache"),
        ("/api/rooms", 200, "no-store"),
        ("/readyz", 503, "no-store"),
    ],
)
def test_only_what_cannot_change_is_kept(path: str, status: int, kept: str) -> None:
    assert dict(common(SETTINGS, Head(), path, status))["Cache-Control"] == kept


def test_the_monitor_may_frame_our_pages_on_this_machine_only() -> None:
    anywhere = Settings("async", "redis://localhost", host="0.0.0.0")
    policies = [
        dict(common(settings, Head(), "/", 200))["Content-Security-Policy"] for settings in (SETTINGS, anywhere)
    ]
    assert policies[0].endswith("frame-ancestors 'self' http://127.0.0.1:8000 http://localhost:8000")
    assert policies[1].endswith("frame-ancestors 'self'")
    moved = Settings("async", "redis://localhost", monitor_port=9000)
    policy = dict(common(moved, Head(), "/", 200))["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' http://127.0.0.1:9000 http://localhost:9000")

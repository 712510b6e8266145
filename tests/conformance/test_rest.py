"""REST: the same rooms and messages as over the socket, and the same documents from both backends."""

from typing import Any

import httpx
import pytest

from stack.backends import Backend
from tests.conformance.conftest import PROFILES, Enter, SignIn
from tests.wire.client import Message, fresh_id, place
from tests.wire.people import Person, fresh_room, signed
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site


def _post(http: Rest, backend: Backend, room: str, who: Person, **fields: Any) -> httpx.Response:
    body = {"id": fresh_id(), "text": "hello", **fields}
    return http.post(f"{backend.url}/api/rooms/{room}/messages", json=body, headers=who.headers)


def _read(http: Rest, backend: Backend, room: str, who: Person, query: str = "") -> Any:
    answer = http.get(f"{backend.url}/api/rooms/{room}/messages{query}", headers=who.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_message_written_over_rest_reaches_members_once(
    site: Site, room: str, enter: Enter, sign_in_at: SignIn, http: Rest
) -> None:
    who = sign_in_at(site.here)
    member = await enter(site.there, room, person=who)
    answer = _post(http, site.here, room, who, id="rest", text="over re\u0301st")
    assert answer.status_code == 201
    message = await member.expect(Message)
    assert answer.json() == {"epoch": message.epoch, "offset": message.offset, "duplicate": False}
    assert (message.id, message.text, message.user.name) == ("rest", "over rést", "Ada")
    again = _post(http, site.there, room, who, id="rest", text="over rést")
    assert (again.status_code, again.json()) == (200, {**answer.json(), "duplicate": True})
    assert (await member.post(room, "over rést", id="rest")).duplicate, "an id is the same over the socket"
    conflict = _post(http, site.there, room, who, id="rest", text="something else")
    assert (conflict.status_code, conflict.json()["type"]) == (409, "urn:tandem:problem:id_conflict")


def test_history_is_paged_in_both_directions(site: Site, room: str, http: Rest) -> None:
    who = signed()
    for number in range(1, 8):
        assert _post(http, site.here, room, who, text=f"{number}").status_code == 201

    def page(query: str) -> tuple[list[int], bool]:
        found = _read(http, site.there, room, who, query)
        assert found["room"] == room
        return [message["offset"] for message in found["messages"]], found["more"]

    assert page("") == ([1, 2, 3, 4, 5, 6, 7], False)
    assert page("?limit=3") == ([5, 6, 7], True)
    assert page("?limit=3&before=5") == ([2, 3, 4], True)
    assert page("?limit=3&before=2") == ([1], False)
    assert page("?limit=3&after=0") == ([1, 2, 3], True)
    assert page("?limit=3&after=4") == ([5, 6, 7], False)
    assert page("?after=7") == ([], False)


async def test_history_counts_messages_and_shows_what_became_of_them(
    site: Site, room: str, enter: Enter, http: Rest
) -> None:
    ada = await enter(site.here, room)
    first = await ada.post(room, "first")
    for _ in range(3):
        await ada.edit(room, first, "edited")
    second = await ada.post(room, "second", reply_to=place(first))
    await ada.react(room, second, "👍")
    found = _read(http, site.there, room, signed(), "?limit=2")
    assert not found["more"]
    for message in found["messages"]:
        assert message == Message.model_validate(message).model_dump(mode="json", exclude_unset=True)
    assert [message["text"] for message in found["messages"]] == ["edited", "second"]
    assert found["messages"][1]["reply_to"] == {"epoch": first.epoch, "offset": first.offset}
    assert list(found["messages"][1]["reactions"]) == ["👍"]


def test_rooms_are_listed_by_last_activity(site: Site, http: Rest) -> None:
    who, older, newer = signed(), fresh_room(), fresh_room()
    for name in (newer, older, newer):
        assert _post(http, site.here, name, who).status_code == 201
    rooms = http.get(f"{site.there.url}/api/rooms", headers=who.headers).json()["rooms"]
    names = [entry["name"] for entry in rooms]
    assert names.index(newer) < names.index(older)
    times = [entry["active_at"] for entry in rooms]
    assert times == sorted(times, reverse=True)


def test_what_is_not_there_is_told_so(lone: Backend, room: str, http: Rest) -> None:
    who = signed()
    for path in (f"/api/rooms/{room}/messages", f"/api/rooms/{room}/members"):
        answer = http.get(lone.url + path, headers=who.headers)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:tandem:problem:unknown_room")
    for path in ("/nowhere", "/api/", "/api/rooms/", "/api/rooms/a/b/c"):
        answer = http.get(lone.url + path, headers=who.headers)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:tandem:problem:not_found"), path
    for method, path in (("PUT", "/api/session"), ("DELETE", "/api/rooms"), ("POST", "/healthz"), ("PATCH", "/")):
        answer = http.request(method, lone.url + path, headers=who.headers)
        assert (answer.status_code, answer.json()["type"]) == (405, "urn:tandem:problem:method_not_allowed"), path
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/rooms/Room/messages", 422),
        ("/api/rooms/a%20b/messages", 422),
        (f"/api/rooms/{'a' * 65}/members", 422),
        ("/api/rooms/a/messages?limit=0", 422),
        ("/api/rooms/a/messages?limit=201", 422),
        ("/api/rooms/a/messages?limit=ten", 422),
        ("/api/rooms/a/messages?before=-1", 422),
        ("/api/rooms/a/messages?before=9007199254740992", 422),
        ("/api/rooms/a/messages?before=1&after=1", 422),
        ("/api/rooms/a/messages?after=%00", 422),
    ],
)
def test_bad_queries_say_what_is_wrong(path: str, status: int, lone: Backend, http: Rest) -> None:
    answer = http.get(lone.url + path, headers=signed().headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("fields", "status", "slug"),
    [
        ({"text": ""}, 422, "invalid"),
        ({"text": "a\u0000b"}, 422, "invalid"),
        ({"text": "x" * 4001}, 422, "too_long"),
        ({"id": "a b"}, 422, "invalid"),
        ({"reply_to": {"offset": 1}}, 422, "invalid"),
        ({"text": "x" * 300_000}, 413, "too_large"),
    ],
)
def test_bad_messages_say_what_is_wrong(
    fields: dict[str, Any], status: int, slug: str, lone: Backend, room: str, http: Rest
) -> None:
    answer = _post(http, lone, room, signed(), **fields)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:tandem:problem:{slug}")


def test_both_backends_describe_the_same_interface(servers: Servers, http: Rest) -> None:
    one, two = (http.get(f"{servers.backend(profile).url}/openapi.json").json() for profile in ("async", "sync"))
    assert one["openapi"].startswith("3.")
    for part in ("paths", "components"):
        assert one[part] == two[part]
    for path in ("/api/session", "/api/rooms", "/api/rooms/{room}/messages", "/api/rooms/{room}/members", "/healthz"):
        assert path in one["paths"]


def test_both_backends_count_the_same_things(servers: Servers, http: Rest) -> None:
    def names(profile: str) -> set[str]:
        answer = http.get(f"{servers.backend(profile).url}/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        series = [line.partition(" ")[0] for line in answer.text.splitlines() if line and not line.startswith("#")]
        # The code of a close that the peer began is the peer's: which have been seen depends on the tests before this.
        return {name for name in series if name.startswith("chat_") and not name.endswith('reason="closed')}

    assert names("async") > {"chat_connections_open", 'chat_handshakes_total{outcome="accepted"}'}
    for profile in PROFILES[1:]:
        assert names(profile) == names("async"), profile


def test_pages_are_served_and_answer_head(lone: Backend, http: Rest) -> None:
    for path in (
        "/",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/asyncapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/about",
    ):
        answer = http.get(lone.url + path)
        head = http.head(lone.url + path)
        assert answer.content, path
        assert not head.content, path
        assert answer.status_code in ((200, 503) if path in ("/", "/docs", "/redoc") else (200,)), (
            path
        )  # 503: not built
        assert (head.status_code, head.headers["content-type"]) == (answer.status_code, answer.headers["content-type"])
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_about_says_what_answers_and_where_its_twin_is(lone: Backend, http: Rest) -> None:
    about = http.get(f"{lone.url}/api/about").json()
    assert about["backend"] == lone.name.partition("-")[0]
    assert about["twin"]["address"] == lone.settings["CHAT_TWIN"]

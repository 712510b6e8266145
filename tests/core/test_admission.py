"""Who may in: by origin, by session, and as long as there is room."""

import time

import pytest

from chat_core import admission, sessions
from chat_core.admission import Budgets, Head, capacity, origin_allowed, unready
from chat_core.problems import Refused
from chat_core.sessions import Session
from chat_core.settings import DEVELOPMENT_SECRET, Settings

LOCAL = Settings("async", "redis://localhost", twin=":8002")
PUBLIC = Settings(
    "async",
    "redis://localhost",
    host="0.0.0.0",
    twin="https://flask.chat.example",
    allowed_origins=("https://www.chat.example", "http://partner.example:8080/"),
)
TOKEN, ISSUED = sessions.issue("Ada", [DEVELOPMENT_SECRET], 4e9)


@pytest.mark.parametrize(
    ("settings", "host", "origin", "allowed"),
    [
        (LOCAL, "localhost:8001", None, True),
        (LOCAL, "localhost:8001", "http://localhost:8001", True),
        (LOCAL, "LOCALHOST:8001", "http://localhost:8001", True),
        (LOCAL, "127.0.0.1:8001", "http://127.0.0.1:8001", True),
        (LOCAL, "[::1]:8001", "http://[::1]:8001", True),
        (LOCAL, "localhost:8001", "http://localhost:8002", True),
        (LOCAL, "localhost:8001", "http://localhost:8000", True),
        (LOCAL, "localhost:8001", "http://localhost:8003", False),
        (LOCAL, "localhost:8001", "http://localhost", False),
        (LOCAL, "localhost:8001", "http://127.0.0.1:8001", False),
        (LOCAL, "localhost:8001", "http://evil.example:8002", False),
        (LOCAL, "localhost:8001", "http://evil.example:8000", False),
        (LOCAL, "localhost:8001", "null", False),
        (LOCAL, "localhost:8001", "", False),
        (LOCAL, "localhost:8001", "file://", False),
        (LOCAL, "localhost:8001", "http://localhost:8001/path", False),
        (LOCAL, "localhost:8001", "http://localhost:8001@evil.example", False),
        (LOCAL, "localhost:8001", "http://localhost:99999", False),
        (LOCAL, "localhost:8001", "http://[", False),
        (LOCAL, "localhost:8001", "http://localhost:8001, http://evil.example", False),
        (LOCAL, None, "http://localhost:8001", False),
        (LOCAL, "[", "http://localhost:8001", False),
        (PUBLIC, "chat.example", "https://chat.example", True),
        (PUBLIC, "chat.example", "http://chat.example", True),
        (PUBLIC, "chat.example:443", "https://chat.example", True),
        (PUBLIC, "chat.example", "https://chat.example:8443", False),
        (PUBLIC, "chat.example", "https://www.chat.example", True),
        (PUBLIC, "chat.example", "https://flask.chat.example", True),
        (PUBLIC, "chat.example", "http://partner.example:8080", True),
        (PUBLIC, "chat.example", "http://partner.example", False),
        (PUBLIC, "chat.example", "https://chat.example.evil.example", False),
        (PUBLIC, "chat.example", "http://chat.example:8000", False),
    ],
)
def test_a_page_may_act_for_its_user_where_it_is_one_of_ours(
    settings: Settings, host: str | None, origin: str | None, allowed: bool
) -> None:
    assert origin_allowed(Head(host, origin), settings) is allowed


@pytest.mark.parametrize(
    ("head", "token"),
    [
        (Head(), None),
        (Head(cookie="chat_session=a.b.c"), "a.b.c"),
        (Head(cookie="x=1;chat_session=a.b.c; y=2"), "a.b.c"),
        (Head(cookie='chat_session="a.b.c"'), "a.b.c"),
        (Head(cookie="chat_session2=no; other"), None),
        (Head(authorization="Bearer a.b.c"), "a.b.c"),
        (Head(authorization="bearer a.b.c", cookie="chat_session=x"), "a.b.c"),
        (Head(authorization="Basic abc", cookie="chat_session=x"), "x"),
    ],
)
def test_the_token_is_in_the_authorization_header_or_else_in_the_cookie(head: Head, token: str | None) -> None:
    assert head.token == token


def enter(head: Head, *, draining: bool = False, full: bool = False) -> Session:
    def take_seat(user: str) -> None:
        if full and user == ISSUED.user.id:
            raise Refused("full")

    return admission.upgrade(head, LOCAL, time.time(), draining=draining, take_seat=take_seat)


def test_a_connection_needs_our_page_a_session_and_room_in_that_order() -> None:
    ours = Head("localhost:8001", "http://localhost:8001", f"chat_session={TOKEN}")
    assert enter(ours) == ISSUED
    nobody, foreign = Head("localhost:8001"), Head("localhost:8001", "http://evil.example")
    for head, draining, full, slug, status in (
        (ours, True, True, "draining", 503),
        (ours, False, True, "full", 503),
        (nobody, True, True, "unauthorized", 401),
        (foreign, True, True, "origin_refused", 403),
    ):
        with pytest.raises(Refused, match=slug) as caught:
            enter(head, draining=draining, full=full)
        assert caught.value.answer.status == status


def test_a_handshake_key_is_sixteen_bytes_in_base64() -> None:
    assert admission.is_handshake_key("dGhlIHNhbXBsZSBub25jZQ==")
    for key in ("", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==\n", "dGhlIHNhbXBsZSBub25jZQAA"):
        assert not admission.is_handshake_key(key)


@pytest.mark.parametrize(
    ("settings", "descriptors", "expected"),
    [
        (Settings("async", ""), 1024, 960),
        (Settings("async", "", max_connections=100), 1024, 100),
        (Settings("async", "", max_connections=5000), 1024, 960),
        (Settings("sync", "", threads=200), 1024, 184),
        (Settings("sync", "", threads=200, max_connections=500), 1024, 184),
        (Settings("sync", "", threads=200, worker="gevent"), 1024, 960),
        (Settings("async", ""), 10, 1),
    ],
)
def test_a_process_holds_as_many_connections_as_threads_and_descriptors_allow(
    settings: Settings, descriptors: int, expected: int
) -> None:
    assert capacity(settings, descriptors) == expected


@pytest.mark.parametrize(
    ("ages", "workers", "draining", "reason"),
    [
        ([0.1], 1, False, None),
        ([5.0, 4.9], 2, False, None),
        ([0.1, 0.2, 0.3], 2, False, None),
        ([9.0, 0.1, 0.2], 2, False, None),
        ([], 1, False, "0 of 1 workers"),
        ([0.1], 2, False, "1 of 2 workers"),
        ([0.1, 7.4], 2, False, "7 s ago"),
        ([float("inf")], 1, False, "0 of 1 workers"),
        ([0.1], 1, True, "about to stop"),
    ],
)
def test_a_backend_is_ready_when_delivery_was_proved_in_every_worker(
    ages: list[float], workers: int, draining: bool, reason: str | None
) -> None:
    found = unready(ages, workers, draining=draining)
    assert found is None if reason is None else reason in (found or "")


def test_each_user_has_a_budget_of_their_own() -> None:
    budgets = Budgets(Settings("async", "", command_rate=1, command_burst=2))
    for _ in range(2):
        budgets.charge("a", 0.0)
    with pytest.raises(Refused, match="rate_limited") as caught:
        budgets.charge("a", 0.0)
    assert ("Retry-After", "1") in caught.value.answer.headers
    budgets.charge("b", 0.0)
    budgets.charge("a", 1.0)


def test_budgets_are_kept_for_those_who_asked_last() -> None:
    budgets = Budgets(Settings("async", "", command_rate=1, command_burst=1), most=2)
    for user in ("a", "b"):
        budgets.charge(user, 0.0)
    with pytest.raises(Refused):
        budgets.charge("a", 0.0)
    budgets.charge("c", 0.0)  # forgets b, who asked before a
    with pytest.raises(Refused):
        budgets.charge("a", 0.0)
    budgets.charge("b", 0.0)

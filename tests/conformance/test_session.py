"""Who somebody is: sessions, and that they hold on either backend."""

import time

import httpx
import pytest

from chat_core import sessions
from stack.backends import Backend
from tests.conformance.conftest import SignIn
from tests.wire.people import OLD_SECRET, Person, damaged, signed
from tests.wire.rest import Rest
from tests.wire.servers import Site


def _who(http: Rest, url: str, **headers: str) -> httpx.Response:
    return http.get(f"{url}/api/session", headers=headers)


def test_session_made_on_one_backend_works_on_the_other(site: Site, http: Rest) -> None:
    answer = http.post(f"{site.here.url}/api/session", json={"name": "  Ada  "})
    assert answer.status_code == 201
    issued = answer.json()
    assert issued["user"]["name"] == "Ada"
    assert issued["moderator"] is False
    assert 23 * 3600 < issued["expires_at"] - time.time() < 25 * 3600
    seen = _who(http, site.there.url, Authorization=f"Bearer {issued['token']}")
    assert seen.status_code == 200
    assert seen.json() == {name: issued[name] for name in ("user", "moderator", "expires_at")}
    assert seen.headers["cache-control"] == "no-store"


def test_cookie_is_hidden_from_scripts_and_forgotten_on_request(site: Site, browser: Rest) -> None:
    answer = browser.post(f"{site.here.url}/api/session", json={"name": "Ada"})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{sessions.COOKIE}=")
    for attribute in ("httponly", "samesite=lax", "path=/"):
        assert attribute in cookie
    assert _who(browser, site.there.url).json()["user"] == answer.json()["user"]
    assert browser.delete(f"{site.there.url}/api/session").status_code == 204
    assert _who(browser, site.here.url).status_code == 401


def test_names_need_not_be_unique(site: Site, sign_in_at: SignIn) -> None:
    ada, other = sign_in_at(site.here), sign_in_at(site.there)
    assert ada.name == other.name
    assert ada.id != other.id


def test_old_secret_still_verifies(site: Site, http: Rest) -> None:
    assert _who(http, site.here.url, **signed(OLD_SECRET).headers).status_code == 200


@pytest.mark.parametrize("case", ["none", "forged", "expired", "damaged", "nonsense", "unsigned"])
def test_without_a_valid_token_nobody_is_let_in(case: str, lone: Backend, http: Rest) -> None:
    headers = invalid_headers(case)
    answer = _who(http, lone.url, **headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:tandem:problem:unauthorized"
    for method, path in (("GET", "/api/rooms"), ("GET", "/api/rooms/a/members"), ("POST", "/api/rooms/a/messages")):
        refused = http.request(method, lone.url + path, headers=headers, json={} if method == "POST" else None)
        assert refused.status_code == 401, path


def invalid_headers(case: str) -> dict[str, str]:
    """Return the headers of somebody who has no valid session."""
    tokens = {
        "forged": signed("somebody else's secret, and long enough").token,
        "expired": signed(age=25 * 3600).token,
        "damaged": damaged(signed().token),
        "nonsense": "\\x00.\\xff." + "A" * 3000,
        # {"alg":"none"} and the claims of a moderator
        "unsigned": "eyJhbGciOiJub25lIn0."
        "eyJzdWIiOiJhIiwibmFtZSI6ImEiLCJleHAiOjk5OTk5OTk5OTksInJvbGUiOiJtb2RlcmF0b3IifQ.",
    }
    return Person("", "", tokens[case]).headers if case in tokens else {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": ""}', 422),
        (b'{"name": "    "}', 422),
        (b'{"name": "' + b"n" * 33 + b'"}', 422),
        (b'{"name": "two\\nlines"}', 422),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": 7}', 422),
        (b"{}", 422),
        (b'["name"]', 400),
        (b"name=Ada", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"[" * 50_000, 400),
        (b'{"name": "' + b"n" * 300_000 + b'"}', 413),
    ],
    ids=[
        *("empty", "blank", "too-long", "two-lines", "surrogate", "number", "missing"),
        *("array", "form", "nothing", "not-utf8", "nested", "too-large"),
    ],
)
def test_bad_bodies_get_a_problem_document(body: bytes, status: int, lone: Backend, http: Rest) -> None:
    answer = http.post(f"{lone.url}/api/session", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]


def test_body_must_be_json(lone: Backend, http: Rest) -> None:
    answer = http.post(f"{lone.url}/api/session", content=b'{"name": "Ada"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415

"""Whatever is asked over REST, both backends answer the same bytes: here without Redis, so also without servers."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

import async_chat.app
import async_chat.runtime
import sync_chat.app
import sync_chat.runtime
from chat_core import api, asyncapi, sessions
from chat_core.problems import MEDIA_TYPE, PROBLEMS
from chat_core.settings import DEVELOPMENT_SECRET, MONITOR_PORT, Settings

NOWHERE = "redis://127.0.0.1:1/0"
HOST = "localhost:8001"
OURS = ("content-type", "allow", "retry-after", "set-cookie", "cache-control", "www-authenticate", "upgrade", "vary",
        "content-security-policy", "access-control-allow-origin", "x-content-type-options")  # fmt: skip
TOKEN = sessions.issue("Ada", [DEVELOPMENT_SECRET], 4e9)[0]
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}
MESSAGE = b'{"id": "a1", "text": "Hello"}'


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@cache
def async_app() -> async_chat.app.Application:
    return async_chat.app.build(async_chat.runtime.Runtime.assemble(Settings("async", NOWHERE, twin=":8002")))


@cache
def sync_app() -> sync_chat.app.Application:
    return sync_chat.app.build(sync_chat.runtime.Runtime.assemble(Settings("sync", NOWHERE, twin=":8002")))


def ask_async(method: str, path: str, headers: Mapping[str, str], body: bytes, scheme: str = "http") -> Answer:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(async_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{HOST}") as client:
            return await client.request(method, path, headers=headers, content=body)

    answer = asyncio.run(ask())
    return Answer(answer.status_code, {k: v for k, v in answer.headers.items() if k in OURS}, answer.content)


def ask_sync(method: str, path: str, headers: Mapping[str, str], body: bytes, scheme: str = "http") -> Answer:
    environ = EnvironBuilder(
        path, f"{scheme}://{HOST}", method=method, headers=list(headers.items()), data=body
    ).get_environ()
    if "Transfer-Encoding" in headers:  # as gunicorn gives it
        del environ["CONTENT_LENGTH"]
        environ["wsgi.input_terminated"] = True
    body_parts, status, fields = run_wsgi_app(sync_app(), environ, buffered=True)
    ours = {name.lower(): value for name, value in fields.items() if name.lower() in OURS}
    return Answer(int(status.split()[0]), ours, b"".join(body_parts))


def ask(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """Ask both, see that they agree, and return what they said."""
    first = ask_async(method, path, headers or {}, body)
    assert first == ask_sync(method, path, headers or {}, body)
    return first


def slug(answer: Answer) -> str:
    assert answer.headers["content-type"] == MEDIA_TYPE
    document: Any = httpx.Response(200, content=answer.body).json()
    found = str(document["type"]).removeprefix("urn:tandem:problem:")
    assert (document["status"], document["title"]) == (answer.status, PROBLEMS[found].title)
    assert PROBLEMS[found].status == answer.status
    return found


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "expected"),
    [
        ("GET", "/api/session", {}, b"", "unauthorized"),
        ("GET", "/api/session", {"Authorization": "Bearer x.y.z"}, b"", "unauthorized"),
        ("GET", "/api/session", {"Cookie": f"{sessions.COOKIE}=forged"}, b"", "unauthorized"),
        ("GET", "/api/rooms", {}, b"", "unauthorized"),
        ("GET", "/api/rooms/lobby/messages", {}, b"", "unauthorized"),
        ("GET", "/api/rooms/lobby/members", {}, b"", "unauthorized"),
        ("POST", "/api/rooms/lobby/messages", JSON, b"{", "unauthorized"),
        ("GET", "/api/rooms", BEARER, b"", "unavailable"),
        ("GET", "/api/rooms/lobby/messages", BEARER, b"", "unavailable"),
        ("GET", "/api/rooms/lobby/members", BEARER, b"", "unavailable"),
        ("POST", "/api/rooms/lobby/messages", BEARER | JSON, MESSAGE, "unavailable"),
        ("POST", "/api/session", JSON | {"Origin": "http://elsewhere.example"}, b'{"name": "Ada"}', "origin_refused"),
        ("POST", "/api/session", JSON | {"Origin": "null"}, b'{"name": "Ada"}', "origin_refused"),
        ("DELETE", "/api/session", {"Origin": "http://elsewhere.example"}, b"", "origin_refused"),
        (
            "POST",
            "/api/rooms/lobby/messages",
            BEARER | JSON | {"Origin": "http://a.example"},
            MESSAGE,
            "origin_refused",
        ),
        ("POST", "/api/session", {"Content-Type": "text/plain"}, b'{"name": "Ada"}', "unsupported_type"),
        ("POST", "/api/session", {}, b'{"name": "Ada"}', "unsupported_type"),
        ("POST", "/api/session", {}, b"", "unsupported_type"),
        ("POST", "/api/session", JSON, b"", "malformed"),
        ("POST", "/api/session", JSON, b"{", "malformed"),
        ("POST", "/api/session", JSON, b"[]", "malformed"),
        ("POST", "/api/session", JSON, b"null", "malformed"),
        ("POST", "/api/session", JSON, b'"{}"', "malformed"),
        ("POST", "/api/session", JSON, b'{"name": NaN}', "malformed"),
        ("POST", "/api/session", JSON, b'{"name": "\\ud800"}', "malformed"),
        ("POST", "/api/session", JSON, b'{"name": "\xff"}', "malformed"),
        ("POST", "/api/session", JSON, b'{"name":' * 5000, "malformed"),
        ("POST", "/api/session", JSON, b"[" * 60_000, "malformed"),
        ("POST", "/api/session", JSON, b" " * 70_000, "too_large"),
        ("POST", "/api/session", JSON, b"{}", "invalid"),
        ("POST", "/api/session", JSON, b'{"name": ""}', "invalid"),
        ("POST", "/api/session", JSON, b'{"name": 7}', "invalid"),
        ("POST", "/api/session", JSON, b'{"name": "a\\u0007"}', "invalid"),
        ("POST", "/api/rooms/lobby/messages", BEARER | JSON, b'{"id": "a1", "text": "\\u0000"}', "invalid"),
        ("POST", "/api/rooms/lobby/messages", BEARER | JSON, b'{"id": "!", "text": 5}', "invalid"),
        (
            "POST",
            "/api/rooms/lobby/messages",
            BEARER | JSON,
            b'{"id": "a1", "text": "x", "reply_to": {"epoch": "?", "offset": 1.5}}',
            "invalid",
        ),
        ("POST", "/api/rooms/No!/messages", BEARER | JSON, b'{"id": 7}', "invalid"),
        (
            "POST",
            "/api/rooms/lobby/messages",
            BEARER | JSON,
            b'{"id": "a1", "text": "%s"}' % (b"x" * 4001),
            "too_long",
        ),
        ("GET", "/api/rooms/No!/messages", BEARER, b"", "invalid"),
        ("GET", "/api/rooms/lobby/messages?before=1&after=2", BEARER, b"", "invalid"),
        ("GET", "/api/rooms/lobby/messages?limit=0", BEARER, b"", "invalid"),
        ("GET", "/api/rooms/lobby/messages?limit=201&after=x", BEARER, b"", "invalid"),
        ("GET", "/api/rooms/lobby/messages?limit=5&limit=201", BEARER, b"", "invalid"),
        ("GET", "/api/rooms/lobby/messages?limit=", BEARER, b"", "invalid"),
        ("GET", f"/api/rooms/lobby/messages?after={2**60}", BEARER, b"", "invalid"),
        ("GET", "/api/rooms/No!/messages?limit=0", BEARER, b"", "invalid"),
        ("PUT", "/api/rooms", BEARER, b"", "method_not_allowed"),
        ("OPTIONS", "/api/session", {}, b"", "method_not_allowed"),
        ("POST", "/", {}, b"", "method_not_allowed"),
        ("DELETE", "/api/rooms/lobby/messages", BEARER, b"", "method_not_allowed"),
        ("POST", "/nothing", {}, b"", "not_found"),
        ("GET", "/nothing", {}, b"", "not_found"),
        ("GET", "/api/rooms/", BEARER, b"", "not_found"),
        ("GET", "/api/rooms/a/b/messages", BEARER, b"", "not_found"),
        ("GET", "/../pyproject.toml", {}, b"", "not_found"),
        ("GET", "/..%2f..%2fpyproject.toml", {}, b"", "not_found"),
        ("GET", "/assets/../../../pyproject.toml", {}, b"", "not_found"),
        ("GET", "//etc/passwd", {}, b"", "not_found"),
        ("GET", "/%00", {}, b"", "not_found"),
        ("GET", "/" + "x" * 5000, {}, b"", "not_found"),
        ("GET", "/ws", {}, b"", "upgrade_required"),
        ("GET", "/readyz", {}, b"", "not_ready"),
    ],
)
def test_what_cannot_be_done_is_the_same_problem(
    method: str, path: str, headers: dict[str, str], body: bytes, expected: str
) -> None:
    answer = ask(method, path, headers, body)
    assert slug(answer) == expected
    assert b"Traceback" not in answer.body
    for name, value in PROBLEMS[expected].headers:
        assert answer.headers[name.lower()] == value


LIMIT = Settings("async", NOWHERE).max_frame


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413), (LIMIT + 2, 413), (3 * LIMIT, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_taken_up_to_the_limit_however_it_is_sent(size: int, status: int, chunked: bool) -> None:
    body = b'{"name": "Ada"}'.ljust(size)
    headers = JSON | ({"Transfer-Encoding": "chunked"} if chunked else {})
    assert ask_async("POST", "/api/session", headers, body).status == status
    assert ask_sync("POST", "/api/session", headers, body).status == status


def test_a_session_is_who_the_token_says() -> None:
    by_bearer = ask("GET", "/api/session", BEARER)
    by_cookie = ask("GET", "/api/session", {"Cookie": f"other=1; {sessions.COOKIE}={TOKEN}"})
    assert by_bearer.status == 200
    assert by_bearer == by_cookie


def test_an_invalid_token_is_not_made_up_for_by_the_cookie() -> None:
    headers = {"Authorization": "Bearer forged", "Cookie": f"{sessions.COOKIE}={TOKEN}"}
    assert slug(ask("GET", "/api/session", headers)) == "unauthorized"


@pytest.mark.parametrize(("scheme", "secure"), [("http", []), ("https", ["Secure"])])
def test_the_cookie_is_out_of_reach_of_scripts_and_secure_where_the_page_is(scheme: str, secure: list[str]) -> None:
    for ask_one in (ask_async, ask_sync):
        answer = ask_one("POST", "/api/session", JSON, b'{"name": "Ada"}', scheme)
        attributes = answer.headers["set-cookie"].split("; ")[1:]
        assert attributes == ["Max-Age=86400", "Path=/", "HttpOnly", "SameSite=Lax", *secure]
        assert answer.status == 201


def test_forgetting_a_session_empties_the_cookie() -> None:
    answer = ask("DELETE", "/api/session")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["set-cookie"].startswith(f"{sessions.COOKIE}=; Max-Age=0; Path=/")


def test_the_socket_is_described_beside_the_rest() -> None:
    answer = ask("GET", "/asyncapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert httpx.Response(200, content=answer.body).json() == asyncapi.document()
    assert slug(ask("POST", "/asyncapi.json")) == "method_not_allowed"


@pytest.mark.parametrize("path", ["/healthz", "/api/rooms", "/nothing", "/openapi.json"])
def test_head_is_get_without_the_body(path: str) -> None:
    whole = ask_async("GET", path, BEARER, b"")
    bare = ask_async("HEAD", path, BEARER, b"")
    assert bare == whole._replace(body=b"")
    assert ask_sync("HEAD", path, BEARER, b"") == ask_sync("GET", path, BEARER, b"")._replace(body=b"")


def test_only_pages_that_are_ours_may_read_with_the_cookie_of_their_user() -> None:
    for origin in (f"http://{HOST}", "http://localhost:8002", f"http://localhost:{MONITOR_PORT}"):
        assert ask("GET", "/healthz", {"Origin": origin}).headers["access-control-allow-origin"] == origin
    for origin in ("http://localhost:8003", "http://elsewhere.example:8001", "null", "http://[", "file://"):
        assert "access-control-allow-origin" not in ask("GET", "/healthz", {"Origin": origin}).headers


def test_every_answer_says_who_may_frame_it_and_how_long_it_may_be_kept() -> None:
    for path, kept in (("/healthz", "no-store"), ("/", "no-cache"), ("/assets/none.js", "no-cache")):
        headers = ask("GET", path).headers
        assert headers["cache-control"] == kept
        assert headers["content-security-policy"].endswith(
            f"frame-ancestors 'self' http://127.0.0.1:{MONITOR_PORT} http://localhost:{MONITOR_PORT}"
        )


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of ``web/dist``, with a secret beside it."""
    folder = tmp_path / "dist"
    (tmp_path / "secret.txt").write_text("secret")
    for module in (async_chat.app, sync_chat.app):
        monkeypatch.setattr(module, "WEB", folder)
    for made in (async_app, sync_app):
        made.cache_clear()
    yield folder
    for made in (async_app, sync_app):
        made.cache_clear()


def test_without_a_built_client_the_pages_say_how_to_build_it(web: Path) -> None:
    for path in api.PAGES:
        answer = ask("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert b"make build" in answer.body
    assert slug(ask("GET", "/favicon.svg")) == "not_found"


def test_the_built_client_is_served_and_nothing_beside_it(web: Path) -> None:
    for name in ("index.html", "docs/swagger.html", "docs/redoc.html", "assets/index-3fK9.js", "docs/more.css"):
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text(name)
    for path, name in api.PAGES.items():
        assert ask("GET", path).body == name.encode()
    assert ask("GET", "/assets/index-3fK9.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert ask("GET", "/docs/more.css").headers["cache-control"] == "no-cache"
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets", "/docs/"):
        assert slug(ask("GET", path)) == "not_found"

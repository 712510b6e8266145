"""The upgrade of `GET /ws`: who is let in, and with which status everybody else is told why not."""

import pytest
from websockets.exceptions import InvalidStatus

from chat_core import sessions
from stack.backends import Backend
from tests.conformance.conftest import Enter, SignIn
from tests.conformance.test_session import invalid_headers
from tests.wire.client import Chat
from tests.wire.people import signed
from tests.wire.raw import RawPeer, handshake
from tests.wire.rest import Rest
from tests.wire.servers import Site


async def _refused(url: str, **options: object) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        await Chat.connect(url, **options)  # type: ignore[arg-type]
    response = caught.value.response
    return response.status_code, response.headers["Content-Type"]


async def test_bearer_and_cookie_open_a_connection_on_either_backend(
    site: Site, sign_in_at: SignIn, enter: Enter
) -> None:
    ada = sign_in_at(site.here)
    by_bearer = await enter(site.there, person=ada)
    assert await by_bearer.refused("typing", room="a") == "not_joined"
    by_cookie = await Chat.connect(site.there.ws_url, headers={"Cookie": f"other=1; {sessions.COOKIE}={ada.token}"})
    assert await by_cookie.refused("typing", room="a") == "not_joined"
    await by_cookie.close()


@pytest.mark.parametrize("case", ["none", "forged", "expired", "damaged", "unsigned"])
async def test_without_a_valid_token_there_is_no_upgrade(case: str, lone: Backend) -> None:
    refused = await _refused(lone.ws_url, headers=invalid_headers(case))
    assert refused == (401, "application/problem+json")


async def test_a_token_in_the_address_is_not_taken(lone: Backend, sign_in_at: SignIn) -> None:
    token = sign_in_at(lone).token
    assert (await _refused(f"{lone.ws_url}?token={token}&access_token={token}"))[0] == 401


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9", "http://127.0.0.1.evil.example", "file://", "nonsense"],
)
async def test_foreign_pages_get_no_upgrade_and_write_nothing(origin: str, lone: Backend, http: Rest) -> None:
    ada = signed()
    headers = {**ada.headers, "Origin": origin}
    assert await _refused(lone.ws_url, headers=headers) == (403, "application/problem+json")
    for method, path in (("POST", "/api/session"), ("DELETE", "/api/session"), ("POST", "/api/rooms/a/messages")):
        refused = http.request(
            method, lone.url + path, headers=headers, json={"name": "Ada"} if method == "POST" else None
        )
        assert refused.status_code == 403, (method, path)
        assert refused.json()["type"] == "urn:tandem:problem:origin_refused"
        assert "access-control-allow-origin" not in refused.headers


async def test_own_pages_and_those_of_the_twin_get_in(site: Site, sign_in_at: SignIn, http: Rest) -> None:
    ada = sign_in_at(site.here)
    twin = f"http://{site.here.host}{site.here.settings['CHAT_TWIN']}"
    for origin in (site.here.url, twin):
        chat = await Chat.connect(site.here.ws_url, ada.token, origin=origin)
        await chat.close()
        answer = http.get(f"{site.here.url}/api/session", headers={**ada.headers, "Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        assert (
            http.post(f"{site.here.url}/api/session", json={"name": "Ada"}, headers={"Origin": origin}).status_code
            == 201
        )


async def test_compression_is_not_agreed_on(lone: Backend, sign_in_at: SignIn) -> None:
    peer = await RawPeer.dial(lone.ws_url)
    offer = {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"}
    status, headers = await peer.ask(handshake(lone.ws_url, sign_in_at(lone).token, **offer))
    assert status == 101
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "sec-websocket-extensions" not in headers
    await peer.close()


def test_plain_request_is_told_what_the_address_is_for(lone: Backend, http: Rest, sign_in_at: SignIn) -> None:
    for headers in ({}, sign_in_at(lone).headers):
        answer = http.get(f"{lone.url}/ws", headers=headers)
        assert answer.status_code == 426
        assert answer.headers["upgrade"] == "websocket"
        assert answer.json()["type"] == "urn:tandem:problem:upgrade_required"
    assert http.post(f"{lone.url}/ws").status_code == 405


@pytest.mark.parametrize("without", ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Connection"])
async def test_incomplete_handshakes_are_refused(without: str, lone: Backend, http: Rest) -> None:
    peer = await RawPeer.dial(lone.ws_url)
    status, _ = await peer.ask(handshake(lone.ws_url, signed().token, without=without))
    assert status in (400, 426)
    await peer.close()
    assert http.get(f"{lone.url}/healthz").status_code == 200


async def test_wrong_version_is_refused(lone: Backend) -> None:
    peer = await RawPeer.dial(lone.ws_url)
    status, _ = await peer.ask(handshake(lone.ws_url, signed().token, Sec_WebSocket_Version="8"))
    assert status in (400, 426)
    await peer.close()

"""Text that was taken back or replaced leaves the server no more, by whatever door one asks."""

from tests.conformance.conftest import Enter, SignIn
from tests.wire.client import place
from tests.wire.rest import Rest
from tests.wire.servers import Site

SECRET = "the-launch-code-is-0000"


async def test_deleted_text_is_in_no_answer(
    site: Site, room: str, enter: Enter, sign_in_at: SignIn, http: Rest
) -> None:
    person = sign_in_at(site.here)
    ada = await enter(site.here, room, person=person)
    start = await ada.post(room, "before")
    message = await ada.post(room, SECRET, id="secret")
    await ada.edit(room, message, f"{SECRET} indeed", id="edit")
    await ada.delete(room, message)
    await ada.post(room, "after")
    await _nowhere(SECRET, site, room, enter, http, place(start))

    again = await enter(site.there, room, person=person)
    duplicate = await again.post(room, SECRET, id="secret")
    assert duplicate.duplicate
    where = place(message)
    edited = await again.edit(room, where, f"{SECRET} indeed", id="edit")
    assert edited.duplicate
    assert await again.refused("post", room=room, id="secret", text="what was it?") == "id_conflict"
    last = await ada.post(room, "still after")
    await again.reached(room, last)
    assert SECRET not in "".join(again.frames)


async def test_replaced_text_is_in_no_answer(site: Site, room: str, enter: Enter, http: Rest) -> None:
    ada = await enter(site.here, room)
    start = await ada.post(room, "before")
    message = await ada.post(room, SECRET)
    await ada.edit(room, message, f"{SECRET}, or is it?")
    await ada.edit(room, message, "the last word")
    await ada.post(room, "after")
    seen = await _nowhere(SECRET, site, room, enter, http, place(start))
    assert seen.count("the last word") >= 6, "the message and both edits in the replay, and the message elsewhere"


async def _nowhere(secret: str, site: Site, room: str, enter: Enter, http: Rest, start: object) -> str:
    """Ask for the room in every way there is; returns all that was said."""
    said = ""
    for backend in site.backends:
        fresh, resumed = await enter(backend, room), await enter(backend)
        await resumed.join_whole(room, start)  # type: ignore[arg-type]
        await fresh.join(room)
        said += "".join(fresh.frames + resumed.frames)
        headers = {
            "Authorization": f"Bearer {http.post(f'{backend.url}/api/session', json={'name': 'Eve'}).json()['token']}"
        }
        for query in ("", "?after=0", "?before=100", "?after=1&limit=2"):
            answer = http.get(f"{backend.url}/api/rooms/{room}/messages{query}", headers=headers)
            assert answer.status_code == 200
            said += answer.text
    assert secret not in said
    return said

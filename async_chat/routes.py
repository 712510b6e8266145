"""The handlers of the REST interface, one per operation of ``chat_core.api.OPERATIONS``, under its name.

``async def`` says that a handler never blocks and runs in the event loop; FastAPI runs a plain ``def`` in one of 40
threads. So those that touch files are ``def``, and all others are ``async def``, whether they wait or not: a thread
would cost them more than they do themselves, and ``/healthz`` must not queue behind 40 slow scrapes.
"""

import time
from typing import Annotated, cast

from fastapi import Path, Query, Request, Response

from async_chat.runtime import Runtime
from chat_core import admission, answers
from chat_core.admission import Budgets
from chat_core.api import Duration, HistoryQuery, NewMessage, NewSession, RoomPath
from chat_core.metrics import CONTENT_TYPE
from chat_core.problems import Answer
from chat_core.sessions import Session
from launch.exposition import page
from launch.workers import proof_ages

InPath = Annotated[RoomPath, Path()]
InQuery = Annotated[HistoryQuery, Query()]


def respond(answer: Answer) -> Response:
    """Return ``answer`` as the framework's own; FastAPI sends it as it is, without validating it again."""
    response = Response(answer.body, answer.status)
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response


def head(request: Request) -> admission.Head:
    """Return what decides about admission."""
    get = request.headers.get
    return admission.Head(get("host"), get("origin"), get("cookie"), get("authorization"))


def running(request: Request) -> Runtime:
    """Return what the application was built with."""
    return cast(Runtime, request.app.state.runtime)


def budgets(request: Request) -> Budgets:
    """Return how much each user may still write over REST."""
    return cast(Budgets, request.app.state.budgets)


def speaker(request: Request) -> Session:
    """Return who the request is from; only where the operation requires a session."""
    return cast(Session, request.state.session)


async def create_session(request: Request, body: NewSession) -> Response:
    https = request.url.scheme == "https"
    return respond(answers.created_session(body.name, running(request).settings, time.time(), https=https))


async def read_session(request: Request) -> Response:
    hub = running(request).hub
    admission.check_room(speaker(request), draining=hub.draining, check_seat=hub.check_seat)
    return respond(answers.current_session(speaker(request)))


async def delete_session(request: Request) -> Response:
    return respond(answers.deleted_session(https=request.url.scheme == "https"))


async def read_rooms(request: Request) -> Response:
    return respond(answers.rooms(await running(request).bus.rooms()))


async def read_messages(request: Request, path: InPath, query: InQuery) -> Response:
    history = await running(request).bus.history(path.room, query.before, query.after, query.limit)
    return respond(answers.messages(path.room, history))


async def post_message(request: Request, path: InPath, body: NewMessage) -> Response:
    runtime, session = running(request), speaker(request)
    write = answers.post(path.room, body, session, runtime.settings)
    budgets(request).charge(session.user.id, time.monotonic())
    return respond(answers.posted(await runtime.bus.commit(write)))


async def read_members(request: Request, path: InPath) -> Response:
    return respond(answers.members(await running(request).bus.members(path.room)))


async def read_about(request: Request) -> Response:
    return respond(answers.about(running(request).settings))


async def read_health(request: Request) -> Response:
    return respond(answers.health(leaving=running(request).leaving))


def read_readiness(request: Request) -> Response:
    runtime = running(request)
    ages, workers = [time.monotonic() - runtime.relay.proved_at], 1
    if directory := runtime.settings.runtime_dir:
        ages, workers = proof_ages(directory), runtime.settings.workers
    return respond(answers.readiness(admission.unready(ages, workers, draining=runtime.leaving)))


def read_metrics(request: Request) -> Response:
    runtime = running(request)
    return respond(Answer(200, page(runtime.settings.runtime_dir, runtime.metrics), CONTENT_TYPE))


# These two do on purpose what the docstring forbids.


async def block(body: Duration) -> Response:
    began = time.monotonic()
    time.sleep(body.seconds)  # noqa: ASYNC251 - to stop the loop is what it is for
    return respond(answers.lasted(time.monotonic() - began))


async def burn(body: Duration) -> Response:
    began = time.monotonic()
    while time.monotonic() - began < body.seconds:
        pass
    return respond(answers.lasted(time.monotonic() - began))

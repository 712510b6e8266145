"""The handlers of the REST interface, one per operation of ``chat_core.api.OPERATIONS``, under its name.

Every handler runs in a thread of its own and may block. flask-openapi3 finds in the names and types of their
arguments where each comes from.
"""

import threading
import time
from typing import Final, cast

from flask import Response, current_app, g, request

from chat_core import admission, answers
from chat_core.admission import Budgets
from chat_core.api import Duration, HistoryQuery, NewMessage, NewSession, RoomPath
from chat_core.metrics import CONTENT_TYPE
from chat_core.problems import Answer
from chat_core.sessions import Session
from launch.exposition import page
from launch.workers import proof_ages
from sync_chat.runtime import Runtime

charging: Final = threading.Lock()  # guards the budgets, whose buckets two threads of one user could charge at once


def respond(answer: Answer) -> Response:
    """Return ``answer`` as the framework's own."""
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    if not answer.content_type:
        del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response


def head() -> admission.Head:
    """Return what decides about admission."""
    get = request.headers.get
    return admission.Head(get("Host"), get("Origin"), get("Cookie"), get("Authorization"))


def running() -> Runtime:
    """Return what the application was built with."""
    return cast(Runtime, current_app.extensions["runtime"])


def budgets() -> Budgets:
    """Return how much each user may still write over REST."""
    return cast(Budgets, current_app.extensions["budgets"])


def speaker() -> Session:
    """Return who the request is from; only where the operation requires a session."""
    return cast(Session, g.session)


def create_session(body: NewSession) -> Response:
    https = request.scheme == "https"
    return respond(answers.created_session(body.name, running().settings, time.time(), https=https))


def read_session() -> Response:
    hub = running().hub
    admission.check_room(speaker(), draining=hub.draining, check_seat=hub.check_seat)
    return respond(answers.current_session(speaker()))


def delete_session() -> Response:
    return respond(answers.deleted_session(https=request.scheme == "https"))


def read_rooms() -> Response:
    return respond(answers.rooms(running().bus.rooms()))


def read_messages(path: RoomPath, query: HistoryQuery) -> Response:
    history = running().bus.history(path.room, query.before, query.after, query.limit)
    return respond(answers.messages(path.room, history))


def post_message(path: RoomPath, body: NewMessage) -> Response:
    runtime, session = running(), speaker()
    write = answers.post(path.room, body, session, runtime.settings)
    with charging:
        budgets().charge(session.user.id, time.monotonic())
    return respond(answers.posted(runtime.bus.commit(write)))


def read_members(path: RoomPath) -> Response:
    return respond(answers.members(running().bus.members(path.room)))


def read_about() -> Response:
    return respond(answers.about(running().settings))


def read_health() -> Response:
    return respond(answers.health(leaving=running().leaving))


def read_readiness() -> Response:
    runtime = running()
    ages, workers = [time.monotonic() - runtime.relay.proved_at], 1
    if directory := runtime.settings.runtime_dir:
        ages, workers = proof_ages(directory), runtime.settings.workers
    return respond(answers.readiness(admission.unready(ages, workers, draining=runtime.leaving)))


def read_metrics() -> Response:
    runtime = running()
    return respond(Answer(200, page(runtime.settings.runtime_dir, runtime.metrics), CONTENT_TYPE))


def block(body: Duration) -> Response:
    began = time.monotonic()
    time.sleep(body.seconds)
    return respond(answers.lasted(time.monotonic() - began))


def burn(body: Duration) -> Response:
    began = time.monotonic()
    while time.monotonic() - began < body.seconds:
        pass
    return respond(answers.lasted(time.monotonic() - began))

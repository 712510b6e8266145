"""What the monitor serves: its page, what it knows, a stream of what it learns, and the buttons."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loadtest.monitor import runs
from loadtest.monitor.acts import ACTS
from loadtest.monitor.crowd_process import CrowdError
from loadtest.monitor.demo import Size
from loadtest.monitor.drill import Drill, DrillError
from loadtest.monitor.measurement import Measurement, MeasurementError, Order, choices
from loadtest.monitor.watch import Watch
from loadtest.record.directory import DamagedRunError

Model = TypeVar("Model", bound=BaseModel)

WEB: Final = Path(__file__).parents[2] / "web" / "dist"
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
TOKEN_HEADER: Final = "X-Tandem-Token"  # noqa: S105 - the name of a header
BEHIND: Final = 30
"""Messages that a page may be behind; one that is further is cut off, and asks anew."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-src http: https:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Pages:
    """Everything behind the monitor's address. ``token`` is that of this run: who cannot read the page has it not."""

    def __init__(self, watch: Watch, runs: Path, *, loopback: bool) -> None:
        self._runs = runs
        self._loopback = loopback
        self.token = secrets.token_urlsafe(24)
        self._watch = watch
        self._drill = Drill(watch, self._changed)
        self._measurement = Measurement(runs, self._changed)
        self._listeners: set[asyncio.Queue[str | None]] = set()
        watch.changed = self._changed

    def application(self) -> ASGIApp:
        """Return the application; what it watches begins and ends with its lifespan."""
        routes = [
            Route("/", self._page),
            Route("/healthz", self._healthz),
            Route("/api/monitor", self._everything),
            Route("/api/monitor/live", self._live),
            Route("/api/monitor/runs", self._list_runs),
            Route("/api/monitor/runs/{id}", self._read_run),
            Route("/api/monitor/acts/{name}", self._act, methods=["POST"]),
            Route("/api/monitor/load", self._start_load, methods=["POST"]),
            Route("/api/monitor/load", self._stop_load, methods=["DELETE"]),
            Route("/api/monitor/measurement", self._measure, methods=["POST"]),
            Route("/api/monitor/measurement", self._stop_measuring, methods=["DELETE"]),
            Mount("/", StaticFiles(directory=WEB, check_dir=False)),
        ]
        app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: _refuse})
        app.state.loopback = self._loopback
        return _Shaped(app)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._watch.open()
        ticking = asyncio.create_task(self._watch.tick_forever(lambda tick: self._publish(f"data: {tick}\n\n")))
        yield
        ticking.cancel()
        await self._watch.crowd.stop()
        await self._measurement.stop()
        self._watch.close()

    def hang_up(self) -> None:
        """End all streams: a server that stops would wait for them."""
        for listener in list(self._listeners):
            listener.put_nowait(None)

    # ---- what is known --------------------------------------------------------------------------

    async def _page(self, _: Request) -> Response:
        page = WEB / "monitor.html"
        if not page.is_file():
            return Response("The page is not built yet: run `make build`.\n", 503, media_type="text/plain")
        return FileResponse(page)

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _everything(self, request: Request) -> Response:
        """All that a page needs to begin: the last hour, what happened in it, and the token where it may act."""
        _check_host(request)
        ticks = ",".join(self._watch.ticks)
        state = json.dumps(self._state() | {"token": self.token})
        return Response(f'{{"ticks":[{ticks}],"state":{state}}}', media_type="application/json")

    async def _live(self, request: Request) -> Response:
        _check_host(request)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        mine: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(mine)
        try:
            yield "retry: 1000\n\n"
            yield self._state_event()
            while (message := await mine.get()) is not None:
                yield message
        finally:
            self._listeners.discard(mine)

    def _publish(self, message: str) -> None:
        for listener in list(self._listeners):
            if listener.qsize() > BEHIND:
                self._listeners.discard(listener)
                listener.put_nowait(None)
            else:
                listener.put_nowait(message)

    def _changed(self) -> None:
        self._publish(self._state_event())

    def _state_event(self) -> str:
        return f"event: state\ndata: {json.dumps(self._state())}\n\n"

    def _state(self) -> dict[str, Any]:
        watch, crowd = self._watch, self._watch.crowd
        return {
            "owned": watch.link is not None,
            "sides": watch.sides,
            "acts": [{"name": act.name, "title": act.title, "explanation": act.explanation} for act in ACTS.values()],
            "underWay": self._drill.under_way,
            "load": crowd.size.model_dump() if crowd.size is not None else None,
            "scenarios": choices() if watch.link is not None else [],
            "measuring": self._measurement.order.model_dump() if self._measurement.order is not None else None,
            "measured": self._measurement.said,
            "events": self._drill.events,
            "cards": self._drill.cards[-20:],
        }

    async def _list_runs(self, request: Request) -> Response:
        _check_host(request)
        return JSONResponse({"runs": await asyncio.to_thread(runs.listed, self._runs)})

    async def _read_run(self, request: Request) -> Response:
        _check_host(request)
        try:
            found = await asyncio.to_thread(runs.read, self._runs, request.path_params["id"])
        except DamagedRunError as error:
            raise HTTPException(404, str(error)) from None
        return Response(found, media_type="application/json")

    # ---- the buttons ----------------------------------------------------------------------------

    async def _act(self, request: Request) -> Response:
        self._check(request)
        try:
            self._drill.begin(request.path_params["name"])
        except DrillError as error:
            raise HTTPException(409, str(error)) from None
        return JSONResponse({"begun": request.path_params["name"]}, 202)

    async def _start_load(self, request: Request) -> Response:
        self._check(request)
        size, sides = await _read(request, Size), await self._watch.addresses()
        if self._measurement.order is not None:
            raise HTTPException(409, "a measurement is under way: a load beside it would spoil it")
        try:
            await self._watch.crowd.start(sides, size)
        except CrowdError as error:
            raise HTTPException(409, str(error)) from None
        self._drill.note("Load begins", "phase")
        return JSONResponse(size.model_dump(), 201)

    async def _stop_load(self, request: Request) -> Response:
        self._check(request)
        if self._drill.under_way is not None:
            raise HTTPException(409, "an act is under way: its verdict needs the load")
        await self._watch.crowd.stop()
        self._drill.note("Load ends", "phase")
        return Response(status_code=204)

    async def _measure(self, request: Request) -> Response:
        self._check(request)
        order = await _read(request, Order)
        if self._watch.crowd.running or self._drill.under_way is not None:
            raise HTTPException(409, "a load is on: it would spoil the measurement, stop it first")
        try:
            await self._measurement.start(order)
        except MeasurementError as error:
            raise HTTPException(409, str(error)) from None
        return JSONResponse(order.model_dump(), 202)

    async def _stop_measuring(self, request: Request) -> Response:
        self._check(request)
        await self._measurement.stop()
        return Response(status_code=204)

    def _check(self, request: Request) -> None:
        """Let in only our own page, of this run, on this machine. Raises HTTPException."""
        _check_host(request)
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            raise HTTPException(403, "only the monitor's own page may do that")
        if not secrets.compare_digest(request.headers.get(TOKEN_HEADER, ""), self.token):
            raise HTTPException(403, "this page is of an earlier run: load it again")
        if self._watch.link is None:
            raise HTTPException(403, "the servers are not this monitor's to load or to hurt")


def _check_host(request: Request) -> None:
    """Refuse names that lead here by a trick: a page of another host could read what is meant for ours."""
    if request.app.state.loopback and request.url.netloc.rpartition(":")[0] not in LOOPBACK:
        raise HTTPException(403, "the monitor answers on this machine only, as 127.0.0.1 or localhost")


async def _read(request: Request, kind: type[Model]) -> Model:
    """Return the body as ``kind``; HTTPException with one line of what is wrong with it."""
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise HTTPException(422, f"{where}: {said}" if where else said) from None


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette promises no more than Exception
    return JSONResponse({"detail": error.detail}, error.status_code)


class _Shaped:
    """Every answer carries the common headers; what the build names by its content may be kept."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_shaped(message: Message) -> None:
            if message["type"] == "http.response.start":
                common = dict(HEADERS)
                if scope["path"].startswith("/assets/") and message["status"] == 200:
                    common["Cache-Control"] = "public, max-age=31536000, immutable"
                fields = [(name.lower().encode(), value.encode()) for name, value in common.items()]
                message["headers"] = [*message["headers"], *fields]
            await send(message)

        await self.app(scope, receive, send_shaped if scope["type"] == "http" else send)

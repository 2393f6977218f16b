"""The console's web application: the live page, and what the page asks for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from rheostat.console.guard import Guard
from rheostat.console.view import Kind, LiveNode
from rheostat.errors import MissingExtraError, RheostatError, SettingsError
from rheostat.share.checking import AboveZero, Entry, Name, read_document

try:
    from fastapi import FastAPI, HTTPException, Query, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
    from fastapi.staticfiles import StaticFiles
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException as AnyHTTPException
except ImportError:
    raise MissingExtraError("fastapi is missing: pip install 'rheostat[console]'") from None

_STATIC = Path(__file__).parent / "static"
_PERIOD_S = 0.5  # between two states that the stream sends
_MEDIA = {"snapshot": "image/jpeg", "clip": "video/mp4"}
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class _NewApp(Entry):
    folder: Name


class _NewBudget(Entry):
    budget: AboveZero


def make_app(node: LiveNode, *, token: str | None, host: str = "127.0.0.1") -> FastAPI:
    """Make the console of a node.

    Every error is answered as ``{"error": one line}``. Set ``app.state.closing`` (a `threading.Event`) to end the
    streams that pages hold open.

    Args:
        node: What is shown.
        token: What every request must carry; None = nothing.
        host: Where the server is bound: requests for another host are refused.
    """
    app = guarded_app("node", token=token, host=host)
    _show(app, node)
    _list_events(app, node)
    _change(app, node)
    return app


def guarded_app(noun: str, *, token: str | None, host: str) -> FastAPI:
    """Make an application that has no pages yet: the guard around it, its errors as one line, and what pages share.

    Args:
        noun: What answers, for messages.
        token: What every request must carry; None = nothing.
        host: Where the server is bound.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)  # their pages load scripts from elsewhere
    app.state.closing = threading.Event()
    app.add_middleware(Guard, token=token, host=host)
    _answer_errors(app, noun)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


def _show(app: FastAPI, node: LiveNode) -> None:
    @app.get("/")
    def page() -> Response:
        return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})

    @app.get("/api/status")
    def status() -> Response:
        return JSONResponse(node.status())

    @app.get("/api/stream")
    async def stream() -> Response:
        return StreamingResponse(_statuses(node, app.state.closing), media_type="text/event-stream")

    @app.get("/api/frame.jpg")
    def frame() -> Response:
        if (picture := node.picture()) is None:
            raise HTTPException(404, "there is no frame yet: the source has given none")
        return Response(picture, media_type="image/jpeg")

    @app.get("/api/plan.svg")
    def tree() -> Response:
        return Response(node.tree_svg(), media_type="image/svg+xml")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(node.metrics(), media_type=_PROMETHEUS)

    @app.get("/healthz")
    def health() -> Response:
        source = node.status()["source"]
        if source["state"] in ("running", "ended"):
            return JSONResponse({"state": source["state"]})
        reason = " ".join(str(source["reason"]).split()) or "no reason was given"
        return JSONResponse({"error": f"the source is {source['state']}: {reason}"}, 503)


async def _statuses(node: LiveNode, closing: threading.Event) -> AsyncIterator[str]:
    """The node's state again and again, as server-sent events, until the server closes."""
    while not closing.is_set():
        status = await run_in_threadpool(node.status)  # it may wait for a lock; the other pages shall not
        yield f"data: {json.dumps(status, allow_nan=False)}\n\n"
        for _ in range(5):
            await asyncio.sleep(_PERIOD_S / 5)
            if closing.is_set():
                return


def _list_events(app: FastAPI, node: LiveNode) -> None:
    @app.get("/api/events")
    def events(
        app: str | None = None,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        return JSONResponse({"events": node.events(app=app, before=before, limit=limit)})

    @app.get("/api/events/{event}/{kind}")
    def evidence(event: str, kind: Kind) -> Response:
        path = node.evidence(event, kind)
        if path is None or not path.is_file():
            raise HTTPException(404, f"event {event} has no {kind}: it was not kept, or is not finished yet")
        return FileResponse(path, media_type=_MEDIA[kind])  # answers Range: a video can be searched


def _change(app: FastAPI, node: LiveNode) -> None:
    @app.post("/api/apps")
    def add(values: dict[str, Any]) -> Response:
        asked = read_document(_NewApp, values, "request", versioned=False)
        folder = _among(Path(asked.folder), node.package_folders())
        return JSONResponse({"name": node.add_app(folder)}, 201)

    @app.delete("/api/apps/{name:path}")
    def remove(name: str) -> Response:
        node.remove_app(name)
        return JSONResponse({"name": name})

    @app.post("/api/budget")
    def budget(values: dict[str, Any]) -> Response:
        asked = read_document(_NewBudget, values, "request", versioned=False)
        node.set_budget(asked.budget)
        return JSONResponse({"budget": asked.budget})


def _among(folder: Path, places: Sequence[Path]) -> Path:
    """The folder, if it lies in one of the places, whatever links there are on the way."""
    found = folder.resolve()
    if not any(found.is_relative_to(place.resolve()) for place in places):
        told = ", ".join(map(str, places))
        raise SettingsError(
            f"folder {str(folder)[:200]!r} is not where this node takes packages from: put it in {told}"
        )
    return found


def _answer_errors(app: FastAPI, noun: str) -> None:
    answer_error(app, RheostatError, lambda error: (400, str(error)))
    answer_error(app, AnyHTTPException, lambda error: (error.status_code, error.detail))
    answer_error(app, RequestValidationError, lambda error: (422, _misunderstood(error)))
    answer_error(app, Exception, lambda _: (500, f"the {noun} could not answer: its log says why"))  # written there


def answer_error(app: FastAPI, kind: type[Exception], told: Callable[[Any], tuple[int, str]]) -> None:
    """Answer an error of a kind with the status and the one line that `told` makes of it."""

    def handler(_: Request, error: Exception) -> Response:
        status, line = told(error)
        return JSONResponse({"error": " ".join(line.split())}, status)

    app.add_exception_handler(kind, handler)


def _misunderstood(error: RequestValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    if first["loc"][0] == "body":
        return "the request's body must be one JSON object, sent as application/json"
    return f"the request's {place}: {first['msg'][:1].lower()}{first['msg'][1:]}"

"""The review's web application: the page, what it asks for, and the decisions that it sends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from rheostat.console.app import answer_error, guarded_app
from rheostat.console.review.desk import Answer, ReviewDesk, Which
from rheostat.console.server import Server, listen
from rheostat.errors import MissingExtraError, SettingsError, StateError
from rheostat.share.checking import Count, Entry, Name, read_document

try:
    from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
    from fastapi import Path as PathParameter
    from fastapi.responses import FileResponse, JSONResponse, Response
    from fastapi.staticfiles import StaticFiles
except ImportError:
    raise MissingExtraError("fastapi is missing: pip install 'rheostat[console]'") from None

_STATIC = Path(__file__).parent / "static"
_ROW = ("position", "index", "given", "predicted", "p_given", "p_predicted", "score", "round", "why", "settled")
_MORE = ("name", "losses", "median", "given_like", "predicted_like")
_KEPT_BY_BROWSERS = "private, max-age=3600"  # pictures do not change; their addresses name the review
_LARGEST = 2**53  # that a page's numbers hold exactly

_Tab = Annotated[Name, Field(max_length=64)]
_At = Annotated[int, Query(ge=0, le=_LARGEST)]
_Index = Annotated[int, PathParameter(ge=0, le=_LARGEST)]
_Number = Annotated[Count, Field(le=_LARGEST)]
_Class = Annotated[int | None, Query(ge=0, le=_LARGEST)]


class _Settle(Entry):
    decision: Answer
    label: _Number | None = None
    by: _Tab


class _Decide(_Settle):
    index: _Number
    expected: _Number | None = None


class _DecidePair(_Settle):
    given: _Number
    predicted: _Number


class _Undo(Entry):
    by: _Tab


def serve(desk: ReviewDesk, host: str = "127.0.0.1", port: int = 8401, token: str | None = None) -> Server:
    """Serve a review from a thread.

    Args:
        desk: What is reviewed.
        host: Where to listen; on anything but loopback a token guards the page, made if none is given.
        port: Where to listen; 0 = any that is free.
        token: What every request must carry.

    Raises:
        SettingsError: The host or port cannot be bound, or the token is too weak.
    """
    return listen(partial(make_app, desk), host, port, token)


def make_app(desk: ReviewDesk, *, token: str | None, host: str = "127.0.0.1") -> FastAPI:
    """Make the review page of a desk.

    Every error is answered as ``{"error": one line}``; a decision that another tab was faster with is answered with
    status 409 and has ``"settled"`` beside it, what stands instead. Requests may name the review that they mean
    (``?of=KEY``, the key of `ReviewDesk.summary`): at another review's address they are refused with status 410.

    Args:
        desk: What is reviewed.
        token: What every request must carry; None = nothing.
        host: Where the server is bound: requests for another host are refused.
    """
    summary = desk.summary()
    app = guarded_app("review", token=token, host=host)
    answer_error(app, StateError, lambda error: (503, str(error)))  # the page keeps what it could not store
    app.mount("/review", StaticFiles(directory=_STATIC), name="review")

    @app.get("/")
    def page() -> Response:
        return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})

    def must_be_meant(of: str | None = None) -> None:
        if of not in (None, summary["key"]):
            raise HTTPException(410, "another review is served here now: reload the page to see it")

    asked = APIRouter(prefix="/api", dependencies=[Depends(must_be_meant)])
    _tell(asked, desk, summary)
    _list(asked, desk, len(summary["classes"]))
    _settle(asked, desk, len(summary["classes"]))
    app.include_router(asked)
    return app


def _tell(asked: APIRouter, desk: ReviewDesk, summary: dict[str, Any]) -> None:
    @asked.get("/review")
    def review() -> Response:
        return JSONResponse({**summary, "progress": desk.progress(), "pairs": desk.pairs()})

    @asked.get("/changes")
    def changes(since: _At) -> Response:
        progress = desk.progress()  # before the changes: what comes between the two is told again
        return JSONResponse({"changes": desk.changes(since), "progress": progress})

    @asked.get("/pairs")
    def pairs() -> Response:
        return JSONResponse({"pairs": desk.pairs()})

    @asked.get("/pictures/{index}")
    def picture(index: _Index) -> Response:
        content, media_type = desk.picture(index)
        if not media_type.startswith("image/"):
            raise HTTPException(415, f"example {index} is {media_type}: only images are shown")
        return Response(content, media_type=media_type, headers={"cache-control": _KEPT_BY_BROWSERS})


def _list(asked: APIRouter, desk: ReviewDesk, classes: int) -> None:
    @asked.get("/suspects")
    def suspects(
        start: _At = 0,
        count: Annotated[int, Query(ge=1, le=500)] = 50,
        which: Which = "all",
        given: _Class = None,
        predicted: _Class = None,
    ) -> Response:
        found = desk.suspects(start, count, which=which, pair=_pair(given, predicted, classes))
        return JSONResponse(
            {"total": found["total"], "start": start, "rows": [_only(row, _ROW) for row in found["rows"]]}
        )

    @asked.get("/next")
    def following(position: _At, which: Which = "all", given: _Class = None, predicted: _Class = None) -> Response:
        """The first of those asked for that stands at `position` or after it, and its number among them."""
        pair = _pair(given, predicted, classes)
        rank = desk.rank(position, which=which, pair=pair)
        rows = desk.suspects(rank, 1, which=which, pair=pair)["rows"]
        return JSONResponse({"rank": rank, "row": _only(rows[0], _ROW) if rows else None})

    @asked.get("/suspects/{index}")
    def suspect(index: _Index) -> Response:
        if (found := desk.suspect(index)) is None:
            raise HTTPException(404, f"example {index} is no suspect of this review")
        return JSONResponse(_only(found, _ROW + _MORE))


def _settle(asked: APIRouter, desk: ReviewDesk, classes: int) -> None:
    @asked.post("/decisions")
    def decide(values: dict[str, Any]) -> Response:
        one = read_document(_Decide, values, "request", versioned=False)
        _must_have_a_label(one, classes)
        told = desk.decide(one.index, one.decision, one.label, by=one.by, expected=one.expected)
        if told["stored"]:
            return JSONResponse({"settled": told["settled"]})
        line = f"example {one.index} was decided anew meanwhile: look at it again"
        return JSONResponse({"error": line, "settled": told["settled"]}, 409)

    @asked.post("/decisions/pair")
    def decide_pair(values: dict[str, Any]) -> Response:
        many = read_document(_DecidePair, values, "request", versioned=False)
        _must_have_a_label(many, classes)
        given, predicted = (_class(many.given, classes), _class(many.predicted, classes))
        return JSONResponse({"decided": desk.decide_pair(given, predicted, many.decision, many.label, by=many.by)})

    @asked.post("/undo")
    def undo(values: dict[str, Any]) -> Response:
        return JSONResponse({"undone": desk.undo(read_document(_Undo, values, "request", versioned=False).by)})


def _only(told: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """What the page may know: a person who can tell audits from suspects judges them differently."""
    return {name: told[name] for name in names}


def _pair(given: int | None, predicted: int | None, classes: int) -> tuple[int, int] | None:
    if given is None and predicted is None:
        return None
    if given is None or predicted is None:
        raise SettingsError("a pair needs both classes: ask with given and predicted, or with neither")
    return _class(given, classes), _class(predicted, classes)


def _class(label: int, classes: int) -> int:
    if label >= classes:
        raise SettingsError(f"class {label} is outside the data set: must be 0 to {classes - 1}")
    return label


def _must_have_a_label(asked: _Settle, classes: int) -> None:
    if asked.decision != "relabel":
        if asked.label is not None:
            raise SettingsError(f"{asked.decision} takes no label and was given {asked.label}: leave it out")
    elif asked.label is None:
        raise SettingsError("relabel needs a label: the class that is right")
    else:
        _class(asked.label, classes)

"""The workload to plan for, and the plan that answers it: two JSON documents of schema version 1, checked when read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Discriminator, Field, Tag
from pydantic import model_validator as checked

from rheostat.records import write_json
from rheostat.share.checking import (
    SCHEMA,
    AboveZero,
    AtLeastZero,
    Count,
    CountAboveZero,
    Entry,
    Name,
    Share,
    ShareAboveZero,
    disorder,
    form,
    from_numpy,
    read_document,
    refuse,
    shown,
    whole,
)

_PerRate = Annotated[tuple[Share, ...], Tag("<number>")] | Annotated[tuple[tuple[Share, ...], ...], Tag("<table>")]
Measured = Annotated[_PerRate, Discriminator(form), from_numpy]


EventModel = Literal["published", "paper", "profiled"]


class BranchPoint(Entry):
    """A head of an app: what it gets right when the first `frozen` layers are the shared base's.

    Attributes:
        frozen: Layers before the cut, 0 to the number of layers.
        hit, false_positive: Probability in [0, 1] that a frame with, or without, the event is taken for one. The event
            model "profiled" needs neither.
        recall, precision: For the event model "profiled", and ignored by the others: measured on labelled video, in
            [0, 1], one per rate of the workload; where the app has votes, a list per rate with one per vote count.
    """

    frozen: Count
    hit: Share | None = None
    false_positive: Share | None = None
    recall: Measured | None = None
    precision: Measured | None = None


class CorrelationTable(Entry):
    """Correlation as measured: `value` [m] in [0, 1] between two samples `lag_seconds` [m] apart, increasing."""

    lag_seconds: Annotated[tuple[AtLeastZero, ...], from_numpy] = Field(min_length=1)
    value: Annotated[tuple[Share, ...], from_numpy] = Field(min_length=1)

    @checked(mode="after")
    def _agree(self) -> Self:
        lines = list(disorder("lag_seconds", self.lag_seconds))
        if len(self.value) != len(self.lag_seconds):
            lines.append(f"value is {shown(self.value)}: must have {len(self.lag_seconds)}, one per lag")
        refuse(lines)
        return self


_Correlation = Annotated[Share, Tag("<number>")] | Annotated[CorrelationTable, Tag("<table>")]


MOST_VOTES = 1000  # more in a row is a typing error
Votes = Annotated[int, Field(strict=True, ge=1, le=MOST_VOTES), whole]


def repeated(votes: Sequence[int] | None) -> Iterator[str]:
    """Name the vote counts that are listed more than once; None = no votes."""
    for count, times in Counter(votes or ()).items():
        if times > 1:
            yield f"votes has {count} twice: list each count once"


class App(Entry):
    """One event detector. `correlation` is one number, or measured by lag; higher = frames tell less that is new.

    Attributes:
        event_seconds: Length of an event, above 0.
        event_frequency: Share of the time that events fill (in `published`: of windows that show one), above 0 to 1.
        weight: What its F1 counts in the mean, at least 0.
        votes: The counts of consecutive hits that a schedule may ask for; None = the model without voting.
    """

    name: Name
    event_seconds: AboveZero
    event_frequency: ShareAboveZero
    correlation: Annotated[_Correlation, Discriminator(form), from_numpy]
    weight: AtLeastZero = 1.0
    votes: tuple[Votes, ...] | None = Field(None, min_length=1)
    branch_points: tuple[BranchPoint, ...] = Field(min_length=1)

    def correlation_at(self, fps: ArrayLike) -> NDArray[np.float64]:
        """Correlation in [0, 1] of two successive samples at rates `fps` [...], above 0.

        What was measured by lag is interpolated linearly at the lag 1 / fps, and kept level beyond its ends.
        """
        lags = 1.0 / np.asarray(fps, dtype=float)
        if isinstance(self.correlation, CorrelationTable):
            return np.interp(lags, self.correlation.lag_seconds, self.correlation.value)
        return np.full(lags.shape, self.correlation)

    @checked(mode="after")
    def _agree(self) -> Self:
        frozen = [point.frozen for point in self.branch_points]
        lines = [f"branch points out of order: {line}" for line in disorder("frozen", frozen)]
        refuse([*lines, *repeated(self.votes)])
        return self


class Workload(Entry):
    """What is to be planned: the apps, the base they may share, and the compute there is.

    Attributes:
        stream_fps: Frames per second that the camera gives.
        fps: Rates that a schedule may choose from, increasing, none above `stream_fps`.
        layer_cost: [L] compute per frame of each layer of the base, in the unit of `budget` for one frame per second.
        picture_cost: The same of what is done with a frame before the first layer (it is resized, say), once for all
            apps that look at it.
        budget: Compute per second of stream, above 0; None = to be given with the command.
        head: Layers before the network's head, the part that is retrained anyway: where the baseline that shares all
            but the head cuts (an app that has no branch point there or before: at its first). None = at every
            app's deepest branch point but one.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    stream_fps: AboveZero
    fps: Annotated[tuple[AboveZero, ...], from_numpy] = Field(min_length=1)
    event_model: EventModel = "published"
    layer_cost: Annotated[tuple[AtLeastZero, ...], from_numpy] = Field(min_length=1)
    picture_cost: AtLeastZero = 0.0
    budget: AboveZero | None = None
    objective: Literal["mean", "min"] = "mean"
    head: Count | None = None
    apps: tuple[App, ...] = Field(min_length=1)

    @checked(mode="after")
    def _agree(self) -> Self:
        lines = list(disorder("fps", self.fps))
        if self.head is not None and self.head > len(self.layer_cost):
            lines.append(f"head is {self.head}: must be at most {len(self.layer_cost)}, the layers of the base")
        if max(self.fps) > self.stream_fps:
            lines.append(f"fps has {max(self.fps):g}: must be at most stream_fps, which is {self.stream_fps:g}")
        if not any(app.weight for app in self.apps):
            lines.append("weight is 0 for every app: at least one must be above 0")
        lines += _namesakes(self.apps)
        refuse([*lines, *(line for app in self.apps for line in self._problems(app))])
        return self

    def _problems(self, app: App) -> Iterator[str]:
        for number, point in enumerate(app.branch_points, 1):
            place = f"app {shown(app.name)}: branch point {number}: "
            if point.frozen > len(self.layer_cost):
                yield f"{place}frozen is {point.frozen}: must be at most {len(self.layer_cost)}, the layers of the base"
            needed = ("recall", "precision") if self.event_model == "profiled" else ("hit", "false_positive")
            for name in needed:
                table = getattr(point, name)
                if table is None:
                    yield f"{place}{name} is missing: the event model {self.event_model!r} needs it"
                elif isinstance(table, tuple):
                    odd = _misshapen(table, len(self.fps), None if app.votes is None else len(app.votes))
                    yield from [place + name + odd] if odd else []


class AppPlan(Entry):
    """What one app gets, and the recall, precision and F1 in [0, 1] that are predicted for it. `votes` None = none."""

    name: Name
    frozen: Count
    fps: AboveZero
    votes: CountAboveZero | None = None
    f1: Share
    recall: Share
    precision: Share


class Deployment(Entry):
    """Where a node finds what a plan was made of, so that it can carry it out and plan anew.

    Attributes:
        base: Folder of the base, and `packages`, folders of the apps by their names: absolute, or from the folder that
            the plan is in.
        stream_fps, fps, event_model: As in the workload.
        picture: Width and height of the camera's pictures in pixels, that preparing them was foretold for.
    """

    base: Name
    packages: dict[Name, Name] = Field(min_length=1)
    stream_fps: AboveZero
    fps: tuple[AboveZero, ...] = Field(min_length=1)
    event_model: EventModel = "paper"
    picture: tuple[CountAboveZero, CountAboveZero] | None = None


class Plan(Entry):
    """A schedule: what every app gets, what it costs, and how good it can be at best.

    Attributes:
        mean_f1: Mean F1 by the weights of the apps, in [0, 1]; higher = better.
        min_f1: Smallest F1 of the apps whose weight is above 0.
        bound: No schedule has a higher value of the objective, in [0, 1]; `optimal` = this one reaches it.
        seconds: Time the scheduler took.
        sharing: Which stems were allowed: none, max, head or any.
        deployment: What a node needs; None if the plan was made from a workload instead of packages.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    mean_f1: Share
    min_f1: Share
    cost: AtLeastZero
    budget: AboveZero
    optimal: Annotated[bool, Field(strict=True), from_numpy]
    bound: Share
    seconds: AtLeastZero
    apps: tuple[AppPlan, ...] = Field(min_length=1)
    objective: str = "mean"
    solver: str = ""
    sharing: str = "any"
    deployment: Deployment | None = None

    @checked(mode="after")
    def _agree(self) -> Self:
        refuse(_namesakes(self.apps))
        return self


def read_workload(source: Path | str | Mapping[str, Any]) -> Workload:
    """Read a workload from a JSON file, or check a mapping of that form.

    Raises:
        SettingsError: One line with every problem (of many, the first): its place, the allowed range, the remedy.
    """
    return read_document(Workload, source, "workload")


def read_plan(source: Path | str | Mapping[str, Any]) -> Plan:
    """Read a plan from a JSON file, or check a mapping of that form.

    Raises:
        SettingsError: As for `read_workload`.
    """
    return read_document(Plan, source, "plan")


def as_json(document: Workload | Plan) -> dict[str, Any]:
    """Give the JSON object that `read_workload` or `read_plan` reads back as an equal document."""
    # a branch point that was not measured has no tables; an app of a plan without votes says so
    values = document.model_dump(mode="json", by_alias=True, exclude_none=isinstance(document, Workload))
    return {name: value for name, value in values.items() if (name, value) != ("deployment", None)}


def write(path: Path, document: Workload | Plan) -> None:
    """Write a workload or a plan as JSON, whole or not at all."""
    write_json(path, as_json(document))


def _namesakes(apps: Sequence[App | AppPlan]) -> Iterator[str]:
    for name, times in Counter(app.name for app in apps).items():
        if times > 1:
            yield f"app {shown(name)} is there {times} times: rename all but one, names must be unique"


def _misshapen(table: Sequence[Any], rates: int, votes: int | None) -> str | None:
    """Say what is wrong with the shape of a measured table: [rates], or with votes [rates][votes]."""
    if len(table) != rates:
        return f" is {shown(table)}: must have {rates}, one per rate in fps"
    if votes is None:
        return ": must be a list of numbers, one per rate: the app has no votes" if form(table) == "<table>" else None
    if form(table) == "<number>":
        return ": must be a list per rate, each with one number per count in votes"
    for rate, row in enumerate(table, 1):
        if len(row) != votes:
            return f": entry {rate} is {shown(row)}: must have {votes}, one per count in votes"
    return None

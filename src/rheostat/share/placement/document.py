"""A fleet, and where its cameras go: two JSON documents of schema version 1, checked when read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field
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
    from_numpy,
    read_document,
    refuse,
    shown,
)
from rheostat.share.plan import EventModel

PLACEMENT_FILE = "placement.json"
MOST_LETTERS = 100  # of a name that is one of a folder too


def _for_a_file(name: str) -> str:
    if len(name) > MOST_LETTERS or not re.fullmatch(r"[^\W_]([\w. -]*[\w-])?", name):
        raise ValueError(
            f"must be at most {MOST_LETTERS} letters, digits, blanks, . _ and -, and begin with a letter or digit"
        )
    return name


SafeName = Annotated[str, Field(strict=True), AfterValidator(_for_a_file)]


class FleetNode(Entry):
    """A box.

    Attributes:
        budget: What plans may cost there, in its own core-milliseconds per second (or the workloads' unit).
        speed: How many times as fast one of its cores is as the one that the workloads' costs were measured on: what
            costs 10 there costs 10 / speed here.
    """

    name: SafeName
    budget: AboveZero
    speed: AboveZero = 1.0

    @property
    def capacity(self) -> float:
        """What it carries, in the unit of the workloads."""
        return self.budget * self.speed


class FleetCamera(Entry):
    """A stream, and the apps that look at it: a workload, or packages.

    Attributes:
        source: As for `rheostat run`; needed only to run.
        workload: Path of a workload file, from the folder that the fleet is in. Cameras of the same file are planned
            once. Its budget is not used, and its objective must be the mean.
        packages: Folders of packages, likewise; `rheostat run` takes the plans of these.
        base: Of packages: folder of their base; found beside them if left out.
        stream_fps, event_model, picture: Of packages, as for `rheostat plan`.
    """

    name: SafeName
    source: str | None = None
    workload: Name | None = None
    packages: tuple[Name, ...] = ()
    base: Name | None = None
    stream_fps: AboveZero | None = None
    event_model: EventModel = "paper"
    picture: tuple[CountAboveZero, CountAboveZero] | None = None

    @checked(mode="after")
    def _agree(self) -> Self:
        lines = []
        if (self.workload is None) == (not self.packages):
            lines.append("give either a workload, a path, or packages, a list of folders")
        of_packages = {"base", "stream_fps", "event_model", "picture"} & self.model_fields_set
        if self.workload is not None and any(getattr(self, name) is not None for name in of_packages):
            lines.append("base, stream_fps, event_model and picture go with packages: a workload says these itself")
        refuse(lines)
        return self


class FleetDocument(Entry):
    """Many cameras, and many nodes to carry them."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    nodes: tuple[FleetNode, ...] = Field(min_length=1)
    cameras: tuple[FleetCamera, ...] = Field(min_length=1)

    @checked(mode="after")
    def _agree(self) -> Self:
        refuse([*_namesakes("node", self.nodes), *_namesakes("camera", self.cameras)])
        return self

    def without(self, lost: Sequence[str]) -> FleetDocument:
        """The fleet without some nodes, as after they were lost.

        Raises:
            SettingsError: No node would be left.
        """
        left = tuple(node for node in self.nodes if node.name not in lost)
        values = {"schema": SCHEMA, "nodes": left, "cameras": self.cameras}
        return read_document(FleetDocument, values, "fleet")


class PlacedCamera(Entry):
    """A camera on a node, or the part of its apps that is there.

    Attributes:
        apps: Names of the apps that look at it there.
        plan: File of their plan, from the folder of the placement.
        budget: Part of the node's budget that is theirs, in the node's own unit, and `cost`, what they use of it.
        mean_f1: By the weights of the apps, in [0, 1]; higher = better.
    """

    camera: SafeName
    apps: tuple[Name, ...] = Field(min_length=1)
    plan: Name
    budget: AboveZero
    cost: AtLeastZero
    mean_f1: Share


class PlacedNode(Entry):
    """What a node carries.

    Attributes:
        budget, speed: As in the fleet.
        cost: Of all its plans, in its own unit; at most `budget`.
        mean_f1: By the weights of its apps, and `bound`: no other plans for the same cameras on this node exceed it.
            Both are 0 where it has none.
        optimal: Whether they reach it.
    """

    name: SafeName
    budget: AboveZero
    speed: AboveZero
    cost: AtLeastZero
    mean_f1: Share
    bound: Share
    optimal: Annotated[bool, Field(strict=True), from_numpy]
    cameras: tuple[PlacedCamera, ...]


class Placement(Entry):
    """Where every camera goes.

    Attributes:
        mean_f1: Over all apps of the fleet by their weights, in [0, 1]; an app that no node carries counts 0.
        bound: No placement has a higher one, however cameras are divided over the nodes; where none is left out, none
            of those that carry every camera.
        apps: How many there are in all.
        left_out: Cameras that fit on no node.
        moved: Cameras that were on another node before, which is still there, or were divided otherwise.
        seconds: Time that it took.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    mean_f1: Share
    bound: Share
    apps: Count
    nodes: tuple[PlacedNode, ...] = Field(min_length=1)
    left_out: tuple[SafeName, ...] = ()
    moved: tuple[SafeName, ...] = ()
    seconds: AtLeastZero

    @property
    def gap(self) -> float:
        """What a better placement could gain in mean F1 at most."""
        return max(self.bound - self.mean_f1, 0.0)

    def at(self, camera: str) -> tuple[str, ...]:
        """Names of the nodes that carry a camera, or parts of it; empty if none does."""
        return tuple(node.name for node in self.nodes if any(placed.camera == camera for placed in node.cameras))


def read_fleet(source: Path | str | Mapping[str, Any]) -> FleetDocument:
    """Read a fleet from a JSON file, or check a mapping of that form.

    Raises:
        SettingsError: One line with every problem (of many, the first): its place, the allowed range, the remedy.
    """
    return read_document(FleetDocument, source, "fleet")


def read_placement(source: Path | str | Mapping[str, Any]) -> Placement:
    """Read a placement: from its JSON file, from the folder that it is in, or from a mapping.

    Raises:
        SettingsError: As for `read_fleet`.
    """
    if not isinstance(source, Mapping) and Path(source).is_dir():
        source = Path(source) / PLACEMENT_FILE
    return read_document(Placement, source, "placement")


def write_placement(folder: Path, placement: Placement) -> None:
    """Write a placement into its folder, whole or not at all."""
    write_json(folder / PLACEMENT_FILE, placement.model_dump(mode="json", by_alias=True))


def _namesakes(kind: str, entries: Sequence[FleetNode | FleetCamera]) -> Iterator[str]:
    for name, times in Counter(entry.name.casefold() for entry in entries).items():
        if times > 1:
            yield f"{kind} {shown(name)} is there {times} times: rename all but one, names must be unique"

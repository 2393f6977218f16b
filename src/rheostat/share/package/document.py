"""A package: all trained variants of one app in a folder, read without torch.

::

    package.json         what the app looks for, how often it occurs, and how good each variant is
    head-07.onnx ...     the layers of the app from a branch point on, one file per branch point
    held-out.json        what each variant said of every frame of the held-out time
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from pydantic import model_validator as checked

from rheostat.errors import StateError
from rheostat.share.base import Base, Preprocessing, Sha256, stem_hash
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
    read_document,
    refuse,
)
from rheostat.share.files import FileName, checked_content, inside
from rheostat.share.package.held_out import HeldOutScores, read_held_out
from rheostat.share.plan import CorrelationTable, Votes, repeated

PACKAGE_FILE, HELD_OUT_FILE = "package.json", "held-out.json"
Interval = tuple[Share, Share]


class BaseReference(Entry):
    """The base that the heads were trained on."""

    name: Name
    hash: Sha256


class EventStatistics(Entry):
    """What the labels say of the events, over all labelled time.

    Attributes:
        seconds: Mean length of an event.
        frequency: Share of the time that events fill.
        count: How many events that rests on; 0 = given by hand, since the package was judged by single pictures.
        correlation: Of the misses of two frames of one event, by the time between them, on held-out time.
    """

    seconds: AboveZero
    frequency: ShareAboveZero
    count: Count
    correlation: CorrelationTable


class Variant(Entry):
    """A head of the app, trained on top of the first `frozen` layers of the base.

    Attributes:
        file, sha256: The layers from there on, as ONNX: their input is what layer `frozen` gives, their output
            `[B, classes]` logits.
        stem: Hash of the frozen layers, after training; it must be the base's own (see `base.stem_hash`).
        hit, hit_interval: Chance that a held-out frame of an event is taken for one, with both ends of its interval.
        false_positive, false_positive_interval: The same for a held-out frame without an event.
        dominated: Whether another variant freezes at least as many layers and is at least as good in both figures.
    """

    frozen: Count
    file: FileName
    sha256: Sha256
    stem: Sha256
    hit: Share
    hit_interval: Interval
    false_positive: Share
    false_positive_interval: Interval
    dominated: bool = False


class HeldOut(Entry):
    """How much held-out time the figures rest on."""

    frames: CountAboveZero
    events: CountAboveZero
    seconds: AboveZero


class PackageDocument(Entry):
    """What `package.json` says.

    Attributes:
        name: Of the app.
        classes: Names of the outputs of a head, in order; `positive` is the one that makes an event.
        threshold: Softmax of `positive` from which on a frame is a hit, in (0, 1].
        votes: Different counts of consecutive hits that a plan may choose from; None = any single hit.
        min_gap_seconds: Hits of one event may be that far apart.
        stream_fps: Of the video that it was measured on; 1 where it was judged by single pictures.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    name: Name
    base: BaseReference
    preprocessing: Preprocessing
    classes: tuple[Name, ...] = Field(min_length=2)
    positive: Name
    threshold: ShareAboveZero = 0.5
    stream_fps: AboveZero
    events: EventStatistics
    held_out: HeldOut
    votes: tuple[Votes, ...] | None = Field(None, min_length=1)
    min_gap_seconds: AtLeastZero = 1.0
    branch_points: tuple[Variant, ...] = Field(min_length=1)
    note: str = ""

    @checked(mode="after")
    def _agree(self) -> Self:
        lines = [
            f"branch points out of order: {line}" for line in disorder("frozen", [v.frozen for v in self.branch_points])
        ]
        if self.positive not in self.classes:
            lines.append(f"positive is {self.positive!r}: must be one of the classes")
        refuse([*lines, *repeated(self.votes)])
        return self


@dataclass(frozen=True)
class Package:
    """A package in its folder."""

    folder: Path
    document: PackageDocument

    @property
    def name(self) -> str:
        """Of the app."""
        return self.document.name

    @property
    def positive(self) -> int:
        """Index of the class that makes an event."""
        return self.document.classes.index(self.document.positive)

    def variant(self, frozen: int) -> Variant:
        """The variant at a branch point.

        Raises:
            StateError: The package has none there.
        """
        for variant in self.document.branch_points:
            if variant.frozen == frozen:
                return variant
        offered = ", ".join(str(variant.frozen) for variant in self.document.branch_points)
        raise StateError(f"package {self.name!r} has no branch point {frozen}, only {offered}: plan it anew")

    def content(self, frozen: int) -> bytes:
        """The head at a branch point, as ONNX.

        Raises:
            StateError: There is none, the file is missing, or is not the one that was described.
        """
        variant = self.variant(frozen)
        return checked_content(self.folder, variant.file, variant.sha256, "make the package anew")

    def held_out(self) -> HeldOutScores:
        """What every variant said of the held-out frames.

        Raises:
            SettingsError: The file is missing, or wrong.
            StateError: It is no plain file of the folder.
        """
        return read_held_out(inside(self.folder, HELD_OUT_FILE))

    def must_fit(self, base: Base) -> None:
        """Refuse a base that the heads were not trained on.

        Raises:
            StateError: The base is another, or a stem is.
        """
        theirs, ours = self.document.base, base.document
        if theirs.hash != ours.hash:
            raise StateError(
                f"package {self.name!r} was trained on base {theirs.name!r} with the hash {theirs.hash[:12]}, and this "
                f"base, {ours.name!r}, has {ours.hash[:12]}: use that base, or make the package anew from this one"
            )
        for variant in self.document.branch_points:
            if variant.frozen >= len(ours.layers) or variant.stem != stem_hash(ours, variant.frozen):
                raise StateError(
                    f"package {self.name!r}: the layers before branch point {variant.frozen} are not those of base "
                    f"{ours.name!r}: make the package anew"
                )


def read_package(folder: Path | str) -> Package:
    """Read a package; its heads are checked as they are loaded.

    Raises:
        SettingsError: The folder holds no package, or one that is described wrongly.
        StateError: The description is no plain file of the folder.
    """
    folder = Path(folder)
    return Package(folder, read_document(PackageDocument, inside(folder, PACKAGE_FILE), "package"))

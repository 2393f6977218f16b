"""How large the demo is: all that its outcome depends on, in one place. Tests shrink it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

CHAPTERS = ("select", "augment", "share")
"""In the order in which they are told."""

_DIGITS = {
    "data": "sklearn-digits",
    "model": "lenet",
    "image_size": 20,
    "batch_size": 32,
    "lr": 0.015,
    "momentum": 0.9,
    "device": "cpu",
    "track": "none",
}


@dataclass(frozen=True)
class SelectScale:
    """The first chapter.

    Attributes:
        training: Of every run; its epochs are those of plain training.
        share: Backwards of the other arms as a share of plain's, in (0, 1].
        seeds: Runs of every arm.
    """

    training: Mapping[str, Any] = field(default_factory=lambda: {**_DIGITS, "epochs": 30})
    share: float = 0.4
    seeds: int = 3


@dataclass(frozen=True)
class AugmentScale:
    """The second chapter.

    Attributes:
        training: Of every run.
        noise: Share of the training labels that are made wrong, in (0, 1).
        budget: Share of the examples that are put before the reviewer, in (0, 1].
        kind: How views are varied where they are.
        seeds: Runs of every arm.
    """

    training: Mapping[str, Any] = field(default_factory=lambda: {**_DIGITS, "epochs": 20, "policy": "uniform"})
    noise: float = 0.2
    budget: float = 0.2
    kind: str = "trivial"
    seeds: int = 3


@dataclass(frozen=True)
class ShareScale:
    """The third chapter.

    Attributes:
        apps: What is looked for; labels of the procedural camera.
        seconds, fps, seed: Of its video.
        base, size: The pretrained network, and the side of the pictures that it takes.
        points: Number of branch points.
        per_class: Pictures of each class that a head is trained on, at most.
        recipe_epochs: Of the trial that tells how heads are trained.
        budgets: What the box may spend, in whole networks per second of video.
        rounds: Of the measurement of what the layers cost.
    """

    apps: tuple[str, ...] = ("train", "bus", "truck", "red car")
    seconds: float = 480.0
    fps: float = 4.0
    seed: int = 1
    base: str = "efficientnet-lite0"
    size: int = 96
    points: int = 3
    per_class: int = 60
    recipe_epochs: int = 12
    budgets: tuple[float, ...] = (1.0, 2.5, 5.0)
    rounds: int = 3


@dataclass(frozen=True)
class Scale:
    """The whole demo."""

    select: SelectScale = field(default_factory=SelectScale)
    augment: AugmentScale = field(default_factory=AugmentScale)
    share: ShareScale = field(default_factory=ShareScale)

    def told(self, chapter: str) -> dict[str, Any]:
        """The settings of a chapter, as JSON."""
        return asdict(getattr(self, chapter))

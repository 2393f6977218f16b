"""How heads are trained: tried on one app, on time that judges nothing else, and taken where it pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rheostat.settings import TrainSettings
from rheostat.share.package import read_package
from rheostat.share.trainer import head_training

PLAIN = "every picture"
RECIPES: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "selection": {"policy": "selective-backprop", "floor": 0.1},
    "augmentation": {"augment": "flip"},
}
MORE = 0.01  # of accuracy: less is no reason to prefer a recipe


def training(options: dict[str, Any], epochs: int | None) -> TrainSettings:
    """Settings of the heads' training by a recipe; `epochs` None = as many as is usual."""
    return head_training({"device": "cpu", **options, **({} if epochs is None else {"epochs": epochs})})


def told(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """What a recipe gave: accuracy is the mean of hit rate and true-negative rate of the classifier."""
    (variant,) = read_package(Path(found["folder"])).document.branch_points
    accuracy = (variant.hit + 1 - variant.false_positive) / 2
    return {"name": name, "accuracy": accuracy, "cpu_seconds": found["cpu_seconds"]}


def chosen(tried: list[dict[str, Any]]) -> str:
    """The recipe of the heads: plain, unless another one is more accurate by `MORE`; of several the most accurate."""
    best = max(tried, key=lambda one: one["accuracy"])
    plain = next(one for one in tried if one["name"] == PLAIN)
    return best["name"] if best["accuracy"] >= plain["accuracy"] + MORE else PLAIN

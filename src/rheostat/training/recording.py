"""What a run tells: of what selection costs, in the form that trackers take, and of the data it is made on."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from rheostat.errors import StateError
from rheostat.select import Stats
from rheostat.training.data import ImageData


def by_kind(stats: Stats, unit: str) -> dict[str, float]:
    """Times of waiting for data, scoring and training, in ``seconds`` or ``cpu_seconds``."""
    return {kind: getattr(stats, f"{kind}_{unit}") for kind in ("data", "scoring", "training")}


def selection(stats: Stats) -> dict[str, float | None]:
    """What selection costs and saves: seconds per example, and speed-ups; None = not measured."""
    measured = {
        **{f"t_{name}": seconds for name, seconds in stats.costs._asdict().items()},
        "break_even": stats.break_even,
        "predicted_speedup": stats.predicted_speedup,
        "actual_speedup": stats.actual_speedup,
    }
    return {name: None if math.isnan(value) else float(f"{value:.4g}") for name, value in measured.items()}


def flat(record: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested numbers as ``seconds/scoring``, the form that trackers take."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}/")
        elif value is not None:
            found[prefix + name] = value
    return found


def of_the_data(data: ImageData, *, train: int, test: int) -> dict[str, Any]:
    """What the model was built for, so that it can be built again from the run folder alone."""
    return {
        "note": data.note,
        "train": train,
        "test": test,
        "classes": list(data.classes),
        "channels": data.channels,
        "image_size": data.image_size,
        "mean": list(data.mean),
        "std": list(data.std),
        "fingerprint": data.fingerprint,
        "labels": _digest(data.train.labels),
        "decisions": _digest(_decided(data)),
        "skipped": [asdict(skipped) for skipped in data.skipped],
    }


def must_be_as_they_were(then: dict[str, Any], now: dict[str, Any]) -> None:
    """Check that data are those that a run was started with.

    Raises:
        StateError: They are others.
    """
    told = {"fingerprint": "training images", "labels": "training labels", "decisions": "decisions on the labels"}
    for name, what in told.items():
        if then.get(name, now[name]) != now[name]:  # checkpoints of earlier versions have none
            raise StateError(
                f"the {what} are not those that the run was started with: resume with the same data and decisions, "
                "or start a new run"
            )


def _decided(data: ImageData) -> Tensor:
    """What a person has decided on, and removed: `[2, N]` bool."""
    decided = torch.zeros(2, len(data.train.labels), dtype=torch.bool)
    decided[0, sorted(data.reviewed)] = True
    if data.removed is not None:
        decided[1] = data.removed.cpu()
    return decided


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.cpu().numpy().tobytes()).hexdigest()

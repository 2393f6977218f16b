"""From the settings of a run to its Selective-Augment."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from rheostat.augment import (
    Band,
    HeldOutImprovement,
    Normalised,
    Quarantine,
    SelectiveAugment,
    build_kind,
    build_rate,
    kind_option_names,
)
from rheostat.augment.tally import Tally
from rheostat.settings import TrainSettings
from rheostat.signals import ExampleLog
from rheostat.training.data import ImageData
from rheostat.training.processes import Processes
from rheostat.training.transforms import ON_PIXELS, cutout

HELD_OUT_EVERY = 25  # steps between two looks at the examples held out
_HELD_OUT, _HELD_OUT_SHARE = 500, 0.05  # the smaller of the two is held out


def build_augment(
    settings: TrainSettings,
    data: ImageData,
    log: ExampleLog,
    processes: Processes = Processes(),  # noqa: B008 - of one, which holds nothing
) -> SelectiveAugment | None:
    """Make what decides in a run which examples are augmented, and how; None if nothing is to be decided.

    Args:
        settings: What was asked for.
        data: Images that come to the loop normalised.
        log: Of the run.
        processes: Those of the run: each draws apart.
    """
    if not settings.selective_augment:
        return None
    kind = settings.kind or "base-only"
    mean = tuple(round(255 * value) for value in data.mean)
    on_pixels = ON_PIXELS | {"cutout": partial(cutout, fill=mean)}
    return SelectiveAugment(
        len(data.train.labels),
        build_kind(kind, **({"seed": settings.seed} if "seed" in kind_option_names(kind) else {})),
        build_rate(settings.rate_name, **settings.rate_options),
        log=log,
        reward=HeldOutImprovement() if settings.reward == "held-out" else Band(),
        quarantine=Quarantine(settings.quarantine, weight=settings.quarantine_weight) if settings.quarantine else None,
        labels=data.train.labels,
        reviewed=data.reviewed,
        pixels=Normalised(data.mean, data.std),
        base=[on_pixels[name] for name in settings.augmentations],
        seed=settings.seed + processes.rank,
        device=data.train.labels.device,
    )


def record_of(augment: SelectiveAugment, processes: Processes) -> dict[str, Any]:
    """What was augmented in the epoch so far, over all processes: see `SelectiveAugment.record`; collective."""
    if processes.alone:
        return augment.record()
    tally = Tally(augment.device)
    tally.load_state_dict({name: processes.total(counts) for name, counts in augment.state_dict()["tally"].items()})
    return {**augment.record(), **tally.record()}


def held_out(settings: TrainSettings, data: ImageData) -> torch.Tensor | None:
    """Indices of training examples that reward a kind that learns, and are not trained on; None if it needs none."""
    if not (settings.learning_kind and settings.reward == "held-out"):
        return None
    indices = data.in_use("train")
    number = max(1, min(_HELD_OUT, int(_HELD_OUT_SHARE * len(indices))))
    drawn = torch.randperm(len(indices), generator=torch.Generator().manual_seed(settings.seed))[:number]
    return indices[drawn].sort().values

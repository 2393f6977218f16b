"""How often to augment, and with what? The rates and the kinds side by side, at equal numbers of augmented views.

A cell is one training run by the project's own loop, with a share of the labels made wrong; what counts is the error of
its last epoch on test images with true labels, so no epoch is chosen by looking at them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from reproductions.images import images_of, part_of
from reproductions.running import Cell, Figure, Row
from reproductions.selective_augment import data
from reproductions.small_cnn import small_cnn
from rheostat.settings import TrainSettings
from rheostat.training import ImageData, prepare, train

RATES: dict[str, dict[str, Any]] = {
    "never": {"rate": "never"},
    "uniform": {"rate": "uniform"},
    "hard first": {"rate": "rank", "rate_gamma": 1.0},
    "easy first": {"rate": "rank", "rate_gamma": -1.0},
    "threshold": {"rate": "threshold"},
    "top-k": {"rate": "top-k"},
}
"""How often, by name: the settings of each. All but `never` augment half of all views, or nearly: `top-k` none in its
first epoch, `threshold` what it likes."""

KINDS: dict[str, dict[str, Any]] = {
    "base alone": {"augment": "", "rate": "uniform"},
    "TrivialAugment": {"augment": "trivial", "rate": "uniform"},
    "RandAugment": {"augment": "rand", "rate": "uniform"},
    "AutoAugment": {"augment": "autoaugment", "rate": "uniform"},
    "bandit, band": {"augment": "bandit", "rate": "uniform"},
    "bandit, held-out": {"augment": "bandit", "rate": "uniform", "reward": "held-out"},
    "random search": {"augment": "random-search", "rate": "uniform"},
    "evolution": {"augment": "evolution", "rate": "uniform"},
}
"""What kind, by name, on top of the base of the protocol."""

QUARANTINE = 0.2


@dataclass(frozen=True)
class Protocol:
    """What all cells of a study on some data have in common.

    Attributes:
        data: Folder of the data set.
        train, test: How many of its images are used, a fixed sample.
        side: Pixels that they are reduced to.
        base: Augmentations that every augmented view gets.
        settings: Of every run.
    """

    data: str
    train: int
    test: int
    side: int
    base: str
    settings: dict[str, Any]


_SGD = {"momentum": 0.9, "schedule": "cosine", "policy": "uniform", "track": "none"}
PROTOCOLS = {
    "mnist": Protocol(
        "mnist",
        2000,
        2000,
        28,
        "crop",
        {"model": "lenet", "epochs": 24, "batch_size": 64, "lr": 0.02, "device": "cpu", **_SGD},
    ),
    "cifar10": Protocol(
        "cifar10",
        5000,
        2000,
        16,
        "crop,flip",
        {"model": "small-cnn", "epochs": 24, "batch_size": 64, "lr": 0.05, "device": "cpu", **_SGD},
    ),
    "digits": Protocol(
        "sklearn-digits",
        200,
        200,
        16,
        "crop",
        {"model": "lenet", "epochs": 3, "batch_size": 64, "lr": 0.02, "device": "cpu", **_SGD},
    ),
    "cifar10, whole": Protocol(
        "cifar10",
        50_000,
        10_000,
        32,
        "crop,flip",
        {"model": "resnet18", "epochs": 30, "batch_size": 128, "lr": 0.1, **_SGD},
    ),
}
"""By name: two that two cores can carry, of so few images that they are learned by heart; one to see that it runs; and
one for a GPU."""


@functools.cache
def sample(protocol: str) -> ImageData:
    """The images of a protocol, with their true labels."""
    asked = PROTOCOLS[protocol]
    whole = images_of(asked.data, asked.data)
    return part_of(whole, train=asked.train, test=asked.test, side=asked.side)


def noisy(clean: ImageData, rate: float, seed: int) -> ImageData:
    """The same images with a share of the training labels made wrong, each other class equally likely."""
    truth = clean.train.labels.cpu().numpy()
    given = data.symmetric(truth, rate, classes=len(clean.classes), rng=np.random.default_rng([seed, 1]))
    return clean.relabelled(torch.from_numpy(given), torch.zeros(len(given), dtype=torch.bool))


def settings_of(cell: Cell) -> TrainSettings:
    """The settings of the run of a cell."""
    protocol = PROTOCOLS[cell["data"]]
    if "kind" in cell:
        kind = KINDS[cell["kind"]]
        chosen = kind | {"augment": ",".join(filter(None, (protocol.base, kind["augment"])))}
    else:
        chosen = {"augment": f"{protocol.base},trivial"} | RATES[cell["rate"]]
        if cell["quarantine"]:
            chosen |= {"quarantine": QUARANTINE, "quarantine_weight": cell["weight"]}
    return TrainSettings.checked({"data": cell["data"], "seed": cell["seed"]} | protocol.settings | chosen)


def row(cell: Cell) -> Row:
    """One run: the error and the loss of every epoch, and what was augmented."""
    settings = settings_of(cell)
    given = noisy(sample(cell["data"]), cell["noise"], cell["seed"])
    plan = prepare(settings, None, given, small_cnn if settings.model == "small-cnn" else None)
    summary = train(plan)
    augmented = [epoch["augment"] for epoch in summary["epochs"] if "augment" in epoch]
    return {
        "test_error": [epoch["test_error"] for epoch in summary["epochs"]],
        "train_loss": [epoch["train_loss"] for epoch in summary["epochs"]],
        "augmented_share": float(np.mean([one["share"] for one in augmented])),
        "operations": [
            {name: operation["count"] for name, operation in one["operations"].items()} for one in augmented
        ],
        "cpu_seconds": summary["final"]["cpu_seconds"],
    }


def rate_cells(seeds: int) -> list[Cell]:
    """Every rate, with and without noise and quarantine."""
    return [
        {"data": name, "rate": rate, "noise": noise, "quarantine": quarantine, "weight": weight, "seed": seed}
        for seed in range(seeds)
        for name, noises in (("mnist", (0.0, 0.2, 0.4)), ("cifar10", (0.0, 0.2)))
        for noise in noises
        for rate in RATES
        for quarantine, weight in ((False, 1.0), (True, 1.0), (True, 0.0))
        if _is_judged(name, rate, quarantine=quarantine, weight=weight)
    ]


def _is_judged(name: str, rate: str, *, quarantine: bool, weight: float) -> bool:
    if not quarantine:
        return True
    if name != "mnist" or (rate == "never" and weight):  # what is never augmented is kept from nothing
        return False
    return weight == 1 or rate in ("never", "uniform")


def kind_cells(seeds: int) -> list[Cell]:
    """Every kind, with and without noise."""
    return [
        {"data": name, "kind": kind, "noise": noise, "seed": seed}
        for seed in range(seeds)
        for name, noises in (("mnist", (0.0, 0.2)), ("cifar10", (0.0,)))
        for noise in noises
        for kind in KINDS
    ]


def quick_cells(seeds: int) -> list[Cell]:
    """Some of both on digits, to see that it runs."""
    common = {"data": "digits", "noise": 0.2}
    return [
        {**common, **what, "seed": seed}
        for seed in range(seeds)
        for what in (
            {"rate": "uniform", "quarantine": True, "weight": 0.0},
            {"rate": "hard first", "quarantine": False, "weight": 1.0},
        )
    ]


def quick_kind_cells(seeds: int) -> list[Cell]:
    """The same of kinds."""
    kinds = ("TrivialAugment", "bandit, band", "bandit, held-out")
    return [{"data": "digits", "noise": 0.2, "kind": kind, "seed": seed} for seed in range(seeds) for kind in kinds]


def gpu_cells(seeds: int) -> list[Cell]:
    """The main rows of both on all of CIFAR-10."""
    name = "cifar10, whole"
    return [
        cell
        for seed in range(seeds)
        for cell in (
            *(
                {"data": name, "rate": rate, "noise": noise, "quarantine": False, "weight": 1.0, "seed": seed}
                for noise in (0.0, 0.2)
                for rate in ("never", "uniform", "hard first", "easy first")
            ),
            *(
                {"data": name, "kind": kind, "noise": 0.0, "seed": seed}
                for kind in ("RandAugment", "bandit, band", "evolution")
            ),
        )
    ]


_SETTING = {
    "protocols": {name: asdict(protocol) for name, protocol in PROTOCOLS.items()},
    "quarantine": QUARANTINE,
    "rates": RATES,
    "kinds": KINDS,
}


def _figure(name: str, what: str, cells: Callable[[int], list[Cell]]) -> Figure:
    return Figure(name=name, what=what, claimed=(), cells=cells, row=row, setting=_SETTING)


_OFTEN = "error of the last epoch by how often, and which, examples are augmented"
_KIND = "error of the last epoch by what kind of augmentation is chosen, for half of all views"
HOW_OFTEN = _figure("how-often", _OFTEN, rate_cells)
WHAT_KIND = _figure("what-kind", _KIND, kind_cells)
GPU = _figure("gpu", "the main rows of how often and what kind on all of CIFAR-10 with ResNet-18", gpu_cells)
QUICK_RATES = _figure("how-often-quick", _OFTEN, quick_cells)
QUICK_KINDS = _figure("what-kind-quick", _KIND, quick_kind_cells)

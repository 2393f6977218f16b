"""Which labels are wrong? The running log of one training run, beside cleanlab's cross-validation.

::

    labels with known errors  ->  one training run, whose log is read after every epoch (online) and at its end
                              ->  cleanlab: five more runs on four fifths each, then its rankings
                              ->  pytorch-ood: one more pass over the data, then its detectors that look at no label

All rank the same examples by the same model; a row has, for each, precision and recall within the budget, and AUROC.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reproductions.images import CHECKOUT, DATA
from reproductions.running import Cell, Figure, Row
from reproductions.selective_augment import data
from reproductions.selective_augment.data import Inputs, Ints
from reproductions.selective_augment.rankings import BUDGET, Scores, by_cleanlab, by_detectors, standing
from reproductions.selective_augment.runs import FOLDS, Recipe, fit, logits_of, out_of_sample
from rheostat.augment.scores import SUSPECT_SCORES
from rheostat.signals import ExampleLog

CACHE = CHECKOUT / "runs" / "selective-augment"

SEEDS = 3
RATES = (0.05, 0.1, 0.2)
RECIPES = {  # tried with 15 % symmetric noise, which is in no table: of four for CIFAR-10 the lowest test error
    "cifar10": Recipe(hidden=0, epochs=10, lr=0.002, weight_decay=5e-3, batch_size=128),
    "mnist": Recipe(hidden=64, epochs=6, lr=0.05, weight_decay=5e-4, batch_size=128),
    "long": Recipe(hidden=64, epochs=40, lr=0.02, weight_decay=5e-4, batch_size=128),
    "blobs": Recipe(hidden=0, epochs=4, lr=0.05, weight_decay=5e-4, batch_size=64),
}
OURS = [name for name in SUSPECT_SCORES if name != "aum"]  # the same ranking as disagreement
LAST_LOOK = "last look alone"


@functools.cache
def inputs_of(name: str) -> Inputs:
    """The data of a cell, loaded once."""
    match name:
        case "cifar10":
            return data.cifar10(DATA, CACHE, say=print)
        case "mnist":
            return data.mnist(DATA)
        case _:
            return data.blobs()


def given_labels(inputs: Inputs, noise: str, rate: float | None, seed: int) -> Ints:
    """The labels of a cell, `[N]`: those of people, or true ones of which a share was made wrong."""
    if rate is None:
        return data.human(DATA / "human-labels" / "cifar10n_train.parquet", noise, inputs.truth)
    rng = np.random.default_rng([seed, round(1000 * rate)])
    if noise == "symmetric":
        return data.symmetric(inputs.truth, rate, classes=inputs.classes, rng=rng)
    return data.class_pair(inputs.truth, rate, pairs=data.PAIRS[inputs.name], rng=rng)


def row(cell: Cell) -> Row:
    """One training run and the two comparisons."""
    inputs, recipe, seed = inputs_of(cell["data"]), RECIPES[cell["data"]], cell["seed"]
    given = given_labels(inputs, cell["noise"], cell["rate"], seed)
    wrong, run = given != inputs.truth, inputs.with_labels(given)
    found, model = _watched(inputs, given, recipe, seed)
    cpu = found["cpu_seconds"]
    with _timed(cpu, "cross_validation"):
        probabilities = out_of_sample(run, recipe, seed=seed)
    with _timed(cpu, "cleanlab"):
        cleanlab = by_cleanlab(given, probabilities)
    with _timed(cpu, "pass"):
        logits = logits_of(model, run, torch.arange(len(given)))
    return found | {
        "cleanlab": _standings(cleanlab, wrong),
        "detectors": _standings(by_detectors(logits), wrong),
    }


def long_row(cell: Cell) -> Row:
    """One long run of a model that learns wrong labels by heart, and nothing besides."""
    inputs, seed = inputs_of(cell["data"]), cell["seed"]
    given = given_labels(inputs, cell["noise"], cell["rate"], seed)
    return _watched(inputs, given, RECIPES["long"], seed)[0]


def _watched(inputs: Inputs, given: Ints, recipe: Recipe, seed: int) -> tuple[Row, torch.nn.Module]:
    """What the log of a training run says after each epoch, and the model that it ends with."""
    wrong, labels, log = given != inputs.truth, torch.from_numpy(given), ExampleLog(len(given))
    epochs: list[dict[str, dict[str, float]]] = []

    def read() -> None:
        scores = {name: SUSPECT_SCORES[name](log, labels).numpy() for name in OURS}
        epochs.append(_standings(scores | {LAST_LOOK: -log.p_given.numpy()}, wrong))

    model, seconds = fit(inputs.with_labels(given), recipe, seed=seed, log=log, after_epoch=read)
    with torch.inference_mode():
        wrong_on_test = model(inputs.test.float()).argmax(1).numpy() != inputs.tested
    found = {
        "wrong": float(wrong.mean()),
        "test_error": float(wrong_on_test.mean()),
        "test_examples": len(inputs.tested),
        "train_error": float((log.prediction.numpy() != given).mean()),
        "ours": epochs[-1],
        "online": {name: _course(epochs, name) for name in epochs[-1]},
        "cpu_seconds": {"training": seconds.training, "log": seconds.log},
    }
    return found, model


class _timed:  # noqa: N801 - a context manager, called like a function
    """Notes the processor time of a block under a name."""

    def __init__(self, cpu: dict[str, float], name: str) -> None:
        self._cpu, self._name = cpu, name

    def __enter__(self) -> None:
        self._started = time.process_time()

    def __exit__(self, *_: object) -> None:
        self._cpu[self._name] = time.process_time() - self._started


def _standings(scores: Mapping[str, Scores], wrong: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    return {name: standing(score, wrong) for name, score in scores.items()}


def _course(epochs: list[dict[str, dict[str, float]]], name: str) -> dict[str, list[float]]:
    return {what: [epoch[name][what] for epoch in epochs] for what in ("precision", "auroc")}


def cells(seeds: int) -> list[Cell]:
    """Every kind of noise with each of the seeds; what people gave has no rate of ours."""
    kinds: list[tuple[str, str, float | None]] = [("cifar10", which, None) for which in data.HUMAN]
    for name in data.PAIRS:
        kinds += [(name, noise, rate) for noise in ("symmetric", "class-pair") for rate in RATES]
    return [
        {"data": name, "noise": noise, "rate": rate, "seed": seed}
        for name, noise, rate in kinds
        for seed in range(seeds)
    ]


def long_cells(seeds: int) -> list[Cell]:
    """One kind of noise of ours and one of people's."""
    kinds = (("symmetric", 0.2), ("aggregate", None))
    return [
        {"data": "cifar10", "noise": noise, "rate": rate, "seed": seed}
        for noise, rate in kinds
        for seed in range(seeds)
    ]


def _setting(*recipes: str) -> dict[str, Any]:
    packages = {"cleanlab": "cleanlab", "pytorch-ood": "pytorch_ood", "scikit-learn": "sklearn"}
    return {
        "budget": BUDGET,
        "folds": FOLDS,
        "recipes": {name: asdict(RECIPES[name]) for name in recipes},
        "versions": {name: version(name) for name, module in packages.items() if find_spec(module) is not None},
    }


FIGURE = Figure(
    name="mislabels",
    what="wrong labels found by the running log of one training run, by cleanlab and by detectors",
    claimed=(),
    cells=cells,
    row=row,
    setting=_setting("cifar10", "mnist"),
)
"""The study."""

LONG = Figure(
    name="mislabels-long",
    what="wrong labels found by the running log, epoch by epoch, of a model that learns them by heart",
    claimed=(),
    cells=long_cells,
    row=long_row,
    setting=_setting("long"),
)
"""What too much training does to it."""

QUICK = Figure(
    name="mislabels-quick",
    what="the same on clouds of points that are made up on the spot",
    claimed=(),
    cells=lambda seeds: [{"data": "blobs", "noise": "symmetric", "rate": 0.1, "seed": seed} for seed in range(seeds)],
    row=row,
    setting=_setting("blobs"),
)
"""A look at whether it runs."""

"""The data, networks and schedules that the runs are made on, and the arms that are compared."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from reproductions.images import images_of, part_of
from reproductions.running import Cell
from reproductions.selective_augment.data import symmetric
from reproductions.selective_backprop.published import BATCH, FLOOR, KEEP, PRESAMPLE, RECIPES, STALE
from reproductions.small_cnn import small_cnn
from rheostat.settings import TrainSettings
from rheostat.training import ImageData

PLAIN, SELECTIVE, CONTROL = "plain", "selective-backprop", "matched-random"
KATH18 = "kath18"
DECAYED, THESIS = "decayed", "thesis"
"""Courses of the learning rate: to zero, linearly, over the backwards of the run; as the thesis has it."""

_SELECTIVE: dict[str, Any] = {"policy": "selective-backprop", "floor": FLOOR}
_KATH18: dict[str, Any] = {"policy": "katharopoulos", "pool": PRESAMPLE, "keep": KEEP}
ARMS: dict[str, dict[str, Any]] = {
    PLAIN: {"policy": "uniform"},
    SELECTIVE: _SELECTIVE,
    CONTROL: {"policy": "matched-random", "reference": "selective-backprop", "floor": FLOOR},
    "stale": {**_SELECTIVE, "reuse": STALE},
    "reweighted": {"policy": "reweighted", "reference": "selective-backprop", "floor": FLOOR},
    "percentile": {"policy": "percentile", "beta": 4.0},
    "top-k": {"policy": "top-k", "keep": 0.2},
    "random": {"policy": "random", "p": 0.2},
    KATH18: {**_KATH18, "reweight": True},
    "kath18-biased": {**_KATH18, "reweight": False},
    "kath18-uniform": {**_KATH18, "uniform": True},
    "reducible-loss": {"policy": "reducible-loss", "keep": 0.2},
    "prune-and-rescale": {"policy": "prune-and-rescale"},
    "progressive-dropout": {"policy": "progressive-dropout"},
}
"""By name: the policy of an arm and its options. `percentile`, `top-k`, `random` and `reducible-loss` keep a fifth of
the candidates, which is about what Selective-Backprop keeps of MNIST over its first ten epochs."""

IN_EPOCHS: dict[str, float] = {"prune-and-rescale": 0.7, "progressive-dropout": 0.25}
"""Arms that must know how many epochs they have, and about which share of the candidates they keep of MNIST: from it
follows how many epochs come near the backwards of their share."""


@dataclass(frozen=True)
class Workload:
    """Data, network and schedule.

    Attributes:
        label: What a reader calls it.
        data: Folder beside the checkout, or where there is none, `hub`.
        hub: Name on the hub.
        train, test: How many images are used, a fixed sample.
        side: Pixels that they are reduced to.
        settings: Of every run.
        epochs: Passes of the longest plain run over the training images.
        course: What the thesis's learning rate does; may name the `epochs` after which every run ends.
        small: Options that are scaled with the data, by arm.
        kept: What the arms in `IN_EPOCHS` keep, where it is not as there.
    """

    label: str
    data: str
    hub: str
    train: int
    test: int
    side: int
    settings: dict[str, Any]
    epochs: int
    course: dict[str, Any] = field(default_factory=lambda: {"schedule": "constant"})
    small: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, float] = field(default_factory=dict)


_COMMON: dict[str, Any] = {"batch_size": BATCH, "weight_decay": 5e-4, "track": "none"}
_ON_CPU: dict[str, Any] = {**_COMMON, "device": "cpu"}
_LENET = {**_ON_CPU, "model": "lenet", "lr": 0.1}
_FASTER = {**_ON_CPU, "model": "lenet", "lr": 0.02, "momentum": 0.9}
_CNN = {**_ON_CPU, "model": "small-cnn", "lr": 0.05, "momentum": 0.9, "warmup": 1}
_RESNET = {**_COMMON, "model": "resnet18", "momentum": 0.9, "warmup": 1, "precision": "bf16"}


def _full(label: str, name: str, hub: str, train: int, test: int, augment: str, model: str) -> Workload:
    recipe = RECIPES[name]
    course = {"schedule": "step", "milestones": recipe["milestones"], "gamma": recipe["gamma"]}
    settings = {**_RESNET, "model": model, "lr": recipe["lr"], "augment": augment}
    epochs = recipe["epochs"]
    assert isinstance(epochs, int)
    return Workload(label, name, hub, train, test, 32, settings, epochs, {**course, "epochs": epochs})


WORKLOADS: dict[str, Workload] = {
    "mnist": Workload("MNIST, LeNet", "mnist", "ylecun/mnist", 60_000, 10_000, 28, _LENET, 6),
    "mnist-part": Workload(
        "10,000 of MNIST, LeNet",
        "mnist",
        "ylecun/mnist",
        10_000,
        2_000,
        28,
        _FASTER,
        6,
        kept={"progressive-dropout": 0.5},  # where labels are wrong
    ),
    "cifar10-part": Workload(
        "5,000 of CIFAR-10 at 16 pixels, small CNN", "cifar10", "uoft-cs/cifar10", 5_000, 2_000, 16, _CNN, 24
    ),
    "cifar100-part": Workload(
        "5,000 of CIFAR-100 at 16 pixels, small CNN", "cifar100", "uoft-cs/cifar100", 5_000, 2_000, 16, _CNN, 24
    ),
    "cifar10": _full(
        "CIFAR-10, ResNet-18", "cifar10", "uoft-cs/cifar10", 50_000, 10_000, "crop,flip,cutout", "resnet18"
    ),
    "cifar10-mobile": _full(
        "CIFAR-10, MobileNetV2", "cifar10", "uoft-cs/cifar10", 50_000, 10_000, "crop,flip,cutout", "mobilenetv2"
    ),
    "cifar100": _full(
        "CIFAR-100, ResNet-18", "cifar100", "uoft-cs/cifar100", 50_000, 10_000, "crop,flip,cutout", "resnet18"
    ),
    "svhn": _full("SVHN, ResNet-18", "svhn", "ufldl-stanford/svhn", 73_257, 26_032, "cutout", "resnet18"),
    "digits": Workload(
        "digits, LeNet",
        "sklearn-digits",
        "sklearn-digits",
        256,
        128,
        16,
        {**_LENET, "batch_size": 32},
        4,
        small={name: {"pool": 64, "keep": 16} for name in ("kath18", "kath18-biased", "kath18-uniform")},
    ),
}


def settings_of(cell: Cell) -> TrainSettings:
    """The settings of the run of a cell: equal backwards for all arms of one share, but for those in `IN_EPOCHS`."""
    workload, arm = WORKLOADS[cell["data"]], cell["arm"]
    chosen = {**workload.settings, **ARMS[arm], **workload.small.get(arm, {}), "data": workload.hub}
    batch = chosen["batch_size"]
    limit = max(round(cell["share"] * workload.epochs * workload.train) // batch, 1) * batch
    if arm in IN_EPOCHS:
        kept = workload.kept.get(arm, IN_EPOCHS[arm])
        epochs = max(round(cell["share"] * workload.epochs / kept), 2)
        chosen |= {"schedule": "linear", "epochs": epochs}
    elif cell["course"] == DECAYED:
        chosen |= {"schedule": "linear", "schedule_by": "backwards", "max_backwards": limit}
    else:
        chosen |= {**workload.course, "max_backwards": limit}
    return TrainSettings.checked(chosen | {"seed": cell["seed"]})


def model_of(name: str) -> Callable[[], nn.Module] | None:
    """What builds the network of a workload, where its settings do not name one of the project's."""
    workload = WORKLOADS[name]
    if workload.settings["model"] != "small-cnn":
        return None
    return functools.partial(small_cnn, 100 if workload.data == "cifar100" else 10)


@functools.cache
def sample(name: str) -> ImageData:
    """The images of a workload, with their true labels."""
    asked = WORKLOADS[name]
    device = "cuda" if torch.cuda.is_available() and asked.settings.get("device") != "cpu" else "cpu"
    whole = images_of(asked.data, asked.hub, device=device)
    return part_of(whole, train=asked.train, test=asked.test, side=asked.side)


def noisy(clean: ImageData, rate: float, seed: int) -> tuple[ImageData, torch.Tensor]:
    """The same images with a share of the training labels made wrong, and which these are, `[N]` bool."""
    truth = clean.train.labels
    if not rate:
        return clean, torch.zeros(len(truth), dtype=torch.bool)
    given = torch.from_numpy(
        symmetric(truth.cpu().numpy(), rate, classes=len(clean.classes), rng=np.random.default_rng([seed, 1]))
    )
    return clean.relabelled(given, torch.zeros(len(given), dtype=torch.bool)), given != truth.cpu()

"""Where `benchmarks/saving.py` compares: the data, the network, the arms and how long each runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PLAIN, GOVERNED, CONTROL = "plain", "governed", "governed matched-random"
PRUNED = "governed prune-and-rescale"
MAIN = (PLAIN, GOVERNED, CONTROL, PRUNED)
TRIED_SEEDS = 2  # of the other arms, which show what was tried
BARS = {"mnist": 0.60, "cifar10": 0.85}  # of the time to an error
NEVER_ABOVE = 1.03  # of the processor seconds per candidate, everywhere


@dataclass(frozen=True)
class Place:
    """Some data and a network, and what is compared there.

    Attributes:
        what: One line for the table.
        data: Folder in ../shared/data, or name on the hub.
        hub: The name there.
        train, test: How many images are used, the first ones; 0 = all.
        noise: Share of the training labels that are made wrong.
        settings: Of every run.
        plain: Lengths of the plain runs, in epochs.
        arms: Lengths of the others.
        options: Settings of the others, by name of the arm.
    """

    what: str
    data: str
    hub: str
    train: int
    test: int
    settings: dict[str, Any]
    plain: tuple[int, ...]
    arms: dict[str, tuple[int, ...]]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    noise: float = 0.0


def _arms(floor: float) -> dict[str, dict[str, Any]]:
    kept = {"policy": "selective-backprop", "floor": floor}
    return {
        PLAIN: {"policy": "uniform"},
        GOVERNED: {**kept, "govern": True},
        CONTROL: {"policy": "matched-random", "floor": floor, "govern": True},
        "a forward for each": kept,
        "reuse 3": {**kept, "reuse": 3},
        "training-pass scores": {**kept, "source": "training"},
        "prune-and-rescale": {"policy": "prune-and-rescale"},
        PRUNED: {"policy": "prune-and-rescale", "govern": True},
        "governed percentile": {"policy": "percentile", "govern": True},
    }


_SGD = {"schedule": "linear", "track": "none", "device": "cpu", "augment": "none"}
_LENET = {"model": "lenet", "lr": 0.1, "batch_size": 128, **_SGD}
_RESNET = {"model": "resnet-8", "lr": 0.1, "momentum": 0.9, "batch_size": 64, **_SGD, "augment": "crop,flip"}
PLACES: dict[str, Place] = {
    "mnist": Place(
        "MNIST in full, LeNet",
        "mnist",
        "ylecun/mnist",
        0,
        0,
        _LENET,
        (3, 6, 12),
        {
            GOVERNED: (6, 12),
            CONTROL: (12,),
            "training-pass scores": (12,),
            "a forward for each": (6,),
            "reuse 3": (6,),
            "prune-and-rescale": (6,),
        },
        _arms(0.1),
    ),
    "cifar10": Place(
        "CIFAR-10, the first 15,000 images, cropped and flipped, ResNet-8",
        "cifar10",
        "uoft-cs/cifar10",
        15_000,
        5_000,
        _RESNET,
        (8, 14),
        {GOVERNED: (14,), CONTROL: (14,), PRUNED: (12,), "governed percentile": (14,), "a forward for each": (10,)},
        _arms(0.3),
    ),
    "cifar100": Place(
        "CIFAR-100, the first 10,000 images, cropped and flipped, ResNet-8",
        "cifar100",
        "uoft-cs/cifar100",
        10_000,
        5_000,
        _RESNET,
        (5, 8),
        {GOVERNED: (8,)},
        _arms(0.3),
    ),
    "noise": Place(
        "MNIST, the first 20,000 images, 20 % of the labels wrong, LeNet",
        "mnist",
        "ylecun/mnist",
        20_000,
        0,
        _LENET,
        (4, 8),
        {GOVERNED: (8,)},
        _arms(0.1),
        noise=0.2,
    ),
    "linear": Place(
        "MNIST in full, softmax regression: a step that costs hardly more than choosing",
        "mnist",
        "ylecun/mnist",
        0,
        0,
        {**_LENET, "model": "linear"},
        (4, 8),
        {GOVERNED: (8,)},
        _arms(0.1),
    ),
    "digits": Place(
        "scikit-learn's digits, to see that it runs",
        "sklearn-digits",
        "sklearn-digits",
        0,
        0,
        _LENET,
        (1, 2),
        {GOVERNED: (2,), CONTROL: (2,)},
        _arms(0.1),
    ),
}
DEFAULT = ("mnist", "cifar10")

"""CIFAR-10 with two usual networks on a GPU: what every kind of selection saves, and what the loader itself costs."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu_loop import Arm, Batch, Compiled, Offered, Place, timed_epochs, waits_counted
from reproductions.running import Cell, Row
from rheostat.select import MatchedRandom, Scoring, SelectiveBackprop, SelectiveLoader, Uniform
from rheostat.signals import euclidean
from rheostat.training import ImageLoader, build_model, evaluate

NETWORKS = ("resnet18", "mobilenetv2")
FLOOR = 0.3
RATE, RISE, MOMENTUM, DECAY = 0.2, 0.15, 0.9, 5e-4
SCHEDULE = (
    f"rate {RATE} after the first {RISE:.0%} of the run and 0 at its end, Nesterov momentum {MOMENTUM}, "
    f"weight decay {DECAY}, crop and flip"
)

_SETTLED = 60  # batches after which running statistics are those of the images to a few parts in a thousand

_KEPT = functools.partial(SelectiveBackprop, FLOOR)
ARMS = {
    "plain": Arm("every example"),
    "a forward for each": Arm("the loss of a forward pass", _KEPT),
    "reuse 3": Arm("the loss of a forward pass, used again for three epochs", _KEPT, {"reuse": 3}),
    "governed": Arm("whatever source of the loss pays", _KEPT, govern=True),
    "matched-random": Arm("as many as governed, but any", lambda: MatchedRandom(_KEPT()), govern=True),
}


@dataclass(frozen=True)
class Sizes:
    """How large the studies are; four batches are a round, and the images are whole rounds.

    Attributes:
        batch: Examples of a training step.
        plain, selective: Epochs of the arms.
        rounds, turns: Of the overhead.
    """

    batch: int
    plain: tuple[int, ...]
    selective: int
    rounds: int
    turns: int

    @property
    def round(self) -> int:
        """Candidates that are scored together; test images, too."""
        return 4 * self.batch


FULL = Sizes(500, (4, 8, 12), 12, 10, 7)
QUICK = Sizes(10, (1,), 5, 4, 2)


def _network(name: str, place: Place) -> Compiled:
    def build() -> nn.Module:
        return _tiny() if place.quick else build_model(name, classes=10, channels=3, image_size=32)

    return place.compiled(name, build)


def _tiny() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )


def _warmed(network: Compiled, place: Place, sizes: Sizes) -> float:
    """Compile for a training step and for scoring, which evaluation is like; seconds."""
    images = place.normalised(place.train.images[: sizes.round], torch.float32)
    return network.warm_up(images[: sizes.batch], training=True, grad=True, autocast=True) + network.warm_up(
        images, training=False, grad=False, autocast=True
    )


def network_row(cell: Cell, place: Place) -> Row:
    """One run of an arm."""
    sizes = QUICK if place.quick else FULL
    arm, epochs, data = ARMS[cell["arm"]], cell["epochs"], place.data
    network = _network(cell["network"], place)
    compile_seconds = _warmed(network, place, sizes)
    model = network.fresh(cell["seed"])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
    size = sizes.batch if arm.policy is None else sizes.round
    images = ImageLoader(data.train, data, size, augmentations=("crop", "flip"), seed=cell["seed"])
    offered = Offered(images, len(images))
    scoring = {"batch_size": sizes.round, "precision": "bf16"}
    batches = arm.loader(offered, model, sizes.batch, cell["seed"], scoring)

    def step(images: Tensor, labels: Tensor) -> None:
        progress = (offered.count - offered.latest) / (epochs * offered.examples)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min((progress + 0.01) / (RISE + 0.01), (1 - progress) / (1 - RISE))
        _step(model, optimizer, images, labels, place)

    timed = timed_epochs(batches, epochs, step, place)
    found: list[float] = []

    def judge() -> None:
        with place.autocast():
            found.append(evaluate(model, ImageLoader(data.test, data, sizes.round, shuffle=False)).error)

    evaluation = place.seconds(judge)
    return {"error": found[0], **timed.row(), "evaluation_seconds": evaluation, "compile_seconds": compile_seconds}


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, place: Place) -> None:
    with place.autocast():
        logits = model(images)
    F.cross_entropy(logits.float(), labels).backward()
    optimizer.step()
    optimizer.zero_grad()


class _AtHand:
    """Rounds that lie on the device already, with their indices: a loader that costs nothing and waits for nothing."""

    def __init__(self, images: Tensor, labels: Tensor, size: int) -> None:
        index = torch.arange(len(labels), device=labels.device)
        self.examples = len(labels)
        self._pairs = list(
            zip(index.split(size), zip(images.split(size), labels.split(size), strict=True), strict=True)
        )

    def __iter__(self) -> Any:
        return (batch for _, batch in self._pairs)

    def indexed(self) -> list[tuple[Tensor, Batch]]:
        return self._pairs


_SOURCES: dict[str, dict[str, Any]] = {
    "forward": {},
    "reuse": {"reuse": 3, "precision": "bf16"},
    "training": {"source": "training"},
}


def overhead_row(cell: Cell, place: Place) -> Row:
    """The loader against bare loops over the same batches, side by side; and how often the host waits in a round."""
    sizes = QUICK if place.quick else FULL
    network = _network(cell["network"], place)
    compile_seconds = _warmed(network, place, sizes)
    model = network.fresh(cell["seed"])
    number = sizes.round * sizes.rounds
    images = place.normalised(place.train.images[:number], torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # so that losses, and the kept share, stay
    labels = _labels_it_is_sure_of(model, network.module, images, place, sizes)
    rounds, steps = _AtHand(images, labels, sizes.round), _AtHand(images, labels, sizes.batch)

    def train(batches: Any) -> None:
        for images, labels in batches:
            _step(model, optimizer, images, labels, place)

    def score() -> None:
        model.eval()
        with torch.no_grad(), place.autocast():
            for images, labels in rounds:
                euclidean(model(images), labels)
        model.train()

    def selective(**options: Any) -> SelectiveLoader:
        scoring = Scoring(batch_size=sizes.round, **(options or {"precision": "bf16"}))
        return SelectiveLoader(rounds, model, SelectiveBackprop(0.1), sizes.batch, scoring=scoring)

    rng, turns = torch.Generator().manual_seed(cell["seed"]), []
    for _ in range(sizes.turns):
        loader = selective()
        ways: dict[str, Callable[[], None]] = {
            "score": score,
            "plain": lambda: train(steps),
            "uniform": lambda: train(SelectiveLoader(steps, model, Uniform(), sizes.batch)),
            "selective": functools.partial(train, loader),
        }
        order = [list(ways)[way] for way in torch.randperm(len(ways), generator=rng).tolist()]
        spent = {name: place.seconds(ways[name]) for name in order}
        share = loader.stats.backwards / loader.stats.candidates
        ideal = spent["score"] + share * spent["plain"]
        turns.append({**spent, "share": share, "ratio": spent["selective"] / ideal})
    turns = turns[1:] or turns  # the first one warms up
    waits = {}
    for name, options in _SOURCES.items():
        loader = selective(**options)
        train(loader)  # where scores are remembered, it is the second epoch that uses them
        with waits_counted(place) as waited:
            train(loader)
            count = waited()
        waits[name] = None if count is None else count / sizes.rounds

    def median(name: str) -> float:
        return statistics.median(turn[name] for turn in turns)

    return {
        "t_score": median("score") / number,
        "t_step": median("plain") / number,
        "share": median("share"),
        "selective": [turn["ratio"] for turn in turns],
        "uniform": [turn["uniform"] / turn["plain"] for turn in turns],
        "waits_per_round": waits,
        "compile_seconds": compile_seconds,
    }


def _labels_it_is_sure_of(model: nn.Module, module: nn.Module, images: Tensor, place: Place, sizes: Sizes) -> Tensor:
    """Make the model sure of itself and take its word, so that as few examples are kept as late in a real run."""
    *_, last = (part for part in module.modules() if isinstance(part, nn.Linear))
    with torch.no_grad():
        last.weight.mul_(100)  # outside of autocast, which remembers what it has made of the weights
    parts = images.split(sizes.batch)
    with torch.no_grad(), place.autocast():
        for part in parts * -(-_SETTLED // len(parts)):
            model(part)  # gives normalisation layers the statistics of the images, which training would
        model.eval()
        labels = torch.cat([model(part).argmax(1) for part in images.split(sizes.round)])
    model.train()
    return labels

"""What `SelectiveLoader` costs beyond the forwards and backwards that selection cannot avoid.

All ratios are of processor time, measured side by side in one process:
    selective: candidates x t_score + backwards x t_step is the ideal; both times come from bare loops over the same
               batches, scored in batches of the same size
    uniform:   the bare training loop against the same loop through `SelectiveLoader` with `Uniform`
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.errors import SettingsError, unknown_name
from rheostat.records import environment
from rheostat.select import Scoring, SelectiveBackprop, SelectiveLoader, Uniform
from rheostat.signals import euclidean
from rheostat.training import build_model

SCHEMA = 2


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        model: By name.
        image: Channels, and pixels of a side.
        batch_size: Examples per training step.
        scoring_batch: Candidates scored together.
        batches: Candidates of one turn, in training batches.
        bar: What the ratio `selective` must not exceed.
    """

    model: str
    image: tuple[int, int]
    batch_size: int
    scoring_batch: int
    batches: int
    bar: float


SETTINGS = {
    "lenet": Setting("lenet", (1, 28), 128, 128, 20, 1.05),
    "resnet18": Setting("resnet18", (3, 32), 8, 32, 16, 1.02),
}

Batches = list[tuple[Tensor, Tensor]]


def measure_overhead(
    turns: int, *, name: str = "lenet", progress: Callable[[float, str], None] | None = None
) -> dict[str, Any]:
    """Measure both ratios in one of `SETTINGS`, with one thread.

    Args:
        turns: Number of repetitions, >= 1. In a turn everything is measured once, in a fresh order, within
            seconds, so that what else the machine does hits all alike.
        name: Of the setting.
        progress: Called after each turn.

    Returns:
        Record with `ratios` (`selective`, `uniform`: median and quartiles over turns), `seconds` per example,
        `backwards_share` and `environment`.

    Raises:
        SettingsError: There is no setting of this name, or no turn.
    """
    if turns < 1:
        raise SettingsError(f"turns is {turns}: at least 1 is measured; 60 is usual")
    if name not in SETTINGS:
        raise unknown_name("model", name, SETTINGS)
    setting = SETTINGS[name]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            subject = _Subject(setting)
            measured = [subject.measure() for _ in _told(turns + 1, progress)][1:]  # the first one warms up
    finally:
        torch.set_num_threads(threads)

    def median_of(name: str) -> float:
        return statistics.median(turn[name] for turn in measured)

    return {
        "schema": SCHEMA,
        "bench": "overhead",
        "environment": environment(),
        "setting": {**asdict(setting), "candidates": setting.batch_size * setting.batches, "turns": turns},
        "seconds": {name: median_of(name) for name in ("t_score", "t_step")},
        "backwards_share": median_of("backwards_share"),
        "ratios": {
            name: {"median": median_of(name), "quartiles": _quartiles([turn[name] for turn in measured])}
            for name in ("selective", "uniform")
        },
    }


class _Subject:
    """The same model and batches, measured in every way."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.generator = torch.Generator().manual_seed(0)
        channels, side = setting.image
        images = torch.randn(setting.batch_size * setting.batches, channels, side, side, generator=self.generator)
        torch.manual_seed(0)
        self.model = build_model(setting.model, classes=10, channels=channels, image_size=side)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.0)  # losses, and so the kept share, stay
        _settle_statistics(self.model, images, setting.batch_size)
        labels = _labels_it_is_sure_of(self.model, images)
        self.batches = _cut(images, labels, setting.batch_size)
        self.scored = _cut(images, labels, setting.scoring_batch)

    def measure(self) -> dict[str, float]:
        """Everything once, in a fresh order."""
        size = self.setting.batch_size
        uniform = SelectiveLoader(self.batches, self.model, Uniform(), size)
        scoring = Scoring(batch_size=self.setting.scoring_batch)
        selective = SelectiveLoader(self.batches, self.model, SelectiveBackprop(floor=0.1), size, scoring=scoring)
        ways: dict[str, Callable[[], None]] = {
            "score": lambda: _score(self.model, self.scored),
            "plain": lambda: _train(self.model, self.optimizer, self.batches),
            "uniform": lambda: _train(self.model, self.optimizer, uniform),
            "selective": lambda: _train(self.model, self.optimizer, selective),
        }
        order = [list(ways)[way] for way in torch.randperm(len(ways), generator=self.generator).tolist()]
        spent = {name: _seconds(ways[name]) for name in order}
        examples, stats = size * self.setting.batches, selective.stats
        t_score, t_step = spent["score"] / examples, spent["plain"] / examples
        return {
            "t_score": t_score,
            "t_step": t_step,
            "backwards_share": stats.backwards / stats.candidates,
            "selective": spent["selective"] / (stats.candidates * t_score + stats.backwards * t_step),
            "uniform": spent["uniform"] / spent["plain"],
        }


def _cut(images: Tensor, labels: Tensor, size: int) -> Batches:
    return list(zip(images.split(size), labels.split(size), strict=True))


def _settle_statistics(model: nn.Module, images: Tensor, size: int) -> None:
    """Give normalisation layers the statistics of the images, which training would."""
    with torch.no_grad():
        for part in images.split(size):
            model(part)


def _labels_it_is_sure_of(model: nn.Module, images: Tensor) -> Tensor:
    """Make the model sure of itself and take its word, so that as few examples are kept as late in a real run."""
    *_, last = (module for module in model.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        last.weight.mul_(100)
        labels = model.eval()(images).argmax(1)
    model.train()
    return labels


def _score(model: nn.Module, batches: Batches) -> None:
    """The scoring forward as one would write it by hand."""
    model.eval()
    with torch.no_grad():
        for images, labels in batches:
            euclidean(model(images), labels)
    model.train()


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    for images, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _told(turns: int, progress: Callable[[float, str], None] | None) -> Iterator[int]:
    for at in range(turns):
        yield at
        if progress is not None:
            progress((at + 1) / turns, f"turn {at} of {turns - 1}")


def _quartiles(values: list[float]) -> list[float]:
    """First and third."""
    if len(values) == 1:
        return values * 2
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [first, third]

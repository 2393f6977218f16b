"""What `SelectiveLoader` costs beyond the forwards and backwards that selection cannot avoid.

Both ratios are of processor time, measured side by side in one process:
    selective: candidates x t_score + backwards x t_step is the ideal; both times come from bare loops over the same
               batches
    uniform:   the bare training loop against the same loop through `SelectiveLoader` with `Uniform`
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.records import environment
from rheostat.select import SelectiveBackprop, SelectiveLoader, Uniform
from rheostat.signals import euclidean
from rheostat.training import build_model

SCHEMA = 1
_BATCH = 128
_BATCHES = 20  # candidates of one turn, in batches

Batches = list[tuple[Tensor, Tensor]]


def measure_overhead(turns: int, *, progress: Callable[[float, str], None] | None = None) -> dict[str, Any]:
    """Measure both ratios with LeNet, batches of 128 and one thread.

    Args:
        turns: Number of repetitions, >= 1. In a turn everything is measured once, in a fresh order, within
            about a second, so that what else the machine does hits all alike.
        progress: Called after each turn.

    Returns:
        Record with `ratios` (`selective`, `uniform`: median and quartiles over turns), `seconds` per example,
        `backwards_share` and `environment`.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            subject = _Subject()
            measured = [subject.measure() for _ in _told(turns + 1, progress)][1:]  # the first one warms up
    finally:
        torch.set_num_threads(threads)

    def median_of(name: str) -> float:
        return statistics.median(turn[name] for turn in measured)

    return {
        "schema": SCHEMA,
        "bench": "overhead",
        "environment": environment(),
        "setting": {"model": "lenet", "batch_size": _BATCH, "candidates": _BATCH * _BATCHES, "turns": turns},
        "seconds": {name: median_of(name) for name in ("t_score", "t_step")},
        "backwards_share": median_of("backwards_share"),
        "ratios": {
            name: {"median": median_of(name), "quartiles": _quartiles([turn[name] for turn in measured])}
            for name in ("selective", "uniform")
        },
    }


class _Subject:
    """The same model and batches, measured in every way."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)
        images = torch.randn(_BATCH * _BATCHES, 1, 28, 28, generator=self.generator)
        torch.manual_seed(0)
        self.model = build_model("lenet", classes=10, channels=1, image_size=28)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.0)  # losses, and so the kept share, stay
        labels = _labels_it_is_sure_of(self.model, images)
        self.batches: Batches = list(zip(images.split(_BATCH), labels.split(_BATCH), strict=True))

    def measure(self) -> dict[str, float]:
        """Everything once, in a fresh order."""
        uniform = SelectiveLoader(self.batches, self.model, Uniform(), _BATCH)
        selective = SelectiveLoader(self.batches, self.model, SelectiveBackprop(floor=0.1), _BATCH)
        ways: dict[str, Callable[[], None]] = {
            "score": lambda: _score(self.model, self.batches),
            "plain": lambda: _train(self.model, self.optimizer, self.batches),
            "uniform": lambda: _train(self.model, self.optimizer, uniform),
            "selective": lambda: _train(self.model, self.optimizer, selective),
        }
        order = [list(ways)[way] for way in torch.randperm(len(ways), generator=self.generator).tolist()]
        spent = {name: _seconds(ways[name]) for name in order}
        examples, stats = _BATCH * _BATCHES, selective.stats
        t_score, t_step = spent["score"] / examples, spent["plain"] / examples
        return {
            "t_score": t_score,
            "t_step": t_step,
            "backwards_share": stats.backwards / stats.candidates,
            "selective": spent["selective"] / (stats.candidates * t_score + stats.backwards * t_step),
            "uniform": spent["uniform"] / spent["plain"],
        }


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

"""What `SelectiveLoader` costs beyond the forwards and backwards that selection cannot avoid.

Both ratios are of processor time, measured side by side in one process:
    selective: candidates x t_score + backwards x t_step is the ideal; both times come from bare loops over the same
               batches
    uniform:   the bare training loop against the same loop through `SelectiveLoader` with `Uniform`
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
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
_BATCHES = 120  # candidates of a round, in batches
_SLICE = 20  # batches that one thing is measured on before it is the next one's turn

Batches = list[tuple[Tensor, Tensor]]


def measure_overhead(rounds: int, *, progress: Callable[[float, str], None] | None = None) -> dict[str, Any]:
    """Measure both ratios with LeNet, batches of 128 and one thread.

    Args:
        rounds: Number of repetitions; each measures everything once, in turn.
        progress: Called after each round.

    Returns:
        Record with `ratios` (`selective`, `uniform`: median and range over rounds), `seconds` per example,
        `backwards_share` and `environment`.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measured = []
        for at in range(rounds + 1):
            measured.append(_one_round())
            if progress is not None:
                progress((at + 1) / (rounds + 1), f"round {at} of {rounds}")
    finally:
        torch.set_num_threads(threads)
    measured = measured[1:]  # the first one warms up
    ratios = {name: [one[name] for one in measured] for name in ("selective", "uniform")}
    return {
        "schema": SCHEMA,
        "bench": "overhead",
        "environment": environment(),
        "setting": {"model": "lenet", "batch_size": _BATCH, "candidates": _BATCH * _BATCHES, "rounds": rounds},
        "seconds": {name: statistics.median(one[name] for one in measured) for name in ("t_score", "t_step")},
        "backwards_share": statistics.median(one["backwards_share"] for one in measured),
        "ratios": {
            name: {"median": statistics.median(values), "range": [min(values), max(values)]}
            for name, values in ratios.items()
        },
    }


def _one_round() -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_BATCH * _BATCHES, 1, 28, 28, generator=generator)
    spent = {"score": 0.0, "plain": 0.0, "uniform": 0.0, "selective": 0.0}
    candidates = backwards = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model("lenet", classes=10, channels=1, image_size=28)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # the losses, and so the kept share, stay as they are
        labels = _labels_it_is_sure_of(model, images)
        batches: Batches = list(zip(images.split(_BATCH), labels.split(_BATCH), strict=True))
        for start in range(0, _BATCHES, _SLICE):  # short turns, so that what else the machine does hits all alike
            turn = batches[start : start + _SLICE]
            uniform = SelectiveLoader(turn, model, Uniform(), _BATCH)
            selective = SelectiveLoader(turn, model, SelectiveBackprop(floor=0.1), _BATCH)
            spent["score"] += _seconds(lambda turn=turn: _score(model, turn))
            spent["plain"] += _seconds(lambda turn=turn: _train(model, optimizer, turn))
            spent["uniform"] += _seconds(lambda uniform=uniform: _train(model, optimizer, uniform))
            spent["selective"] += _seconds(lambda selective=selective: _train(model, optimizer, selective))
            candidates += selective.stats.candidates
            backwards += selective.stats.backwards
    t_score, t_step = spent["score"] / len(images), spent["plain"] / len(images)
    return {
        "t_score": t_score,
        "t_step": t_step,
        "backwards_share": backwards / candidates,
        "selective": spent["selective"] / (candidates * t_score + backwards * t_step),
        "uniform": spent["uniform"] / spent["plain"],
    }


def _labels_it_is_sure_of(model: nn.Module, images: Tensor) -> Tensor:
    """Make the model sure of itself and take its word, so that as few examples are kept as late in a real run."""
    *_, last = (module for module in model.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        last.weight.mul_(100)
        return model.eval()(images).argmax(1)


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

"""A small model, trained with the log or without, and asked about examples that it has not seen.

The loop is one of the study's own, as a user of `ExampleLog` writes it, because the log is read after every epoch and
its processor time is told apart from that of the steps. Order and batches are those of the training loop.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from rheostat.signals import ExampleLog
from rheostat.training import ImageData, ImageLoader

FOLDS = 5  # cleanlab's own default
MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained.

    Attributes:
        hidden: Units of the hidden layer; 0 = a linear model.
        epochs: Passes over the data.
        lr: Learning rate at the start; it falls to 0 along a cosine.
        weight_decay: L2 penalty.
        batch_size: Examples per step.
    """

    hidden: int
    epochs: int
    lr: float
    weight_decay: float
    batch_size: int


def head(inputs: int, classes: int, recipe: Recipe, generator: torch.Generator) -> nn.Sequential:
    """A fresh model on inputs `[B, D]`; its weights come from the generator alone."""
    widths = [inputs, *([recipe.hidden] if recipe.hidden else []), classes]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layer = nn.utils.skip_init(nn.Linear, before, after)
        for values in layer.parameters():
            nn.init.uniform_(values, -(before**-0.5), before**-0.5, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@dataclass
class Seconds:
    """Processor time of a run, but for what `after_epoch` takes.

    Attributes:
        training: All of it.
        log: The part that the log takes.
    """

    training: float = 0.0
    log: float = 0.0


def fit(
    run: ImageData,
    recipe: Recipe,
    *,
    seed: int,
    among: Int[Tensor, " m"] | None = None,
    log: ExampleLog | None = None,
    after_epoch: Callable[[], None] | None = None,
) -> tuple[nn.Sequential, Seconds]:
    """Train a model on the examples in `among` (None = all); the log observes the logits of the step itself."""
    inputs = next(run.train.batches(torch.arange(1), 1))[1].shape[1]
    model = head(inputs, len(run.classes), recipe, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=MOMENTUM, weight_decay=recipe.weight_decay)
    loader = ImageLoader(run.train, run, recipe.batch_size, seed=seed, among=None if among is None else lambda: among)
    steps = recipe.epochs * -(-len(loader) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    seconds = Seconds()
    for epoch in range(recipe.epochs):
        started = time.process_time()
        for index, (x, y) in loader.indexed():
            logits = model(x)
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if log is not None:
                before = time.process_time()
                log.observe(index, logits, y, epoch)
                seconds.log += time.process_time() - before
        seconds.training += time.process_time() - started
        if after_epoch is not None:
            after_epoch()
    return model, seconds


@torch.inference_mode()
def logits_of(model: nn.Module, run: ImageData, rows: Int[Tensor, " m"]) -> Float[Tensor, "m c"]:
    """What a model says of some training examples."""
    return torch.cat([model(x.float()) for _, x in run.train.batches(rows, 1000)])


def out_of_sample(run: ImageData, recipe: Recipe, *, seed: int) -> Float[NDArray[Any], "n c"]:
    """Probabilities of every example by a model that was not trained on it: five folds, stratified by given label."""
    from sklearn.model_selection import StratifiedKFold

    given = run.train.labels.numpy()
    found = np.empty((len(given), len(run.classes)))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (among, held_out) in enumerate(folds.split(given, given)):
        model, _ = fit(run, recipe, seed=FOLDS * seed + number, among=torch.from_numpy(among))
        found[held_out] = logits_of(model, run, torch.from_numpy(held_out)).double().softmax(dim=1).numpy()
    return found

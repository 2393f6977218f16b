"""Holdout losses by the model of another run, for `ReducibleLoss`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import StateError
from rheostat.select import holdout_losses
from rheostat.training.checkpoint import RunFolder
from rheostat.training.data import ImageData
from rheostat.training.loader import ImageLoader

_BATCH = 500


def losses_of_run(folder: Path, data: ImageData) -> Float[Tensor, " n"]:
    """Cross-entropy of every training example under the model of a finished run on other data.

    Args:
        folder: Of that run.
        data: Whose training examples; one forward pass of each, in the normalisation of that run.

    Returns:
        `[N]` float32 on the CPU, in nats; NaN = an example that is not in use.

    Raises:
        StateError: There is no finished run, it was on these very examples or on other classes, or its model does not
            fit them.
    """
    run = RunFolder(folder)
    on = run.summary()["data"]
    if on["fingerprint"] == data.fingerprint:
        raise StateError(
            f"the run in {folder} was trained on these very examples: holdout losses are those of a model that has not "
            "seen them, so train it on other data"
        )
    for theirs, ours in zip(on["classes"], data.classes, strict=False):  # another number of them the model notices
        if theirs != ours:
            raise StateError(
                f"the run in {folder} was trained on the class {theirs!r} where these data have {ours!r}: take a run "
                "on data of the same classes in the same order"
            )
    model = run.model(classes=len(data.classes), channels=data.channels, image_size=data.image_size)
    model.to(data.train.labels.device)
    as_it_saw = replace(data, mean=tuple(on["mean"]), std=tuple(on["std"]))
    examples = ImageLoader(data.train, as_it_saw, _BATCH, shuffle=False, among=lambda: data.in_use("train"))
    losses = torch.full((len(data.train.labels),), torch.nan)
    found = holdout_losses(model, examples)
    losses[: len(found)] = found
    return losses

"""Holdout losses by the model of another run, for `ReducibleLoss`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError, StateError
from rheostat.records import read_json
from rheostat.select import holdout_losses
from rheostat.training.checkpoint import RunFolder
from rheostat.training.data import ImageData
from rheostat.training.loader import ImageLoader
from rheostat.training.models import build_model

_BATCH = 500


def losses_of_run(folder: Path, data: ImageData) -> Float[Tensor, " n"]:
    """Cross-entropy of every training example under the model of a finished run on other data.

    Args:
        folder: Of that run.
        data: Whose training examples; one forward pass of each, in the normalisation of that run.

    Returns:
        `[N]` float32 on the CPU, in nats; NaN = an example that is not in use.

    Raises:
        StateError: There is no finished run, it was on these very examples, or its model does not fit them.
    """
    run = RunFolder(folder)
    settings = run.settings()
    if not (folder / "summary.json").exists():
        raise StateError(f"the run in {folder} is not over: resume it, and take its losses then")
    on = read_json(folder / "summary.json")["data"]
    if on["fingerprint"] == data.fingerprint:
        raise StateError(
            f"the run in {folder} was trained on these very examples: holdout losses are those of a model that has not "
            "seen them, so train it on other data"
        )
    form = {"classes": len(data.classes), "channels": data.channels, "image_size": data.image_size}
    device = data.train.labels.device
    try:
        with torch.random.fork_rng(devices=[]):
            model = build_model(settings.model, **form).to(device)
        model.load_state_dict(run.weights())
    except (RuntimeError, SettingsError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise StateError(f"the model of {folder} does not fit these data ({reason})") from None
    as_it_saw = replace(data, mean=tuple(on["mean"]), std=tuple(on["std"]))
    examples = ImageLoader(data.train, as_it_saw, _BATCH, shuffle=False, among=lambda: data.in_use("train"))
    losses = torch.full((len(data.train.labels),), torch.nan)
    found = holdout_losses(model, examples)
    losses[: len(found)] = found
    return losses

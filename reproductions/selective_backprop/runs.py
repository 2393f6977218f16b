"""One run, by the project's own training loop, and what a record keeps of it."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from reproductions.running import Cell, Row
from reproductions.selective_backprop.workloads import DECAYED, PLAIN, model_of, noisy, sample, settings_of
from rheostat.select import holdout_losses, write_holdout
from rheostat.training import ImageLoader, RunFolder, prepare, train

HOLDOUT = "reducible-loss"
HOLDOUT_SHARE = 1 / 3
"""Backwards of each of the two holdout models, as a share of the longest plain run's."""

_TEST_BATCH = 500


def row(cell: Cell) -> Row:
    """One run: the columns of its epochs, totals since the start, and what it was trained on.

    Returns:
        `candidates`, `backwards`, `scoring_forwards`, `steps`, `kept_share`, `test_error`, `train_loss`, and for each
        kind of work `KIND_cpu_seconds` and `KIND_seconds`, a number per epoch; `corrupted`, the share of examples with
        a wrong label among all that were trained on (repeats count); for `reducible-loss` also `holdout_cpu_seconds`.
    """
    settings = settings_of(cell)
    given, wrong = noisy(sample(cell["data"]), cell["noise"], cell["seed"])
    build = model_of(cell["data"])
    with TemporaryDirectory() as folder:
        extra: dict[str, Any] = {}
        if cell["arm"] == HOLDOUT:
            losses, seconds = losses_of_halves(cell["data"], cell["noise"], cell["seed"])
            path = Path(folder) / "holdout.npy"
            write_holdout(path, losses)
            settings = settings.model_copy(update={"holdout": str(path)})
            extra["holdout_cpu_seconds"] = seconds
        run_folder = Path(folder) / "run" if cell["noise"] else None
        summary = train(prepare(settings, run_folder, given, build))
        if run_folder is not None:
            extra["corrupted"] = _corrupted(run_folder, wrong)
    return {**_columns(summary["epochs"]), **extra}


@functools.cache
def losses_of_halves(data: str, noise: float, seed: int) -> tuple[Tensor, float]:
    """Loss of every training example by a model of the other half, and the processor seconds that both models took.

    Source:
        Mindermann et al., "Prioritized Training on Points that are Learnable, Worth Learning, and Not Yet Learnt",
        arXiv:2206.07137, section 4: without holdout data, train on halves.
    """
    given, _ = noisy(sample(data), noise, seed)
    count = len(given.train.labels)
    first = torch.randperm(count, generator=torch.Generator().manual_seed(seed)) < count // 2
    cell = {"data": data, "arm": PLAIN, "course": DECAYED, "share": HOLDOUT_SHARE, "noise": noise, "seed": seed}
    losses = torch.full((count,), torch.nan)
    started = time.process_time()
    for removed in (first, ~first):
        half = replace(given, removed=removed)
        with TemporaryDirectory() as folder:
            plan = prepare(settings_of(cell), Path(folder) / "run", half, model_of(data))
            train(plan)
            model = plan.build().to(given.train.labels.device)
            model.load_state_dict(RunFolder(Path(folder) / "run").weights())
        other = ImageLoader(given.train, given, _TEST_BATCH, shuffle=False, among=removed.nonzero().flatten)
        found = holdout_losses(model, other)
        losses[: len(found)] = found.where(found.isfinite(), losses[: len(found)])
    return losses, time.process_time() - started


def _corrupted(folder: Path, wrong: Tensor) -> float:
    """Share of wrong labels among all examples that a run was trained on, from the log in its checkpoint."""
    run = RunFolder(folder)
    state = run.checkpoint(run.settings())
    assert state is not None, "a run that is over has a checkpoint"
    kept = state["log"]["kept"].double()
    return float(kept[wrong].sum() / kept.sum())


def _columns(epochs: list[dict[str, Any]]) -> Row:
    columns: Row = {name: [epoch[name] for epoch in epochs] for name in COLUMNS}
    columns["scoring_forwards"] = [epoch["forwards"]["scoring"] for epoch in epochs]
    for unit in ("cpu_seconds", "seconds"):
        for kind in ("data", "scoring", "training"):
            columns[f"{kind}_{unit}"] = [round(epoch[unit][kind], 3) for epoch in epochs]
    return columns


COLUMNS = ("candidates", "backwards", "steps", "kept_share", "test_error", "train_loss")

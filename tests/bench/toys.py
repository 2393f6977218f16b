"""Records of comparisons that never ran, with figures chosen for what they should say."""

from collections.abc import Sequence
from typing import Any

N = 1000  # training examples


def run(seed: int, backwards: Sequence[int], error: Sequence[float], seconds_each: float = 1.0) -> dict[str, Any]:
    """Columns of a run that was evaluated after each of `backwards`."""
    epochs = range(1, len(backwards) + 1)
    columns: dict[str, Any] = {
        "seed": seed,
        "candidates": [N * epoch for epoch in epochs],
        "backwards": list(backwards),
        "kept_share": [backwards[0] / N] * len(backwards),
        "train_loss": [1.0] * len(backwards),
        "test_loss": [1.0] * len(backwards),
        "test_error": list(error),
        "scoring_forwards": [N * epoch for epoch in epochs],
    }
    for kind in ("data", "scoring", "training", "evaluation"):
        spent = {"data": 0.0, "scoring": 0.25, "training": 0.75, "evaluation": 100.0}[kind] * seconds_each
        columns[f"{kind}_seconds"] = columns[f"{kind}_cpu_seconds"] = [spent * epoch for epoch in epochs]
    return columns


def record(arms: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """A comparison of the given arms."""
    settings = {
        "model": "lenet", "batch_size": 10, "optimizer": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0,
        "schedule": "constant", "augment": "none", "precision": "no",
    }  # fmt: skip
    return {
        "schema": 1,
        "bench": "select",
        "environment": {"processor": "abacus", "cores": 1, "packages": {"torch": "2.0"}, "commit": "c0ffee"},
        "seeds": [run["seed"] for run in arms["plain"]],
        "jobs": 1,
        "data": {"name": "toy", "note": "", "train": N, "test": 100},
        "arms": {name: {"settings": settings, "runs": runs} for name, runs in arms.items()},
    }


def two_seeds(**changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Plain ends at 10 % after 3000 backwards; the policy is there after 500 of its 1000, and ends at 5 %."""
    arms = {
        "plain": [run(s, [1000, 2000, 3000], [0.5, 0.2, 0.1]) for s in (0, 1)],
        "selective-backprop": [run(s, [250, 500, 1000], [0.3, 0.1, 0.05], seconds_each=0.5) for s in (0, 1)],
        "matched-random": [run(s, [250, 500, 1000], [0.6, 0.4, 0.2], seconds_each=0.5) for s in (0, 1)],
        "plain-decayed": [run(s, [1000], [0.15], seconds_each=1.0) for s in (0, 1)],
    }
    return record(arms | {name.replace("_", "-"): runs for name, runs in changes.items()})

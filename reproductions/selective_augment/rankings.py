"""Rankings of examples, other people's among them, and how well they put wrong labels first."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from reproductions.selective_augment.data import Ints

BUDGET = 0.05

Scores = NDArray[np.floating[Any]]


def standing(
    score: Float[NDArray[Any], " n"], wrong: Bool[NDArray[Any], " n"], budget: float = BUDGET
) -> dict[str, float]:
    """How well a score ranks wrong labels first.

    Args:
        score: `[N]`; higher = label more suspect. Equal scores stand in random order: what is given is the mean over
            all orders.
        wrong: `[N]`, True = the given label is wrong; both kinds occur.
        budget: Share of all examples that are looked at, in (0, 1]; round(budget * N) of them, at least one.

    Returns:
        `precision`: share of wrong labels among those looked at. `recall`: share of wrong labels that are looked at.
        `auroc`: probability that a wrong label scores above a right one, ties counting half. All in [0, 1].
    """
    looked = max(round(budget * len(score)), 1)
    last = np.partition(score, len(score) - looked)[len(score) - looked]  # the score of the last one looked at
    above, level = score > last, score == last
    found = wrong[above].sum() + (looked - above.sum()) * wrong[level].mean()
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1 on, the mean rank of equal scores
    bad, good = wrong.sum(), (~wrong).sum()
    return {
        "precision": found / looked,
        "recall": found / bad,
        "auroc": (rank[wrong].sum() - bad * (bad + 1) / 2) / (bad * good),
    }


def by_cleanlab(given: Ints, probabilities: Float[NDArray[Any], "n c"]) -> dict[str, Scores]:
    """Cleanlab's rankings by name, each `[N]`, higher = label more suspect.

    Three label quality scores, two of them also with its adjustment for classes of unequal confidence, and confident
    learning: first what `find_label_issues` finds, then the rest, both by self-confidence.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    found: dict[str, Scores] = {
        method.replace("_", "-"): -get_label_quality_scores(given, probabilities, method=method)
        for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }
    for method in ("self_confidence", "normalized_margin"):
        adjusted = get_label_quality_scores(given, probabilities, method=method, adjust_pred_probs=True)
        found[f"{method.replace('_', '-')}, adjusted"] = -adjusted
    issues = find_label_issues(given, probabilities, n_jobs=1)  # other processes' time would not be seen
    return found | {"confident learning": found["self-confidence"] + 2.0 * issues}  # the scores are in [-1, 0]


def by_detectors(logits: Float[Tensor, "n c"]) -> dict[str, Scores]:
    """Detectors of pytorch-ood that take logits and nothing else, by name, each `[N]`, higher = further out."""
    from rheostat.training.torchvision_ops import ensure_torchvision_imports

    ensure_torchvision_imports()  # pytorch-ood imports torchvision
    from pytorch_ood.detector import GEN, EnergyBased, Entropy, MaxLogit, MaxSoftmax

    detectors = (MaxSoftmax, EnergyBased, Entropy, MaxLogit, GEN)
    return {detector.__name__: detector.score(logits).numpy() for detector in detectors}

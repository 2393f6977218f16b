"""Examples whose given label is likely wrong: ranked for a review, or set aside while training goes on."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rheostat.augment.sampling import Suspects, in_rounds
from rheostat.errors import DataError, SettingsError, StateError
from rheostat.signals import ExampleLog


def suspects(
    log: ExampleLog | Tensor,
    budget: float = 0.05,
    *,
    score: str = "disagreement",
    labels: Int[Tensor, " n"] | None = None,
    rounds: int = 5,
    audits: float = 0.1,
    reviewed: Collection[int] = (),
    seed: int = 0,
) -> Suspects:
    """Rank likely label errors under a budget, mixed with random audits, in rounds.

    Args:
        log: What a run has seen of every example; or a score `[N]` of one's own, higher = label more suspect, NaN =
            never seen.
        budget: Share of the data set that may be reviewed, in (0, 1]: round(budget x N) examples, at least 1, those in
            `reviewed` included.
        score: Name of the score that ranks, one of `SUSPECT_SCORES`; of no effect on a score of one's own.
        labels: `[N]`, the given labels, for a score that needs them (``relative-loss``).
        rounds: Number of rounds, >= 1.
        audits: Share of random audits in each round, in [0, 1). They tell the noise rate of the whole data set; 0
            leaves it unknown.
        reviewed: Indices that have been decided already; they are not shown again.
        seed: Of the audits and of the order within rounds. Give the same seed after a new ranking, so that the audits
            go on where they ended.

    Returns:
        The list in the order of review; empty if the budget is spent. `augment.sampling` says how it is drawn.

    Raises:
        SettingsError: `budget`, `rounds` or `audits` is outside its range, or `score` is unknown.
        DataError: The score is not one number per example, or `reviewed` holds an index outside the data set.
        StateError: No example has been seen.
    """
    if isinstance(log, ExampleLog):
        from rheostat.augment.scores import suspect_score_named

        ranks = suspect_score_named(score)(log, labels)
    else:
        ranks = log
    if ranks.ndim != 1:
        raise DataError(f"the score is of shape {list(ranks.shape)}: it must be [N], one number per example")
    values = ranks.detach().double().cpu().numpy()
    if np.isnan(values).all():
        raise StateError(
            f"none of {len(values)} examples has been seen: train at least one epoch with a log of examples first"
        )
    return in_rounds(values, budget, rounds=rounds, audits=audits, reviewed=reviewed, seed=seed)


def quarantined(
    score: Float[Tensor, " n"], share: float, *, released: Bool[Tensor, " n"] | None = None
) -> Bool[Tensor, " n"]:
    """Which examples are set aside while training goes on: the most suspect ones that nobody has decided on.

    One that is released is not replaced by the next in rank, so a quarantine that is reviewed empties.

    Args:
        score: `[N]`, higher = label more suspect; NaN = never seen, never in quarantine. Of equal scores the lower
            index comes first.
        share: Share of the data set that is suspect, in [0, 1]: the round(share x N) highest scores.
        released: `[N]`, True = a person has decided on it.

    Returns:
        `[N]`, True = in quarantine, on the device of the score.

    Raises:
        SettingsError: `share` is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"share is {share}: the share in quarantine lies in [0, 1], e.g. share=0.05")
    unseen = score.isnan()
    first = score.masked_fill(unseen, -torch.inf).argsort(descending=True, stable=True)[: round(share * len(score))]
    mask = torch.zeros_like(unseen)
    mask[first] = True
    mask &= ~unseen
    return mask if released is None else mask & ~released

"""Two questions to the log of examples: which are hard, and whose given label is likely wrong.

Every score is `[N]` and has the same polarity: higher = harder, or label more suspect. NaN = never seen stays NaN.
`max_softmax` and `energy` need no rule here: the log holds them as `rheostat.signals.scores` defines them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from rheostat.errors import DataError, SettingsError, unknown_name
from rheostat.signals import ExampleLog
from rheostat.signals.percentile import mid_rank

SuspectScore = Callable[[ExampleLog, Tensor | None], Tensor]
"""log of N examples, their given labels `[N]` -> `[N]`, higher = label more suspect or example harder; NaN = unseen."""


def difficulty(entropy: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Rank of the running entropy among the examples that have been seen; looks at no label.

    Args:
        entropy: `[N]` in nats, NaN = never seen.

    Returns:
        `[N]` in [0, 1], ties at the middle of their ranks; 1 = hardest, NaN = never seen.
    """
    seen = ~entropy.isnan()
    # infinity lies behind all that was seen, so that no example need be picked out, which a device would wait for
    ordered = entropy.masked_fill(~seen, torch.inf).sort().values
    count = seen.sum().clamp(min=1)
    return (mid_rank(entropy, ordered) * len(entropy) / count).masked_fill(~seen, torch.nan)


def disagreement(margin: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Negative mean margin of the given label: by how much the network prefers another class.

    Args:
        margin: `[N]`, mean over all looks of the logit of the given label minus the largest other; NaN = never seen.

    Returns:
        `[N]` in (-inf, inf); positive = another class is preferred, high = label more suspect.

    Source:
        The negative of the area under the margin: Pleiss et al., "Identifying Mislabeled Data using the Area Under the
        Margin Ranking", arXiv:2001.10528, equation 1.
    """
    return -margin


def aum(margin: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Area under the margin, in the polarity of its authors.

    Args:
        margin: `[N]`, mean over all looks of the logit of the given label minus the largest other; NaN = never seen.

    Returns:
        `[N]` in (-inf, inf); LOW = label more suspect. `SUSPECT_SCORES` has it with the sign turned.
    """
    return margin


def relative_loss(loss: Float[Tensor, " n"], labels: Integer[Tensor, " n"], classes: int) -> Float[Tensor, " n"]:
    """Mean loss over that of the examples with the same given label, so that a hard class is not all suspect.

    Args:
        loss: `[N]` >= 0, mean cross-entropy over all looks; NaN = never seen.
        labels: `[N]`, the given labels.
        classes: Number of classes C.

    Returns:
        `[N]` in [0, inf), mean 1 in every class (1 throughout where a class has no loss at all); high = label more
        suspect.

    Raises:
        DataError: A label lies outside [0, C).
    """
    labels = labels.to(loss.device, torch.long)
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        at = int(wrong.int().argmax())
        raise DataError(f"the label of example {at} is {int(labels[at])}: labels must lie in [0, {classes - 1}]")
    seen = ~loss.isnan()
    total = loss.new_zeros(classes).index_add_(0, labels, loss.masked_fill(~seen, 0))
    count = loss.new_zeros(classes).index_add_(0, labels, seen.to(loss))
    mean = (total / count)[labels]
    return torch.where(mean == 0, torch.ones_like(loss), loss / mean).masked_fill(~seen, torch.nan)


def forgetting(
    forgotten: Int[Tensor, " n"], correct: Int[Tensor, " n"], looks: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """How often an example was forgotten; one that was never right counts as forgotten most.

    Args:
        forgotten: `[N]`, how often a wrong look followed a right one.
        correct: `[N]`, how many looks were right.
        looks: `[N]`, how many there were; 0 = never seen.

    Returns:
        `[N]` whole numbers >= 0; never right = one more than the largest count of any example. High = label more
        suspect.

    Source:
        Toneva et al., "An Empirical Study of Example Forgetting during Deep Neural Network Learning",
        arXiv:1812.05159, section 3, where an example never learned is forgotten infinitely often.
    """
    counts = torch.where(correct == 0, forgotten.max() + 1, forgotten).float()
    return counts.masked_fill(looks == 0, torch.nan)


def _relative_loss(log: ExampleLog, labels: Tensor | None) -> Tensor:
    if labels is None:
        raise SettingsError("relative-loss compares within the given label: give labels, [N] class indices")
    return relative_loss(log.loss, labels, int(labels.max()) + 1)


SUSPECT_SCORES: dict[str, SuspectScore] = {
    "disagreement": lambda log, _: disagreement(log.margin),
    "aum": lambda log, _: -aum(log.margin),
    "relative-loss": _relative_loss,
    "forgetting": lambda log, _: forgetting(log.forgotten, log.correct, log.looks),
    "difficulty": lambda log, _: difficulty(log.entropy),
    "max-softmax": lambda log, _: log.max_softmax,
    "energy": lambda log, _: log.energy,
}


def suspect_score_named(name: str) -> SuspectScore:
    """Return the score called `name`; an unknown name raises SettingsError with the nearest ones."""
    if name not in SUSPECT_SCORES:
        raise unknown_name("suspect score", name, SUSPECT_SCORES)
    return SUSPECT_SCORES[name]

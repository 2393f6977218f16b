"""How much an example has to teach: one number per example, from its logits and its target.

Every score here has the same polarity: higher = more to teach. Targets are class indices `[B]` or, where a score
has a meaning for them, soft targets `[B, C]` (rows on the simplex, e.g. from mixup or label smoothing).
The functions are pure and run on whatever device their input is on, without a host synchronisation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer, Shaped
from torch import Tensor

from rheostat.errors import unknown_name

Score = Callable[[Tensor, Tensor], Tensor]
"""logits `[B, C]`, targets `[B]` or `[B, C]` -> score `[B]`; higher = more to teach."""


def euclidean(logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"]) -> Float[Tensor, " b"]:
    """Squared Euclidean distance between the softmax and the target.

    Args:
        logits: `[B, C]`, before the softmax.
        targets: `[B]` class indices, or `[B, C]` soft targets.

    Returns:
        `[B]` in [0, 2]; 0 = the target exactly, 2 = certain of a wrong class. Ten classes and a uniform softmax
        give 0.9.

    Source:
        The score of Selective-Backprop: Jiang's thesis, section 4; arXiv:1910.00762, section 3.
    """
    probabilities = logits.float().softmax(dim=1)
    if _is_soft(targets):
        return (probabilities - targets.float()).square().sum(dim=1)
    # ||p - onehot(y)||^2 = sum(p^2) - 2 p_y + 1, which needs no one-hot and does not round to below 0
    return probabilities.square().sum(dim=1) - 2 * _of_class(probabilities, targets) + 1


def gradient_norm(logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"]) -> Float[Tensor, " b"]:
    """Euclidean distance between the softmax and the target: the gradient of the cross-entropy by the logits.

    Up to a factor that is the same for all examples it bounds the norm of an example's gradient by all weights. It is
    the root of `euclidean`, but right to a few parts in a million near 0 too, where that one is rounded.

    Args:
        logits: `[B, C]`, before the softmax.
        targets: `[B]` class indices, or `[B, C]` soft targets.

    Returns:
        `[B]` in [0, sqrt(2)]; 0 = the target exactly, sqrt(2) = certain of a wrong class.

    Source:
        Katharopoulos and Fleuret, "Not All Samples Are Created Equal", arXiv:1803.00942, section 3.2.
    """
    probabilities = logits.float().softmax(dim=1)
    if _is_soft(targets):
        return (probabilities - targets.float()).norm(dim=1)
    given = targets.long()[:, None]
    others = probabilities.scatter(1, given, 0)
    return others.scatter(1, given, others.sum(dim=1, keepdim=True)).norm(dim=1)  # their sum is 1 - p, as in doubt()


def doubt(logits: Float[Tensor, "b c"], targets: Integer[Tensor, " b"]) -> Float[Tensor, " b"]:
    """1 minus the probability of the given class.

    Args:
        logits: `[B, C]`, before the softmax.
        targets: `[B]` class indices.

    Returns:
        `[B]` in [0, 1]; 0 = certain of the given class, 1 - 1/C = a uniform softmax, 1 = certain that it is another.

    Source:
        What Progressive Data Dropout compares with its threshold, arXiv:2505.22342; 1 minus their probability, so
        that higher = harder.
    """
    # the sum of the other probabilities: 1 - p would be rounded to 0 where p is near 1
    others = logits.float().softmax(dim=1).scatter(1, targets.long()[:, None], 0)
    return others.sum(dim=1).clamp(max=1)


def cross_entropy(logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"]) -> Float[Tensor, " b"]:
    """Cross-entropy of the softmax with the target, in nats.

    Args:
        logits: `[B, C]`, before the softmax.
        targets: `[B]` class indices, or `[B, C]` soft targets.

    Returns:
        `[B]` in [0, inf); 0 = certain of the target, ln(C) = a uniform softmax.

    Source:
        The loss that arXiv:1910.00762, section 3.2, ranks by.
    """
    return F.cross_entropy(logits.float(), targets.float() if _is_soft(targets) else targets.long(), reduction="none")


def negative_margin(logits: Float[Tensor, "b c"], targets: Integer[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Largest logit of another class minus the logit of the given class.

    A margin compares one given class with the rest, so there is no form of it for soft targets.

    Args:
        logits: `[B, C]` with C >= 2.
        targets: `[B]` class indices.

    Returns:
        `[B]` in (-inf, inf); positive = misclassified, large = label more suspect.

    Source:
        The negative of the margin in Pleiss et al., "Identifying Mislabeled Data using the Area Under the Margin
        Ranking", arXiv:2001.10528, equation 1.
    """
    logits = logits.float()
    given = _of_class(logits, targets)
    others = logits.scatter(1, targets.long()[:, None], -torch.inf)
    return others.amax(dim=1) - given


def entropy(logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"] | None = None) -> Float[Tensor, " b"]:
    """Shannon entropy of the softmax, in nats; looks at no label.

    Args:
        logits: `[B, C]`, before the softmax.
        targets: Not looked at; taken so that every score is called alike.

    Returns:
        `[B]` in [0, ln(C)]; 0 = certain, ln(C) = a uniform softmax.

    Source:
        Shannon 1948; as a score of uncertainty, Settles, "Active Learning Literature Survey" (2009), section 3.1.
    """
    del targets
    log_probabilities = logits.float().log_softmax(dim=1)
    # an impossible class (-inf) contributes 0, not 0 * inf
    return -(log_probabilities.exp() * log_probabilities.clamp(min=-1e30)).sum(dim=1)


def max_softmax(logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"] | None = None) -> Float[Tensor, " b"]:
    """1 minus the largest probability of the softmax; looks at no label.

    Args:
        logits: `[B, C]`, before the softmax.
        targets: Not looked at; taken so that every score is called alike.

    Returns:
        `[B]` in [0, 1 - 1/C]; 0 = certain, 1 - 1/C = a uniform softmax.

    Source:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
        Networks", arXiv:1610.02136, section 2; 1 minus their score, so that higher = harder.
    """
    del targets
    return 1 - logits.float().softmax(dim=1).amax(dim=1)


def energy(logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"] | None = None) -> Float[Tensor, " b"]:
    """Free energy of the logits at temperature 1, -logsumexp; looks at no label.

    Args:
        logits: `[B, C]`, before the softmax. A constant added to a row, which leaves the softmax as it is, moves it.
        targets: Not looked at; taken so that every score is called alike.

    Returns:
        `[B]` in (-inf, inf); higher = less like what the network was trained on.

    Source:
        Liu et al., "Energy-based Out-of-distribution Detection", arXiv:2010.03759, equation 4.
    """
    del targets
    return -logits.float().logsumexp(dim=1)


SCORES: dict[str, Score] = {
    "euclidean": euclidean,
    "gradient-norm": gradient_norm,
    "doubt": doubt,
    "cross-entropy": cross_entropy,
    "negative-margin": negative_margin,
    "entropy": entropy,
    "max-softmax": max_softmax,
    "energy": energy,
}


def score_named(name: str) -> Score:
    """Return the score called `name`; an unknown name raises SettingsError with the nearest ones."""
    if name not in SCORES:
        raise unknown_name("score", name, SCORES)
    return SCORES[name]


def _is_soft(targets: Tensor) -> bool:
    return targets.ndim == 2


def _of_class(values: Tensor, targets: Tensor) -> Tensor:
    return values.gather(1, targets.long()[:, None]).squeeze(1)

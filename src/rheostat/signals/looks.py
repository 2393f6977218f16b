"""What one look at an example tells, and what the row of a log becomes by it.

A row is what all looks at an example have told together, so that one look is itself a row: that of an example looked at
once. The functions are pure, and make no host synchronisation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

_RECENT = ("entropy", "max_softmax", "energy")  # means over about the last `memory` looks
_OVERALL = ("margin", "loss")  # means over all looks
_COUNTS = ("looks", "correct", "forgotten")
_LAST = ("was_correct", "prediction", "p_given", "p_predicted", "last_epoch")  # of the last look

COLUMNS = (*_RECENT, *_OVERALL, *_COUNTS, *_LAST)
"""What the columns of a row are, in order."""

LOSS = COLUMNS.index("loss")
_LOOKS, _FORGOTTEN, _WAS_CORRECT = map(COLUMNS.index, ("looks", "forgotten", "was_correct"))


class Reach(NamedTuple):
    """How each of the K columns takes in a look; see `reach_of`.

    Attributes:
        looks: `[K]` float32, over how many looks it goes.
        adds: `[K]` float32, 1 = it adds up, 0 = it does not.
    """

    looks: Tensor
    adds: Tensor


def reach_of(memory: int, device: torch.device | str) -> Reach:
    """The label-free means go over `memory` looks, margin and loss over all; counts add up; the rest is of the last."""
    looks = [memory if name in _RECENT else math.inf if name in _OVERALL else 1.0 for name in COLUMNS]
    return Reach(
        torch.tensor(looks, device=device),
        torch.tensor([float(name in _COUNTS) for name in COLUMNS], device=device),
    )


def look_at(
    logits: Float[Tensor, "b c"], targets: Shaped[Tensor, "b *c"], epoch: int
) -> tuple[Float[Tensor, "b k"], Bool[Tensor, " b"]]:
    """Rows `[B, K]` of examples that have been looked at once, and whether each can be believed.

    Args:
        logits: `[B, C]` with C >= 2, before the softmax.
        targets: `[B]` class indices, or `[B, C]` soft targets, of which the largest entry is the given label.
        epoch: When.

    Returns:
        The rows, and `[B]`: False where a signal is NaN or infinite, or the label is none of the classes.

    Source:
        entropy, max_softmax, energy, loss: the scores of these names in `rheostat.signals.scores`. margin: Pleiss et
        al., arXiv:2001.10528, equation 1.
    """
    logits = logits.detach().float().t().contiguous()  # [C, B]: several times as fast where there are few classes
    label = (targets.argmax(dim=1) if targets.ndim == 2 else targets).to(logits.device, torch.long)
    given = label.clamp(0, len(logits) - 1)[None]  # an index outside the classes would stop the device

    log_p = logits.log_softmax(dim=0)
    log_top, prediction = log_p.max(dim=0)
    log_given = log_p.gather(0, given)[0]
    p_top, p_given = log_top.exp(), log_given.exp()
    correct = (prediction == given[0]).float()
    one = torch.ones_like(correct)
    row = torch.stack(
        [
            -(log_p.exp() * log_p.clamp(min=-1e30)).sum(dim=0),  # an impossible class (-inf) contributes 0
            1 - p_top,
            log_top - logits.amax(dim=0),  # -logsumexp
            log_given - log_p.scatter(0, given, -torch.inf).amax(dim=0),
            -log_given,
            one,
            correct,
            one - one,
            correct,
            prediction.float(),
            p_given,
            p_top,
            one * epoch,
        ],
        dim=1,
    )
    # NaN and infinity are the numbers that do not vanish when multiplied by 0
    return row, (row.sum(dim=1) * 0 == 0) & (label == given[0])


def after(rows: Float[Tensor, "b k"], look: Float[Tensor, "b k"], reach: Reach) -> Float[Tensor, "b k"]:
    """What rows `[B, K]` become by one more look at each.

    A mean that goes over r looks is the plain mean until there are r of them, and from then on moves 1/r of the way to
    each new one. An example is forgotten when it was right at the last look and is wrong at this one (Toneva et al.,
    arXiv:1812.05159, section 3).

    Args:
        rows: What was known; all 0 of an example never seen.
        look: What `look_at` gives.
        reach: What `reach_of` gives.
    """
    counted = torch.addcmul(look, rows, reach.adds)
    counted[:, _FORGOTTEN] += rows[:, _WAS_CORRECT] * (1 - look[:, _WAS_CORRECT])
    return rows.lerp(counted, counted[:, _LOOKS, None].minimum(reach.looks).reciprocal())

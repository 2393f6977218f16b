"""What an augmentation was worth to training: never the raw loss alone.

The loss by itself is highest for what destroys the label. Adversarial AutoAugment (Zhang et al., arXiv:1912.11188)
does maximise it, and keeps the label only by averaging over policies that it bounds beforehand; here the bound is in
the reward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.signals import cross_entropy


def band_reward(
    loss_augmented: Float[Tensor, " b"],
    loss_plain: Float[Tensor, " b"],
    prediction: Int[Tensor, " b"],
    prediction_plain: Int[Tensor, " b"],
    given: Int[Tensor, " b"],
    low: float,
    high: float,
) -> Float[Tensor, " b"]:
    """Reward a view that is harder than the plain example, but only so much, and still recognised.

    Only an example that is recognised without augmentation can say something. Where the plain prediction is not the
    given label, a higher loss may as well mean that the view shows more clearly what the example really is (a wrong
    label), so nothing is known then.

    Args:
        loss_augmented: `[B]`, cross-entropy of the augmented view with the given label, in nats.
        loss_plain: `[B]`, the same of the last plain look; NaN = there was none.
        prediction: `[B]`, class predicted of the augmented view.
        prediction_plain: `[B]`, class predicted at the last plain look.
        given: `[B]`, given labels.
        low: Least increase of the loss that teaches, in nats.
        high: Greatest increase, in nats.

    Returns:
        `[B]`: 1 where low <= loss_augmented - loss_plain <= high and prediction = prediction_plain, else 0; NaN where
        nothing is known: without a plain look, where it was wrong, or where the augmented loss is NaN.

    Source:
        DESIGN section 4.
    """
    harder = loss_augmented - loss_plain
    reward = ((harder >= low) & (harder <= high) & (prediction == prediction_plain)).float()
    return reward.masked_fill(harder.isnan() | (prediction_plain != given), torch.nan)


def improvement_reward(improvement: float, mean: float, spread: float) -> float:
    """Squash an improvement of the held-out loss to (0, 1) around what is usual.

    Args:
        improvement: By how much the loss fell, in nats; below 0 = it rose.
        mean: Improvement that is usual now.
        spread: Usual distance from it, >= 0.

    Returns:
        The logistic function of (improvement - mean) / spread: 0.5 = as usual, and where the spread is 0.
    """
    if spread == 0:
        return 0.5
    return 0.5 * (1 + math.tanh((improvement - mean) / spread / 2))


@dataclass(frozen=True)
class Band:
    """Rewards each augmented view by `band_reward`, as soon as its loss is known.

    It is compared with the last plain look at the example before the epoch, not with a mean over looks: the mean
    remembers a model that was worse. An example that is always augmented has no plain look and earns nothing, so a
    learning kind needs a rate below 1, or the plain looks of a selection's scoring.

    Args:
        low: Least increase of the loss that is rewarded, in nats.
        high: Greatest increase, in nats, >= low.

    Raises:
        SettingsError: The band is empty or not finite.
    """

    low: float = 0.1
    high: float = 1.0

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.high < math.inf:
            raise SettingsError(f"the band is {self.low} to {self.high}: it must be finite, with low <= high")

    def __call__(
        self,
        logits: Float[Tensor, "b c"],
        given: Int[Tensor, " b"],
        p_given: Float[Tensor, " b"],
        prediction: Int[Tensor, " b"],
    ) -> Float[Tensor, " b"]:
        """Reward `[B]` augmented views.

        Args:
            logits: `[B, C]` of the augmented views.
            given: `[B]`, given labels.
            p_given: `[B]`, probability of the given label at the last plain look; NaN = there was none.
            prediction: `[B]`, class predicted at that look.
        """
        loss = cross_entropy(logits, given)
        loss_plain = -p_given.clamp(min=torch.finfo(p_given.dtype).tiny).log()
        return band_reward(loss, loss_plain, logits.argmax(dim=1), prediction, given, self.low, self.high)


@dataclass
class HeldOutImprovement:
    """Rewards everything chosen since the last call by what the held-out loss did.

    All choices of a stretch get the same reward, so an arm is told from the others only by how often it was drawn in
    the good stretches: expect many calls before a kind has learned anything.

    Args:
        memory: Number of calls that the usual improvement is averaged over, >= 1.

    Raises:
        SettingsError: `memory` is below 1.
    """

    memory: float = 10.0
    _loss: float | None = field(init=False, default=None, repr=False)
    _mean: float | None = field(init=False, default=None, repr=False)
    _spread: float = field(init=False, default=0.0, repr=False)

    def __post_init__(self) -> None:
        if not self.memory >= 1:
            raise SettingsError(f"memory is {self.memory}: it must be at least 1 call; 10 is usual")

    def __call__(self, loss: float) -> float:
        """Reward in (0, 1) for the step from the last loss to this one.

        Args:
            loss: Mean loss on held-out examples, in nats.

        Returns:
            0.5 for an improvement as usual, and for the first; NaN at the first call, which has nothing to compare
            with, and where a loss is not finite.
        """
        if not math.isfinite(loss):
            return math.nan
        before, self._loss = self._loss, loss
        if before is None:
            return math.nan
        improvement = before - loss
        if self._mean is None:
            self._mean = improvement
            return 0.5
        reward = improvement_reward(improvement, self._mean, self._spread or abs(improvement - self._mean))
        self._spread += (abs(improvement - self._mean) - self._spread) / self.memory
        self._mean += (improvement - self._mean) / self.memory
        return reward

    def state_dict(self) -> dict[str, Any]:
        """The last loss and what is usual."""
        return {"loss": self._loss, "mean": self._mean, "spread": self._spread}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self._loss, self._mean, self._spread = state["loss"], state["mean"], state["spread"]

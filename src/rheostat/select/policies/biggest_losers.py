"""Selective-Backprop: keep an example with a probability that grows with its loss.

Source: Jiang's thesis, section 4 (the loss itself is the probability); Jiang et al., "Accelerating Deep Learning by
Focusing on the Biggest Losers", arXiv:1910.00762, section 3.2 (the percentile of the loss is).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Traits
from rheostat.signals import RollingPercentile


def loss_as_probability(score: Float[Tensor, " b"], floor: float) -> Float[Tensor, " b"]:
    """P = max(min(L, 1), floor) for each `[B]` score L >= 0 (thesis, section 4).

    With the squared Euclidean loss of ten classes, a uniform softmax gives 0.90, and 0.8 on the right class with the
    rest spread evenly gives 0.044 before the floor.
    """
    return score.clamp(min=floor, max=1)


def percentile_as_probability(percentile: Float[Tensor, " b"], beta: float) -> Float[Tensor, " b"]:
    """P = CDF(L)^beta for each `[B]` percentile in [0, 1] (arXiv:1910.00762, equation 1).

    Over scores that fall evenly into the history the kept share is 1 / (beta + 1).
    """
    return percentile.pow(beta)


@dataclass(frozen=True)
class SelectiveBackprop:
    """Keeps an example with its squared Euclidean loss as the probability, but at least `floor`.

    As the network learns, losses fall and fewer examples are kept: the rate paces itself. The floor brings every
    example back once in 1 / floor epochs on average.

    Args:
        floor: Smallest probability, in [0, 1]; the thesis uses 0.1. At 0 an example that is once fitted may never be
            trained on again, which is warned of.

    Raises:
        SettingsError: `floor` is outside [0, 1].
    """

    floor: float = 0.1

    traits = Traits()

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise SettingsError(
                f"floor is {self.floor}: the smallest probability of keeping must lie in [0, 1]; "
                "0.1 is the thesis's value"
            )
        if self.floor == 0:
            warnings.warn(
                "floor is 0: an example with a loss near 0 may never be trained on again and the queue may "
                "starve; a floor of 0.1 brings every example back",
                UserWarning,
                stacklevel=3,
            )

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities in [floor, 1]."""
        return Choice(loss_as_probability(candidates.score, self.floor))


@dataclass
class Percentile:
    """Keeps an example with the percentile of its score among the recent ones, to the power of `beta`.

    The kept share stays near 1 / (beta + 1) for the whole run, whatever the scale of the score.

    Args:
        beta: How selective, > 0; 1 keeps about half, 2 a third, 3 a quarter.
        history: Number of recent scores to rank among, >= 1; the paper uses 1024.

    Raises:
        SettingsError: `beta` is not positive, or `history` is below 1.
    """

    beta: float = 1.0
    history: int = 1024
    _window: RollingPercentile = field(init=False, repr=False, compare=False)

    traits = Traits()

    def __post_init__(self) -> None:
        if not 0 < self.beta < float("inf"):
            raise SettingsError(
                f"beta is {self.beta}: the power must be positive and finite; 1 keeps about half, 3 a quarter"
            )
        self._window = RollingPercentile(self.history)

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities in [0, 1]; the scores, and those of other processes, enter the history before the ranks."""
        self._window.add(candidates.elsewhere.to(candidates.score))  # the window follows what is added
        self._window.add(candidates.score)
        return Choice(percentile_as_probability(self._window.of(candidates.score), self.beta))

    def state_dict(self) -> dict[str, Any]:
        """The window of recent scores."""
        return self._window.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a window saved by `state_dict`."""
        self._window.load_state_dict(state)

"""How often each example is augmented: from its difficulty to a probability.

Every rate leaves out the `excluded` (the quarantine): they get 0, and where it can the rate makes up for them on the
others, so that two runs are compared at the same number of augmentations.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rheostat.errors import SettingsError, StateError, check_options, unknown_name

_HALVINGS = 80  # of an interval of at most some thousands: far below the precision of float64


def rate_of_ranks(
    rank: Float[Tensor, " n"], mean: float, gamma: float, p_min: float = 0.0, p_max: float = 1.0
) -> Float[Tensor, " n"]:
    """p_i = clip(c x mean x rank_i^gamma, p_min, p_max), with c such that the mean of p is `mean`.

    Args:
        rank: `[N]` in (0, 1], higher = harder.
        mean: Mean probability, in [p_min, p_max].
        gamma: Above 0 augments the hard ones more often, below 0 the easy ones, 0 all alike.
        p_min: Least probability, in [0, p_max].
        p_max: Greatest probability, in [p_min, 1].

    Returns:
        `[N]` float32; the mean is met within 1e-6.

    Raises:
        SettingsError: An argument is outside its range.

    Source:
        DESIGN, section 4: how often.
    """
    check_rate(mean, gamma, p_min, p_max)
    if mean in (p_min, p_max) or len(rank) == 0:
        return torch.full_like(rank, mean, dtype=torch.float32)
    weight = gamma * rank.double().log()  # logarithms: 0.001^200 is no float64

    def probability(log_c: float) -> Tensor:
        return (weight + log_c).clamp(max=0.0).exp().clamp(p_min, p_max)

    # between all at most `mean` and all at p_max
    low, high = math.log(mean) - float(weight.max()), math.log(p_max) - float(weight.min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(probability(middle).mean()) < mean:
            low = middle
        else:
            high = middle
    return probability(high).float()


@runtime_checkable
class Rate(Protocol):
    """Decides with which probability each example is augmented.

    A rate reads no random state: `SelectiveAugment`, which owns the generator, makes the draw. One that remembers
    something has `state_dict` and `load_state_dict` besides.
    """

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """Probability of augmenting each example of the data set in an epoch.

        Args:
            difficulty: `[N]` in [0, 1], higher = harder; NaN = not seen yet.
            epoch: Number of the epoch, from 0.
            excluded: `[N]`, True = never augment it.

        Returns:
            `[N]` float32 in [0, 1]; 0 for the excluded.
        """
        ...


@dataclass(frozen=True)
class Never:
    """Augments nothing."""

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """`[N]` zeros."""
        del epoch, excluded
        return torch.zeros_like(difficulty, dtype=torch.float32)


@dataclass(frozen=True)
class Always:
    """Augments everything that is not excluded."""

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """`[N]`, each 0 or 1."""
        del epoch
        return _included(difficulty, excluded).float()


@dataclass(frozen=True)
class Uniform:
    """Augments every example equally often.

    Args:
        mean: Mean probability over the whole data set, in [0, 1]. With examples excluded the others are augmented more
            often, up to always, to keep it.

    Raises:
        SettingsError: `mean` is outside [0, 1].
    """

    mean: float = 0.5

    def __post_init__(self) -> None:
        check_rate(self.mean, 0.0, 0.0, 1.0)

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """`[N]`, all alike but for the excluded."""
        del epoch
        included = _included(difficulty, excluded)
        return included * _mean_of_included(self.mean, included, 1.0)


@dataclass(frozen=True)
class RankRate:
    """Augments hard examples more often, or easy ones: a power of the rank of their difficulty.

    The rule is `rate_of_ranks` over the seen examples; one not seen yet gets the mean, so before anything is seen the
    rate is uniform.

    Args:
        mean: Mean probability over the whole data set, in [p_min, p_max]. With examples excluded the others are
            augmented more often, up to `p_max` each, to keep it.
        gamma: Above 0 augments the hard ones more often, below 0 the easy ones, 0 all alike.
        p_min, p_max: Least and greatest probability of an example that is not excluded, in [0, 1].

    Raises:
        SettingsError: An argument is outside its range.
    """

    mean: float = 0.5
    gamma: float = 1.0
    p_min: float = 0.0
    p_max: float = 1.0

    def __post_init__(self) -> None:
        check_rate(self.mean, self.gamma, self.p_min, self.p_max)

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """`[N]`, monotone in the difficulty of the seen."""
        del epoch
        included = _included(difficulty, excluded)
        mean = _mean_of_included(self.mean, included, self.p_max)
        found = included * mean
        known = included & ~difficulty.isnan()
        if mean > 0:
            rank = difficulty[known].clamp(min=0.5 / len(difficulty))  # the least mid-rank: 0 has no negative power
            found[known] = rate_of_ranks(rank, mean, self.gamma, self.p_min, self.p_max)
        return found


@dataclass(frozen=True)
class Threshold:
    """Augments what is harder than a fixed difficulty, always; what has not been seen yet, never.

    Args:
        at: The difficulty, in [0, 1]. As difficulty is a rank, about the share 1 - at is augmented.

    Raises:
        SettingsError: `at` is outside [0, 1].
    """

    at: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.at <= 1:
            raise SettingsError(f"at is {self.at}: the threshold is a difficulty in [0, 1], e.g. at=0.5")

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """`[N]`, each 0 or 1."""
        del epoch
        return ((difficulty > self.at) & _included(difficulty, excluded)).float()


class TopK:
    """Augments the share that was hardest when it was first ranked, always, and nothing else: chosen once, a priori.

    Until it is chosen nothing is augmented, so that every example is seen as it is. An excluded example makes room for
    the next in that first ranking.

    Args:
        share: Share of the examples seen by then, in [0, 1], that is chosen: the hardest; of equally hard ones the
            lower index.
        settle: Epoch at which they are ranked, from 1. What has not been seen by then is never augmented.

    Raises:
        SettingsError: `share` is outside [0, 1], or `settle` is below 1.
    """

    def __init__(self, share: float = 0.5, settle: int = 1) -> None:
        if not 0 <= share <= 1:
            raise SettingsError(f"share is {share}: the share that is augmented lies in [0, 1], e.g. share=0.5")
        if settle < 1:
            raise SettingsError(f"settle is {settle}: nothing is known before epoch 1, the second; 1 is usual")
        self.share = share
        self.settle = settle
        self._ranked: Tensor | None = None  # difficulty when it was ranked

    def __repr__(self) -> str:
        return f"TopK(share={self.share}, settle={self.settle})"

    def probabilities(
        self, difficulty: Float[Tensor, " n"], epoch: int, excluded: Bool[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """`[N]`, each 0 or 1 once they are chosen."""
        included = _included(difficulty, excluded)
        if self._ranked is None:
            if epoch < self.settle:
                return torch.zeros_like(difficulty, dtype=torch.float32)
            self._ranked = difficulty.clone()
        if len(self._ranked) != len(difficulty):
            raise StateError(
                f"{len(self._ranked)} examples were ranked and there are {len(difficulty)} now: go on with the data "
                "set that the run was started with"
            )
        ranked = self._ranked.to(difficulty.device)
        seen = ~ranked.isnan()
        eligible = included & seen
        hardest = ranked.masked_fill(~eligible, -1.0).argsort(descending=True, stable=True)
        chosen = torch.zeros_like(difficulty, dtype=torch.float32)
        chosen[hardest[: round(self.share * int(seen.sum()))]] = 1.0
        return chosen * eligible

    def state_dict(self) -> dict[str, Any]:
        """The first ranking, if there is one."""
        return {"ranked": None if self._ranked is None else self._ranked.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the first ranking of another."""
        self._ranked = None if state["ranked"] is None else state["ranked"].clone()


_RATES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "never": (Never, ()),
    "always": (Always, ()),
    "uniform": (Uniform, ("mean",)),
    "rank": (RankRate, tuple(field.name for field in dataclasses.fields(RankRate))),
    "threshold": (Threshold, ("at",)),
    "top-k": (TopK, ("share", "settle")),
}


def rate_names() -> tuple[str, ...]:
    """The names that `build_rate` takes."""
    return tuple(_RATES)


def rate_option_names(name: str) -> tuple[str, ...]:
    """The options that the rate called `name` takes.

    Raises:
        SettingsError: The name is unknown (the nearest are given).
    """
    if name not in _RATES:
        raise unknown_name("rate", name, _RATES)
    return _RATES[name][1]


def build_rate(name: str, **options: Any) -> Rate:
    """Build a rate from its name and its options.

    Raises:
        SettingsError: The name is unknown (the nearest are given), the rate has no such option, or an option is
            outside its range.
    """
    known = rate_option_names(name)
    check_options("rate", name, options, known)
    return _RATES[name][0](**options)


def check_rate(mean: float, gamma: float, p_min: float, p_max: float) -> None:
    """Refuse what no rate can meet.

    Raises:
        SettingsError: An argument is outside its range.
    """
    if not 0 <= p_min <= p_max <= 1:
        raise SettingsError(f"p_min is {p_min} and p_max {p_max}: it must hold that 0 <= p_min <= p_max <= 1")
    if not p_min <= mean <= p_max:
        raise SettingsError(
            f"mean is {mean}: the mean probability lies between p_min and p_max, in [{p_min:g}, {p_max:g}]"
        )
    if not math.isfinite(gamma):
        raise SettingsError(f"gamma is {gamma}: the power is a finite number, e.g. 1 for hard ones first, -1 for easy")


def _included(difficulty: Tensor, excluded: Tensor | None) -> Tensor:
    if excluded is None:
        return torch.ones_like(difficulty, dtype=torch.bool)
    return ~excluded.to(difficulty.device)


def _mean_of_included(mean: float, included: Tensor, p_max: float) -> float:
    """Mean probability of the included that makes `mean` over all, as far as `p_max` allows; 0 if there are none."""
    number = int(included.sum())
    return min(p_max, mean * (len(included) / number)) if number else 0.0  # never below `mean`

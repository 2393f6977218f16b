"""Which examples are put before a person, and in which order: suspects by rank, and audits drawn at random.

What is estimated from a review (`augment.estimates`) rests on three properties of the list made here:

- the audits are a prefix of one random permutation of the whole data set, whatever the ranking: those of them that lie
  outside the suspects are a simple random sample of all that lies outside;
- how many suspects each round has is fixed by the budget alone, so nothing about the audits says where it ends;
- within a round the order is random: whatever part of it is done is a simple random sample of it.

Nothing here needs torch, so that a page can show a list and what follows from it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rheostat.errors import DataError, SettingsError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Suspects:
    """The examples to be reviewed, in the order of review.

    An example that is both a suspect and an audit is here once, in the earlier of its two rounds.

    Attributes:
        index: `[n]` int64, index of each example in the data set, none twice.
        score: `[n]` float64, higher = label more suspect; NaN = never seen, which only an audit can be.
        round: `[n]` int64, the round in which it is shown, from 0, never falling.
        audit: `[n]` bool, whether it is among the random audits.
        ranked: `[n]` int64, the round of suspects that its rank puts it into, -1 = it is here as an audit only. One
            that is both may be shown, as an audit, before that round.
        reviewed: `[m]` int64, indices that had been decided before the list was made; none of them is in it.
        size: Number of examples of the data set.
        budget: Share of the data set that may be reviewed, in (0, 1], `reviewed` included.
    """

    index: Ints
    score: Floats
    round: Ints
    audit: Bools
    ranked: Ints
    reviewed: Ints
    size: int
    budget: float

    def __len__(self) -> int:
        """How many examples are to be reviewed."""
        return len(self.index)

    @property
    def rounds(self) -> int:
        """Number of rounds; 0 if nothing is left to review."""
        return int(self.round[-1]) + 1 if len(self) else 0


def in_rounds(
    score: Floats, budget: float, *, rounds: int, audits: float, reviewed: Collection[int], seed: int
) -> Suspects:
    """Rank by score, draw audits, and divide what the budget allows into rounds.

    Of the first M examples of the list, round(audits x M) at the end of every round are audits beyond the suspects so
    far; the rest are the suspects of the highest scores.

    Args:
        score: `[N]`, higher = label more suspect; NaN = never seen: never a suspect, but may be audited. Of equal
            scores the lower index comes first.
        budget: Share of the data set that may be reviewed, in (0, 1]: round(budget x N) examples, at least 1.
        rounds: Number of rounds that what is left of the budget is divided into, >= 1; sizes differ by at most 1.
        audits: Share of audits in each round, in [0, 1).
        reviewed: Indices that have been decided already, e.g. on a list made by an earlier run: spent from the budget,
            and not shown again. With the same `seed` the audits go on where those of the earlier list ended.
        seed: Of the permutation of audits and of the order within rounds, >= 0.

    Returns:
        The list; empty if the budget is spent, and shorter than the budget if too few examples have been seen.

    Raises:
        SettingsError: `budget`, `rounds` or `audits` is outside its range.
        DataError: `reviewed` holds an index outside the data set.
    """
    size = len(score)
    check_sampling(budget, rounds, audits, seed)
    before = np.unique(np.fromiter(reviewed, np.int64))
    if len(before) and not 0 <= before[0] <= before[-1] < size:
        wrong = before[0] if before[0] < 0 else before[-1]
        raise DataError(
            f"reviewed holds index {wrong} and the data set has {size} examples (0 to {size - 1}): give the decisions "
            "that were made on this data set"
        )
    is_open = np.ones(size, bool)
    is_open[before] = False
    left = min(max(1, round(budget * size)) - len(before), int(is_open.sum()))
    ranking = np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")
    ranking = ranking[(is_open & ~np.isnan(score))[ranking]]
    drawn = np.random.default_rng([seed, 0]).permutation(size)
    drawn = drawn[is_open[drawn]]

    shown, belongs = np.full(size, -1), np.full(size, -1)  # rounds
    is_audit = np.zeros(size, bool)
    order = []
    suspects = 0
    for number in range(rounds):
        until = max(0, left) * (number + 1) // rounds
        audited = round(audits * until)
        earlier, suspects = suspects, min(until - audited, len(ranking))
        belongs[ranking[earlier:suspects]] = number
        outside = np.flatnonzero(belongs[drawn] < 0)[:audited]
        is_audit[drawn[: outside[-1] + 1 if len(outside) else 0]] = True
        new = np.flatnonzero((is_audit | (belongs >= 0)) & (shown < 0))
        shown[new] = number
        order.append(np.random.default_rng([seed, 1, number]).permutation(new))
    index = np.concatenate(order)
    return Suspects(
        index, score[index], shown[index], is_audit[index], belongs[index], before, size=size, budget=budget
    )


def check_sampling(budget: float, rounds: int, audits: float, seed: int = 0) -> None:
    """Refuse what no list can be made of.

    Raises:
        SettingsError: `budget`, `rounds`, `audits` or `seed` is outside its range.
    """
    if seed < 0:
        raise SettingsError(f"seed is {seed}: it must be at least 0")
    if not 0 < budget <= 1:
        raise SettingsError(f"budget is {budget}: it is a share of the data set in (0, 1], e.g. budget=0.05")
    if rounds < 1:
        raise SettingsError(f"rounds is {rounds}: a review has at least 1 round; 5 is usual")
    if not 0 <= audits < 1:
        raise SettingsError(
            f"audits is {audits}: the share of random audits lies in [0, 1), e.g. audits=0.1; 0 leaves the noise rate "
            "unknown"
        )

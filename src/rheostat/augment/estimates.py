"""What a review says about the whole data set: the share of wrong labels, and how good the suspects are.

The data set falls into parts of which each is either known or sampled at random (`augment.sampling` says why):

==========================  ========================================================================
what was decided before     known, but for what was skipped
suspects of earlier rounds  known, but for what was skipped
suspects of this round      sampled: the order within a round is random
all other examples          sampled: by the audits, which are a prefix of one random permutation
==========================  ========================================================================

The number of wrong labels in a sampled part gets an exact interval (hypergeometric: the part is finite and sampled
without replacement), and the parts are put together by their squared distances. What was skipped counts as if it had
been skipped at random. A review may be ended at any moment, but not because the numbers please: an interval holds for a
moment that was not chosen by looking at it.

Nothing here needs torch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rheostat.augment.sampling import Bools, Floats, Suspects
from rheostat.errors import DataError, SettingsError

Interval = tuple[float, float]

_ROUNDING = 1e-6  # of sums of some ten thousands in float64


@dataclass(frozen=True)
class Estimate:
    """What is known of a data set's labels by now.

    Attributes:
        noise_rate: Estimated share of wrong labels in the whole data set, in [0, 1]; NaN where a part of it has not
            been sampled at all.
        noise_interval: Where that share lies with probability `confidence`, or a higher one; without samples what is
            certain, which may be next to nothing.
        precision: Share of wrong labels among the suspects of the rounds up to `round`, audits left out; NaN as above.
        precision_interval: The same for it.
        reviewed: Number of examples on the list that have a verdict.
        wrong: How many of these have a wrong label.
        audited: Number of random audits among these.
        round: The round up to which `precision` goes; the estimates do not use the order of what was reviewed in later
            ones. From half of a round on it is that round.
        confidence: Of the intervals, in (0, 1).
        note: Why an estimate is missing; empty if none is.
    """

    noise_rate: float
    noise_interval: Interval
    precision: float
    precision_interval: Interval
    reviewed: int
    wrong: int
    audited: int
    round: int
    confidence: float
    note: str = ""


class Part(NamedTuple):
    """A part of the data set and what is known of it, in numbers of examples.

    Attributes:
        size: All.
        sampled: Drawn at random and with a verdict.
        sampled_wrong: Of these, with a wrong label.
        known_right, known_wrong: With a verdict, however they were chosen.
    """

    size: int
    sampled: int
    sampled_wrong: int
    known_right: int
    known_wrong: int


def estimate(
    suspects: Suspects, verdicts: Mapping[int, bool], confidence: float = 0.95, *, skipped: Collection[int] = ()
) -> Estimate:
    """Estimate the noise rate of the data set and the precision of the suspects.

    What has been reviewed is taken as a sample up to the first example in the order of review that neither has a
    verdict nor was skipped; verdicts beyond it, e.g. of a bulk action, are believed but do not speak for others. So do
    those on `suspects.reviewed`: a list estimates by its own audits.

    Args:
        suspects: What was put before the person.
        verdicts: Whether the given label is wrong, by index: all that there are, also on `suspects.reviewed`.
        confidence: Of the intervals, in (0, 1).
        skipped: Indices that were looked at and left open.

    Raises:
        SettingsError: `confidence` is outside its range.
        DataError: A verdict is about an example that is not there.
    """
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence is {confidence}: it must lie in (0, 1), e.g. 0.95")
    for index in verdicts:
        if not 0 <= index < suspects.size:
            raise DataError(
                f"a verdict is about example {index} and the data set has {suspects.size}, 0 to {suspects.size - 1}: "
                "give the decisions that were made on this data set"
            )
    verdict = np.full(suspects.size, -1)  # 1 = wrong, 0 = right, -1 = none
    for index, is_wrong in verdicts.items():
        verdict[index] = is_wrong
    listed = verdict[suspects.index]
    passed = (listed >= 0) | np.isin(suspects.index, np.fromiter(skipped, np.int64))
    front = int(passed.argmin()) if not passed.all() else len(suspects)
    current = _round_of(suspects, front)

    belongs = np.full(suspects.size, _REST)
    belongs[suspects.reviewed] = _BEFORE
    ranked = suspects.ranked
    belongs[suspects.index[(ranked >= 0) & (ranked < current)]] = _EARLIER
    belongs[suspects.index[ranked == current]] = _CURRENT
    in_turn = np.zeros(suspects.size, bool)
    in_turn[suspects.index[:front][suspects.round[:front] <= current]] = True
    in_turn[suspects.reviewed] = True
    before, earlier, now, rest = (_part(verdict, belongs == which, in_turn) for which in range(4))

    noise = share_wrong((before, earlier, now, rest), confidence)
    precision = share_wrong((earlier, now), confidence)
    return Estimate(
        noise_rate=noise[0],
        noise_interval=noise[1],
        precision=precision[0],
        precision_interval=precision[1],
        reviewed=int((listed >= 0).sum()),
        wrong=int((listed == 1).sum()),
        audited=int((suspects.audit & (listed >= 0)).sum()),
        round=current,
        confidence=confidence,
        note=_note(suspects, noise[0], rest, now),
    )


_BEFORE, _EARLIER, _CURRENT, _REST = range(4)


def _round_of(suspects: Suspects, front: int) -> int:
    """The last round of which half is passed, or the first."""
    ends = np.searchsorted(suspects.round, np.arange(suspects.rounds + 1))
    halves = (ends[:-1] + ends[1:]) / 2
    return max(0, int((front >= halves).sum()) - 1)


def _part(verdict: np.ndarray, members: Bools, in_turn: Bools) -> Part:
    wrong, right = members & (verdict == 1), members & (verdict == 0)
    numbers = (members, in_turn & (wrong | right), in_turn & wrong, right, wrong)
    return Part(*(int(np.count_nonzero(mask)) for mask in numbers))


def _note(suspects: Suspects, noise_rate: float, rest: Part, now: Part) -> str:
    if not math.isnan(noise_rate):
        return ""
    if rest.sampled == 0 and not (suspects.ranked < 0).any():
        return "no audits are on the list: the noise rate stays unknown; make a list with a share of audits, e.g. 0.1"
    if rest.sampled == 0:
        return "no audit has been decided yet: go on with the review"
    return f"none of the {now.size} suspects of this round has been decided yet: go on with the review"


def share_wrong(parts: Collection[Part], confidence: float) -> tuple[float, Interval]:
    """Share of wrong labels in disjoint parts together, each sampled on its own.

    With estimates w_i and limits l_i, u_i of the parts, the lower limit of the sum is w - sqrt(sum (w_i - l_i)^2), and
    the upper one alike; for one sampled part it is the exact limit.

    Returns:
        Estimate and interval, each in [0, 1]. Where a part with unknown examples has not been sampled the estimate is
        NaN and the interval goes from the sum of the lower limits to that of the upper ones.

    Source:
        Zou and Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in
        Medicine 27 (2008), equations 3 and 4.
    """
    size = sum(part.size for part in parts)
    if size == 0:
        return math.nan, (0.0, 1.0)
    limits = np.array([_limits(part, confidence) for part in parts], float)
    best = np.array([_best(part) for part in parts])
    low, high = limits.sum(axis=0)
    if not np.isnan(best).any():
        # the truth is a whole number: limits are rounded away from the estimate
        low = max(low, math.floor(best.sum() - np.linalg.norm(best - limits[:, 0]) + _ROUNDING))
        high = min(high, math.ceil(best.sum() + np.linalg.norm(limits[:, 1] - best) - _ROUNDING))
    return float(best.sum() / size), (float(low / size), float(high / size))


def _best(part: Part) -> float:
    if part.known_right + part.known_wrong == part.size:
        return part.known_wrong
    if part.sampled == 0:
        return math.nan
    in_proportion = part.size * part.sampled_wrong / part.sampled
    return min(max(in_proportion, part.known_wrong), part.size - part.known_right)


def _limits(part: Part, confidence: float) -> tuple[int, int]:
    """Limits of the number of wrong labels in a part, never at odds with what is known."""
    least, most = part.known_wrong, part.size - part.known_right
    if least == most:
        return least, most
    low, high = wrong_in_population(part.size, part.sampled, part.sampled_wrong, confidence)
    return min(max(low, least), most), max(min(high, most), least)


def wrong_in_population(size: int, sampled: int, wrong: int, confidence: float) -> tuple[int, int]:
    """Exact limits of how many of some examples are wrong, after a part of them was drawn without replacement.

    The limits are the least and the greatest number under which neither tail of the hypergeometric distribution beyond
    what was drawn has a probability of (1 - confidence) / 2 or less; they hold the truth with probability `confidence`
    or more, whatever it is.

    Args:
        size: Number of examples, at least `sampled`.
        sampled: Number of examples drawn.
        wrong: How many of these are wrong.
        confidence: In (0, 1).

    Source:
        Wright, "Exact Confidence Bounds when Sampling from Small Finite Universes" (1991), chapter 2.
    """
    tail = (1 - confidence) / 2
    least_right = _greatest(size, sampled, sampled - wrong, tail)
    return size - least_right, _greatest(size, sampled, wrong, tail)


def _greatest(size: int, sampled: int, drawn: int, tail: float) -> int:
    """The greatest number of marked examples under which `drawn` or fewer are drawn with probability above `tail`."""
    low, high = drawn, size - sampled + drawn  # possible at all
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(size, middle, sampled, drawn) > tail:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most(size: int, marked: int, sampled: int, drawn: int) -> float:
    """P(X <= drawn), X = number of marked among `sampled` of `size` examples, of which `marked` are marked."""
    log = _log_factorials(1 << size.bit_length())
    x = np.arange(max(0, sampled - (size - marked)), min(drawn, marked) + 1)
    others = size - marked
    log_p = (
        log[marked]
        - log[x]
        - log[marked - x]
        + log[others]
        - log[sampled - x]
        - log[others - sampled + x]
        - (log[size] - log[sampled] - log[size - sampled])
    )
    return float(np.exp(log_p).sum())


@functools.lru_cache(maxsize=4)
def _log_factorials(most: int) -> Floats:
    """log(k!) for k = 0 to `most`."""
    return np.concatenate([[0.0], np.log(np.arange(1, most + 1)).cumsum()])

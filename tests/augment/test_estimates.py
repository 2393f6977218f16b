"""Intervals against fractions summed over every possibility, and the estimates over simulated reviews."""

import dataclasses
import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from benchmarks.coverage import REVIEWS, pieces, simulate
from rheostat.augment.estimates import Part, estimate, share_wrong, wrong_in_population
from rheostat.augment.sampling import Suspects, in_rounds
from rheostat.errors import DataError, SettingsError


def chances(size: int, marked: int, sampled: int) -> list[Fraction]:
    """Probability of every number of marked among the sampled."""
    ways = [comb(marked, x) * comb(size - marked, sampled - x) for x in range(sampled + 1)]
    return [Fraction(way, comb(size, sampled)) for way in ways]


# ---- one part


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(("size", "sampled"), [(1, 0), (1, 1), (9, 0), (12, 5), (31, 8), (20, 20)])
def test_limits_are_those_under_which_neither_tail_is_too_small(size: int, sampled: int, confidence: float) -> None:
    tail = Fraction(round((1 - confidence) * 1000), 2000)
    told = {marked: chances(size, marked, sampled) for marked in range(size + 1)}
    for wrong in range(sampled + 1):
        fits = [
            marked
            for marked, chance in told.items()
            if wrong <= marked <= size - sampled + wrong
            and sum(chance[: wrong + 1]) > tail
            and sum(chance[wrong:]) > tail
        ]
        assert wrong_in_population(size, sampled, wrong, confidence) == (min(fits), max(fits))


@pytest.mark.parametrize(("size", "sampled"), [(40, 10), (25, 24)])
def test_limits_hold_the_truth_as_often_as_stated_whatever_it_is(size: int, sampled: int) -> None:
    limits = [wrong_in_population(size, sampled, wrong, 0.95) for wrong in range(sampled + 1)]
    for truth in range(size + 1):
        chance = chances(size, truth, sampled)
        covered = sum(p for p, (low, high) in zip(chance, limits, strict=True) if low <= truth <= high)
        assert covered >= Fraction(95, 100)


def clopper_pearson(sampled: int, wrong: int) -> tuple[float, float]:
    """The 95 % limits of a binomial probability, by trying ever finer steps upwards."""

    def at_most(number: int, p: float) -> float:
        return sum(comb(sampled, x) * p**x * (1 - p) ** (sampled - x) for x in range(number + 1))

    found = []
    for is_below in (lambda p: 1 - at_most(wrong - 1, p) < 0.025, lambda p: at_most(wrong, p) > 0.025):
        p, step = 0.0, 0.5
        while step > 1e-9:
            p, step = (p + step if is_below(p + step) else p), step / 2
        found.append(p)
    return found[0], found[1]


def test_limits_of_a_large_part_are_those_of_the_binomial() -> None:
    low, high = wrong_in_population(1_000_000, 250, 25, 0.95)
    assert (low / 1e6, high / 1e6) == pytest.approx(clopper_pearson(250, 25), abs=2e-5)


# ---- parts together


def test_parts_that_are_known_add_nothing_to_the_interval() -> None:
    sampled, known = Part(500, 40, 6, 34, 6), Part(100, 60, 50, 45, 55)
    low, high = wrong_in_population(500, 40, 6, 0.95)
    rate, interval = share_wrong((sampled, known), 0.95)
    assert rate == pytest.approx((500 * 6 / 40 + 55) / 600)
    assert interval == pytest.approx(((low + 55) / 600, (high + 55) / 600))


def test_two_sampled_parts_are_put_together_by_squares() -> None:
    one, other = Part(500, 40, 6, 34, 6), Part(300, 30, 20, 10, 20)
    limits = [wrong_in_population(500, 40, 6, 0.95), wrong_in_population(300, 30, 20, 0.95)]
    best = [75, 200]
    below = math.sqrt(sum((b - low) ** 2 for b, (low, _) in zip(best, limits, strict=True)))
    above = math.sqrt(sum((high - b) ** 2 for b, (_, high) in zip(best, limits, strict=True)))
    rate, interval = share_wrong((one, other), 0.95)
    assert rate == pytest.approx(275 / 800)
    assert interval == (math.floor(275 - below) / 800, math.ceil(275 + above) / 800)
    assert interval[0] > sum(low for low, _ in limits) / 800


def test_no_interval_is_at_odds_with_what_is_known() -> None:
    # of 20 known examples only 4 were a sample; all others beyond it were wrong
    rate, (low, high) = share_wrong((Part(30, 4, 0, 5, 15),), 0.95)
    assert rate == 15 / 30  # in proportion it would be 0
    assert low == 15 / 30
    assert high <= 25 / 30


def test_a_part_that_was_not_sampled_leaves_the_estimate_open_and_the_interval_certain() -> None:
    rate, interval = share_wrong((Part(100, 100, 30, 70, 30), Part(300, 0, 0, 2, 1)), 0.95)
    assert math.isnan(rate)
    assert interval == (31 / 400, (30 + 298) / 400)
    assert math.isnan(share_wrong((), 0.95)[0])


# ---- a review


def reviewed(suspects: Suspects, wrong: np.ndarray, number: int) -> dict[int, bool]:
    return {int(index): bool(wrong[index]) for index in suspects.index[:number]}


@pytest.fixture
def wrong() -> np.ndarray:
    """400 examples, 60 of them wrong."""
    return np.random.default_rng(3).permutation(400) < 60


@pytest.fixture
def suspects(wrong: np.ndarray) -> Suspects:
    score = np.random.default_rng(4).standard_normal(400) + 1.5 * wrong
    return in_rounds(score, 0.25, rounds=4, audits=0.2, reviewed=(), seed=5)


def test_a_finished_review_knows_its_suspects_and_estimates_the_rest_from_audits(
    suspects: Suspects, wrong: np.ndarray
) -> None:
    found = estimate(suspects, reviewed(suspects, wrong, 100))
    ranked, audits = suspects.index[suspects.ranked >= 0], suspects.index[suspects.ranked < 0]
    assert (len(ranked), len(audits)) == (80, 20)
    known, drawn = int(wrong[ranked].sum()), int(wrong[audits].sum())
    assert found.precision == known / 80
    assert found.precision_interval == (known / 80, known / 80)
    assert found.noise_rate == pytest.approx((known + 320 * drawn / 20) / 400)
    low, high = wrong_in_population(320, 20, drawn, 0.95)
    assert found.noise_interval == pytest.approx(((known + low) / 400, (known + high) / 400))
    assert (found.reviewed, found.wrong, found.round) == (100, known + drawn, 3)
    assert found.audited == int(suspects.audit.sum()) > 20
    assert (found.confidence, found.note) == (0.95, "")


def test_a_review_stopped_after_a_round_speaks_of_the_rounds_until_then(suspects: Suspects, wrong: np.ndarray) -> None:
    for number in (50, 62):  # what is begun of a round counts from its half on
        found = estimate(suspects, reviewed(suspects, wrong, number))
        ranked = suspects.index[(suspects.ranked >= 0) & (suspects.ranked <= 1)]
        drawn = [i for at, i in enumerate(suspects.index[:50]) if i not in ranked]
        assert (len(ranked), len(drawn)) == (40, 10)
        assert found.round == 1
        assert found.precision == wrong[ranked].mean()
        expected = (wrong[ranked].sum() + 360 * wrong[drawn].sum() / 10) / 400
        assert found.noise_rate == pytest.approx(expected)
    assert estimate(suspects, reviewed(suspects, wrong, 63)).round == 2


def test_in_the_middle_of_a_round_its_suspects_are_a_sample_too(suspects: Suspects, wrong: np.ndarray) -> None:
    front = 65
    found = estimate(suspects, reviewed(suspects, wrong, front))
    assert found.round == 2
    passed = set(suspects.index[:front].tolist())
    earlier = suspects.index[(suspects.ranked >= 0) & (suspects.ranked < 2)]
    now = suspects.index[suspects.ranked == 2]
    seen = [i for i in now if int(i) in passed]
    assert 10 < len(seen) < 20 == len(now)
    expected = (wrong[earlier].sum() + 20 * wrong[seen].mean()) / 60
    assert found.precision == pytest.approx(expected)
    assert found.precision_interval[0] < found.precision < found.precision_interval[1]


def test_what_is_decided_beyond_the_first_open_example_is_believed_and_speaks_for_no_other(
    suspects: Suspects, wrong: np.ndarray
) -> None:
    in_turn = reviewed(suspects, wrong, 50)
    beyond = [int(i) for i in suspects.index[51:] if wrong[i]]  # a bulk action on wrong ones only
    found = estimate(suspects, in_turn | dict.fromkeys(beyond, True))
    before = estimate(suspects, in_turn)
    assert found.round == before.round == 1
    assert found.noise_rate == before.noise_rate
    assert found.noise_interval[0] >= before.noise_interval[0]
    assert found.noise_interval[0] >= (before.wrong + len(beyond)) / 400
    assert found.precision == before.precision


def test_what_was_skipped_stops_no_review_and_a_gap_does(suspects: Suspects, wrong: np.ndarray) -> None:
    verdicts = reviewed(suspects, wrong, 100)
    (gap,) = (int(suspects.index[30]),)
    del verdicts[gap]
    assert estimate(suspects, verdicts).round == 0
    found = estimate(suspects, verdicts, skipped=[gap])
    assert found.round == 3
    assert found.reviewed == 99


def test_what_was_reviewed_before_counts_and_is_no_sample_of_the_rest(wrong: np.ndarray) -> None:
    score = np.random.default_rng(8).random(400)
    before = np.flatnonzero(wrong)[:30].tolist()
    suspects = in_rounds(score, 0.2, rounds=2, audits=0.5, reviewed=before, seed=1)
    verdicts = dict.fromkeys(before, True) | reviewed(suspects, wrong, 50)
    found = estimate(suspects, verdicts)
    ranked, audits = suspects.index[suspects.ranked >= 0], suspects.index[suspects.ranked < 0]
    rest = 400 - 30 - len(ranked)
    expected = (30 + wrong[ranked].sum() + rest * wrong[audits].mean()) / 400
    assert found.noise_rate == pytest.approx(expected)
    assert found.reviewed == 50


def test_without_audits_the_noise_rate_is_open_and_says_why(suspects: Suspects, wrong: np.ndarray) -> None:
    nothing = estimate(suspects, {})
    assert math.isnan(nothing.noise_rate)
    assert math.isnan(nothing.precision)
    assert nothing.noise_interval == (0, 1)
    assert nothing.precision_interval == (0, 1)
    assert "no audit has been decided yet" in nothing.note
    score = np.arange(400.0)
    none = in_rounds(score, 0.1, rounds=2, audits=0.0, reviewed=(), seed=0)
    found = estimate(none, reviewed(none, wrong, 40))
    assert math.isnan(found.noise_rate)
    known = int(wrong[none.index].sum())
    assert found.noise_interval == (known / 400, (known + 360) / 400)
    assert found.precision == known / 40
    assert "no audits are on the list" in found.note
    spent = in_rounds(score, 0.1, rounds=2, audits=0.1, reviewed=range(40), seed=0)
    assert math.isnan(estimate(spent, dict.fromkeys(range(40), False)).noise_rate)


def test_a_whole_data_set_that_was_reviewed_is_known(wrong: np.ndarray) -> None:
    everything = in_rounds(np.arange(400.0), 1.0, rounds=3, audits=0.1, reviewed=(), seed=0)
    found = estimate(everything, reviewed(everything, wrong, 400))
    assert found.noise_rate == 60 / 400
    assert found.noise_interval == (60 / 400, 60 / 400)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
def test_a_confidence_outside_its_range_is_refused(suspects: Suspects, confidence: float) -> None:
    with pytest.raises(SettingsError, match="confidence is"):
        estimate(suspects, {}, confidence)


@pytest.mark.parametrize("index", [-1, 400])
def test_a_verdict_on_what_is_not_there_is_refused(suspects: Suspects, index: int) -> None:
    with pytest.raises(DataError, match=f"example {index} and the data set has 400"):
        estimate(suspects, {index: True})


def test_a_higher_confidence_has_a_wider_interval(suspects: Suspects, wrong: np.ndarray) -> None:
    verdicts = reviewed(suspects, wrong, 100)
    narrow, wide = (estimate(suspects, verdicts, confidence).noise_interval for confidence in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


# ---- over many reviews


@pytest.mark.parametrize("ranking", ["good", "useless", "adversarial"])
@pytest.mark.parametrize("review", REVIEWS)
@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_the_interval_holds_the_truth_as_often_as_stated(noise: float, review: str, ranking: str) -> None:
    found = simulate(600, noise, ranking, REVIEWS[review], 150, np.random.default_rng(11))
    # 150 reviews at 95 %: 0.90 is 2.8 standard deviations below
    assert found["covered"] >= 0.90
    assert found["precision_covered"] >= 0.90


def test_the_interval_is_useful(wrong: np.ndarray) -> None:
    """Good suspects make it narrower than the audits alone do, useless and adversarial ones hardly wider."""
    review = {"budget": 0.3, "audits": 0.3, "done": 1.0, "skipped": 0.0}
    rng = np.random.default_rng(0)
    good, useless, adversarial = (
        simulate(800, 0.2, name, review, 60, rng) for name in ("good", "useless", "adversarial")
    )
    assert good["width"] < 0.5 * good["audits_alone"]
    assert useless["width"] < useless["audits_alone"]
    assert adversarial["width"] < 1.02 * adversarial["audits_alone"]


def test_estimates_are_right_on_average() -> None:
    rng = np.random.default_rng(2)
    rates, precisions = [], []
    for _ in range(600):
        wrong = rng.permutation(300) < 45
        suspects = in_rounds(
            rng.standard_normal(300) + wrong, 0.2, rounds=3, audits=0.3, reviewed=(), seed=int(rng.integers(1 << 30))
        )
        found = estimate(suspects, reviewed(suspects, wrong, 51))
        assert found.round == 2
        rates.append(found.noise_rate)
        precisions.append(found.precision - wrong[suspects.index[suspects.ranked >= 0]].mean())
    for errors, truth in ((rates, 0.15), (precisions, 0.0)):
        assert abs(np.mean(errors) - truth) < 4 * np.std(errors) / math.sqrt(600)


def test_the_record_is_shown_with_its_worst_case() -> None:
    case = {"size": 1000, "review": "r", "ranking": "good", "noise": 0.05, "precision_covered": 1.0}
    case |= {"covered": 0.931, "width": 0.05, "audits_alone": 0.1}
    record = {
        "times": 1000,
        "reviews": {"r": {}},
        "rankings": {"good": "so"},
        "cases": [case, {**case, "noise": 0.2, "covered": 0.96}],
        "environment": {"commit": "abc"},
    }
    shown = pieces(record)
    assert "| 1,000 | r | good | 0.931 (0.946) | 1.000 | 5.0, 5.0 | 10.0, 10.0 |" in shown["table"]
    assert "93.1% of the reviews of the worst case" in shown["conditions"]


def test_an_estimate_is_a_plain_record(suspects: Suspects) -> None:
    assert dataclasses.asdict(estimate(suspects, {}))["reviewed"] == 0

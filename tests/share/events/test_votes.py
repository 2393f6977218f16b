"""The chance of no run: against all strings, against a loop, and at its limits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.share.events import no_run

probability = st.floats(0, 1)


def by_enumeration(n: int, votes: int, first: float, after_miss: float, after_hit: float) -> float:
    total = 0.0
    for string in itertools.product("01", repeat=n):
        if "1" * votes in "".join(string):
            continue
        weight = 1.0
        for before, now in zip((None, *string), string, strict=False):
            hit = {None: first, "0": after_miss, "1": after_hit}[before]
            weight *= hit if now == "1" else 1 - hit
        total += weight
    return total


def by_loop(n: int, votes: int, first: float, after_miss: float, after_hit: float) -> float:
    run = [1.0] + [0.0] * (votes - 1)
    for sample in range(n):
        longer = [0.0] * (votes + 1)
        for length, weight in enumerate(run):
            hit = first if sample == 0 else after_hit if length else after_miss
            longer[0] += weight * (1 - hit)
            longer[length + 1] += weight * hit
        run = longer[:votes]
    return math.fsum(run)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 8), votes=st.integers(1, 9), first=probability, after_miss=probability, after_hit=probability)
def test_equals_the_sum_over_all_strings(n: int, votes: int, first: float, after_miss: float, after_hit: float) -> None:
    expected = by_enumeration(n, votes, first, after_miss, after_hit)
    assert no_run(n, votes, first=first, after_miss=after_miss, after_hit=after_hit) == pytest.approx(expected)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("votes", [1, 2, 3, 7])
def test_both_chains_equal_the_sum_over_all_strings_of_ten(votes: int, published: bool) -> None:
    p, c = 0.7, 0.4
    chain = {"first": p, "after_miss": p if published else p * (1 - c), "after_hit": p + (1 - p) * c}
    assert no_run(10, votes, **chain) == pytest.approx(by_enumeration(10, votes, **chain), rel=1e-12)


def test_every_element_has_its_own_number_of_samples_and_its_own_chain() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(0, 300, size=(7, 1, 4))
    first, after_miss, after_hit = rng.random((5, 4)) * 0.5, rng.random((1, 4)) * 0.3, rng.random((5, 1))
    found = no_run(n, 4, first=first, after_miss=after_miss, after_hit=after_hit)
    arrays = np.broadcast_arrays(n, 4, first, after_miss, after_hit)
    expected = [by_loop(int(n), int(x), a, b, c) for n, x, a, b, c in zip(*(a.ravel() for a in arrays), strict=True)]
    assert found.shape == (7, 5, 4)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-11)


def test_a_long_gap_keeps_its_digits() -> None:
    chain = {"first": 0.01, "after_miss": 0.005, "after_hit": 0.3}
    assert no_run(30_001, 3, **chain) == pytest.approx(by_loop(30_001, 3, **chain), rel=1e-10)


def test_too_few_samples_hold_no_run_for_sure() -> None:
    chain = {"first": 0.9, "after_miss": 0.8, "after_hit": 0.9}
    found = no_run(np.arange(6), 4, **chain)
    assert (found[:4] == 1).all()
    assert (found[4:] < 1).all()
    assert no_run(3, 10**9, **chain) == 1


def test_sure_hits_and_sure_misses() -> None:
    n = np.arange(9)
    np.testing.assert_array_equal(no_run(n, 5, first=1, after_miss=0, after_hit=1), n < 5)
    np.testing.assert_array_equal(no_run(n, 1, first=0, after_miss=0, after_hit=1), np.ones(9))

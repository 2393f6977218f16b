"""The highest scores of a round."""

import math
from fractions import Fraction

import pytest
import torch

from rheostat.select import TopK
from tests.select.policies.rounds import probabilities, some_scores


@pytest.mark.parametrize("share", ["0.07", "0.25", "0.3", "0.55", "1", "0.001"])
@pytest.mark.parametrize("size", [0, 1, 7, 20, 100])
def test_top_k_keeps_exactly_the_highest_share_rounded_up(share: str, size: int) -> None:
    number = math.ceil(Fraction(share) * size)  # of the share as it is written, not of the nearest float
    scores = some_scores(size)
    kept = probabilities(TopK(keep=float(share)), scores).nonzero().flatten().tolist()
    assert set(kept) == set(sorted(range(size), key=lambda i: -scores[i])[:number])


def test_top_k_keeps_the_exact_number_among_equals_and_the_earlier_first() -> None:
    assert probabilities(TopK(keep=0.5), torch.tensor([1.0, 2.0, 1.0, 1.0])).tolist() == [1.0, 1.0, 0.0, 0.0]

"""Rounds of candidates that the tests of the policies share."""

from typing import Any

import torch
from torch import Tensor

from rheostat.select import Candidates, Policy


def candidates_with(scores: Tensor, **others: Any) -> Candidates:
    return Candidates(torch.arange(len(scores)), scores, **others)


def some_scores(size: int, seed: int = 0) -> Tensor:
    """Different from each other, from 0 to 2 as the Euclidean score."""
    return 2 * torch.rand(size, generator=torch.Generator().manual_seed(seed))


def probabilities(policy: Policy, scores: Tensor, **others: Any) -> Tensor:
    return policy.choose(candidates_with(scores, **others)).probability


def weights(policy: Policy, scores: Tensor, **others: Any) -> Tensor:
    weight = policy.choose(candidates_with(scores, **others)).weight
    return torch.ones_like(scores) if weight is None else weight

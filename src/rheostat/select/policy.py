"""What a policy is: scores in, probabilities of keeping out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from rheostat.errors import StateError
from rheostat.signals.stateful import Stateful


@dataclass(frozen=True)
class Candidates:
    """One round of candidates, as a policy sees it.

    Attributes:
        index: `[B]` int64, index of each example in the data set.
        score: `[B]` float32, higher = more to teach; NaN throughout where the policy does not need a score.
    """

    index: Tensor
    score: Tensor


@runtime_checkable
class Policy(Protocol):
    """Decides with which probability each candidate is kept.

    A policy reads no random state: the loader that owns the generator makes the draw. A policy that remembers
    something between rounds (a history of scores) has `state_dict` and `load_state_dict` besides.
    """

    @property
    def needs_score(self) -> bool:
        """Whether candidates must be scored first, which costs a forward pass each."""
        ...

    @property
    def keeps_all(self) -> bool:
        """Whether every candidate is always kept, so that nothing has to be drawn."""
        ...

    def keep_probability(self, candidates: Candidates) -> Tensor:
        """`[B]` float32 in [0, 1]: the probability of keeping each candidate, independently of the others."""
        ...


def policy_state(policy: Policy) -> dict[str, Any]:
    """Kind of a policy and what it remembers, if it remembers anything."""
    state = policy.state_dict() if isinstance(policy, Stateful) else {}
    return {"kind": type(policy).__name__, "state": state}


def load_policy_state(policy: Policy, saved: dict[str, Any]) -> None:
    """Give a policy what `policy_state` saved.

    Raises:
        StateError: It was saved of another kind of policy.
    """
    kind = type(policy).__name__
    if saved["kind"] != kind:
        raise StateError(
            f"the saved policy is {saved['kind']} and this one {kind}: "
            "resume with the policy that the run was started with"
        )
    if isinstance(policy, Stateful):
        policy.load_state_dict(saved["state"])

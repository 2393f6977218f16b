"""The policies, and their names for the command line."""

from __future__ import annotations

import dataclasses
from typing import Any

from rheostat.errors import check_options, unknown_name
from rheostat.select.policies.baselines import MatchedRandom, Random, Uniform
from rheostat.select.policies.biggest_losers import Percentile, SelectiveBackprop
from rheostat.select.policies.top_k import TopK
from rheostat.select.policy import Policy

__all__ = [
    "MatchedRandom",
    "Percentile",
    "Random",
    "SelectiveBackprop",
    "TopK",
    "Uniform",
    "build_policy",
    "option_names",
    "policy_names",
]

_POLICIES: dict[str, Any] = {
    "uniform": Uniform,
    "random": Random,
    "selective-backprop": SelectiveBackprop,
    "percentile": Percentile,
    "top-k": TopK,
    "matched-random": MatchedRandom,
}

_REFERENCE = "selective-backprop"  # what matched-random is matched to unless told otherwise


def policy_names() -> tuple[str, ...]:
    """The names that `build_policy` takes."""
    return tuple(_POLICIES)


def build_policy(name: str, **options: Any) -> Policy:
    """Build a policy from its name and its options.

    Args:
        name: One of `policy_names()`.
        options: Constructor arguments of the policy. For ``matched-random``, `reference` is the name of another
            policy (``selective-backprop`` if it is left out) and the rest are that policy's options.

    Raises:
        SettingsError: The name is unknown (the nearest are given), the policy has no such option, or an option is
            outside its range.
    """
    known = option_names(name)
    if name == "matched-random":
        return MatchedRandom(build_policy(options.pop("reference", _REFERENCE), **options))
    check_options("policy", name, options, known)
    return _POLICIES[name](**options)


def option_names(name: str) -> tuple[str, ...]:
    """The options that the policy called `name` takes; for ``matched-random``, also those of any reference.

    Raises:
        SettingsError: The name is unknown (the nearest are given).
    """
    if name not in _POLICIES:
        raise unknown_name("policy", name, _POLICIES)
    if name == "matched-random":
        others = [option for other in _POLICIES if other != name for option in option_names(other)]
        return ("reference", *others)
    return tuple(field.name for field in dataclasses.fields(_POLICIES[name]) if field.init)

"""The policies, and their names for the command line."""

from __future__ import annotations

import dataclasses
from typing import Any

from rheostat.errors import SettingsError, check_options, unknown_name
from rheostat.select.policies.baselines import MatchedRandom, Random, Uniform
from rheostat.select.policies.biggest_losers import Percentile, SelectiveBackprop
from rheostat.select.policies.holdout import holdout_losses, read_holdout, write_holdout
from rheostat.select.policies.katharopoulos import Katharopoulos
from rheostat.select.policies.progressive_dropout import ProgressiveDropout
from rheostat.select.policies.prune_and_rescale import PruneAndRescale
from rheostat.select.policies.reducible_loss import ReducibleLoss
from rheostat.select.policies.reweighted import Reweighted
from rheostat.select.policies.top_k import TopK
from rheostat.select.policy import Policy

__all__ = [
    "Katharopoulos",
    "MatchedRandom",
    "Percentile",
    "ProgressiveDropout",
    "PruneAndRescale",
    "Random",
    "ReducibleLoss",
    "Reweighted",
    "SelectiveBackprop",
    "TopK",
    "Uniform",
    "build_policy",
    "holdout_losses",
    "option_names",
    "policy_names",
    "read_holdout",
    "write_holdout",
]

_POLICIES: dict[str, Any] = {
    "uniform": Uniform,
    "random": Random,
    "selective-backprop": SelectiveBackprop,
    "percentile": Percentile,
    "top-k": TopK,
    "katharopoulos": Katharopoulos,
    "reducible-loss": ReducibleLoss,
    "prune-and-rescale": PruneAndRescale,
    "progressive-dropout": ProgressiveDropout,
}
_OF_ANOTHER: dict[str, Any] = {"matched-random": MatchedRandom, "reweighted": Reweighted}

_REFERENCE = "selective-backprop"  # what those of another are of, unless told otherwise


def policy_names() -> tuple[str, ...]:
    """The names that `build_policy` takes."""
    return (*_POLICIES, *_OF_ANOTHER)


def build_policy(name: str, *, epochs: int | None = None, **options: Any) -> Policy:
    """Build a policy from its name and its options.

    Args:
        name: One of `policy_names()`.
        epochs: Epochs of the run, for the policies that end with everything; the others do not look at it.
        options: Constructor arguments of the policy. For ``matched-random`` and ``reweighted``, `reference` is the name
            of another policy (``selective-backprop`` if it is left out) and the rest are that policy's options.

    Raises:
        SettingsError: The name is unknown (the nearest are given), the policy has no such option, an option is outside
            its range, or one that it needs is missing.
        DataError: A file that an option names cannot be used.
    """
    known = option_names(name)
    if name in _OF_ANOTHER:
        return _OF_ANOTHER[name](build_policy(options.pop("reference", _REFERENCE), epochs=epochs, **options))
    check_options("policy", name, options, known)
    kind = _POLICIES[name]
    for option in dataclasses.fields(kind):
        if option.init and option.default is dataclasses.MISSING and option.name not in options:
            raise SettingsError(f"policy {name!r} needs the option {option.name!r}: it takes {', '.join(known)}")
    return kind(**options, **({"epochs": epochs} if "epochs" in known else {}))


def option_names(name: str) -> tuple[str, ...]:
    """The options that the policy called `name` takes; for a policy that is of another, also those of any reference.

    Raises:
        SettingsError: The name is unknown (the nearest are given).
    """
    if name in _OF_ANOTHER:
        others = [option for other in _POLICIES for option in option_names(other)]
        return ("reference", *dict.fromkeys(others))
    if name not in _POLICIES:
        raise unknown_name("policy", name, policy_names())
    return tuple(field.name for field in dataclasses.fields(_POLICIES[name]) if field.init)

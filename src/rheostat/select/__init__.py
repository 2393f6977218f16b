"""Which examples teach: Selective-Backprop and its rivals, as a loader around the user's own."""

from rheostat.select.loader import SelectiveLoader, Stats
from rheostat.select.phases import Phases
from rheostat.select.policies import (
    MatchedRandom,
    Percentile,
    Random,
    SelectiveBackprop,
    TopK,
    Uniform,
    build_policy,
    option_names,
    policy_names,
)
from rheostat.select.policy import Candidates, Policy
from rheostat.select.queue import Kept
from rheostat.select.scoring import Scoring

__all__ = [
    "Candidates",
    "Kept",
    "MatchedRandom",
    "Percentile",
    "Phases",
    "Policy",
    "Random",
    "Scoring",
    "SelectiveBackprop",
    "SelectiveLoader",
    "Stats",
    "TopK",
    "Uniform",
    "build_policy",
    "option_names",
    "policy_names",
]

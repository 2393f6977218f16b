"""Which examples teach: Selective-Backprop and its rivals, as a loader around the user's own."""

from rheostat.select.costs import Costs, Mode
from rheostat.select.loader import SelectiveLoader
from rheostat.select.phases import Phases
from rheostat.select.policies import (
    Katharopoulos,
    MatchedRandom,
    Percentile,
    ProgressiveDropout,
    PruneAndRescale,
    Random,
    ReducibleLoss,
    Reweighted,
    SelectiveBackprop,
    TopK,
    Uniform,
    build_policy,
    holdout_losses,
    option_names,
    policy_names,
    read_holdout,
    write_holdout,
)
from rheostat.select.policy import Candidates, Choice, Policy, Traits
from rheostat.select.queue import Kept
from rheostat.select.scoring import Scoring
from rheostat.select.stats import Stats

__all__ = [
    "Candidates",
    "Choice",
    "Costs",
    "Katharopoulos",
    "Kept",
    "MatchedRandom",
    "Mode",
    "Percentile",
    "Phases",
    "Policy",
    "ProgressiveDropout",
    "PruneAndRescale",
    "Random",
    "ReducibleLoss",
    "Reweighted",
    "Scoring",
    "SelectiveBackprop",
    "SelectiveLoader",
    "Stats",
    "TopK",
    "Traits",
    "Uniform",
    "build_policy",
    "holdout_losses",
    "option_names",
    "policy_names",
    "read_holdout",
    "write_holdout",
]

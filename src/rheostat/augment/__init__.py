"""How examples are varied, and which of them are likely mislabelled: Selective-Augment.

The names below load on first use, so that decisions can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheostat.lazy import lazily

if TYPE_CHECKING:
    from rheostat.augment.decision import ConflictError, DataIdentity, Decision, labels_after, verdicts_of
    from rheostat.augment.decisions import Decisions, read_decisions
    from rheostat.augment.estimates import Estimate, estimate
    from rheostat.augment.kinds import (
        AutoAugment,
        Bandit,
        BaseOnly,
        Choice,
        Evolution,
        Kind,
        LearningKind,
        RandAugment,
        RandomSearch,
        TrivialAugment,
        build_kind,
        kind_option_names,
    )
    from rheostat.augment.pixels import Normalised
    from rheostat.augment.quarantine import Quarantine
    from rheostat.augment.rates import Always, Never, RankRate, Rate, Threshold, TopK, Uniform, build_rate
    from rheostat.augment.rewards import Band, HeldOutImprovement
    from rheostat.augment.sampling import Suspects
    from rheostat.augment.selective import SelectiveAugment
    from rheostat.augment.suspicion import quarantined, suspects
    from rheostat.augment.view import View

__all__ = [
    "Always",
    "AutoAugment",
    "Band",
    "Bandit",
    "BaseOnly",
    "Choice",
    "ConflictError",
    "DataIdentity",
    "Decision",
    "Decisions",
    "Estimate",
    "Evolution",
    "HeldOutImprovement",
    "Kind",
    "LearningKind",
    "Never",
    "Normalised",
    "Quarantine",
    "RandAugment",
    "RandomSearch",
    "RankRate",
    "Rate",
    "SelectiveAugment",
    "Suspects",
    "Threshold",
    "TopK",
    "TrivialAugment",
    "Uniform",
    "View",
    "build_kind",
    "build_rate",
    "estimate",
    "kind_option_names",
    "labels_after",
    "quarantined",
    "read_decisions",
    "suspects",
    "verdicts_of",
]

__getattr__ = lazily(
    __name__,
    {
        "Always": "rates",
        "AutoAugment": "kinds",
        "Band": "rewards",
        "Bandit": "kinds",
        "BaseOnly": "kinds",
        "Choice": "kinds",
        "ConflictError": "decision",
        "DataIdentity": "decision",
        "Decision": "decision",
        "Decisions": "decisions",
        "Estimate": "estimates",
        "Evolution": "kinds",
        "HeldOutImprovement": "rewards",
        "Kind": "kinds",
        "LearningKind": "kinds",
        "Never": "rates",
        "Normalised": "pixels",
        "Quarantine": "quarantine",
        "RandAugment": "kinds",
        "RandomSearch": "kinds",
        "RankRate": "rates",
        "Rate": "rates",
        "SelectiveAugment": "selective",
        "Suspects": "sampling",
        "Threshold": "rates",
        "TopK": "rates",
        "TrivialAugment": "kinds",
        "Uniform": "rates",
        "View": "view",
        "build_kind": "kinds",
        "build_rate": "rates",
        "estimate": "estimates",
        "kind_option_names": "kinds",
        "labels_after": "decision",
        "quarantined": "suspicion",
        "read_decisions": "decisions",
        "suspects": "suspicion",
        "verdicts_of": "decision",
    },
)

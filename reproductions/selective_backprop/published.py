"""What has been published about Selective-Backprop, each claim with its source.

The text of the thesis is not part of this repository, and neither are the numbers of its tables: a claim that is known
in words only is given in words. No number below is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

THESIS = "Jiang, thesis, CMU-CS-20-112, 2020, section 4"
PAPER = "Jiang et al., arXiv:1910.00762, abstract"
CODE = "the authors' released code, defaults of its training example"
NOISE = "Hu et al., arXiv:2107.07741, abstract"


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        text: What is claimed.
        source: Who says so.
        number: The number in it, if a number is known; the unit is in the text.
    """

    text: str
    source: str
    number: float | None = None


CLAIMS: dict[str, Claim] = {
    "backwards": Claim(
        "on MNIST plain training's final error is reached with 0.33 of its backwards", f"{THESIS} (MNIST)", 0.33
    ),
    "error": Claim("lower final error and less training time than plain training", f"{THESIS}, in words"),
    "speed-up": Claim(
        "target errors are reached up to 3.5 x faster than with plain SGD (CIFAR-10, CIFAR-100, SVHN)", PAPER, 3.5
    ),
    "kath18": Claim(
        "between 1.02 and 1.8 x faster than the importance sampling of Katharopoulos and Fleuret", PAPER, 1.02
    ),
    "stale": Claim("with stale scores, a further 26 % faster", PAPER, 0.26),
    "self-pacing": Claim(
        "a kept share that falls as the network learns is better than a constant one", f"{THESIS}, in words"
    ),
    "probabilistic": Claim("keeping by chance is better than strictly the highest losses", f"{THESIS}, in words"),
    "no reweighting": Claim("kept examples need no weights to make up for the bias", f"{THESIS}, in words"),
    "small label error": Claim("a small share of wrong labels does no harm", f"{THESIS}, in words"),
    "label noise": Claim(
        "prioritising by loss gets worse than plain training where labels are noisy or corrupted", NOISE
    ),
}

FLOOR = 0.1
"""Smallest probability of keeping (thesis)."""
BATCH = 128
"""Examples per step (thesis; also the released code)."""
PRESAMPLE, KEEP = 1024, 128
"""Katharopoulos and Fleuret's candidates per round, and how many of them are drawn (thesis)."""
BARS = (1.0, 1.1, 1.2, 1.4)
"""Target errors over plain training's final one; the three above 1 are the paper's."""
STALE = 3
"""Epochs for which a stale score serves (released code)."""

RECIPES: dict[str, dict[str, object]] = {
    "cifar10": {"epochs": 200, "lr": 0.1, "milestones": (60.0, 120.0, 160.0), "gamma": 0.2},
    "cifar100": {"epochs": 200, "lr": 0.1, "milestones": (60.0, 120.0, 160.0), "gamma": 0.2},
    "svhn": {"epochs": 160, "lr": 0.01, "milestones": (80.0, 120.0), "gamma": 0.1},
}
"""By data set, after the released code: SGD with momentum 0.9 and weight decay 5e-4, crops and flips (not on SVHN) and
cutout. That code uses Nesterov momentum, ends CIFAR by hours, and names 200 epochs in a comment."""

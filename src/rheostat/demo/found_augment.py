"""What the second chapter found, in words and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostat.demo.augment import ASIDE, HARDER, REVIEWED, RIGHT, TITLES, VARIED, WRONG


def mean_error(record: dict[str, Any], arm: str) -> float:
    """Test error of an arm at its end, mean over the seeds."""
    return float(np.mean(record["arms"][arm]["error"]))


def table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells."""
    cells = []
    for name, title in TITLES.items():
        errors = record["arms"][name]["error"]
        cells.append([title, f"{np.mean(errors):.2%}", f"{min(errors):.2%}", f"{max(errors):.2%}"])
    return ["trained with", "test error", "lowest", "highest"], cells


def headline(record: dict[str, Any]) -> str:
    """One measured sentence."""
    found = record["suspects"]
    return (
        f"Looking at {found['budget']:.0%} of the examples finds {found['found'] / found['wrong']:.0%} of the wrong "
        f"labels; the error goes from {mean_error(record, WRONG):.2%} to {mean_error(record, REVIEWED):.2%}."
    )


def sentences(record: dict[str, Any]) -> list[str]:
    """The findings, wins and losses alike."""
    found, noise = record["suspects"], record["planted"] / record["examples"]
    errors = {name: mean_error(record, name) for name in TITLES}
    right = (
        f"Of {found['ranked']} suspects by rank {found['ranked_wrong']} have a wrong label: precision "
        f"{found['ranked_wrong'] / found['ranked']:.2f}, where examples at random have {noise:.2f}. The log of the "
        "training run is all it takes; no model was run for it."
    )
    return [
        right,
        *_of_estimates(found, noise),
        _of_review(record, errors),
        _of_quarantine(errors),
        _of_rates(errors),
    ]


def _of_estimates(found: dict[str, Any], noise: float) -> list[str]:
    """What a reviewer who does not know the truth would know: soon about the first suspects, at the end about all."""
    known = [one for one in found["estimates"] if None not in (one["precision"], one["precision_true"])]
    end, said = found["estimates"][-1], []
    if known:
        low, high = known[0]["precision_interval"]
        said.append(
            f"After {known[0]['looks']} looks the precision of the first round was estimated at "
            f"{known[0]['precision']:.2f} ({low:.2f} to {high:.2f}); it is {known[0]['precision_true']:.2f}."
        )
    if end["noise"] is not None:
        low, high = end["noise_interval"]
        said.append(
            f"From the {found['audits']} audits, examples drawn at random, the share of wrong labels among all was "
            f"estimated at {end['noise']:.0%} ({low:.0%} to {high:.0%}); it is {noise:.0%}."
        )
    return said


def _of_review(record: dict[str, Any], errors: dict[str, float]) -> str:
    """What wrong labels cost, and what the review won back."""
    lost, won = errors[WRONG] - errors[RIGHT], errors[WRONG] - errors[REVIEWED]
    cost = f"Wrong labels cost {_points(lost)} of error" if lost > 0 else "Wrong labels cost nothing here"
    if won <= 0:
        return f"{cost}; the review won nothing back ({errors[REVIEWED]:.2%})."
    pairs = list(zip(*(record["arms"][arm]["error"] for arm in (REVIEWED, WRONG)), strict=True))
    lower = sum(after < before for after, before in pairs)
    return f"{cost}; the review won {_points(won)}, with a lower error in {lower} of {len(pairs)} seeds."


def _of_quarantine(errors: dict[str, float]) -> str:
    won = errors[WRONG] - errors[ASIDE]
    told = "Setting the suspects aside while training, with nobody looking,"
    if won <= 0:
        return f"{told} does not pay here: {errors[ASIDE]:.2%}."
    return f"{told} wins {_points(won)} ({errors[ASIDE]:.2%})."


def _of_rates(errors: dict[str, float]) -> str:
    told = f"Varying half of the views of the reviewed examples gives {errors[VARIED]:.2%}"
    if min(errors[VARIED], errors[HARDER]) >= errors[REVIEWED]:
        return (
            f"{told}, hard ones more often {errors[HARDER]:.2%}, none {errors[REVIEWED]:.2%}: augmentation does not "
            "pay here."
        )
    verdict = "moving it to the hard ones pays" if errors[HARDER] < errors[VARIED] else "moving it does not pay here"
    return f"{told}, none {errors[REVIEWED]:.2%}; as many, but hard ones more often, {errors[HARDER]:.2%}: {verdict}."


def _points(difference: float) -> str:
    """A difference of two errors."""
    return f"{100 * difference:.1f} points"

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
        "training run told; no model was run for it."
    )
    cost = f"Wrong labels cost {_points(errors[WRONG] - errors[RIGHT])} of error; {_won_back(errors)}."
    return [
        right,
        *_of_estimates(found, noise),
        cost,
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
            f"Its {found['audits']} random audits estimated that {end['noise']:.0%} of all labels are wrong "
            f"({low:.0%} to {high:.0%}); {noise:.0%} are."
        )
    return said


def _won_back(errors: dict[str, float]) -> str:
    won = errors[WRONG] - errors[REVIEWED]
    return f"the review won back {_points(won)}" if won > 0 else f"the review won nothing back ({errors[REVIEWED]:.2%})"


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
            f"{told}, hard ones more often {errors[HARDER]:.2%}, neither {errors[REVIEWED]:.2%}: augmentation does not "
            "pay on so small a task."
        )
    verdict = "moving it to the hard ones pays" if errors[HARDER] < errors[VARIED] else "moving it does not pay here"
    return f"{told}; as many, but hard ones more often, {errors[HARDER]:.2%}: {verdict}."


def _points(difference: float) -> str:
    """A difference of two errors."""
    return f"{100 * difference:.1f} points"

"""What the first chapter found, in words and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostat.bench.compare import CONTROL, DECAYED, PLAIN, curve_of
from rheostat.bench.findings import Row, rows_of
from rheostat.demo.select import GOVERNED, SELECTED


def arms(record: dict[str, Any]) -> dict[str, Row]:
    """What became of every arm, by name."""
    return {row.arm: row for row in rows_of(record["comparison"])}


def table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells."""
    header = ["arm", "backwards", "test error", "to plain's error", "processor"]
    cells = [
        [
            row.arm,
            f"{row.backwards:,.0f}",
            f"{row.error[0]:.2%}",
            "never" if row.reached_share is None else f"{row.reached_share:.2f} of plain's",
            f"{row.seconds:.1f} s",
        ]
        for row in arms(record).values()
    ]
    return header, cells


def headline(record: dict[str, Any]) -> str:
    """One measured sentence."""
    found = arms(record)
    plain, best = found[PLAIN], found[SELECTED]
    if best.reached_share is None:
        return (
            f"Selective-Backprop ends at {best.error[0]:.2%} with {best.backwards / plain.backwards:.2f} of the "
            f"backward passes of plain training, which ends at {plain.error[0]:.2%}: it does not get there."
        )
    return (
        f"Selective-Backprop needs {best.reached_share:.2f} of the backward passes to reach the error of plain "
        f"training, {plain.error[0]:.2%}."
    )


def sentences(record: dict[str, Any]) -> list[str]:
    """The findings, wins and losses alike."""
    found = arms(record)
    plain, best, governed = (found[name] for name in (PLAIN, SELECTED, GOVERNED))
    return [
        f"{headline(record)} {_of_ends(plain, best, len(record['comparison']['seeds']))}",
        _of_as_many(record["comparison"], found),
        _of_time(plain, best),
        _of_governor(
            plain, governed, _plain_at(record["comparison"], "cpu_seconds", governed.seconds), record["modes"]
        ),
    ]


def _of_ends(plain: Row, best: Row, seeds: int) -> str:
    """How the ends compare, seed by seed; and where plain itself was first as good, if that was before its end."""
    told = f"It ends at {best.error[0]:.2%}, lower than plain in {best.lower} of {seeds} seeds."
    if best.reached_share is None:
        told = f"It is lower than plain in {best.lower} of {seeds} seeds."
    elif plain.reached_share is not None and plain.reached_share < 1:
        told += f" Plain itself was first as good at {plain.reached_share:.2f}."
    return told


def _of_as_many(comparison: dict[str, Any], found: dict[str, Row]) -> str:
    """Beside what the same number of backwards gives without choosing by loss: the comparison that is fair."""
    best, control, decayed = found[SELECTED], found[CONTROL], found[DECAYED]
    ends, others = ([run["test_error"][-1] for run in comparison["arms"][name]["runs"]] for name in (SELECTED, CONTROL))
    lower = sum(one < other for one, other in zip(ends, others, strict=True))
    higher = sum(one > other for one, other in zip(ends, others, strict=True))
    if best.error[0] < control.error[0] and 2 * lower > len(ends):
        verdict = "choosing by loss is what helps"
    elif best.error[0] > control.error[0] and 2 * higher > len(ends):
        verdict = "choosing by loss does not help here"
    else:
        verdict = "too close to tell"
    return (
        f"After as many backward passes plain stands at {_plain_at(comparison, 'backwards', best.backwards):.2%}, and "
        f"with its learning rate falling to zero over them it ends at {decayed.error[0]:.2%}. Choosing as many, but "
        f"any (matched-random), ends at {control.error[0]:.2%}; by loss it is lower in {lower} of {len(ends)} seeds: "
        f"{verdict}."
    )


def _plain_at(comparison: dict[str, Any], axis: str, at: float) -> float:
    """Plain's mean error at so many ``backwards`` or ``cpu_seconds``; its last one where it has ended before."""
    curve = curve_of(comparison, PLAIN, axis)
    return float(np.interp(at, curve.x, curve.mean))


def _of_time(plain: Row, best: Row) -> str:
    if best.reached_seconds is None:
        share, times = best.backwards / plain.backwards, best.seconds / plain.seconds
        told = f"For {share:.2f} of the backward passes it took {times:.2f} of plain's processor time"
        return f"{told}: a forward pass for every candidate is not free." if times > share else f"{told}."
    times = best.reached_seconds / plain.seconds
    told = f"To plain's error it takes {times:.2f} of plain's processor time"
    if times < 1:
        return f"{told}: it saves time too."
    return f"{told}: the forward passes that choose cost more than they save."


def _of_governor(plain: Row, governed: Row, plain_then: float, modes: dict[str, float]) -> str:
    """What the governor made of it.

    Args:
        plain: Plain training.
        governed: Selective-Backprop with the governor.
        plain_then: Plain's error after as much processor time, in [0, 1].
        modes: Share of the candidates by where their scores came from.
    """
    off, free = modes.get("off", 0.0), modes.get("training", 0.0)
    if set(modes) <= {"off"}:
        return "The governor left selection off throughout: by its clock it promised to save too little at any time."
    scored = f"{free:.0%} of the candidates were scored by their last training pass, for nothing"
    left = f"; it left selection off for {off:.0%}, because it would have saved too little" if off else ""
    got = (
        f"It does not reach plain's error; after as much time plain stands at {plain_then:.2%}."
        if governed.reached_seconds is None
        else f"It reaches plain's error after {governed.reached_seconds:.1f} s, "
        f"{governed.reached_seconds / plain.seconds:.2f} of plain's time."
    )
    return (
        f"The governor measures what scores cost: {scored}{left}. It ends at {governed.error[0]:.2%} after "
        f"{governed.seconds:.1f} s of the processor (plain: {plain.error[0]:.2%} after {plain.seconds:.1f} s). {got}"
    )

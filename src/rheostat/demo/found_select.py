"""What the first chapter found, in words and as a table."""

from __future__ import annotations

from typing import Any

from rheostat.bench.compare import CONTROL, PLAIN
from rheostat.bench.findings import Row, rows_of
from rheostat.demo.select import GOVERNED, SELECTED


def arms(record: dict[str, Any]) -> dict[str, Row]:
    """What became of every arm, by name."""
    return {row.arm: row for row in rows_of(record["comparison"])}


def table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells."""
    header = ["arm", "backwards", "test error", "at plain's error", "processor"]
    cells = [
        [
            row.arm,
            f"{row.backwards:,.0f}",
            f"{row.error[0]:.2%}",
            "never" if row.reached_share is None else f"{row.reached_share:.2f} of them",
            f"{row.seconds:.1f} s",
        ]
        for row in rows_of(record["comparison"])
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
    plain, best, governed, control = (found[name] for name in (PLAIN, SELECTED, GOVERNED, CONTROL))
    seeds = len(record["comparison"]["seeds"])
    ending = (
        ""
        if best.reached_share is None
        else f" It ends at {best.error[0]:.2%}, lower than plain in {best.lower} of {seeds} seeds."
    )
    return [
        headline(record) + ending,
        _of_control(best, control),
        _of_time(plain, best),
        _of_governor(plain, best, governed, record["governor"]),
    ]


def _of_control(best: Row, control: Row) -> str:
    verdict = (
        "choosing by loss is what helps" if best.error[0] < control.error[0] else "choosing by loss does not help here"
    )
    return f"As many examples, but any (matched-random), end at {control.error[0]:.2%}: {verdict}."


def _of_time(plain: Row, best: Row) -> str:
    if best.reached_seconds is None:
        return (
            f"For {best.backwards / plain.backwards:.2f} of the backward passes it took "
            f"{best.seconds / plain.seconds:.2f} of plain's processor time: a forward pass for every candidate is not "
            "free."
        )
    times = best.reached_seconds / plain.seconds
    if times < 1:
        return f"In processor time that is {times:.2f} of plain's: it saves time too."
    return f"In processor time that is {times:.2f} of plain's: the forward passes that choose cost what they save."


def _of_governor(plain: Row, best: Row, governed: Row, clock: dict[str, Any]) -> str:
    if clock["speedup"] is None or set(clock["modes"]) <= {"off"}:
        return "The governor left selection off throughout: by its clock it promised to save too little at any time."
    free = clock["modes"].get("training", 0.0)
    ends = (
        f"With the governor, which measures what scores cost, {free:.0%} of the candidates were scored by their last "
        f"training pass, for nothing: {governed.seconds:.1f} s of the processor for as many backwards where a forward "
        f"pass for each takes {best.seconds:.1f} s (plain to its end: {plain.seconds:.1f} s)."
    )
    got = (
        f"It does not reach plain's error, and ends at {governed.error[0]:.2%}."
        if governed.reached_seconds is None
        else f"It reaches plain's error after {governed.reached_seconds:.1f} s, "
        f"{governed.reached_seconds / plain.seconds:.2f} of plain's time, and ends at {governed.error[0]:.2%}."
    )
    return f"{ends} {got}"

"""What a comparison found: a row per arm, and in words, wins and losses alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rheostat.bench.compare import CONTROL, DECAYED, PLAIN, cpu_seconds, curve_of, reaches


@dataclass(frozen=True)
class Row:
    """One arm of a comparison, over its seeds.

    Attributes:
        arm: Its name.
        epochs: Epochs of candidates, mean.
        backwards: Examples trained on, mean.
        error: Test error at the end in [0, 1]: mean, lowest, highest.
        lower: In how many seeds its final error is lower than plain's with the same seed.
        reached: Backwards at which its mean curve first reaches plain's mean final error; None = never.
        reached_share: The same as a share of plain's backwards.
        seconds: Processor seconds of all but evaluation, mean.
        reached_seconds: Processor seconds at which its mean curve first reaches plain's mean final error; None = never.
    """

    arm: str
    epochs: float
    backwards: float
    error: tuple[float, float, float]
    lower: int
    reached: float | None
    reached_share: float | None
    seconds: float
    reached_seconds: float | None


def rows_of(record: dict[str, Any]) -> list[Row]:
    """One row per arm, in the order of the record."""
    plain = record["arms"][PLAIN]["runs"]
    plain_final = np.array([run["test_error"][-1] for run in plain])
    plain_backwards = np.mean([run["backwards"][-1] for run in plain])
    target = float(plain_final.mean())
    rows: list[Row] = []
    for arm, content in record["arms"].items():
        runs = content["runs"]
        final = np.array([run["test_error"][-1] for run in runs])
        reached = reaches(curve_of(record, arm, "backwards"), target)
        rows.append(
            Row(
                arm=arm,
                epochs=float(np.mean([run["candidates"][-1] for run in runs])) / record["data"]["train"],
                backwards=float(np.mean([run["backwards"][-1] for run in runs])),
                error=(float(final.mean()), float(final.min()), float(final.max())),
                lower=int((final < plain_final).sum()),
                reached=reached,
                reached_share=None if reached is None else float(reached / plain_backwards),
                seconds=float(np.mean([cpu_seconds(run)[-1] for run in runs])),
                reached_seconds=reaches(curve_of(record, arm, "cpu_seconds"), target),
            )
        )
    return rows


def sentences_of(record: dict[str, Any]) -> list[str]:
    """The findings in words, each with its figures; losses are said as plainly as wins."""
    rows = {row.arm: row for row in rows_of(record)}
    plain, decayed, control = rows[PLAIN], rows[DECAYED], rows.get(CONTROL)
    seeds = len(record["seeds"])
    said: list[str] = []
    for row in rows.values():
        if row.arm in (PLAIN, DECAYED, CONTROL):
            continue
        ending = f"ends at {row.error[0]:.2%} (lower than plain in {row.lower} of {seeds} seeds)"
        if row.reached_share is None:
            said.append(f"{row.arm} does not reach plain's final error of {plain.error[0]:.2%}; it {ending}.")
        else:
            said.append(
                f"{row.arm} reaches plain's final error of {plain.error[0]:.2%} with {row.reached_share:.2f} of its "
                f"backwards, and {ending}."
            )
        if row.reached_seconds is not None:
            times = row.reached_seconds / plain.seconds
            verdict = "it saves time too" if times < 1 else "it saves no time"
            said.append(
                f"In processor time {verdict}: {_seconds(row.reached_seconds)} to get there, {times:.2f} x the "
                f"{_seconds(plain.seconds)} of the whole plain run."
            )
        if control is not None and row.arm == _matched_to(record):
            reached = "never reaches it" if control.reached is None else f"reaches it with {control.reached_share:.2f}"
            verdict = "choosing is what helps" if row.error[0] < control.error[0] else "choosing does not help here"
            said.append(
                f"{control.arm}, which keeps as many but any, {reached} and ends at {control.error[0]:.2%}: {verdict}."
            )
        said.append(
            f"Plain training with the learning rate decayed to zero over as many backwards ends at "
            f"{decayed.error[0]:.2%} after {_seconds(decayed.seconds)}; {row.arm} at {row.error[0]:.2%} after "
            f"{_seconds(row.seconds)}: {_win(row.error[0] < decayed.error[0])} in error, "
            f"{_win(row.seconds < decayed.seconds)} in time."
        )
    return said


def _matched_to(record: dict[str, Any]) -> str:
    """The policy that the control was matched to."""
    return record["arms"][CONTROL]["settings"].get("reference") or "selective-backprop"


def table_of(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table, as text."""
    header = [
        "arm",
        "epochs",
        "backwards",
        "final error",
        "range",
        "beats plain",
        "at plain's error",
        "CPU time",
        "at plain's error",
    ]
    seeds = len(record["seeds"])
    cells = []
    for row in rows_of(record):
        mean, low, high = row.error
        reached = "never" if row.reached is None else f"{_count(row.reached)} ({row.reached_share:.2f})"
        cells.append(
            [
                row.arm,
                f"{row.epochs:.1f}",
                _count(row.backwards),
                f"{mean:.2%}",
                f"{low:.2%} to {high:.2%}",
                "" if row.arm == PLAIN else f"{row.lower} of {seeds}",
                reached,
                _seconds(row.seconds),
                "never" if row.reached_seconds is None else _seconds(row.reached_seconds),
            ]
        )
    return header, cells


def markdown_table(record: dict[str, Any]) -> str:
    """The table in Markdown."""
    header, cells = table_of(record)
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def conditions_of(record: dict[str, Any]) -> str:
    """One sentence on what the figures were measured with."""
    environment, data = record["environment"], record["data"]
    packages = environment["packages"]
    note = f" ({data['note']})" if data["note"] else ""
    runs = f"{record['jobs']} runs side by side with one thread each" if record["jobs"] > 1 else "one run at a time"
    return (
        f"{data['train']:,} training and {data['test']:,} test examples{note}, {len(record['seeds'])} seeds, "
        f"{runs} on {environment['processor']} with "
        f"{environment['cores']} cores, torch {packages['torch']}, commit {environment['commit']}."
    )


def _win(won: bool) -> str:
    return "a win" if won else "a loss"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 20 else f"{seconds:.1f} s"


def _count(number: float) -> str:
    """A number of examples, short."""
    return f"{number / 1e6:.3f} M" if number >= 1e5 else f"{number:,.0f}"

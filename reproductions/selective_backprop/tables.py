"""The tables and sentences of the page, each a function of the record alone; what is claimed is in `claims`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reproductions.mainstream.tables import markdown
from reproductions.selective_backprop.claims import claims
from reproductions.selective_backprop.views import (
    Lengths,
    Reached,
    Record,
    Rows,
    bar_of,
    clean_of,
    cost,
    curve,
    data_of,
    end_of,
    factors_of,
    gain,
    lengths_of,
    lower,
    measured_ratio,
    reached,
    runs_of,
)
from reproductions.selective_backprop.workloads import CONTROL, DECAYED, KATH18, PLAIN, SELECTIVE, THESIS, WORKLOADS

RATIOS = (1.0, 2.0, 3.0, 5.0, 10.0)
_MAIN = (SELECTIVE, CONTROL, KATH18)
_COURSES = {THESIS: "thesis", DECAYED: "to zero"}


def table2(record: Record) -> str:
    """Error and time at the end, plain and selective side by side, by the two courses of the learning rate."""
    header = ["", "learning rate", "backwards", "final error", "lower than plain in", "CPU time", "of plain's", "wall"]
    lines = []
    for data in data_of(record, THESIS) or data_of(record, DECAYED):
        for course in (THESIS, DECAYED):
            plain = runs_of(record, data, PLAIN, course)
            if not plain:
                continue
            lines.append(_ended(f"{_label(data)}: {PLAIN}", course, plain, plain))
            shorter = _plain_of_length(record, data) if course == DECAYED else []
            if shorter:
                lines.append(_ended("plain, as many backwards", course, shorter, plain))
            arms = {arm: runs_of(record, data, arm, course) for arm in _MAIN}
            lines += [_ended(arm, course, rows, plain) for arm, rows in arms.items() if rows]
    return markdown(header, lines)


def table3(record: Record) -> str:
    """How many times sooner than by plain training an error is reached: in processor time (in backwards)."""
    arms = (SELECTIVE, KATH18, CONTROL)
    header = ["error to reach", *arms, "plain, decayed", f"{SELECTIVE} over {KATH18}"]
    lines = []
    for data in data_of(record, THESIS):
        lengths = lengths_of(record, data)
        for factor in factors_of(record, data):
            bar = bar_of(record, data, factor)
            plain = reached(runs_of(record, data, PLAIN, THESIS), bar)
            assert plain is not None or factor < 1, "plain gets to its own error"
            there = {arm: reached(rows, bar) for arm in arms if (rows := runs_of(record, data, arm, THESIS))}
            line = [f"{_label(data)}: {factor:g} x plain's, {bar:.2%}"]
            for arm in arms:
                at = there.get(arm)
                told = "" if arm not in there else "never"
                if at is not None and plain is not None:
                    told = f"{plain.seconds / at.seconds:.2f} ({plain.backwards / at.backwards:.2f})"
                line.append(told)
            line.append(_decayed_gain(lengths, bar, plain))
            ours, theirs = there.get(SELECTIVE), there.get(KATH18)
            line.append("" if ours is None or theirs is None else f"{theirs.seconds / ours.seconds:.2f}")
            lines.append(line)
    return markdown(header, lines)


def fig5(record: Record) -> str:
    """Kept share over the epochs."""
    header = ["kept share", "first epoch", "a quarter in", "half-way", "last epoch", "epochs"]
    lines = []
    for data in data_of(record, THESIS):
        for arm in (SELECTIVE, CONTROL):
            rows = runs_of(record, data, arm, THESIS)
            if not rows:
                continue
            epochs = min(len(row["kept_share"]) for row in rows)
            shown = [0, epochs // 4, epochs // 2, epochs - 1]
            shares = [sum(row["kept_share"][at] for row in rows) / len(rows) for at in shown]
            lines.append([f"{_label(data)}: {arm}", *(f"{share:.0%}" for share in shares), str(epochs)])
    return markdown(header, lines)


def fig6(record: Record) -> str:
    """Where each arm stands after the backwards that the selective arms may spend."""
    return _along(record, "backwards", "at as many backwards")


def fig7(record: Record) -> str:
    """The same at the processor time of the shortest arm."""
    return _along(record, "cpu_seconds", "at as much processor time")


def fig8(record: Record) -> str:
    """Kath18 in its forms against Selective-Backprop, at equal backwards."""
    arms = (SELECTIVE, KATH18, "kath18-biased", "kath18-uniform", CONTROL)
    return _against_plain(record, arms, clean_of(record))


def fig9(record: Record) -> str:
    """Speed-up by counts, were a backward so many forwards; break-even; and what was measured here."""
    header = ["speed-up of selective-backprop", *(f"{ratio:g}" for ratio in RATIOS), "measured ratio", "measured"]
    lines = []
    for data in data_of(record, THESIS):
        rows, plain_rows = runs_of(record, data, SELECTIVE, THESIS), runs_of(record, data, PLAIN, THESIS)
        if not rows:
            continue
        ratio = measured_ratio(rows)
        for factor in (one for one in factors_of(record, data) if one in (1.0, 1.2)):
            bar = bar_of(record, data, factor)
            plain, ours = reached(plain_rows, bar), reached(rows, bar)
            line = [f"{_label(data)}: to {factor:g} x plain's error"]
            if ours is None or plain is None:
                lines.append([*line, *["never"] * len(RATIOS), "", ""])
                continue
            line += [
                f"{cost(plain.backwards, plain.forwards, r) / cost(ours.backwards, ours.forwards, r):.2f}"
                for r in RATIOS
            ]
            told = "" if ratio is None else f"{ratio:.1f}"
            lines.append([*line, told, f"{plain.seconds / ours.seconds:.2f}"])
    return markdown(header, lines)


def rivals(record: Record) -> str:
    """All arms on the main workload, beside plain training of the same backwards and of the same time."""
    scale = record["setting"]["scale"]
    cells = [row["cell"] for row in record["rows"] if row["cell"]["data"] == scale["main"]]
    arms = [cell["arm"] for cell in cells if cell["course"] == DECAYED and not cell["noise"] and cell["arm"] != PLAIN]
    return _against_plain(record, list(dict.fromkeys(arms)), [scale["main"]])


def noise(record: Record) -> str:
    """Share of wrong labels among what each arm was trained on, and its final error, by share of wrong labels."""
    scale = record["setting"]["scale"]
    data, share = scale["noisy"], scale["noise_share"]
    rates = sorted({row["cell"]["noise"] for row in record["rows"] if row["cell"]["data"] == data})
    columns = ("{:.0%} wrong: wrong in kept", "error (lower than plain in)")
    header = ["arm", *(column.format(rate) for rate in rates for column in columns)]
    arms = dict.fromkeys(row["cell"]["arm"] for row in record["rows"] if row["cell"]["noise"])
    named = [("plain, in full length", PLAIN, 1.0), ("plain, as many backwards", PLAIN, share)]
    lines = []
    for name, arm, length in (*named, *((arm, arm, share) for arm in arms if arm != PLAIN)):
        line = [name + _more_or_fewer(record, arm) if arm != PLAIN else name]
        for rate in rates:
            rows = runs_of(record, data, arm, DECAYED, share=length, noise=rate)
            plain = runs_of(record, data, PLAIN, DECAYED, share=share, noise=rate)
            if not rows:
                line += ["", ""]
                continue
            corrupted = f"{sum(row['corrupted'] for row in rows) / len(rows):.1%}" if rate else ""
            told = "" if arm == PLAIN else f" ({_of(lower(rows, plain))})"
            line += [corrupted, f"{end_of(rows).error:.2%}{told}"]
        lines.append(line)
    return markdown(header, lines)


def conditions(record: Record) -> str:
    """On what the record was made."""
    where, setting = record["environment"], record["setting"]
    seeds = max(row["cell"]["seed"] for row in record["rows"]) + 1
    told = "; ".join(
        f"{workload['label']}: {workload['train']:,} training and {workload['test']:,} test images, longest plain run "
        f"{workload['epochs']} epochs, learning rate {workload['settings']['lr']:g}, "
        f"momentum {workload['settings'].get('momentum', 0):g}"
        for name, workload in setting["workloads"].items()
        if any(row["cell"]["data"] == name for row in record["rows"])
    )
    timed = "processor time of one process, evaluation left out"
    partly = "" if record["complete"] else ", not all cells yet"
    return (
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}, means. {told}. {timed}, {where['processor']}, "
        f"torch {where['packages']['torch']}, commit {where['commit']}{partly}."
    )


def _ended(name: str, course: str, rows: Rows, plain: Rows) -> list[str]:
    end, base = end_of(rows), end_of(plain)
    same = rows is plain
    return [
        name,
        _COURSES[course],
        f"{end.backwards:,.0f}",
        f"{end.error:.2%}",
        "" if same else _of(lower(rows, plain)),
        f"{end.seconds:.0f} s",
        "" if same else f"{end.seconds / base.seconds:.2f}",
        f"{end.wall:.0f} s",
    ]


def _plain_of_length(record: Record, data: str) -> Rows:
    """Plain runs of as many backwards as the arms have."""
    ours = runs_of(record, data, SELECTIVE, DECAYED)
    return runs_of(record, data, PLAIN, DECAYED, share=ours[0]["cell"]["share"]) if ours else []


def _decayed_gain(lengths: Lengths, bar: float, plain: Reached | None) -> str:
    """What a decayed plain run of just the right length gains."""
    if plain is None or not lengths.error:
        return ""
    sign, seconds = lengths.needs("seconds", bar)
    if sign == ">":
        return "never"
    backwards = lengths.needs("backwards", bar)[1]
    more = "> " if sign else ""  # even the shortest gets there, so a shorter one might
    return f"{more}{plain.seconds / seconds:.2f} ({more}{plain.backwards / backwards:.2f})"


def _more_or_fewer(record: Record, arm: str) -> str:
    """How many times the backwards of plain training an arm has with wrong labels, where that is not about once."""
    scale = record["setting"]["scale"]
    rows, plain = (
        [
            row
            for rate in scale["rates"]
            for row in runs_of(record, scale["noisy"], one, DECAYED, share=scale["noise_share"], noise=rate)
        ]
        for one in (arm, PLAIN)
    )
    if not rows or not plain:
        return ""
    ratio = end_of(rows).backwards / end_of(plain).backwards
    return f" ({ratio:.2f} x the backwards)" if abs(ratio - 1) > 0.05 else ""


def _along(record: Record, axis: str, where: str) -> str:
    """Mean error of all arms at the same points of an axis: shares of the shortest arm."""
    shares = (0.25, 0.5, 1.0)
    header = [f"test error {where}", *(f"{share:.0%} of the shortest" for share in shares), "at the end"]
    lines = []
    for data in data_of(record, THESIS):
        rows = {arm: runs_of(record, data, arm, THESIS) for arm in (PLAIN, *_MAIN)}
        curves = {arm: curve(found, axis) for arm, found in rows.items() if found}
        end = min(float(one.x[-1]) for one in curves.values())
        for arm, one in curves.items():
            values = [np.interp(share * end, one.x, one.mean) if share * end >= one.x[0] else None for share in shares]
            told = ["" if value is None else f"{value:.2%}" for value in values]
            lines.append([f"{_label(data)}: {arm}", *told, f"{one.mean[-1]:.2%}"])
    return markdown(header, lines)


def _against_plain(record: Record, arms: Sequence[str], names: Sequence[str]) -> str:
    """Arms with the learning rate decayed to zero, each beside the plain curve at its backwards and at its time."""
    header = ["", "epochs", "backwards", "scoring forwards", "CPU time", "final error"]
    header += ["plain, same backwards", "plain, same time", "gain in backwards", "gain in time"]
    lines = []
    for data in names:
        lengths = lengths_of(record, data)
        for arm in arms:
            rows = runs_of(record, data, arm, DECAYED)
            if not rows or not lengths.error:
                continue
            end = end_of(rows)
            beside = (lengths.at("backwards", end.backwards), lengths.at("seconds", end.seconds))
            gains = (
                gain(lengths.needs("backwards", end.error), end.backwards),
                gain(lengths.needs("seconds", end.error), end.seconds),
            )
            lines.append(
                [
                    f"{_label(data)}: {arm}" if len(names) > 1 else arm,
                    f"{sum(len(row['test_error']) for row in rows) / len(rows):.0f}",
                    f"{end.backwards:,.0f}",
                    f"{end.forwards:,.0f}",
                    f"{end.seconds:.0f} s",
                    f"{end.error:.2%}",
                    *("" if error is None else f"{error:.2%}" for error in beside),
                    *(f"{sign} {factor:.2f}".strip() for sign, factor in gains),
                ]
            )
        for backwards, seconds, error in zip(lengths.backwards, lengths.seconds, lengths.error, strict=True):
            name = f"{_label(data)}: {PLAIN}" if len(names) > 1 else PLAIN
            told = [name, "", f"{backwards:,.0f}", "0", f"{seconds:.0f} s", f"{error:.2%}"]
            lines.append([*told, "", "", "1.00", "1.00"])
    return markdown(header, lines)


def _label(data: str) -> str:
    return WORKLOADS[data].label


def _of(found: tuple[int, int]) -> str:
    return f"{found[0]} of {found[1]}"


PIECES: dict[str, Callable[[Record], str]] = {
    "table2": table2,
    "table3": table3,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "fig8": fig8,
    "fig9": fig9,
    "rivals": rivals,
    "noise": noise,
    "claims": claims,
    "conditions": conditions,
}

"""What the pages show of the records of how often and what kind, each piece a function of the record alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from statistics import mean, median, stdev
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reproductions.mainstream.tables import Record, listed, markdown
from rheostat.figures import INK, dress, svg

Rows = list[dict[str, Any]]

_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}
"""Two-sided 95 % quantile of Student's t, by degrees of freedom; above these its expansion will do."""

_REFERENCE = {"rate": "uniform", "kind": "TrivialAugment"}
_DATA = {
    "mnist": "MNIST, LeNet",
    "cifar10": "CIFAR-10, small CNN",
    "cifar10, whole": "CIFAR-10, ResNet-18",
    "digits": "digits",
}
_COLOURS = ("#0072b2", "#d55e00", "#009e73")


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether it leaves 0 out."""
        return self.low > 0 or self.high < 0


def interval(values: Sequence[float]) -> Interval:
    """Mean of independent values with its t-interval; of one value, unbounded."""
    middle = mean(values)
    if len(values) < 2:
        return Interval(middle, -float("inf"), float("inf"))
    half = quantile(len(values) - 1) * stdev(values) / sqrt(len(values))
    return Interval(middle, middle - half, middle + half)


def quantile(freedom: int) -> float:
    """Two-sided 95 % quantile of Student's t, within 0.002.

    Source:
        Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5, to the third term.
    """
    if freedom in _T:
        return _T[freedom]
    z, n = 1.959964, freedom
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + sum(term / n**power for power, term in enumerate(terms, 1))


class Setting(NamedTuple):
    """What the rows of one comparison have in common."""

    data: str
    noise: float
    quarantine: str

    def __str__(self) -> str:
        labels = f"{self.noise:.0%} wrong labels" if self.noise else "clean"
        return f"{_DATA[self.data]}, {labels}" + (f", {self.quarantine}" if self.quarantine else "")


def settings_of(record: Record) -> dict[Setting, dict[str, Rows]]:
    """The rows of all seeds, by setting and by name of the rate or the kind."""
    found: dict[Setting, dict[str, Rows]] = {}
    for row in record["rows"]:
        cell = row["cell"]
        quarantine = ""
        if cell.get("quarantine"):
            quarantine = "quarantine" if cell["weight"] else "quarantine not trained on"
        setting = Setting(cell["data"], cell["noise"], quarantine)
        found.setdefault(setting, {}).setdefault(cell[what_of(cell)], []).append(row)
    return found


def what_of(cell: dict[str, Any]) -> str:
    """What differs between the rows of a comparison."""
    return "kind" if "kind" in cell else "rate"


def last(rows: Rows) -> list[float]:
    """Error of the last epoch of every seed."""
    return [row["test_error"][-1] for row in sorted(rows, key=lambda row: row["cell"]["seed"])]


def differences(rows: Rows, others: Rows) -> list[float]:
    """By how much the error of `rows` is above that of `others`, seed by seed."""
    both = {row["cell"]["seed"]: row["test_error"][-1] for row in others}
    return [row["test_error"][-1] - both[row["cell"]["seed"]] for row in rows if row["cell"]["seed"] in both]


def apart(rows: Rows, others: Rows) -> Interval:
    """Their mean and its interval."""
    return interval(differences(rows, others))


def errors(record: Record) -> str:
    """Error of the last epoch by setting, a column per rate or kind; a clear difference to the reference is marked."""
    lines = []
    settings = settings_of(record)
    names = list(dict.fromkeys(name for rows in settings.values() for name in rows))
    for setting, rows in settings.items():
        reference = rows.get(_REFERENCE[what_of(record["rows"][0]["cell"])])
        cells = []
        for name in names:
            if name not in rows:
                cells.append("")
                continue
            here = interval(last(rows[name]))
            mark = ""
            if reference is not None and reference is not rows[name] and len(rows[name]) > 1:
                difference = apart(rows[name], reference)
                mark = (" (worse)" if difference.mean > 0 else " (better)") if difference.clear else ""
            cells.append(f"{here.mean:.2%} ± {here.high - here.mean:.2%}{mark}")
        lines.append([str(setting), *cells])
    return markdown(["", *names], lines)


def quarantine(record: Record) -> str:
    """What the quarantine changes, rate by rate, paired by seed."""
    settings = settings_of(record)
    names = list(dict.fromkeys(name for rows in settings.values() for name in rows))
    lines = []
    for setting, rows in settings.items():
        if not setting.quarantine:
            continue
        without = settings.get(setting._replace(quarantine=""), {})
        both = [name for name in names if name in rows and name in without]
        cells = [_change(apart(rows[name], without[name])) if name in both else "" for name in names]
        lines.append([str(setting), *cells])
    return markdown(["change of the error, points", *names], lines)


def counts(record: Record) -> str:
    """Share of views that were augmented, to show that the comparison is fair."""
    settings = settings_of(record)
    names = list(dict.fromkeys(name for rows in settings.values() for name in rows))
    shares = {
        name: [row["augmented_share"] for rows in settings.values() for row in rows.get(name, [])] for name in names
    }
    return markdown(
        ["share of views augmented", *names],
        [["mean over all runs", *(f"{mean(values):.1%}" for values in shares.values())]],
    )


def answers(record: Record) -> str:
    """The questions of the thesis, answered by the paired differences."""
    settings = {setting: rows for setting, rows in settings_of(record).items() if not setting.quarantine}
    noisy = {setting: rows for setting, rows in settings.items() if setting.noise}
    clean = {setting: rows for setting, rows in settings.items() if not setting.noise}
    asked = [
        ("Hard examples first against uniform", "hard first", "uniform"),
        ("Easy examples first against uniform", "easy first", "uniform"),
        ("Hard first against easy first", "hard first", "easy first"),
        ("Any augmentation at all: uniform against never", "uniform", "never"),
    ]
    parts = [("Clean labels", clean), ("Wrong labels", noisy)]
    return "\n\n".join(f"{name}:\n\n{_compared(part, asked)}" for name, part in parts if part)


def kind_answers(record: Record) -> str:
    """What learns against what is drawn at random."""
    asked = [
        (f"{name} against TrivialAugment", name, "TrivialAugment")
        for name in ("bandit, band", "bandit, held-out", "random search", "evolution", "RandAugment", "AutoAugment")
    ]
    return _compared(settings_of(record), asked)


def times(record: Record) -> str:
    """Processor time of a run over that of the same run with the reference, the median over seeds and settings."""
    ratios: dict[str, list[float]] = {}
    reference = _REFERENCE[what_of(record["rows"][0]["cell"])]
    for rows in settings_of(record).values():
        base = {row["cell"]["seed"]: row["cpu_seconds"]["training"] for row in rows.get(reference, [])}
        for name, of_name in rows.items():
            ratios.setdefault(name, []).extend(
                row["cpu_seconds"]["training"] / base[row["cell"]["seed"]]
                for row in of_name
                if row["cell"]["seed"] in base
            )
    return markdown(
        ["processor time of training", *ratios],
        [[f"over {reference}'s", *(f"{median(values):.2f}" if values else "" for values in ratios.values())]],
    )


def conditions(record: Record) -> str:
    """On what the record was made."""
    where, protocols = record["environment"], record["setting"]["protocols"]
    used = dict.fromkeys(row["cell"]["data"] for row in record["rows"])
    told = "; ".join(f"{_DATA[name]}: {_protocol(protocols[name])}" for name in used)
    seeds = max(row["cell"]["seed"] for row in record["rows"]) + 1
    partly = "" if record["complete"] else ", not all cells yet"
    return (
        f"{seeds} seeds, mean ± half of the 95 % t-interval; marked is a paired difference to the reference whose "
        f"interval leaves 0 out. {told}. {where['processor']}, torch {where['packages']['torch']}, commit "
        f"{where['commit']}{partly}."
    )


def _protocol(asked: dict[str, Any]) -> str:
    settings = asked["settings"]
    return (
        f"{asked['train']:,} training and {asked['test']:,} test images of {asked['side']} pixels, "
        f"{settings['epochs']} epochs of SGD in batches of {settings['batch_size']}, learning rate {settings['lr']:g} "
        "falling along a cosine"
    )


def dots(record: Record) -> Figure:
    """Paired differences to the reference with their intervals, a panel per data set, without quarantine."""
    settings = {setting: rows for setting, rows in settings_of(record).items() if not setting.quarantine}
    what = what_of(record["rows"][0]["cell"])
    reference = _REFERENCE[what]
    sets = list(dict.fromkeys(setting.data for setting in settings))
    names = [name for name in record["setting"][f"{what}s"] if name != reference]
    figure = Figure(figsize=(9.0, 0.55 * len(names) + 1.4), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets, strict=True):
        of_data = [setting for setting in settings if setting.data == data]
        for number, setting in enumerate(of_data):
            rows = settings[setting]
            label = f"{setting.noise:.0%} wrong labels" if setting.noise else "clean"
            axes.plot([], [], "o", color=_COLOURS[number], ms=6, label=label)
            for at, name in enumerate(names):
                if name not in rows or reference not in rows or len(rows[name]) < 2:
                    continue
                found = apart(rows[name], rows[reference])
                y = at + 0.22 * (number - (len(of_data) - 1) / 2)
                axes.plot([found.low, found.high], [y, y], color=_COLOURS[number], lw=2, alpha=0.5)
                axes.plot(found.mean, y, "o", color=_COLOURS[number], ms=6)
        dress(axes)
        axes.axvline(0, color=INK, lw=1)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_title(_DATA[data], loc="left", color=INK, fontsize=11)
        axes.set_xlabel(f"error above {reference}'s (left is better)")
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.18), ncols=3)
    return figure


def plots_of(record: Record) -> dict[str, str]:
    """All plots by name, each an SVG document."""
    return {f"{record['figure']}-differences": svg(dots(record))}


def _compared(settings: dict[Setting, dict[str, Rows]], asked: Sequence[tuple[str, str, str]]) -> str:
    sentences = []
    for question, one, other in asked:
        both = {
            setting: differences(rows[one], rows[other])
            for setting, rows in settings.items()
            if one in rows and other in rows
        }
        if not both:
            continue
        over_all = interval([value for values in both.values() for value in values])
        verdict = ("worse" if over_all.mean > 0 else "better") if over_all.clear else "no clear difference"
        each = "; ".join(f"{setting} {_change(interval(values))}" for setting, values in both.items())
        sentences.append(
            f"{question}: **{verdict}**, {_change(over_all)} points over all settings. One by one: {each}."
        )
    return listed(*sentences)


def _change(found: Interval) -> str:
    return f"{100 * found.mean:+.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f})"


_COMMON: dict[str, Callable[[Record], str]] = {
    "errors": errors,
    "counts": counts,
    "times": times,
    "conditions": conditions,
}
PIECES: dict[str, dict[str, Callable[[Record], str]]] = {
    "how-often": {**_COMMON, "quarantine": quarantine, "answers": answers},
    "what-kind": {**_COMMON, "answers": kind_answers},
}
PIECES["how-often-quick"], PIECES["what-kind-quick"] = PIECES["how-often"], PIECES["what-kind"]

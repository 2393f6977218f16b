"""What the page shows of the record of wrong labels, each piece a function of the record alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import mean, median
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reproductions.mainstream.tables import Record, listed, markdown
from rheostat.figures import INK, dress, svg

OURS = "disagreement"  # the score that `suspects` ranks by unless another is asked for
BAR_SYMMETRIC, BAR_AGGREGATE = 0.95, 0.02
_NEAR = 0.005  # differences of precision that are no difference
_DATA = {"cifar10": "CIFAR-10", "mnist": "MNIST", "blobs": "made-up", "long": "CIFAR-10"}
_EXAMPLES = {"cifar10": 50_000, "mnist": 60_000, "blobs": 1_200}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9")

Rows = list[dict[str, Any]]


def groups(record: Record) -> dict[str, Rows]:
    """The rows of all seeds of each kind of noise, by the name that it has on the page."""
    return {name: list(rows) for name, rows in groupby(record["rows"], key=lambda row: _noise(row["cell"]))}


def best(rows: Rows, others: str, what: str = "precision") -> str:
    """The name of the ranking of `others` that is best in the mean over the seeds, which flatters it a little."""
    return max(rows[0][others], key=lambda name: _over(rows, others, name, what))


def found(record: Record) -> str:
    """Precision and recall within the budget and AUROC: the log, cleanlab's best ranking, the best detector."""
    three = ("log", "cleanlab", "detector")
    header = ["labels", "wrong", *(f"precision, {who}" for who in three), *(f"recall, {who}" for who in three)]
    header += [f"AUROC, {who}" for who in three]
    lines = []
    for name, rows in groups(record).items():
        columns = [("ours", OURS), ("cleanlab", best(rows, "cleanlab")), ("detectors", best(rows, "detectors"))]
        line = [name, f"{mean(row['wrong'] for row in rows):.1%}", *(_ranged(rows, *column) for column in columns)]
        lines.append([*line, *(f"{_over(rows, *column, 'recall'):.3f}" for column in columns)])
        lines[-1] += [f"{_over(rows, *column, 'auroc'):.3f}" for column in columns]
    return markdown(header, lines)


def rankings(record: Record, *, others: str, what: str) -> str:
    """Every ranking of one source, side by side; the best of a row is bold."""
    names = list(record["rows"][0][others])
    lines = []
    for name, rows in groups(record).items():
        values = [f"{_over(rows, others, ranking, what):.3f}" for ranking in names]
        lines.append([name, *(f"**{value}**" if value == max(values) else value for value in values)])
    return markdown(["labels", *names], lines)


def online(record: Record) -> str:
    """Precision of the log after each epoch."""
    most = max(len(row["online"][OURS]["precision"]) for row in record["rows"])
    lines = []
    for name, rows in groups(record).items():
        courses = zip(*(row["online"][OURS]["precision"] for row in rows), strict=True)
        values = [f"{mean(at):.3f}" for at in courses]
        lines.append([name, *values, *[""] * (most - len(values))])
    return markdown(["labels", *(f"epoch {epoch}" for epoch in range(1, most + 1))], lines)


def costs(record: Record) -> str:
    """Processor time of a run with its log, and of what comes on top of it."""
    header = ["data", "training, s", "of it the log, s", "cross-validation, s", "cleanlab, s", "detectors' pass, s"]
    header += ["log, us per look", "log on top of training", "cleanlab on top of training"]
    lines = []
    for name, same_data in groupby(record["rows"], key=lambda row: row["cell"]["data"]):
        of_data = list(same_data)
        seconds = [row["cpu_seconds"] for row in of_data]
        each = {what: median(cpu[what] for cpu in seconds) for what in seconds[0]}
        looks = _EXAMPLES[name] * len(of_data[0]["online"][OURS]["precision"])
        log = median(cpu["log"] / (cpu["training"] - cpu["log"]) for cpu in seconds)
        more = median((cpu["cross_validation"] + cpu["cleanlab"]) / cpu["training"] for cpu in seconds)
        values = [f"{each[what]:.2f}" for what in ("training", "log", "cross_validation", "cleanlab", "pass")]
        lines.append([_DATA[name], *values, f"{1e6 * each['log'] / looks:.1f}", f"{log:.0%}", f"{more:.0%}"])
    return markdown(header, lines)


def findings(record: Record) -> str:
    """The bars, and who is better where."""
    by_name = groups(record)
    sentences = [
        f"{name}: precision {_ranged(rows, 'ours', OURS)} at {record['setting']['budget']:.0%}; the bar is "
        f"{BAR_SYMMETRIC}: {_met(_over(rows, 'ours', OURS, 'precision') >= BAR_SYMMETRIC)}."
        for name, rows in by_name.items()
        if name.endswith("symmetric 20 %")
    ]
    for name, rows in by_name.items():
        if name.endswith("aggregate"):
            behind = -_ahead(rows)
            sentences.append(
                f"{name}: {abs(behind):.3f} {'below' if behind > 0 else 'above'} the best of cleanlab's rankings "
                f"({best(rows, 'cleanlab')}); the bar is at most {BAR_AGGREGATE} below: "
                f"{_met(behind <= BAR_AGGREGATE)}."
            )
    sides = {
        "The log is the more precise": [name for name, rows in by_name.items() if _ahead(rows) > _NEAR],
        "cleanlab is the more precise": [name for name, rows in by_name.items() if _ahead(rows) < -_NEAR],
        f"Within {_NEAR} of each other": [name for name, rows in by_name.items() if abs(_ahead(rows)) <= _NEAR],
    }
    sentences += [f"{who}: {_with_numbers(names, by_name)}." for who, names in sides.items() if names]
    chance = mean(mean(row["wrong"] for row in rows) for rows in by_name.values())
    detector = mean(_over(rows, "detectors", best(rows, "detectors"), "precision") for rows in by_name.values())
    log = mean(_over(rows, "ours", OURS, "precision") for rows in by_name.values())
    sentences.append(
        f"Scores that look at no label find what is hard: over all rows the best detector has a mean precision of "
        f"{detector:.2f} where chance has {chance:.2f} and the log {log:.2f}."
    )
    return listed(*sentences)


def conditions(record: Record) -> str:
    """On what the record was made."""
    where, setting = record["environment"], record["setting"]
    recipes = "; ".join(
        f"{_DATA[name]}: {_model(recipe['hidden'])}, {recipe['epochs']} epochs of SGD in batches of "
        f"{recipe['batch_size']}, learning rate {recipe['lr']:g} falling along a cosine"
        for name, recipe in setting["recipes"].items()
    )
    seeds = max(row["cell"]["seed"] for row in record["rows"]) + 1
    versions = ", ".join(f"{name} {version}" for name, version in setting["versions"].items())
    partly = "" if record["complete"] else ", not all cells yet"
    return (
        f"{seeds} seeds, means and (in brackets) the lowest and the highest; {recipes}. "
        f"Processor time on one thread, {where['processor']}, torch {where['packages']['torch']}, {versions}, "
        f"commit {where['commit']}{partly}."
    )


def courses(record: Record) -> Figure:
    """Precision after each epoch, a panel per data set."""
    sets = list(dict.fromkeys(row["cell"]["data"] for row in record["rows"]))
    figure = Figure(figsize=(9.0, 3.9), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets, strict=True):
        of_data = {name: rows for name, rows in groups(record).items() if rows[0]["cell"]["data"] == data}
        for number, (name, rows) in enumerate(of_data.items()):
            line = [mean(at) for at in zip(*(row["online"][OURS]["precision"] for row in rows), strict=True)]
            colour, dash = _COLOURS[number % 6], "-" if number < 6 else (0, (4, 2))
            axes.plot(range(1, len(line) + 1), line, color=colour, lw=1.5, ls=dash, marker="o", ms=3, label=name)
        dress(axes)
        axes.set_title(
            f"Precision at {record['setting']['budget']:.0%}, {_DATA[data]}", loc="left", color=INK, fontsize=11
        )
        axes.set_xlabel("epochs so far")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(frameon=False, fontsize=7, loc="lower right", ncols=2)
    return figure


def _noise(cell: dict[str, Any]) -> str:
    if cell["rate"] is None:
        return f"{_DATA[cell['data']]}N {cell['noise']}"
    return f"{_DATA[cell['data']]} {cell['noise']} {100 * cell['rate']:g} %"


def _over(rows: Rows, source: str, ranking: str, what: str) -> float:
    return mean(row[source][ranking][what] for row in rows)


def _ranged(rows: Rows, source: str, ranking: str) -> str:
    values = [row[source][ranking]["precision"] for row in rows]
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _ahead(rows: Rows) -> float:
    """Precision of the log less that of cleanlab's best ranking."""
    return _over(rows, "ours", OURS, "precision") - _over(rows, "cleanlab", best(rows, "cleanlab"), "precision")


def _with_numbers(names: Sequence[str], by_name: dict[str, Rows]) -> str:
    return ", ".join(f"{name} ({_ahead(by_name[name]):+.3f})" for name in names)


def _model(hidden: int) -> str:
    return f"one hidden layer of {hidden} units" if hidden else "a linear model"


def _met(met: bool) -> str:
    return "met" if met else "missed"


def course(record: Record) -> str:
    """Precision of every score of ours along a long run."""
    epochs = [1, 2, 3, 5, 10, 20, 30, 40]
    lines = []
    for name, rows in groups(record).items():
        for score in rows[0]["online"]:
            means = [mean(at) for at in zip(*(row["online"][score]["precision"] for row in rows), strict=True)]
            lines.append([f"{name}, {score}", *(f"{means[epoch - 1]:.3f}" for epoch in epochs)])
    return markdown(["labels, score", *(f"epoch {epoch}" for epoch in epochs)], lines)


def by_heart(record: Record) -> str:
    """How much of what it was given the long run has learnt by heart."""
    sentences = []
    for name, rows in groups(record).items():
        worst = mean(row["train_error"] for row in rows)
        wrong, tested = mean(row["wrong"] for row in rows), mean(row["test_error"] for row in rows)
        sentences.append(
            f"{name}: with {wrong:.1%} wrong labels, the last epoch gets {worst:.1%} of the given ones wrong, and "
            f"{tested:.1%} of the test labels."
        )
    return listed(*sentences)


PIECES: dict[str, dict[str, Callable[[Record], str]]] = {
    "mislabels": {
        "found": found,
        "scores": lambda record: rankings(record, others="ours", what="precision"),
        "scores_auroc": lambda record: rankings(record, others="ours", what="auroc"),
        "cleanlab": lambda record: rankings(record, others="cleanlab", what="precision"),
        "detectors": lambda record: rankings(record, others="detectors", what="precision"),
        "online": online,
        "costs": costs,
        "findings": findings,
        "conditions": conditions,
    },
    "mislabels-long": {"course": course, "by_heart": by_heart, "conditions": conditions},
}
PIECES["mislabels-quick"] = PIECES["mislabels"]


def pieces(record: Record) -> dict[str, str]:
    """All pieces of the page by name, as Markdown."""
    return {name: piece(record) for name, piece in PIECES[record["figure"]].items()}


def plots_of(record: Record) -> dict[str, str]:
    """All plots by name, each an SVG document."""
    return {"mislabels-online": svg(courses(record))} if record["figure"] == "mislabels" else {}

"""The table of the README: for each dial what it does for its user, beside what it is compared with, losses too."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.rendering.source import ROOT
from rheostat.bench.findings import rows_of
from rheostat.records import read_json

RESULTS = Path("benchmarks/results")
SUSPECTS = Path("reproductions/selective_augment/results/mislabels.json")
_CLEARLY = 0.95  # of plain's: above it, nobody would call it a saving
HOW_OFTEN = Path("reproductions/selective_augment/results/how-often.json")


class Line(NamedTuple):
    """What was measured, what came out, what stands beside it, and the record."""

    what: str
    found: str
    beside: str
    record: Path


def piece(name: str) -> str:
    """The table; it knows no other piece."""
    assert name == "table"
    lines = [
        f"| {one.what} | {one.found} | {one.beside} | [{one.record.stem}]({one.record}) |"
        for one in (*_select(), *_suspects(), *_augment(), *_share())
    ]
    return "\n".join(["| measured | Rheostat | beside it | record |", "|---|---|---|---|", *lines])


def _select() -> list[Line]:
    saving: Any = importlib.import_module("benchmarks.saving_lines")
    places: Any = importlib.import_module("benchmarks.saving_places")
    lines = []
    for place, path in (("mnist", RESULTS / "saving-mnist.json"), ("cifar10", RESULTS / "saving-cifar10.json")):
        record = read_json(ROOT / path)
        walls = saving.wall_counts(record, place)
        mine = [line for line in saving.lines_of(record) if line.place == place]
        chosen = saving.best_of([line for line in mine if line.arm == places.GOVERNED])
        control = [line for line in mine if (line.arm, line.epochs) == (places.CONTROL, chosen.epochs)]
        ratio, cost = chosen.wall_ratio if walls else chosen.ratio, chosen.paired.cost[0]
        clock = "wall-clock" if walls else "processor"
        beside = f"plain 1, at {100 * chosen.error[0]:.2f} %"
        if control:
            share = (control[0].wall_ratio if walls else control[0].ratio)[0]
            beside += f"; any examples instead {share:.2f}, at {100 * control[0].error[0]:.2f} %"
        lines.append(
            Line(
                f"select, {places.PLACES[place].what}: {clock} time to the same error, `govern=True`",
                f"{_bold(ratio[0])} ({cost:.2f} per candidate)",
                beside,
                path,
            )
        )
    path = RESULTS / "select-mnist-lenet.json"
    rows = {row.arm: row for row in rows_of(read_json(ROOT / path))}
    share = rows["selective-backprop"].reached_share
    never = (
        "any examples instead: never" if rows["matched-random"].reached_share is None else "any examples reach it too"
    )
    what = "select, MNIST, LeNet: backwards until plain's final error, a forward for every candidate"
    lines.append(Line(what, "not reached" if share is None else _bold(share), f"plain 1; {never}", path))
    return lines


def _suspects() -> list[Line]:
    tables: Any = importlib.import_module("reproductions.selective_augment.mislabel_tables")
    by_noise = tables.groups(read_json(ROOT / SUSPECTS))
    lines = []
    for noise in ("CIFAR-10 symmetric 20 %", "MNIST symmetric 20 %", "CIFAR-10N aggregate", "CIFAR-10 class-pair 20 %"):
        rows = by_noise[noise]
        rival = tables.best(rows, "cleanlab")
        ours, theirs = (
            sum(row[source][name]["precision"] for row in rows) / len(rows)
            for source, name in (("ours", tables.OURS), ("cleanlab", rival))
        )
        what = f"augment, label errors in {noise}: precision of the first 5 %"
        beside = f"cleanlab's best ranking, with cross-validation {theirs:.3f}"
        lines.append(Line(what, f"{ours:.3f}" if ours < theirs - 0.005 else f"**{ours:.3f}**", beside, SUSPECTS))
    return lines


def _augment() -> list[Line]:
    tables: Any = importlib.import_module("reproductions.selective_augment.augmenting_tables")
    settings = tables.settings_of(read_json(ROOT / HOW_OFTEN))
    lines = []
    for what, noisy in (("clean labels", False), ("wrong labels", True)):
        apart = [
            difference
            for setting, rows in settings.items()
            if bool(setting.noise) == noisy and not setting.quarantine
            for difference in tables.differences(rows["hard first"], rows["uniform"])
        ]
        mean, low, high = (100 * value for value in tables.interval(apart))
        lines.append(
            Line(
                f"augment, hard examples first, {what}: test error, points",
                f"{mean:+.2f} ({low:+.2f} to {high:+.2f})",
                "0: as many augmentations, spread evenly",
                HOW_OFTEN,
            )
        )
    return lines


def _share() -> list[Line]:
    path = RESULTS / "sharing.json"
    sharing: Any = importlib.import_module("benchmarks.sharing")
    found = sharing.findings(read_json(ROOT / path))
    lines = [
        Line(
            f"share, eight apps with {found['shared']:.0%} of the work in common: frame rate",
            f"**{found['speedup']:.1f} x**",
            "the same eight without sharing 1 x",
            path,
        )
    ]
    path = RESULTS / "detection-camera.json"
    rows = read_json(ROOT / path)["rows"]
    most = max(row["number"] for row in rows)
    budgets = sorted({row["budget"] for row in rows if row["number"] == most})
    budget = budgets[len(budgets) // 2]
    at = {row["sharing"]: row for row in rows if (row["number"], row["budget"]) == (most, budget)}
    others = ", ".join(
        f"{label} {at[name]['f1']:.3f}" if name in at and at[name].get("f1") is not None else f"{label}: nothing fits"
        for name, label in (("head", "all but the head shared"), ("none", "nothing shared"))
    )
    own = at["any"]
    lines.append(
        Line(
            f"share, {most} apps run at {budget:g} core-ms/s on held-out video: mean event F1",
            f"**{own['f1']:.3f}** (predicted {own['predicted']:.3f})",
            others,
            path,
        )
    )
    path = RESULTS / "planning.json"
    record = read_json(ROOT / path)
    cell = next(cell for cell in record["cells"] if (cell["apps"], cell["budget"]) == (30, 150))
    large = record["large"][-1]
    lines.append(
        Line(
            f"share, 30 published apps: time to a plan that is proven optimal; {large['apps']:,} apps",
            f"**{cell['median']:.2f} s**; {max(large['seconds']):.1f} s",
            "the published scheduler is a greedy rule, without a bound",
            path,
        )
    )
    path = RESULTS / "edge.json"
    edge = read_json(ROOT / path)
    lines.append(
        Line(
            f"share, installed on the box; memory of a node with {edge['apps']} apps",
            f"{edge['installed_mb']:.0f} MB; {edge['resident_mb']:.0f} MB",
            "no torch",
            path,
        )
    )
    return lines


def _bold(ratio: float) -> str:
    return f"**{ratio:.2f}**" if ratio < _CLEARLY else f"{ratio:.2f}"

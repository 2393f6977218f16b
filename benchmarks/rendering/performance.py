"""What was measured of speed and cost, on one page: a line for each question, from the records of all benchmarks."""

from __future__ import annotations

import importlib
import statistics
from typing import Any, NamedTuple

from benchmarks.rendering.source import ROOT
from rheostat.bench import table_of
from rheostat.records import read_json

RESULTS = ROOT / "benchmarks" / "results"
REPRODUCTIONS = ROOT / "reproductions"


class Line(NamedTuple):
    """One measurement: what was asked, what came out, the bar it was held to and whether it met it, the record."""

    asked: str
    found: str
    bar: str
    met: bool | None
    record: str


def piece(name: str) -> str:
    """The lines of one part, as `_PARTS` names them; or `machines`, those of all records."""
    if name == "machines":
        return _machines()
    lines = ["| measured | result | bar | met | record |", "|---|---|---|---|---|"]
    for one in _PARTS[name]():
        met = {True: "yes", False: "**no**", None: ""}[one.met]
        lines.append(f"| {one.asked} | {one.found} | {one.bar} | {met} | {one.record} |")
    return "\n".join(lines)


def _record(name: str) -> dict[str, Any]:
    return read_json(RESULTS / f"{name}.json")


def _script(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def _selection() -> list[Line]:
    return [*_overheads(), *_times_to_error(), _many_forwards()]


def _overheads() -> list[Line]:
    lines = []
    for name in ("overhead", "overhead-resnet18"):
        record = _record(name)
        model, bar = record["setting"]["model"], record["setting"].get("bar", 1.05)
        for kind, what, most in (
            ("selective", "the scoring forwards and steps that cannot be avoided", bar),
            ("uniform", "the plain loop, with `Uniform()`", 1.01),
        ):
            ratio = record["ratios"][kind]
            low, high = ratio["quartiles"]
            found = f"{ratio['median']:.3f} x ({low:.3f} to {high:.3f})"
            lines.append(
                Line(
                    f"{model}: processor time over {what}",
                    found,
                    f"at most {most:.2f}",
                    ratio["median"] <= most,
                    _link(name),
                )
            )
    return lines


def _times_to_error() -> list[Line]:
    """The governed loader where time counts: of plain's time to its error, and per candidate."""
    saving, places, lines = _script("saving_lines"), _script("saving_places"), []
    for name in ("saving-mnist", "saving-cifar10"):
        record = _record(name)
        for place, bar in places.BARS.items():
            mine = [one for one in saving.lines_of(record) if (one.place, one.arm) == (place, places.GOVERNED)]
            if mine:
                best = saving.best_of(mine)
                value, sign = best.ratio
                asked = f"{places.PLACES[place].what}: governed, processor time over plain's to the same error"
                found = f"{saving.ratio_text(best.ratio)}, at {best.error[0]:.2%}"
                lines.append(Line(asked, found, f"at most {bar:.2f}", value <= bar and sign != ">", _link(name)))
    for name in ("saving-mnist", "saving-cifar10", "saving-linear", "saving-noise"):
        record = _record(name)
        for one in saving.lines_of(record):
            if one.arm == places.GOVERNED and one.paired is not None:
                cost, low, high = one.paired.cost
                asked = f"{places.PLACES[one.place].what}, {one.epochs} epochs: governed, per candidate over plain"
                found = f"{cost:.2f} ({low:.2f} to {high:.2f})"
                lines.append(
                    Line(asked, found, f"at most {places.NEVER_ABOVE:.2f}", cost <= places.NEVER_ABOVE, _link(name))
                )
    return lines


def _many_forwards() -> Line:
    """Where every candidate gets a forward pass of its own."""
    header, rows = table_of(_record("select-mnist-lenet"))
    row = {one[0]: dict(zip(header, one, strict=True)) for one in rows}
    plain, chosen = row["plain"], row["selective-backprop"]
    asked = "LeNet on MNIST, a forward for every candidate: the whole run, against the plain one"
    found = "; ".join(f"{one['CPU time']}, to {one['final error']}" for one in (chosen, plain))
    return Line(asked, found, "", None, _link("select-mnist-lenet"))


def _augmentation() -> list[Line]:
    record, watching = _record("augmenting"), _record("watching")
    lines = []
    for one in record["sizes"]:
        ratio, least = one["ratio"], record["bars"]["ratio"]
        asked = f"operations on {one['size']} x {one['size']} pixels: images per second over the fastest of torchvision"
        lines.append(
            Line(
                asked,
                f"{ratio['median']:.1f} x",
                f"at least {least:.0f} x",
                ratio["median"] >= least,
                _link("augmenting"),
            )
        )
    share, most = record["step"]["share"], record["bars"]["share"]
    asked = f"augmenting a batch, as a share of a step of {record['step']['model']}"
    lines.append(Line(asked, f"{share:.2%}", f"at most {most:.0%}", share <= most, _link("augmenting")))
    for one in watching["rows"]:
        value = one["share"]["median"]
        asked = f"{one['model']}: looking at a batch for the log, as a share of a step"
        lines.append(
            Line(asked, f"{value:.2%}", f"at most {watching['bar']:.0%}", value <= watching["bar"], _link("watching"))
        )
    return lines


def _labels() -> list[Line]:
    record = _record("coverage")
    covered = [case["covered"] for case in record["cases"]]
    found = f"{statistics.mean(covered):.1%} of the reviews; {min(covered):.1%} in the worst case"
    asked = f"the stated 95 % interval of the noise rate holds it, {len(covered)} cases of {record['times']} reviews"
    lines = [Line(asked, found, "", None, _link("coverage"))]
    mislabels = REPRODUCTIONS / "selective_augment" / "results" / "mislabels.json"
    costs = importlib.import_module("reproductions.selective_augment.pages").piece(read_json(mislabels), "costs")
    header, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in costs.splitlines()]
    for row in rows:
        told = dict(zip(header, row, strict=True))
        asked = f"{told['data']}, a small model: the log, on top of training; cleanlab's cross-validation likewise"
        found = f"{told['log on top of training']}; {told['cleanlab on top of training']}"
        link = f"[mislabels](../{mislabels.relative_to(ROOT).as_posix()})"
        lines.append(Line(asked, found, "", None, link))
    return lines


def _sharing() -> list[Line]:
    planning, sharing = _record("planning"), _record("sharing")
    cell = {(one["apps"], one["budget"]): one for one in planning["cells"]}[30, 150]
    asked = "planning 30 published apps at budget 150, proof included: median and 99th percentile"
    lines = [Line(asked, f"{cell['median']:.3f} s, {cell['p99']:.3f} s", "", None, _link("planning"))]
    for one in planning["large"]:
        asked = f"planning {one['apps']:,} apps: longest of {len(one['seconds'])}"
        lines.append(Line(asked, f"{max(one['seconds']):.2f} s", "", None, _link("planning")))
    odd = planning["odd"]
    asked = f"planning {odd['planned']} workloads that were made to be odd: median, longest"
    lines.append(Line(asked, f"{odd['median']:.2f} s, {odd['longest']:.1f} s", "", None, _link("planning")))
    script = _script("sharing")
    found, goals = script.findings(sharing), script.GOALS
    asked = f"eight apps that share {found['shared']:.0%} of the work: frame rate over sharing nothing"
    goal = (
        (asked, "speedup", "{:.1f} x", True),
        ("time of the parts by themselves over that together, median of the joints", "of_ideal", "{:.2f}", True),
        ("slower by four cuts into parts of like cost", "cuts", "{:.0%}", False),
        ("predicted against measured cost of random plans, largest difference", "prediction", "{:.0%}", False),
    )
    for what, name, form, least in goal:
        met = found[name] >= goals[name] if least else found[name] <= goals[name]
        bar = f"{'at least' if least else 'at most'} {form.format(goals[name])}"
        lines.append(Line(what, form.format(found[name]), bar, met, _link("sharing")))
    return lines


def _installing() -> list[Line]:
    record = _record("distribution")
    lines = [Line("the wheel", f"{record['wheel_bytes'] / 1e6:.1f} MB", "", None, _link("distribution"))]
    for extra, one in record["rows"].items():
        name = "rheostat" if extra == "core" else f"rheostat[{extra}]"
        asked = f"`{name}` in an empty environment: on the disk; processor time to install it"
        found = f"{one['megabytes']:,.0f} MB; {one['install_processor_s']:.0f} s"
        lines.append(Line(asked, found, "", None, _link("distribution")))
    return lines


def _node() -> list[Line]:
    edge, soak = _record("edge"), _record("soak")
    last = [cell.strip() for cell in _script("soak").pieces(soak)["table"].splitlines()[-1].split("|")]
    *_, latency, achieved, _ = last
    load = f"{soak['apps']} whole networks on a core that carries {1000 / soak['full_load']:.0%} of them"
    return [
        Line("`rheostat[edge]` installed", f"{edge['installed_mb']:.0f} MB", "", None, _link("edge")),
        Line(
            f"a node with {edge['apps']} apps in memory, its decoder included",
            f"{edge['resident_mb']:.0f} MB",
            "",
            None,
            _link("edge"),
        ),
        Line(f"{load}: looks achieved of planned, last third", achieved, "", None, _link("soak")),
        Line("the same: latency, median / 99th percentile", latency, "", None, _link("soak")),
    ]


def _link(record: str) -> str:
    return f"[{record}](../benchmarks/results/{record}.json)"


def _machines() -> str:
    """What the records were measured on."""
    lines = ["| record | processor | cores | Python | torch | commit |", "|---|---|---:|---|---|---|"]
    for path in sorted(RESULTS.glob("*.json")):
        at = read_json(path)["environment"]
        torch = at.get("packages", {}).get("torch", "none")
        told = (at["processor"], at["cores"], at["python"], torch, at["commit"])
        lines.append(f"| [{path.stem}](../benchmarks/results/{path.name}) | {' | '.join(map(str, told))} |")
    return "\n".join(lines)


_PARTS = {
    "selection": _selection,
    "augmentation": _augmentation,
    "labels": _labels,
    "sharing": _sharing,
    "node": _node,
    "installing": _installing,
}

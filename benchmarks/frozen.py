"""Accuracy against how much is frozen, for bases trained here, and keep a record (the shape of thesis Figure 2(b)).

    python -m benchmarks.frozen --bases runs/resnet10t,runs/regnetx_002 --images CIFAR10 --packages apps --record ...

Each base is a run of `rheostat train` on CIFAR-100; its apps are classes of CIFAR-10 against all others, with a few
examples each and with thousands, made by `make_package` from folders of pictures and judged on pictures that no head
saw. Beside them stand packages that were made from clips. The scheduler's choice is that for all apps of a base in one
regime, at a budget of a share of what whole networks at the full rate would cost.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keep import keep
from rheostat.errors import DataError
from rheostat.records import environment, read_json
from rheostat.share.base import Base, read_base
from rheostat.share.package import Package, read_package, workload_of
from rheostat.share.scheduler import plan
from rheostat.share.stem import load_base, write_base
from rheostat.share.trainer import PackageSettings, head_training, layer_work, make_package, usual_points

APPS = ("bird", "ship")
REGIMES = {"few": 16, "full": 1500}  # examples of each class to train on
POINTS = 6
BUDGET = 0.15  # of the cost of a whole network per app at the full rate


def write_pictures(source: str, folder: Path, app: str, each: int, seed: int) -> Path:
    """Write `each` pictures of a class of CIFAR-10 and as many of the others as files, a folder per class."""
    import datasets

    rows = datasets.load_dataset(source)["train"]
    column = next(name for name in ("img", "image") if name in rows.features)
    label = np.array(rows["label"])
    wanted = rows.features["label"].names.index(app)
    rng = np.random.default_rng(seed)
    for name, among in ((app, label == wanted), ("other", label != wanted)):
        (folder / name).mkdir(parents=True)
        for number, at in enumerate(rng.choice(np.flatnonzero(among), each, replace=False)):
            rows[int(at)][column].convert("RGB").save(folder / name / f"{number:05}.png")
    return folder


def curve_of(package: Package, work: Sequence[int]) -> dict[str, Any]:
    """Frozen share of the work, hit and false-positive rate, and accuracy, per branch point.

    Accuracy is the mean of hit and true-negative rate.
    """
    variants = package.document.branch_points
    done = np.concatenate([[0], np.cumsum(work)]) / sum(work)
    return {
        "app": package.name,
        "frozen": [variant.frozen for variant in variants],
        "share": [float(done[variant.frozen]) for variant in variants],
        "hit": [variant.hit for variant in variants],
        "false_positive": [variant.false_positive for variant in variants],
        "accuracy": [(variant.hit + 1 - variant.false_positive) / 2 for variant in variants],
    }


def chosen(packages: Sequence[Package], base: Base, work: Sequence[int], share: float = BUDGET) -> dict[str, int]:
    """Branch point that the scheduler gives each app, layers costing what they have to compute."""
    cost = np.array(work) / sum(work)
    fps = list(range(1, 11))
    workload = workload_of(packages, base, layer_cost=cost.tolist(), stream_fps=10, fps=fps)
    found = plan(workload, budget=share * len(packages) * 10)
    return {app.name: app.frozen for app in found.apps}


def of_images(run: Path, images: str, folder: Path, log: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """Packages of all apps and regimes on one base."""
    network = load_base(run)
    base = write_base(network, folder / "base")
    work = layer_work(network)
    points = usual_points(work, network.head_start, POINTS)
    found = []
    for regime, per_class in REGIMES.items():
        packages = []
        for app in APPS:
            pictures = folder / "pictures" / app
            if not pictures.exists():
                write_pictures(images, pictures, app, each=max(REGIMES.values()) * 2, seed=0)
            settings = PackageSettings(
                per_class=per_class,
                event_seconds=2.0,
                event_frequency=0.1,
                correlation=0.5,
                training=head_training({"device": "cpu", "epochs": 10 if regime == "few" else 4, "batch_size": 32}),
            )
            out = folder / regime / app
            package = make_package(
                network, base, [pictures], out, name=app, positive=app, branch_points=points, settings=settings
            )
            packages.append(package)
            curve = curve_of(package, work)
            log(f"{network.name} {regime} {app}: " + " ".join(f"{value:.3f}" for value in curve["accuracy"]))
            found.append({"base": network.name, "regime": regime, **curve})
        picks = chosen(packages, base, work)
        for curve in found[-len(packages) :]:
            curve["chosen"] = picks[curve["app"]]
    return found


def of_clips(folder: Path) -> list[dict[str, Any]]:
    """The same of packages that were made from clips, as they are."""
    packages = [read_package(path.parent) for path in sorted(folder.glob("*/package.json"))]
    if not packages:
        raise DataError(f"{folder} holds no package: make packages of clips first")
    wanted = packages[0].document.base.hash
    (base,) = [found for found in map(read_base, _bases_in(folder)) if found.document.hash == wanted]
    network = load_base(base.document.name, size=base.document.preprocessing.height)
    work = layer_work(network)
    picks = chosen(packages, base, work)
    return [
        {"base": base.document.name, "regime": "clips", **curve_of(package, work), "chosen": picks[package.name]}
        for package in packages
    ]


def _bases_in(folder: Path) -> list[Path]:
    return [path.parent for path in sorted(folder.glob("*/base.json"))]


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    lines = [
        "| base | training | app | accuracy at frozen share of the work | scheduler's choice |",
        "|---|---|---|---|---|",
    ]
    for curve in record["curves"]:
        cells = ", ".join(
            f"{value:.3f} at {share:.0%}" for share, value in zip(curve["share"], curve["accuracy"], strict=True)
        )
        at = curve["frozen"].index(curve["chosen"])
        name = {"few": f"{record['regimes']['few']} per class", "full": f"{record['regimes']['full']:,} per class"}
        regime = name.get(curve["regime"], "clips")
        lines.append(f"| {curve['base']} | {regime} | {curve['app']} | {cells} | {curve['share'][at]:.0%} |")
    runs = "; ".join(
        f"{name}: {run['epochs']} epochs, {run['test_error']:.1%} test error" for name, run in record["bases"].items()
    )
    conditions = (
        f"Accuracy is the mean of hit rate and true-negative rate on held-out pictures or frames. Bases trained on "
        f"CIFAR-100 by `rheostat train` ({runs}). The scheduler chose at a budget of {record['budget']:.0%} of a whole "
        f"network per app at the full rate; commit {record['environment']['commit']}."
    )
    return {"table": "\n".join(lines), "conditions": conditions}


def plots(record: dict[str, Any]) -> dict[str, str]:
    """Accuracy against frozen share, a panel per base, with the scheduler's choices (thesis, Figure 2(b))."""
    from matplotlib.figure import Figure

    from rheostat.figures import dress, svg

    bases = list(dict.fromkeys(curve["base"] for curve in record["curves"]))
    drawn = Figure(figsize=(3.1 * len(bases), 3.4), layout="constrained")
    panels = np.atleast_1d(drawn.subplots(1, len(bases), sharey=True))
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#5b6773", "#e69f00")
    styles = {"few": (0, (3, 2)), "full": "-", "clips": "-"}
    for panel, base in zip(panels, bases, strict=True):
        dress(panel)
        mine = [curve for curve in record["curves"] if curve["base"] == base]
        apps = list(dict.fromkeys(curve["app"] for curve in mine))
        for curve in mine:
            colour = colours[apps.index(curve["app"])]
            label = curve["app"] + {"few": ", few", "full": ", many", "clips": ""}[curve["regime"]]
            panel.plot(curve["share"], curve["accuracy"], color=colour, ls=styles[curve["regime"]], lw=1.6, label=label)
            at = curve["frozen"].index(curve["chosen"])
            panel.plot(curve["share"][at], curve["accuracy"][at], "o", ms=7, color=colour, mec="white")
        panel.set_title(base, fontsize=10)
        panel.set_xlabel("frozen share of the work")
        panel.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("accuracy")
    return {"accuracy": svg(drawn)}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", required=True, help="folders of runs of rheostat train, joined by commas")
    parser.add_argument("--images", required=True, help="CIFAR-10: hub name or folder")
    parser.add_argument("--packages", type=Path, help="folder of packages made from clips, with their base")
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/frozen.json"))
    given = parser.parse_args()
    runs = [Path(run) for run in given.bases.split(",")]
    curves: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        for run in runs:
            curves += of_images(run, given.images, Path(place) / run.name)
    curves += of_clips(given.packages) if given.packages is not None else []
    final = {run.name: read_json(run / "summary.json")["final"] for run in runs}
    record = {
        "bench": "frozen",
        "regimes": REGIMES,
        "budget": BUDGET,
        "bases": {name: {"epochs": last["epoch"], "test_error": last["test_error"]} for name, last in final.items()},
        "curves": curves,
        "environment": environment(),
    }
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()

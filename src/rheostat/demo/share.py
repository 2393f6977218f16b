"""Third chapter: how much of one network several detectors share. From a rendered camera to measured event F1.

::

    camera.mp4 ─► trial of recipes, on the time before ─► a package per app ─► plans ─► run on the time after
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rheostat.bench.workers import Workers, workers
from rheostat.demo import film, recipes
from rheostat.demo.chapters import Chapter, Progress
from rheostat.demo.frame import frame_of
from rheostat.demo.scale import ShareScale
from rheostat.errors import InfeasibleError
from rheostat.records import read_json, write_json
from rheostat.share.base import BASE_FILE, read_base
from rheostat.share.clips import Labels, find_labels, pictures, read_labels
from rheostat.share.node.fleet import Fleet
from rheostat.share.node.trial import labelled_from, try_plan
from rheostat.share.package import Package, read_package
from rheostat.share.package.document import PACKAGE_FILE
from rheostat.share.package.workload import CameraApps, apps_of
from rheostat.share.picture import draw_svg, draw_text
from rheostat.share.plan import Plan, as_json, read_plan, write
from rheostat.share.runner.profile import PROFILE_FILE, Profile, measure, read_profile, write_profile
from rheostat.share.scheduler import plan
from rheostat.share.stem import load_base, write_base
from rheostat.share.trainer import (
    Job,
    PackageSettings,
    layer_work,
    make_package,
    prepare_package,
    train_heads,
    usual_points,
)

SHARINGS = ("any", "head", "max", "none")
PLAN = "plan.json"
_BASE, _APPS, _RAN = "base", "apps", "ran"
_VOTES = (1, 2, 3)
_PARTS = {"camera": 0.1, "base": 0.22, "recipe": 0.35, "packages": 0.87, "plans": 1.0}  # where each ends, of the work


def run(chapter: Chapter, progress: Progress) -> dict[str, Any]:
    """Go from nothing to measured F1; what is on the disk already is not made again."""
    scale, folder = chapter.scale.share, chapter.folder
    progress(0.0, "rendering the camera")
    labels = film.camera(folder, scale)
    bound = film.bound(labels, scale.apps)
    stream = film.held_out(folder, labels, bound)
    progress(_PARTS["camera"], "exporting the pretrained base")
    profile, points = _base(folder, scale)
    with workers(chapter.jobs) as team:
        tried = _try_recipes(team, folder, scale, labels, bound, _part(progress, "base", "recipe", "recipes tried"))
        packages = _packages(
            team, folder, scale, recipes.chosen(tried), points, _part(progress, "recipe", "packages", "packages made")
        )
        apps = _apps(folder, packages, profile, labels)
        fleet = Fleet.of(apps)
        rows = _planned(fleet, _budgets(scale, profile, fleet))
        _run_all(team, folder, rows, _part(progress, "packages", "plans", "plans run"))
    middle = _middle(rows)
    write(folder / PLAN, apps.deployed(middle, folder))
    shown = _ran(folder, middle)
    return {
        "video": {
            "seconds": labels.frames / labels.fps,
            "fps": labels.fps,
            "held_out_seconds": stream.frames / stream.fps,
        },
        "events": {app: [list(event) for event in labelled_from(stream, app)] for app in scale.apps},
        "base": {
            "name": scale.base,
            "size": scale.size,
            "whole_ms": profile.whole_ms,
            "picture_ms": fleet.picture_cost,
        },
        "recipes": tried,
        "recipe": recipes.chosen(tried),
        "packages": [_told(package) for package in packages],
        "rows": [_row(row, folder) for row in rows],
        "tree": {"svg": draw_svg(fleet.workload, middle), "text": str(draw_text(fleet.workload, middle))},
        "plan": as_json(middle),
        "frame": frame_of(stream, {app: shown["apps"][app]["reported"] for app in scale.apps}),
    }


def _base(folder: Path, scale: ShareScale) -> tuple[Profile, tuple[int, ...]]:
    """Export the base, and measure what its layers cost here: before anything else runs beside it."""
    place, known = folder / _BASE, folder / "points.json"
    if not known.exists():
        network = load_base(scale.base, size=scale.size)
        if not (place / BASE_FILE).exists():
            write_base(network, place)
        write_json(known, list(usual_points(layer_work(network), network.head_start, scale.points)))
    base = read_base(place)
    if not (place / PROFILE_FILE).exists():
        write_profile(base, measure(base, rounds=scale.rounds))
    return read_profile(base), tuple(read_json(known))


def _try_recipes(
    team: Workers, folder: Path, scale: ShareScale, labels: Labels, bound: int, told: Any
) -> list[dict[str, Any]]:
    """Package one app, its classifier alone, by every recipe, on the time before the one that judges the plans."""
    trial = film.before(folder, labels, bound)
    tasks = [
        (folder, scale, name, options, [trial], folder / "recipes" / name.replace(" ", "-"), None, scale.recipe_epochs)
        for name, options in recipes.RECIPES.items()
    ]
    return [
        recipes.told(name, found)
        for name, found in zip(recipes.RECIPES, team.all(_package, tasks, told(len(tasks))), strict=True)
    ]


def _packages(
    team: Workers, folder: Path, scale: ShareScale, recipe: str, points: tuple[int, ...], told: Any
) -> list[Package]:
    options = recipes.RECIPES[recipe]
    tasks = [
        (folder, scale, app, options, [folder / film.CAMERA], folder / _APPS / app.replace(" ", "-"), points, None)
        for app in scale.apps
    ]
    return [read_package(found["folder"]) for found in team.all(_package, tasks, told(len(tasks)))]


_networks: dict[tuple[str, int], Any] = {}  # of this process: loaded once for all its packages


def _package(
    folder: Path,
    scale: ShareScale,
    name: str,
    options: dict[str, Any],
    data: list[Path],
    out: Path,
    points: tuple[int, ...] | None,
    epochs: int | None,
) -> dict[str, Any]:
    """Make a package, unless it is there, and say where; of a recipe's, also what its training took.

    A recipe (`points` is None) is tried on the classifier of the first app.
    """
    app = scale.apps[0] if points is None else name
    spent = out.with_suffix(".json")
    if not (out / PACKAGE_FILE).exists():
        key = (scale.base, scale.size)
        if key not in _networks:
            _networks[key] = load_base(scale.base, size=scale.size)
        network, base = _networks[key], read_base(folder / _BASE)
        asked: dict[str, Any] = {
            "name": app,
            "positive": app,
            "branch_points": points or (network.head_start,),
            "settings": PackageSettings(
                votes=_VOTES, per_class=scale.per_class, train_fps=scale.fps, training=recipes.training(options, epochs)
            ),
        }
        if points is None:
            write_json(spent, {"cpu_seconds": _training_seconds(prepare_package(network, base, data, out, **asked))})
        make_package(network, base, data, out, **asked)
    return {"folder": str(out), "cpu_seconds": read_json(spent)["cpu_seconds"] if points is None else None}


def _training_seconds(job: Job) -> float:
    """Train the classifier; processor seconds of its epochs alone, because a process does other things but once."""
    train_heads(job)
    epochs = read_json(job.run_folder(job.network.head_start) / "summary.json")["epochs"]
    return float(sum(epoch["cpu_seconds"][kind] for epoch in epochs for kind in ("data", "scoring", "training")))


def _apps(folder: Path, packages: Sequence[Package], profile: Profile, labels: Labels) -> CameraApps:
    _, first = next(pictures(labels.video, stop=1))
    size = (first.shape[1], first.shape[0])
    return apps_of(packages, read_base(folder / _BASE), profile, picture=size, stream_fps=labels.fps)


def _budgets(scale: ShareScale, profile: Profile, fleet: Fleet) -> list[float]:
    """In core-milliseconds per second, of two digits: the same story on every machine."""
    return [float(f"{number * (profile.whole_ms + fleet.picture_cost):.2g}") for number in scale.budgets]


def _planned(fleet: Fleet, budgets: Sequence[float]) -> list[dict[str, Any]]:
    rows = []
    for budget in budgets:
        for sharing in SHARINGS:
            row: dict[str, Any] = {"budget": budget, "sharing": sharing, "fleet": fleet}
            try:
                row["plan"] = plan(fleet.workload, budget=budget, sharing=sharing)
            except InfeasibleError as error:
                row["least"] = error.least
            rows.append(row)
    return rows


def _run_all(team: Workers, folder: Path, rows: Sequence[dict[str, Any]], told: Any) -> None:
    """Run every plan on the held-out video, plans that run alike once."""
    plans = {_ran_file(folder, row["plan"]): row for row in rows if "plan" in row}
    tasks = [(folder, file, row["fleet"], row["plan"]) for file, row in plans.items()]
    team.all(_run, tasks, told(len(tasks)))


def _run(folder: Path, file: Path, fleet: Fleet, found: Plan) -> None:
    if file.exists():
        return
    trial = try_plan(fleet, found, read_labels(find_labels(folder / film.HELD_OUT)))
    apps = {
        name: {
            "f1": app.judged.f1,
            "recall": app.judged.recall,
            "precision": app.judged.precision,
            **app.judged._asdict(),
            "fps": app.fps,
            "reported": [list(event) for event in app.reported],
        }
        for name, app in trial.apps.items()
    }
    mean = float(np.mean([app["f1"] for app in apps.values()]))
    write_json(file, {"mean_f1": mean, "cost": trial.cost, "apps": apps})


def _ran_file(folder: Path, found: Plan) -> Path:
    """Named by what a plan runs."""
    runs = "_".join(f"{app.frozen}-{app.fps:g}-{app.votes}" for app in found.apps)
    return folder / _RAN / f"{runs}.json"


def _ran(folder: Path, found: Plan) -> dict[str, Any]:
    return read_json(_ran_file(folder, found))


def _row(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    told = {"budget": row["budget"], "sharing": row["sharing"]}
    if "plan" not in row:
        return told | {"least": row["least"]}
    found: Plan = row["plan"]
    measured = _ran(folder, found)
    predicted = {
        app.name: {
            "frozen": app.frozen,
            "fps": app.fps,
            "votes": app.votes,
            "f1": app.f1,
            "recall": app.recall,
            "precision": app.precision,
        }
        for app in found.apps
    }
    return told | {
        "optimal": found.optimal,
        "predicted": {"mean_f1": found.mean_f1, "cost": found.cost, "apps": predicted},
        "measured": measured,
    }


def _middle(rows: Sequence[dict[str, Any]]) -> Plan:
    """The plan that is shown and served: of the middle budget, free to share."""
    free = [row["plan"] for row in rows if row["sharing"] == "any" and "plan" in row]
    return free[len(free) // 2]


def served(folder: Path) -> tuple[Plan, Path]:
    """The plan that the chapter left behind, and the video that it is for."""
    return read_plan(folder / PLAN), folder / film.CAMERA


def _told(package: Package) -> dict[str, Any]:
    document = package.document
    return {
        "name": package.name,
        "events": document.events.count,
        "event_seconds": document.events.seconds,
        "held_out_events": document.held_out.events,
        "branch_points": [
            {"frozen": one.frozen, "hit": one.hit, "false_positive": one.false_positive, "dominated": one.dominated}
            for one in document.branch_points
        ],
    }


def _part(progress: Progress, start: str, end: str, line: str) -> Any:
    """Progress of the tasks of a part as progress of the whole."""

    def of(total: int) -> Any:
        first, last = _PARTS[start], _PARTS[end]
        progress(first, f"0 of {total} {line}")
        return lambda done, _: progress(first + (last - first) * done / total, f"{done} of {total} {line}")

    return of

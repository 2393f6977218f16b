"""The command that plans how several event detectors share one box."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from rheostat.cli.packages import asked_for
from rheostat.cli.terminal import INTERRUPTED, Json, err, out
from rheostat.errors import InfeasibleError, SettingsError, unknown_name
from rheostat.records import write_bytes
from rheostat.share.checking import SCHEMA
from rheostat.share.curve import curve_svg
from rheostat.share.picture import draw_svg, draw_text
from rheostat.share.plan import Plan, Workload, as_json, read_plan, write
from rheostat.share.rows import short
from rheostat.share.scheduler import BASELINES, curve
from rheostat.share.tree import total_shares

commands = typer.Typer()
MOST_BUDGETS = 1000
PREDICTORS = ("paper", "profiled")  # of packages; `published` is there to compare with published numbers
LONGEST_NAME = 32  # columns
BAR = "\u2588"
SAID = {"any": "any sharing", "head": "all shared up to the head", "max": "all shared", "none": "nothing shared"}


@commands.command(epilog="Example: rheostat plan examples/six_detectors.json --budget 10:50:10 --baselines")
def plan(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="WORKLOAD|PACKAGES...",
            help="JSON file of the apps and the box (schema 1), or packages: their folders, or a folder of several.",
            show_default=False,
        ),
    ],
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="Compute per second, in the unit of the workload's layer_cost, of packages in core-milliseconds; the "
            "workload's if left out, or 80 % of this node's cores. Several (50,100,150 or first:last:step) give the "
            "F1-budget curve.",
            show_default=False,
        ),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="mean or min F1; the workload's if left out.", show_default=False)
    ] = None,
    sharing: Annotated[str, typer.Option(help="any, or what baselines may share: head, max, none.")] = "any",
    solver: Annotated[str, typer.Option(help="exact, or legacy-greedy as published.")] = "exact",
    time_limit: Annotated[
        float | None,
        typer.Option(help="Seconds per plan; then the best one found, with its bound.", show_default=False),
    ] = None,
    gap: Annotated[float, typer.Option(help="Stop once no plan can have a mean F1 better by more than this.")] = 0.0,
    previous: Annotated[
        Path | None, typer.Option(help="Plan to start from, of other apps or another budget.", show_default=False)
    ] = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="Plan the baselines too: head, max, none.")] = False,
    base: Annotated[
        Path | None,
        typer.Option(help="Of packages: folder of their base; found beside them if left out.", show_default=False),
    ] = None,
    stream_fps: Annotated[
        float | None,
        typer.Option(help="Of packages: frames per second to plan for; at most 10 if left out.", show_default=False),
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(help="Of packages: size of the camera's pictures; 1280x720 if left out.", show_default=False),
    ] = None,
    event_model: Annotated[
        str | None, typer.Option(help="Of packages: paper (the default) or profiled.", show_default=False)
    ] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Also draw the tree of segments.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--out", help="Write the plan to this JSON file; `rheostat run` takes it.", show_default=False),
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option(help="Write a picture: the tree of the plan; of several budgets the curve.", show_default=False),
    ] = None,
    as_json_: Json = False,
) -> None:
    """Choose branch point, frame rate and votes of every app, for the best F1 that the budget can carry."""
    if event_model not in (None, *PREDICTORS):
        raise unknown_name("event model", event_model, PREDICTORS)
    given = asked_for(
        sources,
        base=base,
        stream_fps=stream_fps,
        event_model=event_model,
        picture=None if picture is None else _size(picture),
        quiet=as_json_,
    )
    asked = given.workload
    budgets = _budgets(budget or [], asked)
    if output is not None and len(budgets) > 1:
        raise SettingsError("--out takes one plan: give one --budget, or take the plans of several from --json")
    if svg is not None and len(budgets) > 1:
        import_module("matplotlib")  # if it is missing, say so before the work
    for target in (output, svg):
        if target is not None:
            _can_be_written(target)
    options = {
        "objective": objective,
        "solver": solver,
        "time_limit": time_limit,
        "gap": gap,
        "previous": None if previous is None else read_plan(previous),
    }
    try:
        with err.status("planning") if err.is_terminal and not as_json_ else nullcontext():
            found = curve(asked, budgets, sharing=sharing, **options)
            beside, refused = _beside(asked, budgets, sharing, options) if baselines else ({}, {})
    except KeyboardInterrupt:
        err.print("interrupted; --time-limit gives the best plan found until then", markup=False, highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    curves = {sharing: found, **beside}
    if as_json_:
        typer.echo(json.dumps(_as_one(curves, refused, sharing, several=len(budgets) > 1)))
    elif found[0] is not None and len(budgets) == 1:
        _print_plan(asked, found[0], tree=tree)
        _print_beside(found[0], {name: plans[0] for name, plans in beside.items()}, refused)
    else:
        _print_curve(budgets, curves)
    if output is not None and found[0] is not None:
        write(output, given.deployed(found[0], output.parent))
    if svg is not None:
        drawn = {name: [plan for plan in plans if plan is not None] for name, plans in curves.items()}
        write_bytes(svg, (curve_svg(drawn) if len(budgets) > 1 else draw_svg(asked, drawn[sharing][0])).encode())
    for made in (output, svg):
        if made is not None and not as_json_:
            out.print(f"written: {made}", highlight=False, markup=False)


def _can_be_written(path: Path) -> None:
    """Find out before the work whether its result will have a place."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SettingsError(f"{path} cannot be written: name a file in a folder that you may write to")


def _size(given: str) -> tuple[int, int]:
    """Width and height in pixels."""
    if (found := re.fullmatch(r"(\d+)x(\d+)", given)) is None or 0 in (size := (int(found[1]), int(found[2]))):
        raise SettingsError(f"picture is {given!r}: must be width and height in pixels, e.g. 1280x720")
    return size


def _budgets(given: list[str], workload: Workload) -> list[float]:
    """The budgets asked for, rising: numbers, lists joined by commas, and ranges first:last:step."""
    if not given:
        if workload.budget is None:
            raise SettingsError("budget is missing: the workload has none, so give --budget, in the unit of layer_cost")
        return [workload.budget]
    found: set[float] = set()
    for part in ",".join(given).split(","):
        try:
            ends = [float(number) for number in part.split(":")]
        except ValueError:
            ends = []
        if len(ends) == 1:
            found.add(ends[0])
        elif len(ends) == 3 and 0 < ends[0] <= ends[1] < math.inf and ends[2] * MOST_BUDGETS >= ends[1] - ends[0] > 0:
            first, last, step = ends
            found.update(first + step * k for k in range(int((last - first) / step * (1 + 1e-12)) + 1))
        else:
            raise SettingsError(
                f"budget is {part!r}: must be numbers above 0 joined by commas, or first:last:step with at most "
                f"{MOST_BUDGETS} steps, e.g. 50:300:50"
            )
    return sorted(found)


def _beside(
    workload: Workload, budgets: list[float], sharing: str, options: dict[str, Any]
) -> tuple[dict[str, list[Plan | None]], dict[str, str]]:
    """The baselines' plans, and what was said of those that do not fit any of the budgets."""
    plans, refused = {}, {}
    for name in BASELINES:
        if name != sharing:
            try:
                plans[name] = curve(workload, budgets, sharing=name, **options)
            except InfeasibleError as error:
                refused[name] = f"does not fit: the cheapest such plan costs {error.least:.2f}"
    return plans, refused


def _as_one(
    curves: dict[str, list[Plan | None]], refused: dict[str, str], sharing: str, *, several: bool
) -> dict[str, Any]:
    """One JSON object: the plan itself, or the `plans` of several budgets; with `baselines` where these were wanted.

    What does not fit its budget is null, in its place.
    """
    told = {name: [None if plan is None else as_json(plan) for plan in plans] for name, plans in curves.items()}
    told |= {name: [None] * len(told[sharing]) for name in refused}
    mine = told.pop(sharing)
    found = {"schema": SCHEMA, "plans": mine} if several else mine[0] or {}
    if not told:
        return found
    return found | {"baselines": told if several else {name: plans[0] for name, plans in told.items()}}


def _print_plan(workload: Workload, plan: Plan, *, tree: bool) -> None:
    """Table of the apps, and the totals below."""
    with_votes = any(app.votes is not None for app in plan.apps)
    table = Table(box=None, header_style="bold", pad_edge=False)
    names = ("branch point", "fps", *(["votes"] if with_votes else []), "F1", "recall", "precision", "cost share")
    room = out.width - sum(max(len(name), 5) + 2 for name in names)
    table.add_column("app", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True, min_width=max(len(name), 5))
    shares = total_shares(workload, plan.apps)
    for app, share in zip(plan.apps, shares, strict=True):
        table.add_row(
            escape(short(app.name, min(max(8, room), LONGEST_NAME), "\u2026").rstrip()),
            str(app.frozen),
            f"{app.fps:g}",
            *([str(app.votes or "-")] if with_votes else []),
            f"{app.f1:.3f}",
            f"{app.recall:.3f}",
            f"{app.precision:.3f}",
            f"{share:.2f} ({share / plan.cost:.0%})" if plan.cost else f"{share:.2f}",
        )
    out.print(table)
    if tree:
        out.print()
        out.print(draw_text(workload, plan))
    out.print(f"\n{_totals(plan)}", highlight=False, markup=False)


def _totals(plan: Plan) -> str:
    asked = plan.min_f1 if plan.objective == "min" else plan.mean_f1
    if plan.optimal:
        proof = "no plan is better (proven)"
    elif plan.objective == "min" and plan.bound <= asked:
        proof = "no plan has a higher lowest F1 (proven), but one may have a higher mean beside it"
    else:
        proof = f"no plan exceeds {plan.bound:.4f}, {plan.bound - asked:.4f} above this one"
    over = (
        "; ABOVE the budget, which the greedy rule does not check at its start"
        if plan.cost > plan.budget + 1e-6
        else ""
    )
    return (
        f"mean F1 {plan.mean_f1:.4f}, lowest {plan.min_f1:.4f}; {proof}\n"
        f"cost {plan.cost:.2f} of {plan.budget:g} per second of stream{over}; planned in {plan.seconds:.2f} s"
    )


def _print_beside(mine: Plan, beside: dict[str, Plan | None], refused: dict[str, str]) -> None:
    lines = dict(refused)
    for name, other in beside.items():
        if other is not None:
            lines[name] = (
                f"mean F1 {other.mean_f1:.4f}, the plan above is {mine.mean_f1 - other.mean_f1:+.4f}; "
                f"lowest {other.min_f1:.4f}, cost {other.cost:.2f}"
            )
    for name in (name for name in BASELINES if name in lines):
        out.print(f"{SAID[name]} (--sharing {name}): {lines[name]}", highlight=False, markup=False)


def _print_curve(budgets: Sequence[float], curves: dict[str, list[Plan | None]]) -> None:
    """Table of the budgets; the bar shows the F1 that was asked for."""
    sharing, *others = curves
    table = Table(box=None, header_style="bold", pad_edge=False, caption=_caption(others), caption_justify="left")
    names = ("budget", "cost", "mean F1", "lowest", "at best", *others)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True, min_width=max(len(name), 6))
    longest = min(max(0, out.width - sum(max(len(name), 6) + 2 for name in names) - 3), 20)
    if longest:
        table.add_column("", no_wrap=True)
    for at, budget in enumerate(budgets):
        plan, beside = curves[sharing][at], [curves[name][at] for name in others]
        baselines = ["-" if other is None else f"{other.mean_f1:.4f}" for other in beside]
        if plan is None:
            table.add_row(f"{budget:g}", "-", "-", "-", "-", *baselines)
            continue
        best = "proven" if plan.optimal else f"{plan.bound:.4f}"
        bar = [BAR * round(longest * (plan.min_f1 if plan.objective == "min" else plan.mean_f1))] if longest else []
        means = (f"{plan.mean_f1:.4f}", f"{plan.min_f1:.4f}")
        table.add_row(f"{budget:g}", f"{plan.cost:.2f}", *means, best, *baselines, *bar)
    out.print(table)


def _caption(others: Sequence[str]) -> str:
    what = f"{', '.join(others)}: mean F1 of the baselines (--sharing); " if others else ""
    return f"{what}-: nothing fits"

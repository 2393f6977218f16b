"""The command that places many cameras on many boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from rheostat.cli.packages import profiled
from rheostat.cli.terminal import INTERRUPTED, Json, err, out
from rheostat.errors import SettingsError, unknown_name
from rheostat.share.placement import FleetDocument, PlacedNode, Placement, place, read_fleet, read_placement
from rheostat.share.placement.gathering import gathered, keep
from rheostat.share.rows import short

commands = typer.Typer()
MOST_ROWS = 40  # nodes in the table
MOST_NAMES = 12  # cameras in a line


@commands.command("place", epilog="Example: rheostat place examples/fleet.json --out fleet-plans")
def place_command(
    fleet: Annotated[Path, typer.Argument(help="JSON file of the nodes and the cameras (schema 1).")],
    output: Annotated[Path, typer.Option("--out", help="Folder of the placement, and of a plan per node and camera.")],
    previous: Annotated[
        Path | None,
        typer.Option(help="Earlier placement, its folder or file: cameras stay where they are.", show_default=False),
    ] = None,
    lost: Annotated[
        list[str] | None,
        typer.Option(help="Node that is not there any more; may be repeated.", show_default=False),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(help="Seconds; then the best placement found, with its bound.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Place cameras on nodes of different budgets, and plan every node for the best F1 that it can carry."""
    asked = _without(read_fleet(fleet), lost or [])
    before = None if previous is None else read_placement(previous)
    if output.exists() and not output.is_dir():
        raise SettingsError(f"{output} is a file: name a folder for the plans")
    cameras = gathered(asked, fleet.parent, lambda base: profiled(base, quiet=as_json))
    try:
        with err.status("placing") if err.is_terminal and not as_json else nullcontext():
            workloads = {name: apps.workload for name, apps in cameras.items()}
            found = place(asked.nodes, workloads, previous=before, time_limit=time_limit)
    except KeyboardInterrupt:
        err.print("interrupted; --time-limit gives the best placement found until then", markup=False, highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    keep(output, found, cameras)
    if as_json:
        typer.echo(json.dumps({"folder": str(output), **found.placement.model_dump(mode="json", by_alias=True)}))
        return
    _print_nodes(found.placement.nodes)
    _print_totals(found.placement, len(cameras))
    out.print(f"written: {output}", highlight=False, markup=False)


def _without(fleet: FleetDocument, lost: Sequence[str]) -> FleetDocument:
    known = [node.name for node in fleet.nodes]
    for name in lost:
        if name not in known:
            raise unknown_name("node", name, known)
    return fleet.without(lost)


def _print_nodes(nodes: Sequence[PlacedNode]) -> None:
    """Table of the nodes, with what each one carries."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("node", no_wrap=True)
    for name in ("budget", "used", "apps", "F1", "at best"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("cameras", no_wrap=True)
    room = max(out.width - 60, 16)
    for node in nodes[:MOST_ROWS]:
        carried = ", ".join(camera.camera for camera in node.cameras)
        table.add_row(
            escape(short(node.name, min(24, max(len(node.name), 4)), "\u2026").rstrip()),
            f"{node.budget:g}",
            f"{node.cost / node.budget:.0%}",
            str(sum(len(camera.apps) for camera in node.cameras)),
            f"{node.mean_f1:.3f}" if node.cameras else "-",
            "" if not node.cameras else "optimal" if node.optimal else f"{node.bound:.3f}",
            escape(short(carried, min(room, max(len(carried), 1)), "\u2026").rstrip()),
        )
    out.print(table)
    if len(nodes) > MOST_ROWS:
        out.print(f"and {len(nodes) - MOST_ROWS} nodes more", highlight=False, markup=False)


def _print_totals(found: Placement, cameras: int) -> None:
    lines = [
        f"\n{cameras} cameras, {found.apps:,} apps: mean F1 {found.mean_f1:.4f}; placed in {found.seconds:.2f} s",
        f"no placement exceeds {found.bound:.4f}, {found.gap:.4f} above this one",
    ]
    divided = [
        name for name in dict.fromkeys(c.camera for n in found.nodes for c in n.cameras) if len(found.at(name)) > 1
    ]
    for names, said in (
        (divided, "divided over several nodes"),
        (found.moved, "moved to another node"),
        (found.left_out, "LEFT OUT, for want of room"),
    ):
        if names:
            more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            lines.append(f"{said}: {', '.join(names[:MOST_NAMES])}{more}")
    out.print("\n".join(lines), highlight=False, markup=False)

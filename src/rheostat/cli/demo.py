"""The command that tells the whole story."""

from __future__ import annotations

import json
import threading
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from rheostat.cli.packages import profiled
from rheostat.cli.terminal import Jobs, Json, ended_by_signals, err, out, progress_bar, resumable
from rheostat.errors import SettingsError

commands = typer.Typer()
_EVIDENCE_MEGABYTES = 200.0  # of the events of the live page


@commands.command(epilog="Example: rheostat demo --out rheostat-demo")
def demo(
    output: Annotated[
        Path, typer.Option("--out", help="Folder of the report; an interrupted demo goes on in it.")
    ] = Path("rheostat-demo"),
    only: Annotated[
        str | None,
        typer.Option(help="Chapters to run, of select, augment, share, joined by commas; all if left out."),
    ] = None,
    jobs: Jobs = 2,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then show the live page on the rendered camera, until Ctrl-C.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Where to serve the page; beyond this machine it takes a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 = any that is free.")] = 8400,
    as_json: Json = False,
) -> None:
    """See all three dials move, in minutes, on data that are here: ends in one HTML report; downloads nothing."""
    from rheostat.demo import CHAPTERS, lines_of, run_demo

    chosen = CHAPTERS if only is None else tuple(name.strip() for name in only.split(","))
    if serve and "share" not in chosen and not (output / "share" / "plan.json").exists():
        raise SettingsError("--serve shows the plan of the chapter share: leave --only out, or name share in it")
    if serve:
        import_module("rheostat.console")  # if it is missing, say so before the work
    with resumable("the same command"), progress_bar(shown=not as_json) as progress:
        progress(0.0, "loading")
        record = run_demo(output, only=chosen, jobs=jobs, progress=progress)
    if as_json:
        typer.echo(json.dumps(record))
    else:
        for line in lines_of(record, out.width):
            out.print(line, highlight=False, markup=False)
        out.print(f"report: {output / 'report.html'}", highlight=False, markup=False)
    if serve:
        _serve(output / "share", host=host, port=port)


def _serve(folder: Path, *, host: str, port: int) -> None:
    """Run the plan on the rendered video, over and over, as if it were a camera; until Ctrl-C."""
    from rheostat.console import serve
    from rheostat.demo import served
    from rheostat.share.node import Node, NodeSettings, fleet_of

    plan, video = served(folder)
    settings = NodeSettings.checked(
        {
            "source": str(video),
            "live": True,
            "loop": True,
            "out": folder / "node",
            "keep_megabytes": _EVIDENCE_MEGABYTES,
        }
    )
    stop = threading.Event()
    with (
        Node(fleet_of(plan, folder, profiled), plan, settings) as node,
        serve(node, host=host, port=port) as page,
        ended_by_signals(stop),
    ):
        err.print(f"live page: {page.url} (Ctrl-C ends it)", highlight=False, markup=False)
        node.run(stop)

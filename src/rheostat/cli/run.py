"""The command that carries a plan out on a live stream."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rheostat.cli.flags import with_settings
from rheostat.cli.packages import profiled
from rheostat.cli.terminal import INTERRUPTED, Json, ended_by_signals, err, out
from rheostat.errors import StateError
from rheostat.settings import read_settings_file
from rheostat.share.node.settings import NodeSettings
from rheostat.share.plan import read_plan

if TYPE_CHECKING:
    from rheostat.share.node import Event

commands = typer.Typer()


@commands.command(epilog="Example: rheostat run plan.json --source gate.mp4 --sink events.jsonl")
@with_settings(NodeSettings)
def run(
    given: dict[str, Any],
    plan: Annotated[Path, typer.Argument(help="Plan of packages, from `rheostat plan PACKAGES... --out`.")],
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; flags override it.")] = None,
    console: Annotated[bool, typer.Option("--console", help="Serve the live page, and an API to add apps.")] = False,
    host: Annotated[str, typer.Option(help="Where to serve it; beyond this machine it takes a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 = any that is free.")] = 8400,
    token: Annotated[
        str | None,
        typer.Option(envvar="RHEOSTAT_TOKEN", help="Guards the page; made up where one is needed.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the apps of a plan on a video, a folder of pictures or a camera, and keep the events that they see."""
    from rheostat.share.node.fleet import fleet_of
    from rheostat.share.node.live import Node

    if console:
        import_module("rheostat.console")  # if it is missing, say so before the work
    settings = NodeSettings.checked((read_settings_file(config) if config is not None else {}) | given)
    asked = read_plan(plan)
    fleet = fleet_of(asked, plan.parent, lambda base: profiled(base, quiet=as_json))
    stop, told = threading.Event(), _Teller(quiet=as_json)
    with ExitStack() as opened:
        opened.enter_context(_problems_told(quiet=as_json))
        node = opened.enter_context(Node(fleet, asked, settings, finished=told.finished))
        if console:
            from rheostat.console import serve

            served = opened.enter_context(serve(node, host=host, port=port, token=token))
            err.print(f"live page: {served.url}", highlight=False, markup=False)
        with ended_by_signals(stop) as signals:
            node.run(stop)
        status = node.status()
    if as_json:
        typer.echo(json.dumps({"folder": str(settings.out), **status}))
    else:
        frames = status["frames"]
        out.print(
            f"{told.events} events in {settings.out}; {frames['analysed']} frames looked at, {frames['skipped']} "
            f"skipped",
            highlight=False,
            markup=False,
        )
    if status["source"]["state"] == "failed":
        raise StateError(f"the source {status['source']['name']} failed: {status['source']['reason']}")
    if signal.SIGINT in signals:
        raise typer.Exit(INTERRUPTED)


class _Teller:
    """Prints a line for every event that is over, and counts them."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.events = 0

    def finished(self, event: Event) -> None:
        """One is over; called from threads of the node, one at a time."""
        self.events += 1
        if not self._quiet:
            seconds = f"{event.start:8.1f} s to {event.end:8.1f} s"
            with suppress(OSError):  # nobody may be reading any more
                out.print(f"{seconds}  {event.app}, peak {event.peak:.2f}", highlight=False, markup=False)


@contextmanager
def _problems_told(*, quiet: bool) -> Iterator[None]:
    """What a node logs, on standard error."""
    log = logging.getLogger("rheostat.node")
    handler = _ToTerminal(logging.WARNING if quiet else logging.INFO)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


class _ToTerminal(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        with suppress(OSError, SystemExit):  # a terminal that is gone must not end the node
            err.print(record.getMessage(), style=style, highlight=False, markup=False)

"""What all commands share: where they print, how they show progress, how they end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

WRONG_INPUT, INTERRUPTED = 2, 130

out, err = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and no progress.")]
Jobs = Annotated[int, typer.Option(min=1, help="Runs side by side, each with one thread.")]


def processes() -> int:
    """How many processes a launcher (`torchrun`, `accelerate launch`) has started to train together; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def speaks() -> bool:
    """Whether this process is the one of them that prints."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def resumable(command: str, run: Path | None = None) -> Iterator[None]:
    """On Ctrl-C, say how to go on: what was finished is on the disk (of a run, once its folder is there)."""
    try:
        yield
    except KeyboardInterrupt:
        begun = run is None or (run / "settings.json").exists()
        launched = f", in {processes()} processes" if begun and processes() > 1 else ""
        said = f"interrupted; go on with: {command if begun else 'the same command'}{launched}"
        if speaks():
            err.print(said, markup=False, highlight=False)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error, where there is a terminal to show it."""
    with suppress(ImportError):
        import datasets

        datasets.disable_progress_bars()  # one bar is enough; its warnings stay
    columns = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=err, transient=True, disable=not (shown and speaks() and err.is_terminal)) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, line: bar.update(task, completed=share, description=line)


@contextmanager
def ended_by_signals(stop: threading.Event) -> Iterator[list[int]]:
    """Let Ctrl-C and a service manager's signal set `stop`, so that what runs ends in order; gives those that came."""
    came: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The demo: three chapters, one after the other, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rheostat.demo import augment, select, share
from rheostat.demo.chapters import Chapter, Progress, claim
from rheostat.demo.figures import figures_of
from rheostat.demo.page import write_page
from rheostat.demo.scale import CHAPTERS, Scale
from rheostat.demo.told import told
from rheostat.errors import unknown_name
from rheostat.records import environment, write_bytes, write_json

SCHEMA = 1
_RUN: dict[str, Callable[[Chapter, Progress], dict[str, Any]]] = {
    "select": select.run,
    "augment": augment.run,
    "share": share.run,
}
_TIDY: dict[str, Callable[[Chapter, dict[str, Any]], None]] = {"select": select.tidy, "augment": augment.tidy}
_WORK = {"select": 0.25, "augment": 0.2, "share": 0.55}  # of the processor time, as measured; for the progress


def run_demo(
    folder: Path,
    *,
    only: Sequence[str] = CHAPTERS,
    jobs: int = 2,
    scale: Scale | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Tell the story: run what has not been run, and write report, record and figures.

    Args:
        folder: Where all goes; an interrupted demo goes on, a finished chapter is not run again.
        only: Chapters to run, of `CHAPTERS`; those that were run before are shown too.
        jobs: Processes side by side, each with one thread.
        scale: How large it is.
        progress: Told how far it is.

    Returns:
        The record, as ``record.json`` has it: `chapters` by name.

    Raises:
        SettingsError: A chapter is unknown, or the folder holds something else.
    """
    for name in only:
        if name not in CHAPTERS:
            raise unknown_name("chapter", name, CHAPTERS)
    scale, progress = scale or Scale(), progress or _silent
    claim(folder)
    work = sum(_WORK[name] for name in only)
    start, found = 0.0, {}
    for name in CHAPTERS:
        chapter = Chapter(name, folder / name, scale, jobs)
        if name in only:
            end = start + _WORK[name] / work
            found[name] = _told_by(chapter, _part(progress, start, end, name))
            start = end
        elif chapter.fits() and (there := chapter.finished()) is not None:
            found[name] = there
    record = {
        "bench": "demo",
        "schema": SCHEMA,
        "environment": environment(),
        "cpu_seconds": sum(one["cpu_seconds"] for one in found.values()),
        "chapters": {
            name: {**one, "headline": (said := told(one)).headline, "findings": said.findings}
            for name, one in found.items()
        },
    }
    write_json(folder / "record.json", record)
    figures = {name: figures_of(one) for name, one in found.items()}
    for name, drawn in figures.items():
        for figure in drawn:
            write_bytes(folder / "figures" / f"{name}-{figure.name}.svg", figure.svg.encode())
    write_page(record, figures, folder / "report.html")
    progress(1.0, "done")
    return record


def _told_by(chapter: Chapter, progress: Progress) -> dict[str, Any]:
    chapter.prepare()
    record = chapter.finished()
    if record is None:
        progress(0.0, "")
        with chapter.clocked() as spent:
            found = _RUN[chapter.name](chapter, progress)
            record = chapter.finish({**found, "cpu_seconds": spent()})
    if (tidy := _TIDY.get(chapter.name)) is not None:
        tidy(chapter, record)  # also of a chapter whose demo was killed here
    return record


def _part(progress: Progress, start: float, end: float, name: str) -> Progress:
    """Progress of a chapter as progress of the whole."""
    return lambda share, line: progress(start + (end - start) * share, f"{name}: {line}" if line else name)


def _silent(share: float, line: str) -> None:
    del share, line

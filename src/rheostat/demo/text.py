"""The story for a terminal: lines no wider than it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rheostat.demo import found_share
from rheostat.demo.page import conditions
from rheostat.demo.scale import CHAPTERS
from rheostat.demo.told import IDEA, told

WIDEST, NARROWEST = 96, 60  # columns


def lines_of(record: dict[str, Any], width: int = 80) -> Iterator[str]:
    """The record as lines of at most `width` columns, which is taken to be `NARROWEST` at least."""
    width = min(max(width, NARROWEST), WIDEST)
    yield IDEA
    for name, chapter in record["chapters"].items():
        said = told(chapter)
        yield ""
        title = f"{CHAPTERS.index(name) + 1}. {said.words.title}"
        yield title
        yield "=" * len(title)
        yield from _wrapped(f"Usually fixed: {said.words.fixed}", width)
        yield from _wrapped(f"What moves it: {said.words.moves}", width)
        yield from _wrapped(said.setting, width)
        yield ""
        yield from _table(said.header, said.cells)
        if name == "share":
            yield from _of_share(chapter)
        yield ""
        for sentence in said.findings:
            yield from _wrapped(sentence, width, "- ")
        yield "With data of your own:"
        yield from (f"    {line}" for line in said.words.command.splitlines())
    yield ""
    yield from _wrapped(f"Measured in {conditions(record)}", width)


def _of_share(chapter: dict[str, Any]) -> Iterator[str]:
    yield "(mean event F1 measured, in brackets predicted; core-ms per second)"
    yield ""
    yield f"The plan for {chapter['plan']['budget']:g} core-ms per second, measured (predicted):"
    yield from _table(*found_share.apps_table(chapter))
    yield ""
    yield from chapter["tree"]["text"].splitlines()


def _wrapped(text: str, width: int, bullet: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=bullet, subsequent_indent=" " * len(bullet), break_on_hyphens=False
    )


def _table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    rows = [list(header), *map(list, cells)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(header))]
    for row in rows:
        first, *others = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()

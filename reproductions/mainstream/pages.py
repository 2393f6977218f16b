"""What `benchmarks/render.py` asks a reproduction for: the pieces of its page, and its plots."""

from __future__ import annotations

from collections.abc import Mapping

from reproductions.mainstream import plots, schedule_tables, tables
from reproductions.mainstream.tables import Record
from rheostat.figures import svg

_PIECES = {**tables.PIECES, **schedule_tables.PIECES}


def piece(record: Record, name: str) -> str:
    """One piece of the page, as Markdown."""
    if name == "conditions":
        return tables.conditions(record)
    return _PIECES[record["figure"], name](record)


def plots_of(record: Record) -> Mapping[str, str]:
    """All plots of a record by name, each an SVG document."""
    return {name: svg(draw(record)) for name, draw in plots.PLOTS.get(record["figure"], {}).items()}

"""What `benchmarks/render.py` asks a reproduction for: the pieces of its page, and its plots."""

from __future__ import annotations

from collections.abc import Mapping

from reproductions.selective_augment import mislabel_tables
from reproductions.selective_augment.mislabel_tables import Record

_PIECES = {**mislabel_tables.PIECES}


def piece(record: Record, name: str) -> str:
    """One piece of the page, as Markdown."""
    return _PIECES[record["figure"]][name](record)


def plots_of(record: Record) -> Mapping[str, str]:
    """All plots of a record by name, each an SVG document."""
    return mislabel_tables.plots_of(record)

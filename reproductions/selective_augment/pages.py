"""What `benchmarks/render.py` asks a reproduction for: the pieces of its page, and its plots."""

from __future__ import annotations

from collections.abc import Mapping

from reproductions.selective_augment import augmenting_tables, mislabel_tables
from reproductions.selective_augment.mislabel_tables import Record

_PIECES = {**mislabel_tables.PIECES, **augmenting_tables.PIECES}


def piece(record: Record, name: str) -> str:
    """One piece of the page, as Markdown."""
    return _PIECES[record["figure"]][name](record)


def plots_of(record: Record) -> Mapping[str, str]:
    """All plots of a record by name, each an SVG document."""
    room = augmenting_tables if record["figure"] in augmenting_tables.PIECES else mislabel_tables
    return room.plots_of(record)

"""The story as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from rheostat.demo import found_share
from rheostat.demo.figures import Figure
from rheostat.demo.told import IDEA, told
from rheostat.figures import inline
from rheostat.records import write_bytes


def write_page(record: dict[str, Any], figures: Mapping[str, Sequence[Figure]], path: Path) -> None:
    """Write the page of a record, with the figures of each of its chapters: a tile per chapter, then the chapters."""
    template = jinja2.Template(
        files("rheostat.demo").joinpath("report.html.j2").read_text(encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = template.render(
        idea=IDEA,
        chapters=[_chapter(one, figures[name]) for name, one in record["chapters"].items()],
        conditions=conditions(record),
    )
    write_bytes(path, page.encode())


def conditions(record: dict[str, Any]) -> str:
    """What the figures were measured with, in one sentence."""
    where = record["environment"]
    return (
        f"{record['cpu_seconds']:.0f} s of processor time on {where['processor']} with {where['cores']} cores, torch "
        f"{where['packages']['torch']}, commit {where['commit']}; nothing was downloaded."
    )


def _chapter(record: dict[str, Any], figures: Sequence[Figure]) -> dict[str, Any]:
    shared = record["chapter"] == "share"
    return {
        "told": told(record),
        "figures": [(one.name, inline(one.svg), one.caption) for one in figures],
        "apps": found_share.apps_table(record) if shared else None,
        "frame": record["frame"] if shared else None,
        "shown": record["suspects"]["shown"] if record["chapter"] == "augment" else [],
    }

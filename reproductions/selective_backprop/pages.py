"""What `benchmarks/render.py` asks a reproduction for: the pieces of its page, and its plots; and a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reproductions.selective_backprop import plots, tables
from reproductions.selective_backprop.views import Record, data_of
from rheostat.figures import svg
from rheostat.records import write_bytes

TITLES = {
    "claims": "Claimed and found",
    "table2": "Table 2: final error and training time",
    "table3": "Table 3: speed-up to an error",
    "fig5": "Figure 5: kept share over time",
    "fig6": "Figure 6: error against iterations",
    "fig7": "Figure 7: error against time",
    "fig8": "Figure 8: Kath18",
    "fig9": "Figure 9: speed-up against the cost of a backward",
    "rivals": "All policies",
    "noise": "Wrong labels",
}


def piece(record: Record, name: str) -> str:
    """One piece of the page, as Markdown."""
    return tables.PIECES[name](record)


def plots_of(record: Record) -> Mapping[str, str]:
    """All plots that the record has the runs for, by name, each an SVG document."""
    noisy = any(row["cell"]["noise"] for row in record["rows"])
    return {
        f"{record['figure']}-{name}": svg(draw(record))
        for name, (course, draw) in plots.PLOTS.items()
        if (noisy if course == "noise" else data_of(record, course))
    }


def write_report(record: Record, out: Path) -> Path:
    """Write `report-SCALE.md` with its plots beside it; return its path."""
    drawn = plots_of(record)
    for name, content in drawn.items():
        write_bytes(out / f"{name}.svg", content.encode())
    parts = [f"# {record['what']}", piece(record, "conditions")]
    for name, title in TITLES.items():
        plot = f"{record['figure']}-{name}"
        parts += [f"## {title}", piece(record, name)]
        parts += [f"![{title}]({plot}.svg)"] if plot in drawn else []
    path = out / f"report-{record['figure']}.md"
    write_bytes(path, ("\n\n".join(parts) + "\n").encode())
    return path

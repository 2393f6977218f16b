"""A comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from rheostat.bench.compare import PLAIN
from rheostat.bench.findings import conditions_of, sentences_of, table_of
from rheostat.bench.plots import plots_of
from rheostat.figures import inline
from rheostat.records import write_bytes

_CAPTIONS = {
    "error-against-backwards": "Test error against the number of examples trained on. Dashed: plain's final error.",
    "error-against-seconds": "The same against processor time, scoring forwards included: what selection really costs.",
    "kept-share": "How selective each policy was: as losses fall, fewer examples are kept.",
}
_TOLD = ("model", "batch_size", "optimizer", "lr", "momentum", "weight_decay", "schedule", "augment", "precision")


def write_report(record: dict[str, Any], path: Path, *, title: str, lead: str) -> None:
    """Write the page of a comparison: findings, table, three plots, conditions."""
    template = jinja2.Template(
        files("rheostat.bench").joinpath("report.html.j2").read_text(encoding="utf-8"), autoescape=True
    )
    header, cells = table_of(record)
    settings = record["arms"][PLAIN]["settings"]
    page = template.render(
        title=title,
        lead=lead,
        findings=sentences_of(record),
        header=header,
        cells=cells,
        plots=[(_CAPTIONS[name], inline(svg)) for name, svg in plots_of(record).items()],
        conditions=conditions_of(record),
        settings=", ".join(f"{name}={settings[name]}" for name in _TOLD),
    )
    write_bytes(path, page.encode())

"""Render the tables and plots of the documentation from the records.

A page asks for a piece of a record with a pair of comments, and the piece is written between them::

    <!-- select-mnist-lenet:table -->
    <!-- /select-mnist-lenet:table -->

Records lie in `benchmarks/results/`; those of a reproduction in `reproductions/NAME/results/`, and a page asks for
them with the name before, as in `mainstream/fig9:train`.

Pieces of a comparison: table, findings, conditions. Pieces of an overhead record: table, conditions. What a script
beside this one has measured is told by its `pieces(record)`, and drawn by its `plots(record)` if it has one. A
reproduction has a module `reproductions.NAME.pages` with `piece(record, name)` and `plots_of(record)`.
What is said of the code itself (`FROM_CODE`: commands, public names, file formats, rooms), and the page that gathers
all measurements, is written by the modules in `benchmarks/rendering/`, each with a `piece(name)`.
Plots go to `docs/images/RECORD-PLOT.svg`, those of a reproduction to `docs/images/NAME-PLOT.svg`.

    python benchmarks/render.py            write
    python benchmarks/render.py --check    exit with 1 if a page differs from its records
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rheostat.bench import conditions_of, markdown_table, plots_of, sentences_of
from rheostat.records import read_json, write_bytes

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
REPRODUCTIONS = ROOT / "reproductions"
MEASURED_HERE = (
    "augmenting",
    "coverage",
    "detection",
    "distribution",
    "edge",
    "event-models",
    "fleet",
    "from-scratch",
    "frozen",
    "on-gpu",
    "planning",
    "saving",
    "sharing",
    "soak",
    "watching",
)
FROM_CODE = ("api", "architecture", "commands", "formats", "headlines", "performance")
_ASKED = re.compile(
    r"(<!-- (?P<record>[\w/-]+):(?P<piece>\w+) -->\n)(?P<text>.*?)(<!-- /(?P=record):(?P=piece) -->)", re.S
)


def pages() -> list[Path]:
    """All pages that may ask for a piece of a record."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rendered(page: str) -> str:
    """The text of a page with every piece it asks for brought up to date."""

    def fresh(asked: re.Match[str]) -> str:
        *reproduction, name = asked["record"].split("/")
        if name in FROM_CODE:
            piece = _written(name).piece(asked["piece"])
        elif reproduction:
            record = read_json(REPRODUCTIONS / reproduction[0] / "results" / f"{name}.json")
            piece = _pages_of(reproduction[0]).piece(record, asked["piece"])
        else:
            piece = _piece(read_json(RESULTS / f"{name}.json"), asked["piece"])
        return f"{asked[1]}{piece}\n{asked[5]}"

    return _ASKED.sub(fresh, page)


def plots() -> Iterator[tuple[str, str]]:
    """The name of every plot, and what it is."""
    for path in RESULTS.glob("select-*.json"):
        for name, svg in plots_of(read_json(path)).items():
            yield f"{path.stem}-{name}", svg
    for path in RESULTS.glob("*.json"):
        record = read_json(path)
        if record["bench"] in MEASURED_HERE:
            for name, svg in getattr(_measuring(record), "plots", _no_plots)(record).items():
                yield f"{path.stem}-{name}", svg
    for path in REPRODUCTIONS.glob("*/results/*.json"):
        reproduction = path.parent.parent.name
        for name, svg in _pages_of(reproduction).plots_of(read_json(path)).items():
            yield f"{reproduction}-{name}", svg
    yield "architecture", _written("architecture").drawing()


def _written(name: str) -> Any:
    """A module that writes of the code, or of all records together."""
    return importlib.import_module(f"benchmarks.rendering.{name}")


def _pages_of(reproduction: str) -> Any:
    return importlib.import_module(f"reproductions.{reproduction}.pages")


def _measuring(record: dict[str, Any]) -> Any:
    """The script beside this one that made a record."""
    return importlib.import_module(f"benchmarks.{record['bench'].replace('-', '_')}")


def _no_plots(record: dict[str, Any]) -> dict[str, str]:
    del record
    return {}


def _piece(record: dict[str, Any], piece: str) -> str:
    if record["bench"] in MEASURED_HERE:
        return _measuring(record).pieces(record)[piece]
    if record["bench"] == "overhead":
        return {"table": _overhead_table, "conditions": _overhead_conditions}[piece](record)
    if piece == "findings":
        return "\n".join(f"- {sentence}" for sentence in sentences_of(record))
    return {"table": markdown_table, "conditions": conditions_of}[piece](record)


def _overhead_table(record: dict[str, Any]) -> str:
    lines = ["| measured against | bar | ratio, median | quartiles |", "|---|---:|---:|---:|"]
    for name, label, bar in (
        ("selective", "candidates x t_score + backwards x t_step", f"{record['setting'].get('bar', 1.05):.2f}"),
        ("uniform", "the plain loop", "1.01"),
    ):
        ratio = record["ratios"][name]
        low, high = ratio["quartiles"]
        lines.append(f"| {name}: {label} | {bar} | {ratio['median']:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


def _overhead_conditions(record: dict[str, Any]) -> str:
    environment, setting, seconds = record["environment"], record["setting"], record["seconds"]
    return (
        f"{setting['model']}, batches of {setting['batch_size']}, rounds of "
        f"{setting.get('scoring_batch', setting['batch_size'])}, {setting['candidates']:,} candidates in each of "
        f"{setting['turns']} turns, {record['backwards_share']:.0%} of them trained on; t_score "
        f"{seconds['t_score'] * 1e6:.0f} us and t_step {seconds['t_step'] * 1e6:.0f} us per example, one thread, "
        f"processor time, {environment['processor']}, torch {environment['packages']['torch']}, "
        f"commit {environment['commit']}."
    )


def main(*, check: bool) -> int:
    """Write or check every page; return the exit code."""
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        fresh = rendered(text)
        if fresh != text:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(fresh, encoding="utf-8")
    if not check:
        for name, svg in plots():
            write_bytes(ROOT / "docs" / "images" / f"{name}.svg", svg.encode())
    for page in stale:
        print(f"{'differs from its records' if check else 'written'}: {page}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # where reproductions and benchmarks are
    sys.exit(main(check="--check" in sys.argv[1:]))

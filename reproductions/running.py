"""Produce the record of a figure cell by cell, in several processes, so that an interruption loses no cell."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rheostat.records import environment, read_json, write_json

Cell = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure or a table of the paper.

    Attributes:
        name: Of the record.
        what: One line on what is reproduced.
        claimed: What the paper says, sentence by sentence; empty where it gives no number.
        cells: The cells, given how many workloads to take of each kind; what a cell holds is all its row depends on.
        row: What a cell comes to. A function of a module, because it runs in other processes.
        setting: What is the same for all cells.
        bench: The benchmark whose record it is, by name; None = it belongs to a reproduction.
    """

    name: str
    what: str
    claimed: tuple[str, ...]
    cells: Callable[[int], list[Cell]]
    row: Callable[[Cell], Row]
    setting: dict[str, Any]
    bench: str | None = None


def produce(
    figure: Figure, out: Path, *, workers: int, workloads: int, fresh: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Compute the cells that the record in `out` does not have yet, and return the record.

    The environment of the record is that of the newest rows; where older ones were made at another commit, they say so.

    Args:
        figure: What to produce.
        out: Folder of the records; the record is written after each cell.
        workers: Processes; 1 = this one.
        workloads: How many workloads to take of each kind.
        fresh: Compute all cells anew.
        say: Takes a line on each cell.
    """
    path = out / f"{figure.name}.json"
    before = read_json(path) if path.exists() and not fresh else {"rows": [], "environment": environment()}
    rows = {_key(row["cell"]): row for row in before["rows"]}
    cells = figure.cells(workloads)
    missing = [cell for cell in cells if _key(cell) not in rows]
    seen_on = environment() if missing else before["environment"]
    if seen_on["commit"] != before["environment"]["commit"]:
        rows = {key: {**row, "commit": row.get("commit", before["environment"]["commit"])} for key, row in rows.items()}

    def record() -> dict[str, Any]:
        return {
            **({} if figure.bench is None else {"bench": figure.bench}),
            "figure": figure.name,
            "what": figure.what,
            "claimed": list(figure.claimed),
            "setting": figure.setting,
            "environment": seen_on,
            "complete": all(_key(cell) in rows for cell in cells),
            "rows": [rows[_key(cell)] for cell in cells if _key(cell) in rows],
        }

    say(f"{figure.name}: {len(cells)} cells, {len(cells) - len(missing)} of them there already, in {path}")
    for number, (cell, row) in enumerate(_computed(figure.row, missing, workers), 1):
        rows[_key(cell)] = {"cell": cell, **rounded(row)}
        write_json(path, record())
        say(f"{figure.name}: {number} of {len(missing)}: {' '.join(f'{k} {v}' for k, v in cell.items())}")
    return record()


def rounded(value: Any, digits: int = 7) -> Any:
    """The same value for a record: arrays as lists, numbers to `digits` significant digits."""
    if isinstance(value, dict):
        return {name: rounded(inner, digits) for name, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(inner, digits) for inner in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{digits}g}")
    return value.item() if isinstance(value, np.generic) else value


def _key(cell: Cell) -> str:
    return json.dumps(cell, sort_keys=True)


def _computed(row: Callable[[Cell], Row], cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Row]]:
    """Give cells with their rows as they are done."""
    if workers == 1 or len(cells) < 2:
        yield from ((cell, row(cell)) for cell in cells)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(cells)), mp_context=context, initializer=_end_on_interrupt) as pool:
        waiting = {pool.submit(row, cell): cell for cell in cells}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_on_interrupt() -> None:
    """Ctrl-C reaches all processes of a terminal: these end at once and say nothing, the one that waits says it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

"""How a measurement ends: it is summed up, its record is written, and what the pages will show of it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rheostat.records import write_json


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median and quartiles."""
    return {
        "median": statistics.median(values),
        "quartiles": statistics.quantiles(values, n=4, method="inclusive")[::2],
    }


def keep(path: Path, record: dict[str, Any], pieces: Callable[[dict[str, Any]], Mapping[str, str]]) -> None:
    """Write a record, and print its pieces; it is on the disk before they are made, so that no fault there loses it."""
    write_json(path, record)
    for text in pieces(record).values():
        print(text, end="\n\n")

"""How a measurement ends: its record is written, and what the pages will show of it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rheostat.records import write_json


def keep(path: Path, record: Mapping[str, Any], pieces: Mapping[str, str]) -> None:
    """Write a record, and print its pieces."""
    write_json(path, record)
    for text in pieces.values():
        print(text, end="\n\n")

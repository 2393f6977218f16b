"""The published data, read from `reproductions/mainstream/data`, whose README names the sources."""

import csv
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "reproductions" / "mainstream" / "data"


def read_json(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def read_csv(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="") as file:
        return list(csv.DictReader(file))


def pedestrian_events() -> list[list[float]]:
    """The probability of a pedestrian in each frame, per event; five events are empty."""
    return list(read_json("pedestrian_event_predictions.json")["events"].values())

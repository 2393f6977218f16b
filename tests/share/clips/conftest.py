"""Small clips of known content."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.records import write_json
from rheostat.share.clips import LabelledEvent, Labels, Stretch, write_video
from rheostat.share.frames import Picture


def grey(number: int, size: tuple[int, int] = (32, 48)) -> Picture:
    """A picture that tells its number by its brightness."""
    return np.full((*size, 3), 40 + number * 4, dtype=np.uint8)


def labels(frames: int, *events: tuple[int, int], fps: float = 10.0, label: str = "bus") -> Labels:
    """Labels of a video that need not exist."""
    found = tuple(LabelledEvent(label, start, end) for start, end in events)
    return Labels(Path("gate.mp4"), fps, frames, Stretch(0, frames), found)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures; picture n is of the grey `grey(n)`. With B frames, which are not stored in the order of time."""
    path = tmp_path_factory.mktemp("clips") / "gate.mp4"
    write_video(path, (grey(number, (64, 96)) for number in range(40)), 10, crf=1)
    return path


@pytest.fixture
def described(clip: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a labels file for a copy of the clip, with values changed; None = left out."""
    (tmp_path / "gate.mp4").write_bytes(clip.read_bytes())

    def write(happened: Sequence[Sequence[Any]] = (("bus", 5, 9),), **values: Any) -> Path:
        listed = [dict(zip(("label", "start_frame", "end_frame"), event, strict=True)) for event in happened]
        document = {"video": "gate.mp4", "fps": 10, "frames": 40, "events": listed, **values}
        path = tmp_path / "gate.labels.json"
        write_json(path, {key: value for key, value in document.items() if value is not None})
        return path

    return write

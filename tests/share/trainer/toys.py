"""A base that is small and clips that are short, for the tests of M-Trainer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rheostat.share.base import Base, Preprocessing
from rheostat.share.clips import LabelledEvent, Labels, Stretch, write_labels, write_video
from rheostat.share.package.document import Package
from rheostat.share.stem import Network, cut, write_base
from rheostat.share.trainer import PackageSettings, head_training, make_package

SIDE = 24
LABEL = "lamp"
EVENTS = ((8, 16), (30, 40), (55, 62), (80, 90), (104, 112), (130, 138))  # of the long clip, of 150 frames
FRAMES, FPS = 150, 10.0


def network(seed: int = 0) -> Network:
    """Three convolutions, the last one with BatchNorm, and a classifier; one channel of each knows red."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    with torch.no_grad():
        for layer, colours in ((model[0], (1.0, -0.6, -0.6)), (model[2], (1.0,)), (model[4], (1.0,))):
            layer.weight[0] = 0.0
            for channel, weight in enumerate(colours):
                layer.weight[0, channel] = weight / 9
    preprocessing = Preprocessing(height=SIDE, width=SIDE, mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 0.75))
    return cut(model, name="toy", preprocessing=preprocessing, points=None)


def exported(folder: Path, seed: int = 0) -> tuple[Network, Base]:
    """The network, and the same as it serves."""
    known = network(seed)
    return known, write_base(known, folder)


def pictures(shown: Sequence[bool], seed: int) -> list[np.ndarray]:
    """Noise; where something is shown, a red square at a place that moves."""
    generator = np.random.default_rng(seed)
    found = []
    for at, lit in enumerate(shown):
        picture = generator.integers(0, 90, (36, 48, 3), dtype=np.uint8)
        if lit:
            left = at % 30
            picture[8:24, left : left + 16] = (230, 40, 40)
        found.append(picture)
    return found


def clip(
    folder: Path,
    name: str = "long",
    *,
    events: Sequence[tuple[int, int]] = EVENTS,
    frames: int = FRAMES,
    fps: float = FPS,
    label: str = LABEL,
) -> Path:
    """A video with its labels beside it."""
    shown = [any(start <= at < end for start, end in events) for at in range(frames)]
    path = folder / f"{name}.mp4"
    write_video(path, pictures(shown, len(name)), fps)
    found = tuple(LabelledEvent(label, start, end) for start, end in events)
    write_labels(Labels(path, fps, frames, Stretch(0, frames), found))
    return path


def settings(training: dict[str, Any] | None = None, **values: Any) -> PackageSettings:
    """Few epochs with a high learning rate."""
    few = {"epochs": 12, "batch_size": 8, "lr": 0.01, "device": "cpu"}
    return PackageSettings(training=head_training(few | (training or {})), **{"train_fps": FPS} | values)


def make(base: tuple[Network, Base], data: Sequence[Path], out: Path, **values: Any) -> Package:
    """A package of the lamp."""
    asked: dict[str, Any] = {"name": "lamp-1", "positive": LABEL, "settings": settings()} | values
    return make_package(*base, data, out, **asked)


def left_behind(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by their paths in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

"""Run folders without a training run: what they saw is made up, and one label in seven is wrong."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from rheostat.settings import TrainSettings
from rheostat.signals import ExampleLog
from rheostat.training import ImageData, RunFolder, build_model, load_data

EPOCHS = 4
PETS = ("cat", "dog & son", "newt")
NUMBER = 42  # of the pets
DAMAGED = 5
"""Index of the pet whose file is damaged, where one is."""


def seen(data: ImageData, *, looks: bool = True) -> ExampleLog:
    """The log of a run in which every seventh example was taken for the class after its own, all the time.

    The others are taken for what they are given. In the third epoch those of odd index were not looked at, and example
    3 never was.
    """
    labels, classes = data.train.labels, len(data.classes)
    log = ExampleLog(len(labels))
    chance = torch.Generator().manual_seed(0)
    wrong = torch.arange(len(labels)) % 7 == 0
    says = torch.where(wrong, (labels + 1) % classes, labels)
    for epoch in range(EPOCHS if looks else 0):
        logits = 6 * F.one_hot(says, classes) + torch.rand(len(labels), classes, generator=chance)
        plain = torch.arange(len(labels)) != 3
        if epoch == 2:
            plain &= torch.arange(len(labels)) % 2 == 0
        log.observe(torch.arange(len(labels)), logits, labels, epoch, plain)
    return log


def run_folder(path: Path, data: str = "sklearn-digits", *, looks: bool = True, **changed: Any) -> Path:
    """A run that was interrupted after its first checkpoint; `changed` are entries of the checkpoint."""
    settings = TrainSettings.checked({"data": data, "image_size": 16, "device": "cpu", "track": "none"})
    loaded = load_data(data, image_size=16)
    folder = RunFolder(path)
    folder.start(settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model("lenet", classes=len(loaded.classes), channels=loaded.channels, image_size=16)
    told = {
        "train": len(loaded.train.labels), "classes": list(loaded.classes), "fingerprint": loaded.fingerprint,
        "mean": list(loaded.mean), "std": list(loaded.std), "channels": loaded.channels, "image_size": 16,
        "labels": hashlib.sha256(loaded.train.labels.numpy().tobytes()).hexdigest(),
    }  # fmt: skip
    state = {
        "data": told,
        "given": loaded.train.labels,
        "model": model.state_dict(),
        "log": seen(loaded, looks=looks).state_dict(),
    }
    folder.save(state | changed)
    return path


def pet(at: int) -> np.ndarray:
    """16x16 noise of the image's own."""
    return np.random.default_rng(at).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def pets(path: Path, *, kinds: Sequence[str] = ("PNG",), damaged: bool = False) -> Path:
    """A folder of images per class, 14 of each; the formats take turns."""
    for at in range(NUMBER):
        kind = kinds[at % len(kinds)]
        home = path / "train" / PETS[at * len(PETS) // NUMBER]
        home.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        Image.fromarray(pet(at)).save(file, kind, **({"lossless": True} if kind == "WEBP" else {}))
        content = file.getvalue()
        suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
        (home / f"{at:03}.{suffix}").write_bytes(content[:100] if damaged and at == DAMAGED else content)
    for at in range(6):
        home = path / "test" / PETS[at % 3]
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pet(1000 + at)).save(home / f"{at}.png")
    return path

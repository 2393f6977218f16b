"""CIFAR-10 in one file that needs nothing but numpy and Pillow to read: for a machine without `datasets`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rheostat.errors import DataError
from rheostat.training import ImageData
from rheostat.training.data import ResidentImages

SPLITS = ("train", "test")


def pack(folder: Path, path: Path) -> None:
    """Put the files of the images and their labels into one `.npz`, as they are in the parquet files.

    Args:
        folder: A data set of the hub's form.
        path: Where to.
    """
    from pyarrow.parquet import read_table

    content: dict[str, np.ndarray] = {}
    for split in SPLITS:
        tables = [read_table(part, columns=["image", "label"]) for part in sorted(folder.glob(f"{split}-*"))]
        files = [image["bytes"] for table in tables for image in table["image"].to_pylist()]
        content[f"{split}_labels"] = np.concatenate([table["label"].to_numpy() for table in tables])
        content[f"{split}_ends"] = np.cumsum([len(file) for file in files])
        content[f"{split}_files"] = np.frombuffer(b"".join(files), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, **content)  # pyright: ignore[reportArgumentType]


def unpack(path: Path, name: str) -> ImageData:
    """Decode what `pack` wrote.

    Raises:
        DataError: The file is not one of `pack`.
    """
    with np.load(path) as content:
        if any(f"{split}_files" not in content for split in SPLITS):
            raise DataError(
                f"{path} holds {', '.join(content)}: make it with `rheostat reproduce selective-augment pack`"
            )
        splits = []
        for split in SPLITS:
            files, ends = content[f"{split}_files"].tobytes(), content[f"{split}_ends"].tolist()
            starts = [0, *ends[:-1]]
            pixels = np.stack(
                [
                    np.asarray(Image.open(io.BytesIO(files[a:b])).convert("RGB"))
                    for a, b in zip(starts, ends, strict=True)
                ]
            )
            labels = torch.from_numpy(content[f"{split}_labels"].astype(np.int64))
            splits.append(ResidentImages(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels))
    train = splits[0].images.float() / 255
    deviation, mean = torch.std_mean(train, dim=(0, 2, 3), correction=0)
    classes = tuple(map(str, range(10)))
    return ImageData(name, splits[0], splits[1], classes, 3, 32, tuple(mean.tolist()), tuple(deviation.tolist()))

"""The images that the studies are made on: where they are looked for, and smaller parts of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from reproductions.packed import unpack
from rheostat.training import ImageData, load_data
from rheostat.training.data import ResidentImages

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = CHECKOUT.parent / "shared" / "data"
PACKED = CHECKOUT / "runs" / "packed"


def images_of(name: str, hub: str, *, device: str = "cpu") -> ImageData:
    """All images of a data set: packed beside the checkout's runs, in ../shared/data, or from the hub.

    Args:
        name: Of the folder in ../shared/data, and of the packed file.
        hub: Its name on the hub.
        device: Where the images are held.
    """
    if (PACKED / f"{name}.npz").exists():
        return unpack(PACKED / f"{name}.npz", name)
    local = DATA / name
    return load_data(str(local) if local.exists() else hub, device=device)


def part_of(whole: ImageData, *, train: int, test: int, side: int) -> ImageData:
    """So many images of each split, always the same ones, drawn at random, and no larger than `side` pixels."""
    rng = np.random.default_rng(0)
    splits = []
    for split, number in ((whole.train, train), (whole.test, test)):
        assert isinstance(split, ResidentImages)
        rows = torch.from_numpy(np.sort(rng.permutation(len(split.labels))[:number]))
        splits.append(ResidentImages(_reduced(split.images[rows], side), split.labels[rows]))
    return replace(whole, train=splits[0], test=splits[1], image_size=side, files=None)


def _reduced(images: torch.Tensor, side: int) -> torch.Tensor:
    if images.shape[-1] == side:
        return images
    return F.interpolate(images.float(), (side, side), mode="area").round().to(torch.uint8)

"""Pictures and stem features on the disk, computed once and read in batches."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import prod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from rheostat.errors import DataError
from rheostat.share.base import Preprocessing
from rheostat.share.frames import normalised, resized
from rheostat.share.stem import Network
from rheostat.share.trainer.choice import Chosen
from rheostat.share.trainer.material import Material
from rheostat.share.trainer.settings import Progress

BATCH = 16
PARTS = ("train", "validation")  # of what is learnt from
_BYTES = np.dtype(np.float16).itemsize


class Stored:
    """Pictures or features of a file, in the form that the training loop takes.

    Args:
        path: `[N, H, W, 3]` uint8 pictures, or `[N, ...]` float16 features.
        labels: `[N]` int64, on the device where batches go.
    """

    def __init__(self, path: Path, labels: Int[Tensor, " n"]) -> None:
        self.labels = labels
        self._stored = np.load(path, mmap_mode="r")

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Shaped[Tensor, "b ..."]]]:
        """Yield `(index, pictures [B, 3, H, W] or features [B, ...])` along `order`."""
        for index in order.split(size):
            found = torch.from_numpy(self._stored[index.cpu().numpy()]).to(self.labels.device)
            yield index.to(self.labels.device), found.permute(0, 3, 1, 2) if found.dtype == torch.uint8 else found


@dataclass(frozen=True)
class Store:
    """Where pictures and features lie.

    Attributes:
        folder: For work.
        cached: Branch points whose features are kept; at all others the stem runs in every step.
    """

    folder: Path
    cached: tuple[int, ...]

    def pictures(self, part: str) -> Path:
        """File of the pictures of a part."""
        return self.folder / f"{part}-pictures.npy"

    def features(self, part: str, frozen: int) -> Path:
        """File of the features at a branch point."""
        return self.folder / f"{part}-features-{frozen:02}.npy"


def fitting(network: Network, points: Sequence[int], examples: int, gigabytes: float) -> tuple[int, ...]:
    """Choose branch points whose features can be kept: the deepest first, as long as all together fit.

    Args:
        network: The base.
        points: Branch points, ascending; the pictures themselves (0) are kept in any case, and not counted.
        examples: How many pictures have features.
        gigabytes: Limit.
    """
    kept: list[int] = []
    left = gigabytes * 1e9
    for frozen in reversed(points):
        left -= examples * prod(network.shape_at(frozen)) * _BYTES
        if left < 0 or frozen == 0:
            break
        kept.append(frozen)
    return tuple(reversed(kept))


def keep_pictures(store: Store, material: Material, parts: Mapping[str, Chosen], preprocessing: Preprocessing) -> None:
    """Decode and resize all pictures that are learnt from, once; what is there already stays."""
    for part, chosen in parts.items():
        path = store.pictures(part)
        if path.exists():
            continue
        shape = (len(chosen.label), preprocessing.height, preprocessing.width, 3)
        pictures = chain.from_iterable(
            source.read(found) for source, found in zip(material.sources, chosen.numbers, strict=True)
        )
        with Whole([path]) as (target,):
            kept = np.lib.format.open_memmap(target, "w+", np.uint8, shape)
            for at, picture in enumerate(pictures):
                kept[at] = resized(picture, preprocessing)
            kept.flush()


def keep_features(store: Store, network: Network, device: torch.device, report: Progress) -> None:
    """Compute the features at all cached branch points, each from those at the one before; what is there stays.

    Raises:
        DataError: A feature is beyond what 16 bits hold.
    """
    missing = [part for part in PARTS if not all(store.features(part, at).exists() for at in store.cached)]
    if not missing:
        return
    stretches = [nn.Sequential(*network.layers[start:end]) for start, end in pairwise((0, *store.cached))]
    chained = [copy.deepcopy(stretch).to(device) for stretch in stretches]  # the network itself stays on the host
    for done, part in enumerate(missing):
        pictures = np.load(store.pictures(part), mmap_mode="r")
        with Whole([store.features(part, at) for at in store.cached]) as targets:
            kept = [
                np.lib.format.open_memmap(target, "w+", np.float16, (len(pictures), *network.shape_at(at)))
                for target, at in zip(targets, store.cached, strict=True)
            ]
            for start in range(0, len(pictures), BATCH):
                batch = slice(start, start + BATCH)
                found = torch.from_numpy(normalised(np.asarray(pictures[batch]), network.preprocessing))
                for stretch, at, features in zip(chained, store.cached, kept, strict=True):
                    found = _run(stretch, found, device)
                    features[batch] = _half(found, network.name, at)
                report((done + start / len(pictures)) / len(missing), "")
            for features in kept:
                features.flush()


def _run(layers: nn.Module, found: Tensor, device: torch.device) -> Tensor:
    with torch.no_grad():
        return layers(found.to(device)).cpu()


def _half(found: Tensor, name: str, frozen: int) -> np.ndarray:
    half = found.half()
    if not half.isfinite().all():
        raise DataError(
            f"features of {name} at branch point {frozen} reach {float(found.abs().max()):g}, beyond what 16 bits "
            "hold: set cache_gb=0, so that they are not kept"
        )
    return half.numpy()


class Whole:
    """Files that are there whole, all of them, or not at all: written under other names, which it gives.

    Args:
        paths: Where they are to be, in one folder, with stems of their own.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._targets = [path.with_suffix(".tmp") for path in paths]

    def __enter__(self) -> Sequence[Path]:
        return self._targets

    def __exit__(self, kind: object, *_: object) -> None:
        for target, path in zip(self._targets, self._paths, strict=True):
            if kind is None:
                target.replace(path)
            else:
                target.unlink(missing_ok=True)

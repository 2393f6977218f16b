"""What the frozen base makes of pictures: computed once, kept beside the runs, and read by every cell of the study."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from rheostat.share.stem.bases import INSTALLED, load_base
from rheostat.training import load_data

SIDE = 128  # pixels that the base gets: 32 x 32 enlarged; half of its own 224, a third of the cost
TESTED = 2000  # test pictures: enough for an error to half a percent, and the base is what costs time
_BATCH = 50

Say = Callable[[str], None]


@dataclass(frozen=True)
class Features:
    """Features of both splits.

    Attributes:
        train: `[N, D]` float16, in the order of the rows.
        test: `[M, D]` float16, of the first M rows.
        cpu_seconds: Processor time that the base took; 0 = read from the cache of an earlier version.
    """

    train: Float[Tensor, "n d"]
    test: Float[Tensor, "m d"]
    cpu_seconds: float


def features_of(folder: Path, cache: Path, *, say: Say = print, side: int = SIDE, tested: int = TESTED) -> Features:
    """The pooled features of EfficientNet-Lite0 (ImageNet weights), out of the cache or computed into it.

    Args:
        folder: A data set of the hub's form.
        cache: Where they are kept, as `features-NAME-SIDE.npz`.
        say: Told how far it is.
        side: Pixels that the pictures are enlarged to.
        tested: Test pictures at the most.
    """
    path = cache / f"features-{folder.name}-{side}.npz"
    if not path.exists():
        data = load_data(str(folder))
        started = time.process_time()
        splits = {
            "train": pooled(data.train.images, side, say=say),  # pyright: ignore[reportAttributeAccessIssue]
            "test": pooled(data.test.images[:tested], side, say=say),  # pyright: ignore[reportAttributeAccessIssue]
        }
        cache.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".tmp.npz")
        np.savez(whole, **splits, cpu_seconds=time.process_time() - started)  # pyright: ignore[reportArgumentType]
        whole.replace(path)
    with np.load(path) as kept:
        return Features(torch.from_numpy(kept["train"]), torch.from_numpy(kept["test"]), float(kept["cpu_seconds"]))


@torch.inference_mode()
def pooled(images: UInt8[Tensor, "n c h w"], side: int, *, say: Say) -> np.ndarray:
    """Pictures `[N, 3, H, W]` -> what the base's pooling gives, `[N, 1280]` float16."""
    base = load_base(INSTALLED, size=side)
    stem = base.stem(base.head_start)
    mean, std = (torch.tensor(values)[:, None, None] for values in (base.preprocessing.mean, base.preprocessing.std))
    found = np.empty((len(images), math.prod(base.shape_at(base.head_start))), np.float16)
    for start in range(0, len(images), _BATCH):
        pixels = F.interpolate(images[start : start + _BATCH].float() / 255, size=(side, side), mode="bilinear")
        given = stem(((pixels - mean) / std).contiguous(memory_format=torch.channels_last))
        found[start : start + _BATCH] = given.flatten(1).numpy()
        if start % 5000 == 0:
            say(f"features: {start:,} of {len(images):,} pictures")
    return found

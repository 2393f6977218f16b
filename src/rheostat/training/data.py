"""Image data of the hub's form as uint8 pixels and class indices, by the index of their row.

Whoever builds an `ImageData` may give features in the place of pixels: what a frozen stem makes of the images.

A data set that fits the memory limit is decoded once and held on the device (`ResidentImages`); a larger one is decoded
batch by batch in worker processes (`StreamedImages`). Both give the same batches, and everything after decoding
(augmentation, normalisation) happens in `ImageLoader`, on the device, a batch at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int, Shaped, UInt8
from torch import Tensor
from torch.utils.data import DataLoader

from rheostat.errors import DataError
from rheostat.training.decoding import Decode, Files, Pixels, UndecodableError, stacked

_FINGERPRINTED = 256


@dataclass(frozen=True)
class Skipped:
    """An image that cannot be decoded: its split, its index there, and what is wrong with it."""

    split: Literal["train", "test"]
    index: int
    reason: str


def note_skipped(skipped: list[Skipped], one: Skipped) -> None:
    """Add an image to those that cannot be decoded, once."""
    if not any((one.split, one.index) == (other.split, other.index) for other in skipped):
        skipped.append(one)


@runtime_checkable
class Images(Protocol):
    """One split: uint8 images, or features of a floating type, and labels that are known to be class indices."""

    @property
    def labels(self) -> Int[Tensor, " n"]:
        """`[N]` int64, in [0, classes)."""
        ...

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Shaped[Tensor, "b ..."]]]:
        """Yield `(index [B], images [B, C, H, W])` along `order`, `size` at a time, on the device.

        Features may be of any shape `[B, ...]`.
        """
        ...


@dataclass(frozen=True)
class ImageData:
    """A data set, ready for training.

    Attributes:
        name: What it was asked for as.
        train, test: The splits.
        classes: Name of each class, in the order of the labels.
        channels: 1 (grey) or 3 (colour).
        image_size: Side of the images in pixels (the shorter, if they are not square).
        mean, std: Per channel over the training pixels, on the scale [0, 1]; `[C]` each. Features are taken as they
            are, and need neither: empty.
        note: What a reader of results must know, e.g. where the test split comes from; may be empty.
        skipped: Images that cannot be decoded, which are left out; streamed ones are found while they are read.
        removed: `[N]` bool, training examples that are left out; None = none.
        reviewed: Training examples whose labels a person has decided on.
        files: The training images as they are in their files, where they come from files.
    """

    name: str
    train: Images
    test: Images
    classes: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str = ""
    skipped: list[Skipped] = field(default_factory=list)
    removed: Bool[Tensor, " n"] | None = None
    reviewed: frozenset[int] = frozenset()
    files: Files | None = None

    def in_use(self, split: Literal["train", "test"]) -> Int[Tensor, " m"]:
        """Indices `[M]` of the examples of a split that can be decoded and are not removed, ascending."""
        use = torch.ones(len((self.train if split == "train" else self.test).labels), dtype=torch.bool)
        use[[one.index for one in self.skipped if one.split == split]] = False
        if split == "train" and self.removed is not None:
            use &= ~self.removed.cpu()
        return use.nonzero().flatten()

    def first(self) -> Tensor:
        """The first training image that can be decoded, or the first features: `[1, ...]`.

        Raises:
            DataError: There is none.
        """
        for _, images in self.train.batches(self.in_use("train"), 1):
            return images
        raise DataError(f"none of the {len(self.train.labels)} training examples of {self.name} is in use")

    def relabelled(self, labels: Int[Tensor, " n"], removed: Bool[Tensor, " n"]) -> ImageData:
        """The same images with other training labels `[N]`, and without the `removed` `[N]`, or what was before.

        The note says how many labels are other ones, and how many examples are left out.
        """
        train = RelabelledImages(self.train, labels.to(self.train.labels))
        changed, gone = int((train.labels != self.train.labels).sum()), int(removed.sum())
        told = f"training examples: {changed:,} with another label, {gone:,} left out" if changed or gone else ""
        note = "; ".join(part for part in (self.note, told) if part)
        return replace(
            self, train=train, removed=removed if self.removed is None else self.removed | removed, note=note
        )

    @cached_property
    def fingerprint(self) -> str:
        """Tells these training images from others, whatever their labels are.

        The SHA-256 of their number and of at most 256 of them, evenly spaced: their files, or where there are none,
        their pixels.
        """
        count = len(self.train.labels)
        order = torch.arange(count)[:: max(1, -(-count // _FINGERPRINTED))]
        digest = hashlib.sha256(str(count).encode())
        if self.files is not None:
            for at in order.tolist():
                with suppress(UndecodableError):
                    digest.update(self.files.content(at))
            return digest.hexdigest()
        for _, images in self.train.batches(order, _FINGERPRINTED):
            digest.update(images.cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


class ResidentImages:
    """Images held decoded on the device.

    Args:
        images: `[N, C, H, W]` uint8.
        labels: `[N]` int64.
    """

    def __init__(self, images: UInt8[Tensor, "n c h w"], labels: Int[Tensor, " n"]) -> None:
        self.images = images
        self.labels = labels

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `(index, images)` along `order`."""
        for index in order.to(self.images.device).split(size):
            yield index, self.images.index_select(0, index)


class StreamedImages:
    """Images decoded in worker processes as they are asked for; those that cannot be are left out of their batch.

    Args:
        rows: A split of a `datasets` data set.
        labels: `[N]` int64, on `device`.
        decode: How a row becomes pixels.
        device: Where batches go.
        workers: Number of decoding processes; 0 decodes in this one.
        damaged: Called with the index of each image that cannot be decoded, and what is wrong with it.
    """

    def __init__(
        self,
        rows: Any,
        labels: Int[Tensor, " n"],
        decode: Decode,
        device: torch.device,
        workers: int,
        damaged: Callable[[int, str], None],
    ) -> None:
        self.labels = labels
        self._pixels = Pixels(rows, decode)
        self._device = device
        self._workers = workers
        self._damaged = damaged

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `(index, images)` along `order`."""
        chunks: list[list[int]] = [chunk.tolist() for chunk in order.split(size)]
        # the order comes from the caller, so the loader's own generator only keeps the global one untouched
        loader = DataLoader(
            self._pixels,
            batch_sampler=chunks,
            num_workers=self._workers,
            collate_fn=stacked,
            generator=torch.Generator().manual_seed(0),
        )
        for chunk, (images, errors) in zip(chunks, loader, strict=True):
            for index, error in zip(chunk, errors, strict=True):
                if isinstance(error, UndecodableError):
                    self._damaged(index, str(error))
                elif error is not None:
                    raise error
            if images is not None:
                decoded = [index for index, error in zip(chunk, errors, strict=True) if error is None]
                yield torch.tensor(decoded, device=self._device), images.to(self._device, non_blocking=True)


class RelabelledImages:
    """A split with other labels.

    Args:
        images: The split.
        labels: `[N]` int64, on its device.
    """

    def __init__(self, images: Images, labels: Int[Tensor, " n"]) -> None:
        self.labels = labels
        self._images = images

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `(index, images)` along `order`."""
        return self._images.batches(order, size)

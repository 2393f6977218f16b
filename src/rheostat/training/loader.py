"""Batches for training and testing: order, normalisation, and the augmentation of every example alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.signals.shards import Shard
from rheostat.training.data import ImageData, Images
from rheostat.training.transforms import ON_NORMALISED, ON_PIXELS


class ImageLoader:
    """Epochs of normalised, augmented batches `(images [B, C, H, W] float32, labels [B])`.

    Features (`[B, ...]` of a floating type) become float32, and nothing else is done to them.

    Order and augmentation of an epoch depend on nothing but the seed and the epoch's number (and the process, where
    several share the epoch: each draws its own augmentations).

    Args:
        images: The split.
        data: Where mean, deviation and name come from.
        batch_size: Examples per batch, >= 1; the last batch of an epoch may be smaller.
        shuffle: Whether every epoch is a fresh permutation.
        augmentations: Names out of `ON_PIXELS` and `ON_NORMALISED`.
        seed: Seed of order and augmentation.
        among: Gives the examples to yield, `[M]` int64, at the beginning of each epoch; None = all.
        shard: Of several processes, each yields every `of`-th example of the one order, so that their batches together
            are those of one process with batches `of` times as large. They take turns in having one more.
    """

    def __init__(
        self,
        images: Images,
        data: ImageData,
        batch_size: int,
        *,
        shuffle: bool = True,
        augmentations: Sequence[str] = (),
        seed: int = 0,
        among: Callable[[], Int[Tensor, " m"]] | None = None,
        shard: Shard = Shard(),  # noqa: B008 - frozen
    ) -> None:
        self.shard = shard
        self._images = images
        self._ask = among or (lambda: torch.arange(len(images.labels)))
        self.look_again()
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._augmentations = augmentations
        self._on_pixels = [ON_PIXELS[name] for name in augmentations if name in ON_PIXELS]
        self._on_normalised = [ON_NORMALISED[name] for name in augmentations if name in ON_NORMALISED]
        self._seed = seed
        device = images.labels.device
        # (pixel / 255 - mean) / std as one multiplication and one addition
        self._scale = (1 / (255 * torch.tensor(data.std))).to(device)[:, None, None]
        self._shift = (-torch.tensor(data.mean) / torch.tensor(data.std)).to(device)[:, None, None]
        self.epoch = 0
        self._left_out: Tensor | None = None  # of the epoch that a state was taken of, until it goes on

    @property
    def examples(self) -> int:
        """Number of examples of the split, in use or not."""
        return len(self._images.labels)

    def __len__(self) -> int:
        """Number of examples in an epoch, of all shards together; fewer after one that has found images damaged."""
        return len(self._among)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the next epoch."""
        return (batch for _, batch in self.indexed())

    def indexed(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        """Yield `(index [B], (images, labels))` of the next epoch."""
        rank, of = self.shard.rank, self.shard.of
        order_seed, *augment_seeds = np.random.SeedSequence([self._seed, self.epoch]).generate_state(1 + of).tolist()
        first = (rank + self.epoch) % of
        self.epoch += 1
        self.look_again()
        found = self._resume()
        order = self._among
        if self._shuffle:
            order = order[torch.randperm(len(self), generator=torch.Generator().manual_seed(order_seed))]
        labels = self._images.labels
        generator = torch.Generator(labels.device).manual_seed(augment_seeds[rank])
        batches = self._images.batches(order[first::of], self._batch_size)
        for index, pixels in _without(found.to(labels.device), batches) if len(found) else batches:
            yield index, (self._prepared(pixels, generator), labels.index_select(0, index))
        if self.shard.alone:  # several processes have to tell each other first what they have found
            self.look_again()

    def look_again(self) -> None:
        """Ask which examples there are."""
        self._among = self._ask().cpu()

    def state_dict(self) -> dict[str, Any]:
        """The number of the next epoch, and the examples that it leaves out, `[L]` int64."""
        left_out = _all_but(self._ask(), self.examples) if self._left_out is None else self._left_out
        return {"epoch": self.epoch, "left_out": left_out}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the epoch that was next, in the order that it has or had, whatever is left out by now."""
        self.epoch = state["epoch"]
        self._left_out = state.get("left_out")  # states of earlier versions have none

    def _resume(self) -> Int[Tensor, " d"]:
        """Draw from what the epoch of a loaded state was drawn from; gives what has turned out damaged since."""
        known = self._among
        if self._left_out is None:
            return known[:0]
        self._among, self._left_out = _all_but(self._left_out, self.examples), None
        return self._among[~torch.isin(self._among, known)]

    def _prepared(self, pixels: Tensor, generator: torch.Generator) -> Float[Tensor, "b ..."]:
        if pixels.is_floating_point():
            must_be_pixels(pixels, self._augmentations)
            return pixels.float()
        for transform in self._on_pixels:
            pixels = transform(pixels, generator)
        images = torch.addcmul(self._shift, pixels.float(), self._scale)
        for transform in self._on_normalised:
            images = transform(images, generator)
        return images


def _all_but(some: Int[Tensor, " s"], count: int) -> Int[Tensor, " r"]:
    """The other indices below `count`, ascending."""
    others = torch.ones(count, dtype=torch.bool)
    others[some.cpu()] = False
    return others.nonzero().flatten()


def _without(damaged: Tensor, batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Leave images out of their batches, as streaming them does: held ones that are damaged are black."""
    for index, pixels in batches:
        good = ~torch.isin(index, damaged)
        if good.any():
            yield index[good], pixels[good]


def must_be_pixels(images: Tensor, augmentations: Sequence[str]) -> None:
    """Refuse to augment features.

    Raises:
        SettingsError: `images` are features, and there are augmentations.
    """
    if augmentations and images.is_floating_point():
        raise SettingsError(
            f"augment is {','.join(augmentations)} and these are features of a stem, computed once: augment pixels, "
            "with the stem in every step (slower), or set augment=none"
        )

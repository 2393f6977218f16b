"""Image data of the hub's form, by name or local path, as uint8 pixels and class indices.

Whoever builds an `ImageData` may give features in the place of pixels: what a frozen stem makes of the images.

A data set that fits the memory limit is decoded once and held on the device (`ResidentImages`); a larger one is decoded
batch by batch in worker processes (`StreamedImages`). Both give the same batches, and everything after decoding
(augmentation, normalisation) happens in `ImageLoader`, on the device, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from rheostat.errors import DataError, MissingExtraError, SettingsError
from rheostat.training.transforms import ON_NORMALISED, ON_PIXELS

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "labels", "fine_label")
_TEST_SPLITS = ("test", "validation", "valid", "val")
_MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA", "PA")  # 8 bits a channel, or fewer
_HELD_OUT = 10  # without a test split, every tenth example in a fixed shuffle is held out
_SAMPLE = 4096  # streamed images that the mean and deviation are estimated from


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
    """Images decoded in worker processes as they are asked for.

    Args:
        rows: A split of a `datasets` data set.
        labels: `[N]` int64, on `device`.
        decode: How a row becomes pixels.
        device: Where batches go.
        workers: Number of decoding processes; 0 decodes in this one.
    """

    def __init__(
        self, rows: Any, labels: Int[Tensor, " n"], decode: _Decode, device: torch.device, workers: int
    ) -> None:
        self.labels = labels
        self._pixels = _Pixels(rows, decode)
        self._device = device
        self._workers = workers

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `(index, images)` along `order`."""
        chunks: list[list[int]] = [chunk.tolist() for chunk in order.split(size)]
        # the order comes from the caller, so the loader's own generator only keeps the global one untouched
        loader = DataLoader(
            self._pixels,
            batch_sampler=chunks,
            num_workers=self._workers,
            collate_fn=_stacked,
            generator=torch.Generator().manual_seed(0),
        )
        for chunk, images in zip(chunks, loader, strict=True):
            if isinstance(images, DataError):
                raise images
            yield torch.tensor(chunk, device=self._device), images.to(self._device, non_blocking=True)


class ImageLoader:
    """Epochs of normalised, augmented batches `(images [B, C, H, W] float32, labels [B])`.

    Features (`[B, ...]` of a floating type) become float32, and nothing else is done to them.

    Order and augmentation of an epoch depend on nothing but the seed and the epoch's number.

    Args:
        images: The split.
        data: Where mean, deviation and name come from.
        batch_size: Examples per batch, >= 1; the last batch of an epoch may be smaller.
        shuffle: Whether every epoch is a fresh permutation.
        augmentations: Names out of `ON_PIXELS` and `ON_NORMALISED`.
        seed: Seed of order and augmentation.
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
    ) -> None:
        self._images = images
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

    def __len__(self) -> int:
        """Number of examples in an epoch."""
        return len(self._images.labels)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the next epoch."""
        return (batch for _, batch in self.indexed())

    def indexed(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        """Yield `(index [B], (images, labels))` of the next epoch."""
        order_seed, augment_seed = np.random.SeedSequence([self._seed, self.epoch]).generate_state(2).tolist()
        self.epoch += 1
        order = torch.arange(len(self))
        if self._shuffle:
            order = torch.randperm(len(self), generator=torch.Generator().manual_seed(order_seed))
        labels = self._images.labels
        generator = torch.Generator(labels.device).manual_seed(augment_seed)
        for index, pixels in self._images.batches(order, self._batch_size):
            yield index, (self._prepared(pixels, generator), labels.index_select(0, index))

    def state_dict(self) -> dict[str, Any]:
        """The number of the next epoch."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the epoch that was next."""
        self.epoch = state["epoch"]

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


def load_data(
    name: str,
    *,
    device: torch.device | str = "cpu",
    label_column: str | None = None,
    image_size: int | None = None,
    memory_limit: float = 4.0,
    workers: int = 2,
) -> ImageData:
    """Load a data set of images with one label each.

    Args:
        name: A hub name (``ylecun/mnist``), a folder of parquet files or of one folder of images per class, or
            ``sklearn-digits``, the 1,797 handwritten digits that scikit-learn ships.
        device: Where batches go.
        label_column: Column of the labels; found among the usual names if None.
        image_size: Side in pixels that images are resized to; needed if they differ in size.
        memory_limit: Decoded images up to this many GB are held on the device, larger data stream.
        workers: Number of processes that decode streamed images.

    Raises:
        DataError: The path does not exist, the hub cannot be reached, a column is missing, an image cannot be decoded,
            or a label lies outside the classes.
        MissingExtraError: `datasets` or Pillow is not installed.
    """
    device = torch.device(device)
    if name == "sklearn-digits":
        return _sklearn_digits(device, image_size)
    train_rows, test_rows, note = _splits(name)
    image_column, label_column = _columns(train_rows, label_column)
    train_rows, test_rows = (_undecoded(rows, image_column) for rows in (train_rows, test_rows))
    classes = _class_names(train_rows, label_column)
    labels = [
        _labels(rows, label_column, classes, split).to(device)
        for rows, split in ((train_rows, "training"), (test_rows, "test"))
    ]
    decode = _Decode.for_first_of(train_rows, image_column, image_size)
    size = decode.channels * decode.height * decode.width
    resident = (len(train_rows) + len(test_rows)) * size <= memory_limit * 1e9
    splits: list[Images] = []
    for rows, split_labels in zip((train_rows, test_rows), labels, strict=True):
        if resident:
            splits.append(ResidentImages(_all_pixels(rows, decode).to(device), split_labels))
        else:
            splits.append(StreamedImages(rows, split_labels, decode, device, workers))
    mean, std = _mean_and_std(splits[0])
    side = min(decode.height, decode.width)
    return ImageData(name, splits[0], splits[1], classes, decode.channels, side, mean, std, note)


@dataclass(frozen=True)
class _Decode:
    """How a row becomes pixels `[C, H, W]`; can be sent to a worker process."""

    column: str
    channels: int
    height: int
    width: int
    resize: bool

    @classmethod
    def for_first_of(cls, rows: Any, column: str, image_size: int | None) -> _Decode:
        """Take mode and size from the first image."""
        image = _image(rows[0][column], 0)
        if image.mode not in _MODES:
            raise DataError(
                f"images are of Pillow's mode {image.mode}, which 8 bits cannot hold: convert them to one of "
                f"{', '.join(_MODES)}"
            )
        channels = 1 if image.mode in ("1", "L") else 3
        width, height = (image_size, image_size) if image_size is not None else image.size
        return cls(column, channels, height, width, resize=image_size is not None)

    def __call__(self, encoded: Any, at: int) -> UInt8[Tensor, "c h w"]:
        """Decode the image of row `at`."""
        image = _image(encoded, at).convert("L" if self.channels == 1 else "RGB")
        if self.resize:
            image = image.resize((self.width, self.height), resample=_bilinear(), reducing_gap=None)
        if image.size != (self.width, self.height):
            raise DataError(
                f"image {at} is {image.size[0]}x{image.size[1]} and the first one {self.width}x{self.height}: "
                f"give an image size to resize to, e.g. --image-size {min(self.width, self.height)}"
            )
        pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
        return pixels[None] if self.channels == 1 else pixels.permute(2, 0, 1)


class _Pixels(Dataset[Tensor | DataError]):
    """The decoded images of a split, for a DataLoader, or what is wrong with them.

    An error that a worker raises would come with the worker's traceback in its message, and workers that wait for five
    seconds before they end.
    """

    def __init__(self, rows: Any, decode: _Decode) -> None:
        self._rows = rows
        self._decode = decode

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: int) -> Tensor | DataError:
        try:
            return self._decode(self._rows[at][self._decode.column], at)
        except DataError as error:
            return error


def _stacked(images: list[Tensor | DataError]) -> Tensor | DataError:
    """One batch, or its first error."""
    errors = [image for image in images if isinstance(image, DataError)]
    return errors[0] if errors else default_collate(images)


def _image(encoded: dict[str, Any] | None, at: int) -> Any:
    """The Pillow image of row `at`, out of the bytes of a file or of its path."""
    if encoded is None or (encoded["bytes"] is None and encoded["path"] is None):
        raise DataError(f"image {at} is missing: add it or remove the row")
    try:
        content = Path(encoded["path"]).read_bytes() if encoded["bytes"] is None else encoded["bytes"]
        return _datasets().Image().decode_example({"bytes": content, "path": None})
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises on damaged files
        name = f"image {at} ({encoded['path']})" if encoded["path"] else f"image {at}"
        raise DataError(f"{name} cannot be decoded ({error}): replace the file or remove the row") from None


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR


def _splits(name: str) -> tuple[Any, Any, str]:
    """The training and the test rows, and a note on where the latter come from."""
    datasets = _datasets()
    path = Path(name).expanduser()
    if path.exists():
        source = str(path)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataError(f"data path {name} does not exist: give a folder of parquet files or of images, or a hub name")
    else:
        source = name
    try:
        found = datasets.load_dataset(source)
    except (OSError, ValueError, RuntimeError) as error:
        where = "as images or parquet files" if path.exists() else "from the hub, and is no local path either"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"data {name!r} cannot be loaded {where}: {reason}") from None
    if "train" not in found:
        raise DataError(f"data {name!r} has the splits {', '.join(found)} and needs one called 'train'")
    for split in _TEST_SPLITS:
        if split in found:
            for part in ("train", split):
                if len(found[part]) == 0:
                    raise DataError(f"the split {part!r} of {name!r} is empty: add its examples, or remove the split")
            return found["train"], found[split], "" if split == "test" else f"tested on the split {split!r}"
    if len(found["train"]) < _HELD_OUT:
        raise DataError(
            f"{name!r} has {len(found['train'])} examples and no test split: at least {_HELD_OUT} are needed"
        )
    halves = found["train"].train_test_split(test_size=1 / _HELD_OUT, seed=0)
    note = f"no test split: one example in {_HELD_OUT}, fixed, is held out of the training split"
    return halves["train"], halves["test"], note


def _datasets() -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("loading data needs `datasets`: pip install 'rheostat[train]'") from None
    return datasets


def _columns(rows: Any, label_column: str | None) -> tuple[str, str]:
    """Names of the image and the label column."""
    datasets = _datasets()
    names = list(rows.features)
    image = [name for name, kind in rows.features.items() if isinstance(kind, datasets.Image)]
    image += [name for name in _IMAGE_COLUMNS if name in names]
    if not image:
        raise DataError(f"no image column among {', '.join(names)}: it should be called image or img")
    if label_column is not None and label_column not in names:
        raise DataError(f"no column {label_column!r} among {', '.join(names)}: choose one of them as --label-column")
    label = [label_column] if label_column is not None else [name for name in _LABEL_COLUMNS if name in names]
    label += [name for name, kind in rows.features.items() if isinstance(kind, datasets.ClassLabel)]
    if not label:
        raise DataError(f"no label column among {', '.join(names)}: name it with --label-column")
    return image[0], label[0]


def _undecoded(rows: Any, column: str) -> Any:
    """The same rows with images as they are in the file, so that we decode them and know which one fails."""
    datasets = _datasets()
    try:
        return rows.cast_column(column, datasets.Image(decode=False))
    except (TypeError, ValueError, NotImplementedError) as error:  # pyarrow's errors are kinds of these
        reason = str(error).splitlines()[0]
        raise DataError(
            f"column {column!r} holds no images ({reason}): an image is the bytes or the path of a file"
        ) from None


def _class_names(rows: Any, column: str) -> tuple[str, ...]:
    names = getattr(rows.features[column], "names", None)
    if names is None:
        values = {value for value in rows[column] if isinstance(value, int | str)}
        if not values:
            raise DataError(f"column {column!r} holds {rows.features[column]}: a label is an integer or a class name")
        integers = [value for value in values if isinstance(value, int)]
        names = range(max(integers) + 1) if integers else sorted(values)
    if len(names) < 2:
        raise DataError(f"column {column!r} has {len(names)} class: at least 2 are needed to learn anything")
    return tuple(str(name) for name in names)


def _labels(rows: Any, column: str, classes: tuple[str, ...], split: str) -> Int[Tensor, " n"]:
    values = list(rows[column])
    if values and isinstance(values[0], str):
        position = {name: at for at, name in enumerate(classes)}
        values = [position.get(value, value) for value in values]
    for at, value in enumerate(values):
        if not isinstance(value, int) or not 0 <= value < len(classes):
            raise DataError(
                f"label {value!r} of row {at} is outside the {len(classes)} classes [0, {len(classes) - 1}]: "
                f"correct the row of the {split} split, or remove it if it has no label"
            )
    return torch.tensor(values, dtype=torch.int64)


def _all_pixels(rows: Any, decode: _Decode) -> UInt8[Tensor, "n c h w"]:
    pixels = torch.empty(len(rows), decode.channels, decode.height, decode.width, dtype=torch.uint8)
    for start in range(0, len(rows), 1000):  # rows one by one take three times as long
        for at, image in enumerate(rows[start : start + 1000][decode.column], start):
            pixels[at] = decode(image, at)
    return pixels


def _mean_and_std(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel on the scale [0, 1]; of streamed images, those of a fixed sample."""
    count = len(images.labels)
    order = torch.arange(count)
    if not isinstance(images, ResidentImages):
        order = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:_SAMPLE]
    histogram: Tensor | int = 0
    for _, pixels in images.batches(order, 1024):
        by_channel = pixels.transpose(0, 1).flatten(1)
        histogram = histogram + torch.stack([torch.bincount(channel.int(), minlength=256) for channel in by_channel])
    assert isinstance(histogram, Tensor)
    weight = histogram.double().cpu() / histogram.sum(dim=1, keepdim=True).cpu()
    value = torch.arange(256, dtype=torch.float64) / 255
    mean = (weight * value).sum(dim=1)
    # a channel that never varies is left unscaled
    std = (weight * (value - mean[:, None]).square()).sum(dim=1).sqrt()
    return tuple(mean.tolist()), tuple(torch.where(std > 0, std, 1.0).tolist())


def _sklearn_digits(device: torch.device, image_size: int | None) -> ImageData:
    """Half of the digits for training and half for testing, resized (8x8 pixels are too few for two convolutions)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError("sklearn-digits needs scikit-learn: pip install 'rheostat[train]'") from None
    if image_size is not None and image_size < 1:
        raise SettingsError(f"image_size is {image_size}: it must be at least 1 pixel")
    side = image_size or 16
    found: Any = load_digits()
    pixels = torch.from_numpy(found.images).float()[:, None] * (255 / 16)
    resized = torch.nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    images, labels = resized.round().to(torch.uint8), torch.from_numpy(found.target).long()
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    halves: Iterable[Tensor] = shuffled.chunk(2)
    train, test = (ResidentImages(images[half].to(device), labels[half].to(device)) for half in halves)
    mean, std = _mean_and_std(train)
    classes = tuple(str(digit) for digit in range(10))
    return ImageData("sklearn-digits", train, test, classes, 1, side, mean, std, "a fixed half is the test split")

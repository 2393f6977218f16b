"""Find and read image data by a hub name or a local path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from rheostat.errors import DataError, MissingExtraError, SettingsError
from rheostat.training.data import ImageData, Images, ResidentImages, Skipped, StreamedImages, note_skipped
from rheostat.training.decoding import Decode, Files, all_pixels, hub

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "labels", "fine_label")
_TEST_SPLITS = ("test", "validation", "valid", "val")
_FORM = "one of images has train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png alone"
_SPLITS: tuple[Literal["train"], Literal["test"]] = ("train", "test")
_HELD_OUT = 10  # without a test split, every tenth example in a fixed shuffle is held out
_NAMED = 3  # classes, before the rest is left out
_SAMPLE = 4096  # streamed images that the mean and deviation are estimated from


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

    An image that cannot be decoded is left out, and listed in `ImageData.skipped`; the others keep their index.

    Args:
        name: A hub name (``ylecun/mnist``), a folder of parquet files or of one folder of images per class, or
            ``sklearn-digits``, the 1,797 handwritten digits that scikit-learn ships.
        device: Where batches go.
        label_column: Column of the labels; found among the usual names if None.
        image_size: Side in pixels that images are resized to; needed if they differ in size.
        memory_limit: Decoded images up to this many GB are held on the device, larger data stream.
        workers: Number of processes that decode streamed images.

    Raises:
        DataError: The path does not exist, the hub cannot be reached, a column is missing, no image can be decoded, or
            a label lies outside the classes.
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
    note = "; ".join(part for part in (note, _unlearned(labels[0], labels[1], classes)) if part)
    decode = Decode.for_first_of(train_rows, image_column, image_size)
    size = decode.channels * decode.height * decode.width
    resident = (len(train_rows) + len(test_rows)) * size <= memory_limit * 1e9
    skipped: list[Skipped] = []
    splits: list[Images] = []
    for split, rows, split_labels in zip(_SPLITS, (train_rows, test_rows), labels, strict=True):
        if resident:
            pixels, damaged = all_pixels(rows, decode)
            skipped += [Skipped(split, at, reason) for at, reason in damaged.items()]
            splits.append(ResidentImages(pixels.to(device), split_labels))
        else:
            damaged_one = partial(_note_damage, skipped, split)
            splits.append(StreamedImages(rows, split_labels, decode, device, workers, damaged_one))
    side = min(decode.height, decode.width)
    files = Files(train_rows, image_column)
    data = ImageData(name, splits[0], splits[1], classes, decode.channels, side, (), (), note, skipped, files=files)
    if not len(data.in_use("test")):
        raise DataError(f"none of the {len(test_rows)} test images can be decoded, e.g. {skipped[-1].reason}")
    mean, std = _mean_and_std(data)
    return replace(data, mean=mean, std=std)


def _note_damage(skipped: list[Skipped], split: Literal["train", "test"], at: int, reason: str) -> None:
    note_skipped(skipped, Skipped(split, at, reason))


def _splits(name: str) -> tuple[Any, Any, str]:
    """The training and the test rows, and a note on where the latter come from."""
    datasets = hub()
    path = Path(name).expanduser()
    if path.exists():
        source = str(path)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataError(f"data path {name} does not exist: give a folder of parquet files or of images, or a hub name")
    else:
        source = name
    try:
        found = datasets.load_dataset(source)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        where = "as images or parquet files" if path.exists() else "from the hub, and is no local path either"
        remedy = f"; {_FORM}" if path.exists() else ""
        raise DataError(f"data {name!r} cannot be loaded {where}: {_reason(error)}{remedy}") from None
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
    parts = found["train"].train_test_split(test_size=1 / _HELD_OUT, seed=0)
    note = f"no test split: one example in {_HELD_OUT}, fixed, is held out of the training split"
    return parts["train"], parts["test"], note


def _reason(error: Any) -> str:
    """Why data could not be loaded, in one line."""
    datasets = hub()
    if isinstance(error, datasets.exceptions.DatasetGenerationError) and error.__cause__ is not None:
        error = error.__cause__  # the error itself says no more than that there was one
    if isinstance(error, datasets.table.CastError):
        return f"its files differ in their columns, {error.details().rstrip('.')}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _columns(rows: Any, label_column: str | None) -> tuple[str, str]:
    """Names of the image and the label column."""
    datasets = hub()
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
        raise DataError(f"no label column among {', '.join(names)}: name it with --label-column; of folders, {_FORM}")
    return image[0], label[0]


def _undecoded(rows: Any, column: str) -> Any:
    """The same rows with images as they are in the file, so that we decode them and know which one fails."""
    datasets = hub()
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


def _unlearned(train: Int[Tensor, " n"], test: Int[Tensor, " m"], classes: tuple[str, ...]) -> str:
    """Which classes are tested and never trained on, e.g. because a folder is called otherwise in one split."""
    missing = sorted(set(test.tolist()) - set(train.tolist()))
    named = ", ".join(classes[at] for at in missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    return f"only the test split has examples of {named}" if missing else ""


def _mean_and_std(data: ImageData) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel on the scale [0, 1]; of streamed images, those of a fixed sample."""
    images, order = data.train, data.in_use("train")
    if not isinstance(images, ResidentImages):
        order = order[torch.randperm(len(order), generator=torch.Generator().manual_seed(0))[:_SAMPLE]]
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
    classes = tuple(str(digit) for digit in range(10))
    data = ImageData("sklearn-digits", train, test, classes, 1, side, (), (), "a fixed half is the test split")
    mean, std = _mean_and_std(data)
    return replace(data, mean=mean, std=std)

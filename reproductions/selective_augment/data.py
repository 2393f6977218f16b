"""Labels that are wrong in a known way, and the data that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from reproductions.selective_augment.features import Say, features_of
from rheostat.errors import DataError, SettingsError
from rheostat.training import ImageData, load_data

Ints = NDArray[np.int64]

HUMAN = {"aggregate": "aggre_label", "random1": "random_label1", "worst": "worse_label"}
"""Sets of labels of CIFAR-10N (Wei et al., "Learning with Noisy Labels Revisited", arXiv:2110.12088): their columns."""

PAIRS: dict[str, dict[int, int]] = {
    "cifar10": {9: 1, 2: 0, 4: 7, 3: 5, 5: 3},  # truck, bird, deer, cat, dog -> automobile, airplane, horse, dog, cat
    "mnist": {7: 1, 2: 7, 5: 6, 6: 5, 3: 8},
}
"""True class -> the class that it is mistaken for (Patrini et al., "Making Deep Neural Networks Robust to Label Noise",
arXiv:1609.03683, section 5)."""


@dataclass(frozen=True)
class Rows:
    """A split of features, as `ImageData` takes it.

    Attributes:
        features: `[N, D]`.
        labels: `[N]` int64.
    """

    features: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]

    def batches(self, order: Int[Tensor, " m"], size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `(index [B], features [B, D])` along `order`."""
        for index in order.split(size):
            yield index, self.features.index_select(0, index)


@dataclass(frozen=True)
class Inputs:
    """What a head takes, and the labels that are taken as true.

    Attributes:
        name: Of the data set.
        train: `[N, D]`, of a floating type.
        truth: `[N]` int64, in [0, classes).
        test: `[M, D]`, scaled as `train` is.
        tested: `[M]` int64, the labels of `test`.
        classes: Number of classes.
    """

    name: str
    train: Float[Tensor, "n d"]
    truth: Ints
    test: Float[Tensor, "m d"]
    tested: Ints
    classes: int

    def with_labels(self, given: Ints) -> ImageData:
        """The data of a run: these inputs under the `given` labels `[N]`."""
        return ImageData(
            name=self.name,
            train=Rows(self.train, torch.from_numpy(given)),
            test=Rows(self.test, torch.from_numpy(self.tested)),
            classes=tuple(map(str, range(self.classes))),
            channels=1,
            image_size=1,
            mean=(),
            std=(),
        )


def symmetric(truth: Ints, rate: float, *, classes: int, rng: np.random.Generator) -> Ints:
    """Give a share of all examples another label, each of the others equally likely.

    Args:
        truth: `[N]` int64, in [0, classes).
        rate: Share of wrong labels, in [0, 1]; round(rate * N) labels are wrong, exactly.
        classes: At least 2.
        rng: Draws the examples and their labels.

    Returns:
        `[N]` int64.
    """
    wrong = rng.choice(len(truth), round(rate * len(truth)), replace=False)
    given = truth.copy()
    given[wrong] = (truth[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return given


def class_pair(truth: Ints, rate: float, *, pairs: Mapping[int, int], rng: np.random.Generator) -> Ints:
    """Give a share of all examples the label of the class that their own is mistaken for.

    The share is one of all examples, so that it means the same as for symmetric noise. With five of ten classes of one
    size in `pairs`, 20 % are 40 % of each of these.

    Args:
        truth: `[N]` int64.
        rate: Share of wrong labels, in [0, 1]; round(rate * N) labels are wrong, exactly.
        pairs: True class -> wrong label; other classes keep theirs.
        rng: Draws the examples.

    Returns:
        `[N]` int64.

    Raises:
        SettingsError: There are not so many examples of the classes in `pairs`.
    """
    source = np.flatnonzero(np.isin(truth, list(pairs)))
    number = round(rate * len(truth))
    if number > len(source):
        raise SettingsError(
            f"rate is {rate}: that is {number} examples and {len(source)} are of the classes {sorted(pairs)}; "
            f"give at most {len(source) / len(truth):.2f}"
        )
    wrong = rng.choice(source, number, replace=False)
    given = truth.copy()
    given[wrong] = [pairs[int(label)] for label in truth[wrong]]
    return given


def human(path: Path, which: str, truth: Ints) -> Ints:
    """Labels that people gave to CIFAR-10, in the order of its rows.

    Args:
        path: The parquet file; `source_index` of a row is the row of `cifar10/train` that it labels.
        which: Key of `HUMAN`.
        truth: `[N]` int64, the labels of CIFAR-10 in the order of its rows.

    Returns:
        `[N]` int64.

    Raises:
        DataError: The file does not label each row once, or its own copy of the true labels differs from `truth`.
    """
    from pyarrow.parquet import read_table

    table = read_table(path, columns=["source_index", "clean_label", HUMAN[which]])
    row, clean, label = (table[name].to_numpy().astype(np.int64) for name in table.column_names)
    if not np.array_equal(np.sort(row), np.arange(len(truth))):
        raise DataError(f"{path.name} has {len(row)} rows and does not label each of the {len(truth)} examples once")
    if not np.array_equal(clean, truth[row]):
        raise DataError(
            f"{path.name}: {int((clean != truth[row]).sum())} true labels differ from those of the data set: "
            "give the data set that it was made for"
        )
    given = np.empty_like(truth)
    given[row] = label
    return given


def cifar10(data: Path, cache: Path, *, say: Say) -> Inputs:
    """CIFAR-10 as features of the frozen base; the labels of the data set are taken as true."""
    features = features_of(data / "cifar10", cache, say=say)
    train, test = scaled(features.train, features.test)
    tested = labels_of(data / "cifar10", "test")[: len(test)]
    return Inputs("cifar10", train.half(), labels_of(data / "cifar10", "train"), test.half(), tested, 10)


def mnist(data: Path) -> Inputs:
    """MNIST as pixels, a row of 784 each; all pixels together have mean 0 and deviation 1."""
    images = load_data(str(data / "mnist"))
    pixels = [split.images.flatten(1).float() / 255 for split in (images.train, images.test)]  # pyright: ignore[reportAttributeAccessIssue]
    deviation, mean = torch.std_mean(pixels[0])
    train, test = ((values - mean) / deviation for values in pixels)
    return Inputs("mnist", train, images.train.labels.numpy(), test, images.test.labels.numpy(), 10)


def blobs(number: int = 1200, *, classes: int = 10, inputs: int = 16, seed: int = 0) -> Inputs:
    """Normal clouds around ten centres, for a run that ends at once and needs no data."""
    rng = np.random.default_rng(seed)
    centres = 2.0 * rng.standard_normal((classes, inputs))
    labels = rng.integers(classes, size=2 * number)
    points = torch.from_numpy(centres[labels] + rng.standard_normal((2 * number, inputs))).float()
    train, test = scaled(points[:number], points[number:])
    return Inputs("blobs", train, labels[:number], test, labels[number:], classes)


def scaled(train: Tensor, test: Tensor) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    """Both splits less the mean of `train`'s columns, over their deviation; float32."""
    train, test = train.float(), test.float()
    deviation, mean = torch.std_mean(train, dim=0, correction=0)
    factor = torch.where(deviation > 0, 1 / deviation, 0.0)
    return (train - mean) * factor, (test - mean) * factor


def labels_of(folder: Path, split: str) -> Ints:
    """The column `label` of a split in parquet, without a look at its images."""
    from pyarrow.parquet import read_table

    parts = [read_table(path, columns=["label"])["label"].to_numpy() for path in sorted(folder.glob(f"{split}-*"))]
    return np.concatenate(parts).astype(np.int64)

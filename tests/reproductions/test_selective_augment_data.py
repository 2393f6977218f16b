"""The labels of the study are wrong as often, and in the way, that they are said to be."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from reproductions.selective_augment.data import HUMAN, PAIRS, class_pair, human, labels_of, scaled, symmetric
from rheostat.errors import DataError, SettingsError

CLASSES = 10


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).integers(CLASSES, size=20_000)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1, 0.20001, 1.0])
def test_symmetric_noise_changes_its_share_and_nothing_else(truth: np.ndarray, rate: float):
    before = truth.copy()

    given = symmetric(truth, rate, classes=CLASSES, rng=np.random.default_rng(1))

    assert (given != truth).sum() == round(rate * len(truth))
    assert given.min() >= 0
    assert given.max() < CLASSES
    assert (truth == before).all()


def test_symmetric_noise_prefers_no_class(truth: np.ndarray):
    given = symmetric(truth, 0.5, classes=CLASSES, rng=np.random.default_rng(2))

    wrong = given != truth
    share = np.bincount(truth[wrong], minlength=CLASSES) / np.bincount(truth, minlength=CLASSES)
    assert share == pytest.approx(np.full(CLASSES, 0.5), abs=0.05)  # 4.5 deviations of a share of 2,000
    steps = np.bincount((given - truth)[wrong] % CLASSES, minlength=CLASSES)
    assert steps[1:] / wrong.sum() == pytest.approx(np.full(CLASSES - 1, 1 / 9), abs=0.015)  # 4.8 deviations


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("name", PAIRS)
def test_class_pair_noise_follows_its_pairs(truth: np.ndarray, name: str, rate: float):
    pairs = PAIRS[name]

    given = class_pair(truth, rate, pairs=pairs, rng=np.random.default_rng(3))

    wrong = given != truth
    assert wrong.sum() == round(rate * len(truth))
    assert {(int(a), int(b)) for a, b in zip(truth[wrong], given[wrong], strict=True)} == set(pairs.items())
    sources = np.isin(truth, list(pairs))
    for label in pairs:  # no class more than another: 2,000 examples of each
        assert wrong[truth == label].mean() == pytest.approx(wrong[sources].mean(), abs=0.05)


def test_more_class_pair_noise_than_there_are_examples_is_refused(truth: np.ndarray):
    with pytest.raises(SettingsError, match=r"rate is 0\.3: .* give at most 0\.1"):
        class_pair(truth, 0.3, pairs={1: 2}, rng=np.random.default_rng(0))


def test_the_same_generator_gives_the_same_labels(truth: np.ndarray):
    same, again, other = (symmetric(truth, 0.2, classes=CLASSES, rng=np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert (same == again).all()
    assert (same != other).any()


def kept(path: Path, rows: list[int], clean: list[int], given: list[int]) -> Path:
    others = dict.fromkeys(HUMAN.values(), [0] * len(rows))
    pq.write_table(pa.table(others | {"source_index": rows, "clean_label": clean, HUMAN["worst"]: given}), path)
    return path


def test_labels_of_people_go_to_the_rows_that_they_name(tmp_path: Path):
    truth = np.array([5, 6, 7, 8])
    path = kept(tmp_path / "labels.parquet", [2, 0, 3, 1], [7, 5, 8, 6], [1, 5, 2, 6])

    assert human(path, "worst", truth).tolist() == [5, 6, 1, 2]
    assert human(path, "aggregate", truth).tolist() == [0, 0, 0, 0]


def test_labels_for_other_data_are_refused(tmp_path: Path):
    truth = np.array([5, 6, 7, 8])
    with pytest.raises(DataError, match="2 true labels differ"):
        human(kept(tmp_path / "a.parquet", [0, 1, 2, 3], [5, 7, 6, 8], [0] * 4), "worst", truth)
    with pytest.raises(DataError, match="does not label each of the 4 examples once"):
        human(kept(tmp_path / "b.parquet", [0, 1, 2, 2], [5, 6, 7, 7], [0] * 4), "worst", truth)
    with pytest.raises(DataError, match="has 3 rows"):
        human(kept(tmp_path / "c.parquet", [0, 1, 2], [5, 6, 7], [0] * 3), "worst", truth)


def test_labels_are_read_part_by_part_in_order(tmp_path: Path):
    for part, labels in enumerate(([3, 1], [4], [1, 5])):
        pq.write_table(
            pa.table({"label": labels, "image": ["x"] * len(labels)}), tmp_path / f"train-{part}-of-3.parquet"
        )
    pq.write_table(pa.table({"label": [9]}), tmp_path / "test-0-of-1.parquet")

    assert labels_of(tmp_path, "train").tolist() == [3, 1, 4, 1, 5]


def test_both_splits_are_scaled_by_the_training_rows():
    train = torch.tensor([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]])

    ours, theirs = scaled(train, torch.tensor([[3.0, 8.0], [7.0, 7.0]]))

    deviation = (8 / 3) ** 0.5
    torch.testing.assert_close(ours, torch.tensor([[-2 / deviation, 0.0], [0.0, 0.0], [2 / deviation, 0.0]]))
    torch.testing.assert_close(theirs, torch.tensor([[0.0, 0.0], [4 / deviation, 0.0]]))  # a column without spread: 0

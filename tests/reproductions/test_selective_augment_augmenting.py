"""The study of how often and what kind: its cells, its runs in small, and what its tables say of a record."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reproductions.packed import pack, unpack
from reproductions.selective_augment import augmenting, augmenting_tables
from reproductions.selective_augment.augmenting_tables import apart, interval
from rheostat.settings import TrainSettings
from rheostat.training import load_data
from rheostat.training.data import ResidentImages


def row(name: str, error: float, seed: int, *, noise: float = 0.0, quarantine: bool = False) -> dict[str, Any]:
    cell = {
        "data": "mnist", "rate": name, "noise": noise, "quarantine": quarantine, "weight": 1.0, "seed": seed
    }  # fmt: skip
    return {
        "cell": cell,
        "test_error": [0.9, error],
        "augmented_share": 0.5,
        "cpu_seconds": {"training": 2.0 if name == "uniform" else 3.0},
    }


def test_every_cell_of_the_studies_has_settings_that_agree() -> None:
    for cell in (*augmenting.rate_cells(1), *augmenting.kind_cells(1), *augmenting.gpu_cells(1)):
        settings = augmenting.settings_of(cell)
        assert isinstance(settings, TrainSettings)
        assert settings.rate_name != "always"  # equal numbers of augmented views


def test_a_run_in_small_is_repeatable_and_augments_half() -> None:
    (cell, *_) = [cell for cell in augmenting.quick_cells(1) if not cell["quarantine"]]
    first, again = augmenting.row(cell), augmenting.row(cell)
    assert first["test_error"] == again["test_error"]
    assert first["augmented_share"] == pytest.approx(0.5, abs=0.08)
    assert len(first["test_error"]) == 3


def test_the_noise_is_in_the_training_labels_alone() -> None:
    clean = augmenting.sample("digits")
    given = augmenting.noisy(clean, 0.2, seed=1)
    assert float((given.train.labels != clean.train.labels).float().mean()) == pytest.approx(0.2)
    assert given.test is clean.test


def test_an_interval_is_that_of_students_t() -> None:
    values = [1.0, 2.0, 4.0]
    found = interval(values)
    assert found.mean == pytest.approx(7 / 3)
    assert found.high - found.mean == pytest.approx(4.3027 * np.std(values, ddof=1) / math.sqrt(3), rel=1e-4)
    assert math.isinf(interval([1.0]).high)


@pytest.mark.parametrize(("freedom", "expected"), [(2, 4.3027), (6, 2.4469), (8, 2.3060), (14, 2.1448), (40, 2.0211)])
def test_the_quantile_is_that_of_the_tables(freedom: int, expected: float) -> None:
    assert augmenting_tables.quantile(freedom) == pytest.approx(expected, abs=0.002)


def test_differences_are_paired_by_seed() -> None:
    rows = [row("hard first", 0.10 + 0.01 * seed, seed) for seed in (2, 0, 1)]
    others = [row("uniform", 0.08 + 0.01 * seed, seed) for seed in range(3)]
    found = apart(rows, others)
    assert found.mean == pytest.approx(0.02)
    assert found.clear


def test_the_tables_mark_what_is_clear_and_say_no_where_it_is_no() -> None:
    rows = [row("uniform", 0.10 + 0.01 * seed, seed) for seed in range(3)]
    rows += [row("hard first", 0.13 + 0.01 * seed + 0.001 * (seed == 1), seed) for seed in range(3)]
    rows += [row("easy first", 0.10 + 0.01 * (2 - seed), seed) for seed in range(3)]
    rows += [row("uniform", 0.08 + 0.01 * seed + 0.001 * (seed == 1), seed, quarantine=True) for seed in range(3)]
    record = {
        "figure": "how-often", "rows": rows, "complete": True,
        "setting": {"protocols": {"mnist": vars(augmenting.PROTOCOLS["mnist"])}, "rates": augmenting.RATES},
        "environment": {"processor": "P", "packages": {"torch": "2"}, "commit": "c"},
    }  # fmt: skip
    pieces = {name: piece(record) for name, piece in augmenting_tables.PIECES["how-often"].items()}
    assert "14.03% ± 2.49% (worse)" in pieces["errors"]
    assert "11.00% ± 2.48% |" in pieces["errors"]  # easy first: not clear, not marked
    assert (
        "Hard examples first against uniform: **worse**, +3.03 (+2.89 to +3.18) points over all settings"
        in pieces["answers"]
    )
    assert "Easy examples first against uniform: **no clear difference**" in pieces["answers"]
    assert "-1.97 (-2.11 to -1.82)" in pieces["quarantine"]
    assert "| over uniform's | 1.00 | 1.50 | 1.50 |" in pieces["times"]
    assert "50.0%" in pieces["counts"]
    assert "<svg" in augmenting_tables.plots_of(record)["how-often-differences"]


def test_a_packed_data_set_is_the_data_set(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Image

    rng = np.random.default_rng(0)
    from PIL import Image as Pillow

    features = Features({"image": Image(), "label": ClassLabel(names=[str(at) for at in range(10)])})
    for split, number in (("train", 20), ("test", 6)):
        images = [Pillow.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)) for _ in range(number)]
        rows = {"image": images, "label": [at % 10 for at in range(number)]}
        Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    pack(tmp_path / "data", tmp_path / "deep" / "packed.npz")
    found, expected = unpack(tmp_path / "deep" / "packed.npz", "x"), load_data(str(tmp_path / "data"))
    for one, other in ((found.train, expected.train), (found.test, expected.test)):
        assert isinstance(one, ResidentImages)
        assert isinstance(other, ResidentImages)
        assert one.images.equal(other.images)
        assert one.labels.equal(other.labels)
    assert found.mean == pytest.approx(expected.mean, abs=1e-5)
    assert found.std == pytest.approx(expected.std, abs=1e-5)

"""Runs to review."""

from pathlib import Path

import datasets
import pytest

from rheostat.review import SeenRun, open_run
from tests.review.toys import pets, run_folder


@pytest.fixture(autouse=True)
def cache_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` keeps what it has parsed; here it keeps it with the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def digits(tmp_path: Path) -> SeenRun:
    """A run on 898 digits, which are pixels and no files."""
    return open_run(run_folder(tmp_path / "digits"))


@pytest.fixture
def of_pets(tmp_path: Path) -> SeenRun:
    """A run on 42 files of three formats."""
    return open_run(run_folder(tmp_path / "run", str(pets(tmp_path / "pets", kinds=("PNG", "JPEG", "TIFF")))))


@pytest.fixture
def damaged(tmp_path: Path) -> SeenRun:
    """A run on 42 files, one of which is damaged."""
    return open_run(run_folder(tmp_path / "run", str(pets(tmp_path / "pets", damaged=True))))

"""One small demo that several tests look at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rheostat.demo import run_demo, share
from tests.demo.small import SMALL
from tests.share.trainer import toys


@pytest.fixture(scope="session")
def toy_base() -> Iterator[None]:
    """A network of three convolutions where the pretrained one would be loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share, "load_base", lambda name, *, size: toys.network())
        yield


@pytest.fixture(scope="session")
def done(
    toy_base: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], list[tuple[float, str]]]:
    """Folder, record and progress of a small demo."""
    folder, told = tmp_path_factory.mktemp("demo") / "out", []
    record = run_demo(folder, jobs=1, scale=SMALL, progress=lambda share, line: told.append((share, line)))
    return folder, record, told

"""What the tests of M-Trainer share: a base, two clips, and a package, each made once."""

from pathlib import Path

import pytest

from rheostat.share.base import Base
from rheostat.share.package.document import Package
from rheostat.share.stem import Network
from tests.share.trainer.toys import clip, exported, make


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Base]:
    """The network and its export."""
    return exported(tmp_path_factory.mktemp("toy-base"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A clip that shows the lamp, and one of half the rate that does not."""
    folder = tmp_path_factory.mktemp("clips")
    return [clip(folder), clip(folder, "dark", events=(), frames=40, fps=5.0)]


@pytest.fixture(scope="session")
def package(base: tuple[Network, Base], clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The lamp's, at all branch points."""
    return make(base, clips, tmp_path_factory.mktemp("packages") / "lamp")

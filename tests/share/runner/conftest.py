import pytest

from rheostat.share.base import Base
from rheostat.share.package.document import Package
from tests.share.runner import toys


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return toys.make_base(tmp_path_factory.mktemp("toy") / "base")


@pytest.fixture(scope="session")
def packages(base: Base) -> dict[str, Package]:
    """Three apps."""
    return {name: toys.make_package(base.folder.parent / name, base, name, seed) for seed, name in enumerate("abc", 1)}

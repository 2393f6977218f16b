"""What both frameworks need before they are imported, and what makes their tests quick."""

import gc
from collections.abc import Iterator

import pytest

from rheostat.training.torchvision_ops import ensure_torchvision_imports

ensure_torchvision_imports()  # both import it where it is installed


@pytest.fixture(autouse=True, scope="module")
def imports_are_not_garbage() -> Iterator[None]:
    """A Transformers trainer collects garbage as it starts, which takes half a second over all that was imported."""
    gc.freeze()
    yield
    gc.unfreeze()

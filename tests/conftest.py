"""Annotations are enforced under test: shapes by jaxtyping, types by beartype."""

from collections.abc import Iterator

import pytest
import torch
from jaxtyping import install_import_hook

from tests import typechecker

# a module of Rheostat that is imported before this line is not checked
install_import_hook(
    ["rheostat.signals", "rheostat.select", "rheostat.augment", "rheostat.training", "rheostat.review"],
    f"{typechecker.__name__}.check",
)

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_global_random_state() -> None:
    """What a test shuffles by the global generator does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    """A generator of the test's own, seeded alike every time."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def annotations_not_enforced() -> Iterator[None]:
    """For a test that gives a wrong type, as a user without a type checker may."""
    with typechecker.not_enforced():
        yield

"""Small examples, models and checks that the tests of `select` share."""

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tests import typechecker

CLASSES = 4

READS_LOGITS = nn.Identity()
"""A model for examples that are logits: what an example scores can be read from the example."""


uses_workers = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create:UserWarning",  # on a machine with fewer cores than workers
    "ignore:.*multi-threaded, use of fork:DeprecationWarning",  # from Python 3.12, under pytest-xdist
)


def examples(size: int) -> TensorDataset:
    """`size` examples that are logits, no two alike, with labels: easy and hard ones, mixed."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, CLASSES, (size,), generator=generator)
    logits = 2 * torch.randn(size, CLASSES, generator=generator) + 2 * F.one_hot(labels, CLASSES)
    return TensorDataset(logits, labels)


def in_order(size: int, batch_size: int = 10) -> "DataLoader[Any]":
    """A loader of `examples`, in their order."""
    return DataLoader(examples(size), batch_size)


def indices(pairs: Any) -> list[list[int]]:
    """The indices of each training batch that `with_kept()` yields."""
    return [kept.index.tolist() for _, kept in pairs]


def concatenated(batches: list[list[int]]) -> list[int]:
    return [entry for batch in batches for entry in batch]


def through_a_file(state: Any) -> Any:
    """What is left of a state after `torch.save` and `torch.load(weights_only=True)`."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@contextmanager
def global_randomness_untouched() -> Iterator[None]:
    """Fail if the block moves the random state of torch, numpy or Python."""
    before = _global_randomness()
    with typechecker.not_enforced():  # beartype draws from Python's global state which entry of a list it looks at
        yield
    moved = [name for name, state in _global_randomness().items() if state != before[name]]
    assert moved == [], f"the global random state of {', '.join(moved)} has moved"


def _global_randomness() -> dict[str, Any]:
    numpy = np.random.get_state()  # noqa: NPY002 - the legacy state is what must not move
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (numpy[1].tolist(), *numpy[2:]),
        "python": random.getstate(),
    }


def all_equal(some: list[Tensor], others: list[Tensor]) -> bool:
    """Bit for bit, NaN equal to NaN."""
    pairs = list(zip(some, others, strict=True))
    return all(a.dtype == b.dtype and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True) for a, b in pairs)

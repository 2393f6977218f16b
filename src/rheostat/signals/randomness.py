"""The global random states, which selection must leave as they are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch


def torch_random_states_kept(cuda_devices: Sequence[int] = ()) -> AbstractContextManager[None]:
    """Put torch's global random states back as they were before the block.

    Args:
        cuda_devices: CUDA devices whose generators the block may draw from, besides the CPU's.
    """
    return torch.random.fork_rng(devices=cuda_devices)


@contextmanager
def host_random_states_kept() -> Iterator[Callable[[], bool]]:
    """Put the global random states of Python and numpy back as they were before the block.

    Yields:
        A function that tells whether either has moved since.
    """
    before = _host_states()
    try:
        yield lambda: _host_states() != before
    finally:
        python, (kind, *rest) = before
        random.setstate(python)
        np.random.set_state((kind, *rest))  # noqa: NPY002 - put back


def _host_states() -> tuple[Any, Any]:
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - read to be put back
    return random.getstate(), (kind, tuple(np.asarray(keys).tolist()), *rest)  # plain numbers: two states compare

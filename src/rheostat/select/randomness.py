"""The global random state, which selection must leave as it is."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def global_random_states_kept(cuda_devices: Sequence[int] = ()) -> Iterator[None]:
    """Put the global random states of torch, numpy and Python back as they were before the block.

    Args:
        cuda_devices: CUDA devices whose generators the block may draw from, besides the CPU's.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - read to be put back
    with torch.random.fork_rng(devices=cuda_devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002

"""The chance that no X positives in a row occur among N samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rheostat.share.events.checks import Numbers


def no_run(
    n: npt.ArrayLike, votes: int, *, first: npt.ArrayLike, after_miss: npt.ArrayLike, after_hit: npt.ArrayLike
) -> Numbers:
    """Chance that `n` samples of a two-state chain hold no `votes` hits in a row.

    The state is the length of the run so far, 0 to `votes` - 1; what leaves those states is a run that is complete.
    One sample is one product with the `[votes, votes]` matrix of the states that go on. Its powers are squared up, so
    that the time grows with log2(n), and every element takes the powers that its own `n` is made of.

    Args:
        n: Number of samples, whole, >= 0.
        votes: Length of the run that counts, >= 1.
        first: Chance that the first sample is a hit, in [0, 1].
        after_miss: Chance of a hit right after a miss.
        after_hit: Chance of a hit right after a hit.

    Returns:
        Of the shape to which all arguments but `votes` broadcast, in [0, 1]; 1 where n < votes.

    Source: Jiang et al., Mainstream, USENIX ATC 2018, section 5.2 (X-voting), without its enumeration of 2^n strings.
    """
    count, *chain = (np.asarray(a) for a in (n, first, after_miss, after_hit))
    shape = np.broadcast_shapes(count.shape, *(a.shape for a in chain))
    if votes > count.max(initial=0):
        return np.ones(shape)
    step = _go_on(votes, *chain[1:])
    state = np.broadcast_to(_first_sample(votes, chain[0]), (*shape, 1, votes))
    left = np.maximum(count - 1, 0)
    while left.any():
        state = np.where((left & 1 == 1)[..., None, None], state @ step, state)
        left = left >> 1
        if left.any():
            step = step @ step
    return np.where(count < votes, 1.0, np.minimum(state.sum(axis=(-2, -1)), 1.0))


def _first_sample(votes: int, first: Numbers) -> Numbers:
    """`[..., 1, votes]`: where the first sample leads, from which a single vote would already be out."""
    state = np.zeros((*first.shape, 1, votes))
    state[..., 0, 0] = 1 - first
    if votes > 1:
        state[..., 0, 1] = first
    return state


def _go_on(votes: int, after_miss: Numbers, after_hit: Numbers) -> Numbers:
    """`[..., votes, votes]`: chance to get from one run length (row) to another (column) in one sample."""
    step = np.zeros((*np.broadcast_shapes(after_miss.shape, after_hit.shape), votes, votes))
    for length in range(votes):
        hit = after_hit if length else after_miss
        step[..., length, 0] = 1 - hit
        if length + 1 < votes:
            step[..., length, length + 1] = hit
    return step

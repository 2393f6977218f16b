"""What the public entries of this room ask of their arguments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rheostat.errors import DataError, SettingsError

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def outside(name: str, values: npt.ArrayLike, ok: npt.ArrayLike, must: str) -> list[str]:
    """A sentence on the first of `values` that is not `ok` (both broadcast), or nothing if all are."""
    numbers, fine = np.broadcast_arrays(np.asarray(values, dtype=np.float64), np.asarray(ok, dtype=np.bool_))
    return [] if fine.all() else [f"{name} is {numbers[~fine][0]:g}: {must}"]


def bad_probabilities(**named: npt.ArrayLike) -> list[str]:
    """Sentences on the arguments that are not all in [0, 1]."""
    found = []
    for name, given in named.items():
        values = np.asarray(given, dtype=np.float64)
        must = "it must lie in [0, 1]; divide a percentage by 100"
        found += outside(name, values, (values >= 0) & (values <= 1), must)
    return found


def bad_rates(fps: npt.ArrayLike, stream_fps: npt.ArrayLike) -> list[str]:
    """Sentences on rates that no sampler of the stream can have."""
    rates, stream = np.asarray(fps, dtype=np.float64), np.asarray(stream_fps, dtype=np.float64)
    found = outside("stream_fps", stream, (stream > 0) & np.isfinite(stream), "it must be above 0 frames per second")
    must = "it must be above 0 and at most stream_fps; frames that the stream does not have cannot be sampled"
    return found or outside("fps", rates, (rates > 0) & (rates <= stream), must)


def bad_votes(votes: int | Sequence[int] | None) -> list[str]:
    """A sentence if a number of votes is not a whole number from 1 on; None, no voting, is fine."""
    if votes is None:
        return []
    numbers = np.asarray(votes)
    if not np.issubdtype(numbers.dtype, np.integer):
        return [f"votes is {votes}: it must be a whole number, or None for no voting"]
    return outside("votes", numbers, numbers >= 1, "it must be at least 1 positive sample in a row, or None")


def refuse(problems: list[str]) -> None:
    """Raise one `SettingsError` that names all problems, if there are any."""
    if problems:
        raise SettingsError("; ".join(problems))


def frame_flags(name: str, values: npt.ArrayLike) -> Flags:
    """`values` as `[T]` booleans, one per frame.

    Raises:
        DataError: They are not booleans, or not one-dimensional.
    """
    flags = np.asarray(values)
    if flags.dtype != np.bool_ or flags.ndim != 1:
        raise DataError(
            f"{name} is {flags.dtype} of shape {flags.shape}: it must be one boolean per frame; "
            "compare probabilities with a threshold first, for instance with >= 0.5"
        )
    return flags

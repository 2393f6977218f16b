"""What every variant of a package said of the held-out frames, so that any rate and vote can be tried without a model.

::

    {"schema": 1, "stream_fps": 12.5, "clips": [{"name": "gate.mp4", "frames": 377}, ...], "label": [0, 0, 1, ...],
     "scores": {"0": [0.0123, ...], "7": [...]}}

The frames of all clips stand one after another, at the rate of the stream. Single pictures have no rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic import model_validator as checked

from rheostat.errors import DataError, StateError
from rheostat.records import write_json
from rheostat.share.checking import (
    SCHEMA,
    AboveZero,
    CountAboveZero,
    Entry,
    Name,
    Share,
    from_numpy,
    read_document,
    refuse,
)
from rheostat.share.events import Detection, replay

DECIMALS = 4  # of a score; the figures of a package are those of the rounded scores


class HeldOutClip(Entry):
    """Held-out time of one clip; for single pictures, all of them."""

    name: Name
    frames: CountAboveZero


class HeldOutDocument(Entry):
    """What `held-out.json` says.

    Attributes:
        stream_fps: Frames per second; None = single pictures, which have no order in time.
        clips: In order.
        label: [T], 1 where a frame belongs to an event.
        scores: By branch point, [T] each: probability of an event.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    stream_fps: AboveZero | None
    clips: tuple[HeldOutClip, ...] = Field(min_length=1)
    label: Annotated[tuple[Literal[0, 1], ...], from_numpy]
    scores: Mapping[str, Annotated[tuple[Share, ...], from_numpy]]

    @checked(mode="after")
    def _agree(self) -> Self:
        frames = sum(clip.frames for clip in self.clips)
        lengths = {"label": len(self.label), **{f"scores of {at}": len(row) for at, row in self.scores.items()}}
        lines = [f"{name} has {length} entries: must be {frames}" for name, length in lengths.items()]
        refuse(line for line, length in zip(lines, lengths.values(), strict=True) if length != frames)
        refuse(f"scores has the key {at!r}: must be a branch point" for at in self.scores if not at.isdecimal())
        return self


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """What the variants said of the held-out frames.

    Attributes:
        stream_fps: Frames per second; None = single pictures.
        clips: Name and number of frames of each clip, in order.
        label: `[T]`, whether a frame belongs to an event.
        scores: By branch point, `[T]` in [0, 1] each: probability of an event.
    """

    stream_fps: float | None
    clips: tuple[tuple[str, int], ...]
    label: npt.NDArray[np.bool_]
    scores: Mapping[int, npt.NDArray[np.float64]]

    @property
    def boundaries(self) -> list[int]:
        """First frames of the clips after the first one; of single pictures, every picture after the first one."""
        if self.stream_fps is None:
            return list(range(1, len(self.label)))
        return list(accumulate(frames for _, frames in self.clips))[:-1]


def write_held_out(path: Path, held_out: HeldOutScores) -> None:
    """Write scores as JSON, rounded to `DECIMALS`, whole or not at all."""
    document = HeldOutDocument(
        schema=SCHEMA,
        stream_fps=held_out.stream_fps,
        clips=tuple(HeldOutClip(name=name, frames=frames) for name, frames in held_out.clips),
        label=tuple(held_out.label.astype(int).tolist()),
        scores={str(frozen): tuple(rounded(row).tolist()) for frozen, row in sorted(held_out.scores.items())},
    )
    write_json(path, document.model_dump(mode="json", by_alias=True))


def read_held_out(source: Path | str | Mapping[str, Any]) -> HeldOutScores:
    """Read scores from a file, or check a mapping of that form.

    Raises:
        SettingsError: There is no such file, or it is wrong; the message says where.
    """
    found = read_document(HeldOutDocument, source, "held-out")
    return HeldOutScores(
        stream_fps=found.stream_fps,
        clips=tuple((clip.name, clip.frames) for clip in found.clips),
        label=np.array(found.label, dtype=np.bool_),
        scores={int(frozen): np.array(row) for frozen, row in found.scores.items()},
    )


def rounded(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Scores as they are kept."""
    return np.round(np.asarray(scores, dtype=np.float64), DECIMALS)


def detection_at(
    held_out: HeldOutScores | Mapping[str, Any],
    frozen: int,
    *,
    fps: Sequence[float],
    votes: int | Sequence[int] | None = None,
    threshold: float = 0.5,
) -> Detection:
    """Replay what one variant said, at lower rates: recall, precision and F1 of the held-out events.

    Args:
        held_out: Of the package.
        frozen: Branch point of the variant.
        fps: Rates, each in (0, stream_fps].
        votes: How many hits in a row make a detection, >= 1; None = any one.
        threshold: Score from which on a frame is a hit, in (0, 1].

    Returns:
        Of the shape of `fps`, followed by that of `votes`; see `rheostat.share.events.replay`.

    Raises:
        StateError: There is no such variant.
        DataError: The package was judged by single pictures, which show no event from beginning to end.
        SettingsError: A rate or a number of votes is outside its range.
    """
    known = held_out if isinstance(held_out, HeldOutScores) else read_held_out(held_out)
    if frozen not in known.scores:
        offered = ", ".join(map(str, known.scores))
        raise StateError(f"the held-out scores have no branch point {frozen}, only {offered}: make the package anew")
    if known.stream_fps is None:
        raise DataError(
            "this package was judged by single pictures, and a replay needs held-out video: use the event model "
            "'paper', or make the package from labelled clips"
        )
    said = known.scores[frozen] >= threshold
    return replay(said, known.label, stream_fps=known.stream_fps, fps=fps, votes=votes, boundaries=known.boundaries)

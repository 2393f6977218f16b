"""What every head says of the held-out frames: by the very files that will serve, layer after layer as on a node."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rheostat.share.base import Base
from rheostat.share.frames import normalised, resized
from rheostat.share.package.held_out import HeldOutScores, rounded
from rheostat.share.runner import sessions
from rheostat.share.runner.networks import merged
from rheostat.share.trainer.choice import Run
from rheostat.share.trainer.features import Whole
from rheostat.share.trainer.material import Material
from rheostat.share.trainer.settings import Progress

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 8

Floats = npt.NDArray[np.float64]


class Heads:
    """A base and heads on it: pictures in, what each head says out. Each layer runs once.

    Args:
        base: The base.
        heads: By branch point, ascending, the content of each head's file.
        positive: Index of the class that makes an event.

    Raises:
        StateError: A layer's file is missing, or another.
        DataError: onnxruntime refuses a network.
    """

    def __init__(self, base: Base, heads: dict[int, bytes], positive: int) -> None:
        self._preprocessing = base.document.preprocessing
        self._positive = positive
        self._parts: list[tuple[InferenceSession | None, InferenceSession]] = []
        for (start, end), content in zip(pairwise((0, *heads)), heads.values(), strict=True):
            layers = [base.content(layer) for layer in range(start, end)]
            self._parts.append(
                (sessions.open_session(merged(layers)) if layers else None, sessions.open_session(content))
            )

    def __len__(self) -> int:
        """How many heads."""
        return len(self._parts)

    def scores(self, pictures: npt.NDArray[np.uint8]) -> Floats:
        """Probability of an event, `[heads, B]`, of resized pictures `[B, H, W, 3]`."""
        found, said = normalised(pictures, self._preprocessing), []
        for stretch, head in self._parts:
            found = found if stretch is None else sessions.run(stretch, found)
            said.append(_probability(sessions.run(head, found), self._positive))
        return np.stack(said)


def whole(base: Base, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits of the base itself, of resized pictures `[B, H, W, 3]`."""
    session = sessions.open_session(merged([base.content(layer) for layer in range(len(base.layers))]))
    return sessions.run(session, normalised(pictures, base.document.preprocessing))


def judge_all(
    material: Material, runs: Sequence[Run], heads: Heads, base: Base, kept: Path, report: Progress
) -> list[Floats]:
    """Scores of all pictures of each run, `[heads, pictures]`; what an earlier call has kept is not computed again.

    Args:
        material: Where the pictures are.
        runs: What to judge.
        heads: Those of the base.
        base: Says how pictures are resized.
        kept: File for the scores so far.
        report: Called after each batch.
    """
    total = sum(len(run.numbers) for run in runs)
    if not kept.exists():
        with Whole([kept]) as (target,), target.open("wb") as file:
            np.save(file, np.full((len(heads), total), np.nan))
    scores = np.lib.format.open_memmap(kept, "r+")
    start = 0
    for run in runs:
        pictures = material.sources[run.source].read(run.numbers)
        end = start + len(run.numbers)
        while start < end:
            batch = slice(start, min(start + BATCH, end))
            found = [resized(picture, base.document.preprocessing) for picture in islice(pictures, BATCH)]
            if np.isnan(scores[:, batch]).any():
                scores[:, batch] = heads.scores(np.stack(found))
            start = batch.stop
            report(start / total, "")
    scores.flush()
    lengths = np.cumsum([len(run.numbers) for run in runs])[:-1]
    return np.split(np.array(scores), lengths, axis=1)


def along_the_stream(
    material: Material, runs: Sequence[Run], points: Sequence[int], scores: Sequence[Floats]
) -> HeldOutScores:
    """Lay the scores of all pictures out as frames of the stream, rounded as they are kept."""
    frames = [run.frames for run in runs]
    label = [material.sources[run.source].label[run.numbers][run.frames] == material.positive for run in runs]
    said = np.concatenate([found[:, at] for found, at in zip(scores, frames, strict=True)], axis=1)
    clips = tuple((material.sources[run.source].name, len(run.frames)) for run in runs)
    by_point = {frozen: rounded(row) for frozen, row in zip(points, said, strict=True)}
    return HeldOutScores(material.stream_fps, clips, np.concatenate(label), by_point)


def _probability(logits: npt.NDArray[np.float32], positive: int) -> Floats:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted[:, positive] / shifted.sum(axis=1)

"""Beside each suspect, the nearest examples that the model agrees with: of its given class and of its predicted one.

This is the one part of a review that sends images through the model: one forward pass, without gradients, over the
suspects and a reserve of well-agreeing examples, and over nothing else. What it finds is kept beside the list.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from rheostat.augment.scores import suspect_score_named
from rheostat.records import write_bytes
from rheostat.review.listing import FOLDER, SuspectList
from rheostat.review.run import SeenRun
from rheostat.training import RunFolder

NEAREST = 4
_PER_CLASS, _RESERVE = 200, 20_000  # examples of the reserve: of each class, and in all
_FILE = "neighbours.npz"
_BATCH = 256

Progress = Callable[[float, str], None]
"""share done, in [0, 1], and one line on how it goes."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What stands beside the suspects of a list.

    Attributes:
        given_like: `[n, 4]` int64, in the order of the list: the nearest well-agreeing examples of the given class, the
            nearest first; -1 = there are no more.
        predicted_like: `[n, 4]`, the same of the predicted class; -1 throughout where it is the given one.
    """

    given_like: NDArray[np.int64]
    predicted_like: NDArray[np.int64]


def find_neighbours(run: SeenRun, listed: SuspectList, progress: Progress | None = None) -> Neighbours:
    """The neighbours of every suspect, as they were kept, or by the run's own model.

    Args:
        run: The run that the list is of.
        listed: The suspects.
        progress: Called after each batch.

    Raises:
        StateError: The model cannot be built from the run folder, as it is with one that the settings do not name.
    """
    path = run.folder / FOLDER / _FILE
    key = _key(run, listed)
    kept = _read(path, key)
    if kept is not None:
        return kept
    reserve = reserve_of(run, {suspect.index for suspect in listed.suspects})
    index = torch.tensor([suspect.index for suspect in listed.suspects], dtype=torch.int64)
    wanted = torch.cat([index, reserve])
    features, known = _features(run, wanted, progress or _silent)
    labels = run.data.train.labels.cpu()[reserve]
    reserve, labels = reserve[known[len(index) :]], labels[known[len(index) :]]
    of_suspects, of_reserve = features[: len(index)], features[len(index) :][known[len(index) :]]
    given = torch.tensor([suspect.given for suspect in listed.suspects], dtype=torch.int64)
    predicted = torch.tensor(
        [-1 if s.predicted in (None, s.given) else s.predicted for s in listed.suspects], dtype=torch.int64
    )
    given, predicted = (torch.where(known[: len(index)], label, -1) for label in (given, predicted))
    found = Neighbours(
        *(nearest(of_suspects, label, of_reserve, labels, reserve).numpy() for label in (given, predicted))
    )
    _write(path, key, found)
    return found


def reserve_of(run: SeenRun, without: set[int]) -> Tensor:
    """Indices `[M]` of the examples that agree best with their labels: the model says the same, by a wide margin.

    Args:
        run: The run.
        without: Indices of those that are not asked for.
    """
    log, labels = run.log, run.data.train.labels.cpu()
    disagreement = suspect_score_named("disagreement")(log, labels).cpu()
    agrees = (log.prediction.cpu() == labels) & ~disagreement.isnan()
    agrees[list(without)] = False
    classes = len(run.data.classes)
    per_class = max(NEAREST, min(_PER_CLASS, _RESERVE // classes))
    order = disagreement.argsort(stable=True)
    order = order[agrees[order]]
    # place of each among those of its class
    place = torch.zeros_like(order)
    for label in range(classes):
        own = labels[order] == label
        place[own] = torch.arange(int(own.sum()))
    return order[place < per_class]


def nearest(
    features: Float[Tensor, "n d"], label: Tensor, of_reserve: Float[Tensor, "m d"], labels: Tensor, reserve: Tensor
) -> Tensor:
    """The nearest examples of a reserve by the cosine of their features, each of the class that is asked for.

    Args:
        features: `[N, D]`.
        label: `[N]`, the class asked for; -1 = none.
        of_reserve: `[M, D]`.
        labels: `[M]`, classes of the reserve.
        reserve: `[M]`, indices of the reserve.

    Returns:
        `[N, 4]` int64 out of `reserve`, the nearest first; -1 = there are no more.
    """
    found = torch.full((len(features), NEAREST), -1, dtype=torch.int64)
    features, of_reserve = F.normalize(features, dim=1), F.normalize(of_reserve, dim=1)
    for one in label.unique().tolist():
        ours, theirs = (label == one).nonzero().flatten(), (labels == one).nonzero().flatten()
        number = min(NEAREST, len(theirs))
        if number:
            cosine = features[ours] @ of_reserve[theirs].T
            found[ours, :number] = reserve[theirs[cosine.topk(number, dim=1).indices]]
    return found


def _features(run: SeenRun, index: Tensor, progress: Progress) -> tuple[Float[Tensor, "n d"], Tensor]:
    """What the last linear layer is given for each example, `[N, D]`, and which images could be decoded, `[N]` bool."""
    of = run.data
    model = RunFolder(run.folder).model(classes=len(of.classes), channels=of.channels, image_size=of.image_size)
    device = torch.device("cuda" if torch.cuda.is_available() and run.settings.device != "cpu" else "cpu")
    model.to(device).eval()
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (run.mean, run.std))
    given: list[Tensor] = []  # to the linear layers, in the order in which they are called
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    place = {at: number for number, at in enumerate(index.tolist())}
    features: Tensor | None = None
    known = torch.zeros(len(index), dtype=torch.bool)
    done = 0
    try:
        with torch.no_grad():
            for at, pixels in run.data.train.batches(index, _BATCH):
                given.clear()
                logits = model((pixels.to(device).float() / 255 - mean) / std)
                found = (given[-1] if given else logits).flatten(1).float().cpu()
                if features is None:
                    features = torch.zeros(len(index), found.shape[1])
                rows = torch.tensor([place[one] for one in at.tolist()])
                features[rows], known[rows] = found, True
                done += _BATCH
                progress(min(done / len(index), 1.0), "nearest examples: one forward pass of suspects and reserve")
    finally:
        for hook in hooks:
            hook.remove()
    return torch.zeros(len(index), 1) if features is None else features, known


def _key(run: SeenRun, listed: SuspectList) -> str:
    """Tells whether what was kept still holds: the same suspects, by the same weights."""
    stamp = (run.folder / "checkpoint.pt").stat()
    suspects = [(suspect.index, suspect.given, suspect.predicted) for suspect in listed.suspects]
    told = [listed.data.fingerprint, stamp.st_mtime_ns, stamp.st_size, suspects]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _read(path: Path, key: str) -> Neighbours | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            return Neighbours(kept["given_like"], kept["predicted_like"]) if str(kept["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # not there, or damaged: it is made again
        return None


def _write(path: Path, key: str, found: Neighbours) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, key=key, given_like=found.given_like, predicted_like=found.predicted_like)
    write_bytes(path, buffer.getvalue())


def _silent(share: float, line: str) -> None:
    del share, line

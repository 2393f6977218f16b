"""The labels that a run trains with: those of the data, and what a person decided about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from rheostat.augment.decision import DataIdentity, Decision, check_identity, labels_after
from rheostat.augment.decisions import read_decisions
from rheostat.errors import DataError
from rheostat.settings import TrainSettings
from rheostat.training.data import ImageData
from rheostat.training.reading import load_data


def identity_of(data: ImageData) -> DataIdentity:
    """What tells these data from others, whatever their labels are."""
    return DataIdentity(data.fingerprint, len(data.train.labels), data.classes)


def with_decisions(data: ImageData, path: Path) -> ImageData:
    """The data as they are after the decisions in a file: relabelled, and without what is to be removed.

    Args:
        data: With the labels that the decisions were made on.
        path: A store of decisions (``.db``), an export of one (``.csv``, ``.jsonl``), or a CSV file with the columns
            `index` and `label`.

    Raises:
        StateError: The decisions are about other data.
        DataError: The file cannot be read, names an index or a label that is not there, or leaves no example.
    """
    return _followed(data, path, *read_decisions(path))


def _followed(data: ImageData, path: Path, identity: DataIdentity | None, decisions: list[Decision]) -> ImageData:
    if identity is not None:
        check_identity(identity, identity_of(data), str(path))
    given = data.train.labels
    after, removed = labels_after(given.cpu().numpy(), decisions, classes=len(data.classes))
    reviewed = frozenset(one.index for one in decisions if is_review(one))
    decided = data.relabelled(torch.from_numpy(after), torch.from_numpy(removed))
    if not len(decided.in_use("train")):
        raise DataError(f"{path} leaves no training example: remove fewer of the {len(given)}")
    return replace(decided, reviewed=data.reviewed | reviewed)


def is_review(decision: Decision) -> bool:
    """Whether somebody has looked at the example: a mere table, which does not say what the label was, leaves doubt."""
    return decision.given is not None and decision.decision != "skip"


def label_files(settings: TrainSettings) -> list[Path]:
    """The files that `settings.labels` names, in the order in which they are followed."""
    if settings.labels is None or Path(settings.labels).exists():  # a path may have a comma in it
        return [] if settings.labels is None else [Path(settings.labels)]
    return [Path(path.strip()) for path in settings.labels.split(",")]


def data_of(settings: TrainSettings, device: torch.device | str = "cpu", *, decided: bool = True) -> ImageData:
    """Load the data that the settings name.

    Args:
        settings: Of a run.
        device: Where batches go.
        decided: Whether the decisions of `settings.labels` are followed.

    Raises:
        DataError: The data or the decisions cannot be used.
        StateError: The decisions are about other data.
    """
    files = label_files(settings) if decided else []
    told = [read_decisions(path) for path in files]  # what cannot be read is known before the data are loaded
    data = load_data(
        settings.data,
        device=device,
        label_column=settings.label_column,
        image_size=settings.image_size,
        memory_limit=settings.memory_limit,
        workers=settings.workers,
    )
    for path, (identity, decisions) in zip(files, told, strict=True):
        data = _followed(data, path, identity, decisions)
    return data

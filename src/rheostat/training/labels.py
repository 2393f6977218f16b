"""The labels that a run trains with: those of the data, and what a person decided about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from rheostat.augment.decision import DataIdentity, check_identity, labels_after
from rheostat.augment.decisions import read_decisions
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
    identity, decisions = read_decisions(path)
    if identity is not None:
        check_identity(identity, identity_of(data), str(path))
    given = data.train.labels
    after, removed = labels_after(given.cpu().numpy(), decisions, classes=len(data.classes))
    # a row that says what the label was is a review of it; a mere table of labels leaves all of them open to doubt
    reviewed = frozenset(one.index for one in decisions if one.given is not None and one.decision != "skip")
    decided = data.relabelled(torch.from_numpy(after), torch.from_numpy(removed))
    return replace(decided, reviewed=reviewed)


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
    data = load_data(
        settings.data,
        device=device,
        label_column=settings.label_column,
        image_size=settings.image_size,
        memory_limit=settings.memory_limit,
        workers=settings.workers,
    )
    return with_decisions(data, Path(settings.labels)) if decided and settings.labels is not None else data

"""The suspects of a run as files that other tools read.

- ``csv``, ``jsonl``: a row per suspect, see `COLUMNS`; a line of the JSONL has `losses` besides. In the CSV a text that
  begins like a formula has a `'` before it.
- ``label-studio``: ``tasks.json`` (images within it, the model's prediction as pre-annotation) and the labelling
  configuration that it goes with, ``labelling.xml``.
- ``fiftyone``: a ``FiftyOneImageClassificationDataset``, with the given labels in ``labels.json`` and those of the
  model in ``predicted.json``::

    dataset = fo.Dataset.from_dir(folder, fo.types.FiftyOneImageClassificationDataset, label_field="given")
    dataset.merge_dir(
        folder, fo.types.FiftyOneImageClassificationDataset, labels_path="predicted.json", label_field="predicted"
    )
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from rheostat.augment.decision import Decision
from rheostat.augment.decision_files import as_cell
from rheostat.errors import unknown_name
from rheostat.records import write_bytes, write_json
from rheostat.review.listing import FOLDER, Suspect, SuspectList
from rheostat.review.pictures import Picture, picture_of, thumbnail_of
from rheostat.review.run import SeenRun
from rheostat.training.decoding import UndecodableError

COLUMNS = {
    "position": "place in the order of review, from 0",
    "index": "place in the training split, from 0",
    "file": "name of the image file, where it has one",
    "given": "label in the data, a class index",
    "given_name": "its name",
    "predicted": "label that the model gave at its last look; empty = it never looked",
    "predicted_name": "its name",
    "p_given": "softmax of the given label at the last look",
    "p_predicted": "softmax of the predicted label at the last look",
    "score": "by the score of the list; higher = more suspect",
    "looks": "number of looks at the example without augmentation",
    "round": "round of the suspects, from 0",
    "audit": "whether it was drawn at random (1) or is a suspect (0)",
    "why": "what speaks against the given label, or for it",
    "decision": "keep, relabel, remove or skip; empty = nobody has decided",
    "label": "class index that a person gave instead, where the decision is relabel",
}
"""Columns of the CSV and the JSONL, in order."""

_TEXTS = ("file", "given_name", "predicted_name", "why")  # that may come from whoever made the data
_SIDE = 512  # pixels of an image within a task; Label Studio takes no file of more than some 200 MB
_SUFFIX = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif"}

Decided = Mapping[int, Decision]
"""What was decided, by index."""


def export(
    kinds: list[str], run: SeenRun, listed: SuspectList, decided: Decided
) -> tuple[dict[str, Path], dict[int, str]]:
    """Write a list of suspects in other tools' forms, into the run folder.

    Args:
        kinds: Names out of `KINDS`.
        run: The run that the list is of.
        listed: The suspects.
        decided: What has been decided on them.

    Returns:
        The file or folder of each kind; and what is wrong with the images that cannot be decoded, by index: they are
        left out where images are written.

    Raises:
        SettingsError: A kind is not known; nothing has been written then.
    """
    checked_kinds(kinds)
    damaged: dict[int, str] = {}
    return {kind: KINDS[kind](run, listed, decided, damaged) for kind in kinds}, damaged


def checked_kinds(kinds: list[str]) -> list[str]:
    """Give the names of exports back if they are known.

    Raises:
        SettingsError: One is not.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise unknown_name("export", kind, KINDS)
    return kinds


def _rows(run: SeenRun, listed: SuspectList, decided: Decided) -> Iterator[tuple[Suspect, dict[str, Any]]]:
    for suspect in listed.suspects:
        decision = decided.get(suspect.index)
        row = {
            "position": suspect.position,
            "index": suspect.index,
            "file": None if run.data.files is None else run.data.files.name(suspect.index),
            "given": suspect.given,
            "given_name": listed.classes[suspect.given],
            "predicted": suspect.predicted,
            "predicted_name": None if suspect.predicted is None else listed.classes[suspect.predicted],
            "p_given": suspect.p_given,
            "p_predicted": suspect.p_predicted,
            "score": suspect.score,
            "looks": suspect.looks,
            "round": suspect.round,
            "audit": int(suspect.audit),
            "why": suspect.why,
            "decision": None if decision is None else decision.decision,
            "label": None if decision is None else decision.label,
        }
        yield suspect, row


def _csv(run: SeenRun, listed: SuspectList, decided: Decided, damaged: dict[int, str]) -> Path:
    del damaged
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    for _, row in _rows(run, listed, decided):
        table.writerow(row | {name: as_cell(row[name]) for name in _TEXTS})
    return _written(run, "suspects.csv", text.getvalue())


def _jsonl(run: SeenRun, listed: SuspectList, decided: Decided, _: dict[int, str]) -> Path:
    lines = [json.dumps(row | {"losses": suspect.losses}) for suspect, row in _rows(run, listed, decided)]
    return _written(run, "suspects.jsonl", "".join(f"{line}\n" for line in lines))


def _label_studio(run: SeenRun, listed: SuspectList, _: Decided, damaged: dict[int, str]) -> Path:
    folder = run.folder / FOLDER / "label-studio"
    tasks = []
    for suspect, image in _pictures(listed, damaged, lambda at: thumbnail_of(run.data, at, _SIDE)):
        # audits are not told: whoever labels must not know them
        told = {"index": suspect.index, "given": listed.classes[suspect.given], "why": suspect.why}
        task: dict[str, Any] = {"data": {"image": image.uri, **told}}
        if suspect.predicted is not None:
            choice = {"choices": [listed.classes[suspect.predicted]]}
            result = {"from_name": "label", "to_name": "image", "type": "choices", "value": choice}
            prediction = {"model_version": run.folder.resolve().name, "score": suspect.p_predicted, "result": [result]}
            task["predictions"] = [prediction]
        tasks.append(task)
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in listed.classes)
    configuration = (
        "<View>\n"
        '  <Header value="given: $given"/>\n'
        '  <Image name="image" value="$image"/>\n'
        '  <Choices name="label" toName="image" choice="single" showInline="true">\n'
        f"{choices}"
        "  </Choices>\n"
        '  <Text name="why" value="$why"/>\n'
        "</View>\n"
    )
    write_bytes(folder / "labelling.xml", configuration.encode())
    write_bytes(folder / "tasks.json", json.dumps(tasks).encode())
    return folder


def _fiftyone(run: SeenRun, listed: SuspectList, _: Decided, damaged: dict[int, str]) -> Path:
    folder = run.folder / FOLDER / "fiftyone"
    shutil.rmtree(folder, ignore_errors=True)  # no image of an earlier list stays
    given, predicted = {}, {}
    for suspect, image in _pictures(listed, damaged, lambda at: picture_of(run.data, at)):
        name = f"{suspect.index:0{len(str(listed.size))}}"
        path = folder / "data" / f"{name}{_SUFFIX[image.media_type]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image.content)
        told = {"index": suspect.index, "position": suspect.position, "score": suspect.score, "why": suspect.why}
        given[name] = {"label": suspect.given, "confidence": suspect.p_given, "attributes": told}
        if suspect.predicted is not None:
            predicted[name] = {"label": suspect.predicted, "confidence": suspect.p_predicted}
    write_json(folder / "predicted.json", {"classes": listed.classes, "labels": predicted})
    write_json(folder / "labels.json", {"classes": listed.classes, "labels": given})
    return folder


KINDS: dict[str, Callable[[SeenRun, SuspectList, Decided, dict[int, str]], Path]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "label-studio": _label_studio,
    "fiftyone": _fiftyone,
}
"""What can be exported, by name."""


def _pictures(
    listed: SuspectList, damaged: dict[int, str], made: Callable[[int], Picture]
) -> Iterator[tuple[Suspect, Picture]]:
    """Every suspect with its image; those that cannot be decoded are noted and left out."""
    for suspect in listed.suspects:
        try:
            image = made(suspect.index)
        except UndecodableError as error:
            damaged[suspect.index] = str(error)
        else:
            yield suspect, image


def _written(run: SeenRun, name: str, text: str) -> Path:
    path = run.folder / FOLDER / name
    write_bytes(path, text.encode())
    return path

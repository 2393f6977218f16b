"""M-Trainer: from a base and labelled data to a package.

::

    pictures ─► decoded, resized, kept ─► stem features, each branch point's from those before it
    for each branch point, the deepest first: head ─► the training loop ─► head-NN.onnx
    held-out frames ─► all heads, by their files ─► held-out.json ─► figures ─► package.json

What is done stays in the folder `.work` of the package until package.json is written, the last of all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rheostat.errors import SettingsError, StateError
from rheostat.records import read_json, write_bytes, write_json
from rheostat.share.base import Base
from rheostat.share.frames import normalised
from rheostat.share.package.document import HELD_OUT_FILE, PACKAGE_FILE, Package, read_package
from rheostat.share.package.held_out import HeldOutScores, write_held_out
from rheostat.share.stem import Network
from rheostat.share.trainer.choice import Chosen, Run, to_judge, to_learn
from rheostat.share.trainer.describe import describe
from rheostat.share.trainer.features import Store, fitting, keep_features, keep_pictures
from rheostat.share.trainer.heads import Lesson, Trained, epochs_of, train_head
from rheostat.share.trainer.judge import Heads, along_the_stream, judge_all, whole
from rheostat.share.trainer.material import Material, find_material
from rheostat.share.trainer.points import checked_points, layer_work, usual_points
from rheostat.share.trainer.settings import PackageSettings, Progress

WORK = ".work"
_FEATURES_AT, _HEADS_AT, _JUDGED_AT = 0.05, 0.1, 0.8  # of the progress


@dataclass(frozen=True, eq=False)
class Job:
    """All that is to be done, looked up and checked; building it decodes nothing and trains nothing.

    Attributes:
        name: Of the app.
        points: Branch points, ascending.
        work: Of each layer of the base (see `layer_work`).
        material: What there is.
        parts: What is learnt from, by "train" and "validation".
        runs: What judges.
    """

    name: str
    network: Network
    base: Base
    out: Path
    settings: PackageSettings
    points: tuple[int, ...]
    work: tuple[int, ...]
    material: Material
    parts: dict[str, Chosen]
    runs: list[Run]

    @property
    def order(self) -> list[int]:
        """Branch points as their heads are trained, the deepest first.

        The classifier is where all others start, whether it is one of `points` or not.
        """
        return sorted({*self.points, self.network.head_start}, reverse=True)

    def run_folder(self, frozen: int) -> Path:
        """Of the training run of a head (see `train_heads`); it is there until the package is made."""
        return self.out / WORK / f"head-{frozen:02}"

    def asked(self) -> dict[str, Any]:
        """What the outcome depends on, as JSON."""
        settings = {**asdict(self.settings), "training": self.settings.training.model_dump(mode="json")}
        chosen = [array for chosen in self.parts.values() for array in (*chosen.numbers, chosen.label)]
        judged = [array for run in self.runs for array in (run.numbers, run.frames)]
        known = [source.label for source in self.material.sources]
        told = {
            "name": self.name,
            "base": self.base.document.hash,
            "points": self.points,
            "classes": self.material.classes,
            "positive": self.material.positive,
            "sources": [source.name for source in self.material.sources],
            "frames": hashlib.sha256(b"".join(a.tobytes() for a in [*chosen, *judged, *known])).hexdigest(),
            "settings": settings,
        }
        return json.loads(json.dumps(told))


def make_package(
    network: Network,
    base: Base,
    data: Sequence[Path | str],
    out: Path | str,
    *,
    name: str,
    positive: str,
    branch_points: Sequence[int] | None = None,
    settings: PackageSettings | None = None,
    progress: Progress | None = None,
) -> Package:
    """Train a head per branch point, judge all of them on held-out time, and write the package.

    Interrupted work goes on where it stopped when it is called again with the same arguments, to the same package bit
    for bit. On a processor the outcome depends on the arguments and the number of threads alone.

    Args:
        network: The base, to learn on.
        base: The same base as it serves (see `rheostat.share.stem.write_base`).
        data: Videos whose labels lie beside them, or labels files; those without an event of `positive` show what is
            none. Or one folder with a sub-folder of pictures per class.
        out: Folder of the package, without one.
        name: Of the app.
        positive: The label, or the class, that makes an event.
        branch_points: Layers before each head; None = `usual_points`.
        settings: See `PackageSettings`.
        progress: Called after each step.

    Raises:
        SettingsError: A setting is outside its range, or nothing is called `positive`.
        DataError: Data is missing, cannot be read, or does not suffice to train and to judge.
        StateError: `out` holds a package already, or unfinished work on another one; `network` and `base` differ.
    """
    job = prepare_package(
        network, base, data, out, name=name, positive=positive, branch_points=branch_points, settings=settings
    )
    return _make(job, progress or _silent)


def train_heads(job: Job, *, before: int | None = None, progress: Progress | None = None) -> list[Trained]:
    """Do the first part of `make_package`, which goes on from there: whatever it needs, and heads in the job's order.

    Args:
        job: From `prepare_package`.
        before: Branch point whose head is not begun, one of the job's order; None = all heads are trained.
        progress: Called after each step.

    Returns:
        The heads that are finished, as they were trained; also one at the classifier that no branch point asks for.

    Raises:
        DataError: A picture cannot be read.
        StateError: The folder holds unfinished work on another package.
    """
    progress, folder = progress or _silent, job.out / WORK
    _begin(folder, job)
    examples = sum(len(chosen.label) for chosen in job.parts.values())
    augmented = job.settings.training.augmentations
    store = Store(folder, () if augmented else fitting(job.network, sorted(job.order), examples, job.settings.cache_gb))
    progress(0.0, "decoding")
    keep_pictures(store, job.material, job.parts, job.network.preprocessing)
    device = _device(job.settings)
    keep_features(store, job.network, device, _part(progress, _FEATURES_AT, _HEADS_AT, "features of the stem"))
    return _trained(job, store, device, before, progress)


def prepare_package(
    network: Network,
    base: Base,
    data: Sequence[Path | str],
    out: Path | str,
    *,
    name: str,
    positive: str,
    branch_points: Sequence[int] | None = None,
    settings: PackageSettings | None = None,
) -> Job:
    """Look up and check all that `make_package` needs; arguments and errors are its own."""
    settings, out = settings or PackageSettings(), Path(out)
    if not name.strip() or not name.isprintable():
        raise SettingsError(f"name is {name!r}: must be printable text on one line, and not blank")
    if (out / PACKAGE_FILE).exists():
        raise StateError(f"{out} holds a package already: name another folder, or remove it")
    _must_be_of(network, base)
    work = layer_work(network)
    points = branch_points if branch_points is not None else usual_points(work, network.head_start)
    material = find_material(data, positive, settings)
    train, validation = to_learn(material, settings)
    parts = {"train": train, "validation": validation}
    checked = checked_points(points, len(network.layers))
    return Job(name, network, base, out, settings, checked, work, material, parts, to_judge(material))


def _make(job: Job, progress: Progress) -> Package:
    folder = job.out / WORK
    fingerprint = job.network.stem_fingerprint(len(job.network.layers))
    heads = [head for head in reversed(train_heads(job, progress=progress)) if head.frozen in job.points]
    if job.network.stem_fingerprint(len(job.network.layers)) != fingerprint:
        raise StateError(f"training has changed the layers of {job.network.name}, which are frozen: a bug, report it")
    contents = {head.frozen: (folder / head.file).read_bytes() for head in heads}
    held_out = _judge(job, contents, folder / "scores.npy", _part(progress, _JUDGED_AT, 1.0, "judging"))
    document = describe(job.name, job.base, job.material, heads, held_out, job.settings)
    for head in heads:
        write_bytes(job.out / head.file, contents[head.frozen])
    write_held_out(job.out / HELD_OUT_FILE, held_out)
    write_json(job.out / PACKAGE_FILE, document.model_dump(mode="json", by_alias=True))
    shutil.rmtree(folder)
    package = read_package(job.out)
    package.must_fit(job.base)
    return package


def _begin(folder: Path, job: Job) -> None:
    """Make the work folder, or go on in it.

    Raises:
        StateError: The work in it is on another package.
    """
    asked, file = job.asked(), folder / "asked.json"
    if not file.exists():
        write_json(file, asked)
        return
    before = read_json(file)
    differing = [name for name in asked if asked[name] != before.get(name)]
    if differing:
        raise StateError(
            f"{job.out} holds unfinished work on a package with another {differing[0]}: finish that with the same "
            f"arguments, or remove {folder}"
        )


def _trained(job: Job, store: Store, device: torch.device, before: int | None, progress: Progress) -> list[Trained]:
    labels = {part: torch.from_numpy(chosen.label).to(device) for part, chosen in job.parts.items()}
    training = job.settings.training
    training = training if device.type != "cpu" else training.model_copy(update={"device": "cpu"})
    lesson = Lesson(job.network, job.material.classes, labels, store, training)
    assert training.end_epoch is not None  # PackageSettings sees to it
    order = job.order
    epochs = {at: epochs_of(job.work, at, passes=job.settings.passes, epochs=training.end_epoch) for at in order}
    effort = {at: epochs[at] * sum(job.work[at:] if at in store.cached else job.work) for at in order}
    heads: list[Trained] = []
    start = _HEADS_AT
    for deeper, frozen in zip((None, *order), order, strict=False):
        if frozen == before:
            break
        end = start + (_JUDGED_AT - _HEADS_AT) * effort[frozen] / sum(effort.values())
        report = _part(progress, start, end, f"branch point {frozen}")
        heads.append(train_head(lesson, frozen, epochs=epochs[frozen], deeper=deeper, report=report))
        start = end
    return heads


def _judge(job: Job, heads: dict[int, bytes], kept: Path, report: Progress) -> HeldOutScores:
    judged = Heads(job.base, heads, job.material.positive)
    scores = judge_all(job.material, job.runs, judged, job.base, kept, report)
    return along_the_stream(job.material, job.runs, job.points, scores)


def _must_be_of(network: Network, base: Base) -> None:
    """Refuse a base that is not the network's export."""
    document, shapes = base.document, [layer.output for layer in base.layers]
    same = document.preprocessing == network.preprocessing and shapes == list(network.shapes)
    if same:
        size = (1, document.preprocessing.height, document.preprocessing.width, 3)
        picture = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        ours = whole(base, picture)
        with torch.no_grad():
            theirs = network.stem(len(network.layers))(torch.from_numpy(normalised(picture, document.preprocessing)))
        same = bool(np.allclose(ours, theirs.numpy(), rtol=1e-3, atol=1e-3 * float(theirs.abs().max())))
    if not same:
        raise StateError(
            f"base {document.name!r} in {base.folder} is not the export of the network {network.name!r}: export it anew"
        )


def _device(settings: PackageSettings) -> torch.device:
    return torch.device("cuda" if settings.training.device == "auto" and torch.cuda.is_available() else "cpu")


def _part(progress: Progress, start: float, end: float, line: str) -> Progress:
    """Progress of a part as progress of the whole."""

    def report(share: float, detail: str) -> None:
        progress(start + (end - start) * share, f"{line}: {detail}" if detail else line)

    return report


def _silent(share: float, line: str) -> None:
    del share, line

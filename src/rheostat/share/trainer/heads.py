"""One head per branch point, trained by the one training loop.

The classifier comes first, alone and at a higher rate: it is the only part that starts from nothing, and as long as it
knows nothing it would only spoil layers that know something (Kumar et al., "Fine-Tuning can Distort Pretrained Features
and Underperform Out-of-Distribution", ICLR 2022). A shallower head starts from the deeper one before it: its last
layers are those of that one, and only the layers that it has more are the base's own. So few epochs do, and a head gets
as many as its share of the base's work lets it afford.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rheostat.errors import StateError
from rheostat.records import read_json, write_bytes, write_json
from rheostat.settings import TrainSettings
from rheostat.share.stem import Network, to_onnx
from rheostat.share.trainer.features import Store, Stored
from rheostat.share.trainer.settings import Progress
from rheostat.training import ImageData, RunFolder, prepare, train

FRESH = 10.0  # times the learning rate: for the classifier, whose weights are new


@dataclass(frozen=True)
class Lesson:
    """What all heads have in common.

    Attributes:
        network: The base.
        classes: Names.
        labels: Of the parts "train" and "validation", `[N]` each, on the device.
        store: Pictures and features.
        training: Settings of the cheapest head.
    """

    network: Network
    classes: tuple[str, ...]
    labels: dict[str, Tensor]
    store: Store
    training: TrainSettings

    @property
    def device(self) -> torch.device:
        """Where heads learn."""
        return self.labels["train"].device


@dataclass(frozen=True)
class Trained:
    """A head that is finished: its file, and how its training went."""

    frozen: int
    file: str
    sha256: str
    epochs: int
    validation_loss: float
    validation_error: float


def epochs_of(work: Sequence[int], frozen: int, *, passes: float, epochs: int) -> int:
    """Epochs of a head, in [1, `epochs`]: as many as cost what `passes` epochs of the whole base would.

    Args:
        work: Of each layer of the base.
        frozen: Branch point of the head.
        passes: Epochs of the whole base, above 0.
        epochs: Of the cheapest head, at most.
    """
    return min(max(round(passes * sum(work) / sum(work[frozen:])), 1), epochs)


def train_head(lesson: Lesson, frozen: int, *, epochs: int, deeper: int | None, report: Progress) -> Trained:
    """Train the head at one branch point and write it to the store; go on where an earlier call was interrupted.

    Args:
        lesson: What to learn.
        frozen: The branch point.
        epochs: At most.
        deeper: Branch point of the head to start from, which is finished; None = this is the classifier, the first.
        report: Called after each step.

    Raises:
        StateError: The stem is not what it was.
    """
    result = lesson.store.folder / f"head-{frozen:02}.json"
    if result.exists():
        return Trained(**read_json(result))
    folder = _run_folder(lesson.store, frozen)
    rate = lesson.training.lr * (FRESH if deeper is None else 1.0)
    settings = TrainSettings.checked(lesson.training.model_dump() | {"epochs": epochs, "lr": rate})
    cached = frozen in lesson.store.cached
    summary = train(
        prepare(
            settings,
            folder,
            _data(lesson, frozen, cached=cached),
            lambda: _model(lesson, frozen, deeper, cached=cached),
        ),
        resume=(folder / "settings.json").exists(),
        progress=report,
    )
    content = to_onnx(_finished(lesson, frozen), lesson.network.shape_at(frozen))
    file = f"head-{frozen:02}.onnx"
    write_bytes(lesson.store.folder / file, content)
    chosen = summary["chosen"]
    trained = Trained(
        frozen,
        file,
        hashlib.sha256(content).hexdigest(),
        len(summary["epochs"]),
        chosen["test_loss"],
        chosen["test_error"],
    )
    write_json(result, vars(trained))
    return trained


def _data(lesson: Lesson, frozen: int, *, cached: bool) -> ImageData:
    store, network = lesson.store, lesson.network
    train, validation = (
        Stored(store.features(part, frozen) if cached else store.pictures(part), lesson.labels[part])
        for part in ("train", "validation")
    )
    shape = network.shape_at(frozen if cached else 0)
    mean, std = ((), ()) if cached else (network.preprocessing.mean, network.preprocessing.std)
    return ImageData(network.name, train, validation, lesson.classes, shape[0], shape[-1], mean, std)


def _model(lesson: Lesson, frozen: int, deeper: int | None, *, cached: bool) -> nn.Module:
    head = _start(lesson, frozen, deeper)
    # a copy, because it may be moved to another device
    return head if cached else nn.Sequential(copy.deepcopy(lesson.network.stem(frozen)), head)


def _start(lesson: Lesson, frozen: int, deeper: int | None) -> nn.Sequential:
    generator = torch.Generator().manual_seed(lesson.training.seed)
    head = lesson.network.head(frozen, len(lesson.classes), generator=generator)
    if deeper is not None:
        known = _finished(lesson, deeper)
        for own, theirs in zip(reversed(head), reversed(known), strict=False):
            own.load_state_dict(theirs.state_dict())
    return _laid_out(head, lesson.network.shape_at(frozen))


def _finished(lesson: Lesson, frozen: int) -> nn.Sequential:
    """The head that a finished run gives, on the host.

    Raises:
        StateError: The run has changed the stem.
    """
    weights = RunFolder(_run_folder(lesson.store, frozen)).weights()
    head = lesson.network.head(frozen, len(lesson.classes), generator=torch.Generator().manual_seed(0))
    if frozen in lesson.store.cached:
        head.load_state_dict(weights)
        return head
    stem = lesson.network.stem(frozen)
    model = nn.Sequential(copy.deepcopy(stem), head)
    model.load_state_dict(weights)
    for name, tensor in stem.state_dict().items():
        if not torch.equal(tensor.cpu(), weights[f"0.{name}"].cpu()):
            raise StateError(
                f"training the head at branch point {frozen} has changed {name} of the stem: a bug, report it"
            )
    return head


def _laid_out(head: nn.Sequential, shape: tuple[int, ...]) -> nn.Sequential:
    """The head with its weights channels last, which is faster on a processor, if its operations take it so."""
    last = copy.deepcopy(head)
    for parameter in last.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            last(torch.zeros(2, *shape))
    except RuntimeError:  # a view that only holds for the usual layout
        return head
    return last


def _run_folder(store: Store, frozen: int) -> Path:
    return store.folder / f"head-{frozen:02}"

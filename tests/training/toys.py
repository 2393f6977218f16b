"""A small data set, small runs on it, and what is left of them, for the tests of the loop."""

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rheostat.records import read_json
from rheostat.settings import TrainSettings
from rheostat.training import ImageData, RunFolder, prepare, train
from rheostat.training.data import ResidentImages, Skipped, note_skipped

CLASSES = 3
TRAIN, TEST = 72, 40
STEPS = 5  # of an epoch in batches of 16: four full ones and one of 8
BATCH = 16


def bars(train: int = TRAIN, classes: int = CLASSES) -> ImageData:
    """Grey noise with a bright bar at the height that tells the class."""
    generator = torch.Generator().manual_seed(0)
    splits = []
    for count in (train, TEST):
        labels = torch.randint(0, CLASSES, (count,), generator=generator)
        images = torch.randint(0, 100, (count, 1, 16, 16), generator=generator, dtype=torch.uint8)
        for image, label in zip(images, labels.tolist(), strict=True):
            image[0, 2 + 5 * label : 4 + 5 * label] += 120
        splits.append(ResidentImages(images, labels))
    names = tuple(str(at) for at in range(classes))
    return ImageData("bars", splits[0], splits[1], names, 1, 16, (0.25,), (0.2,), "made for a test")


class Damaged(ResidentImages):
    """Images of which some turn out to be damaged when they are read."""

    def __init__(self, images: ResidentImages, broken: set[int], found: list[Skipped], split: Any) -> None:
        super().__init__(images.images, images.labels)
        self.broken, self.found, self.split = broken, found, split

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for index, images in super().batches(order, size):
            good = torch.tensor([int(at) not in self.broken for at in index])
            for at in index[~good].tolist():
                note_skipped(self.found, Skipped(self.split, at, "torn"))
            yield index[good], images[good]


def damaged() -> ImageData:
    """`bars`, of which three training images and two test images turn out to be damaged."""
    data, found = bars(), []
    train = Damaged(data.train, {3, 4, 40}, found, "train")  # type: ignore[arg-type]
    test = Damaged(data.test, {7, 8}, found, "test")  # type: ignore[arg-type]
    return replace(data, train=train, test=test, skipped=found)


def settings(**values: Any) -> TrainSettings:
    """Two epochs of a LeNet on `bars`, without a tracker."""
    standard = {"data": "bars", "epochs": 2, "batch_size": BATCH, "lr": 0.05, "device": "cpu", "track": "none"}
    return TrainSettings.checked(standard | values)


def run(folder: Path | None = None, *, resume: bool = False, data: ImageData | None = None, **values: Any) -> Any:
    """Train and return the summary."""
    return train(prepare(settings(**values), folder, data or bars()), resume=resume)


class Linear(nn.Sequential):
    """The smallest model there is, without dropout."""

    def __init__(self, *_names: str, classes: int = CLASSES, **_form: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(256, classes))


def without_times(record: Any) -> Any:
    """A record, or anything of records, without what differs between two equal runs."""
    if isinstance(record, dict):
        return {name: without_times(value) for name, value in record.items() if not _is_timed(name)}
    return [without_times(value) for value in record] if isinstance(record, list) else record


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def weights(folder: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in checkpoint(folder)["model"].items()}


def left_behind(folder: Path) -> dict[str, Any]:
    """All that a run leaves but for times: every number of the checkpoint bit for bit, the records, the summary."""
    return {
        "checkpoint": dict(_leaves(checkpoint(folder))),
        "records": without_times(RunFolder(folder).epochs.read()),
        "summary": without_times({**read_json(folder / "summary.json"), "settings": None}),
    }


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            if not _is_timed(str(name)):
                yield from _leaves(part, f"{path}/{name}")
    elif isinstance(value, list | tuple):
        for at, part in enumerate(value):
            yield from _leaves(part, f"{path}/{at}")
    elif isinstance(value, Tensor):
        yield path, (value.dtype, value.shape, value.numpy().tobytes())
    else:
        yield path, value


def train_and_be_killed(folder: Path, of: TrainSettings, moment: int) -> bool:
    """Train in a process of its own that is killed when it touches a file of the run for the `moment`-th time.

    What is on the disk changes at such moments alone, so a kill at any other amounts to a kill at the next of them.

    Returns:
        Whether it was killed; otherwise the run is over.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "accelerate", "torch._dynamo"])  # what every child would import else
    process = context.Process(target=_train_until, args=(folder, of, moment))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _train_until(folder: Path, of: TrainSettings, moment: int) -> None:
    torch.set_num_threads(1)
    touches = itertools.count(1)

    def kill(event: str, arguments: tuple[Any, ...]) -> None:
        touched = event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder))
        if touched and next(touches) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    plan = prepare(of, folder, bars())
    sys.addaudithook(kill)
    train(plan, resume=(folder / "settings.json").exists())


def _is_timed(name: str) -> bool:
    """Whether what a record or a checkpoint calls so depends on a clock."""
    return "seconds" in name or name == "selection"

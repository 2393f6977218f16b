"""A run as its reviewer needs it: what it saw of every example, its data, and what has been decided about them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from rheostat.augment.decision import DataIdentity, Decision
from rheostat.augment.decisions import Decisions, read_decisions
from rheostat.errors import StateError
from rheostat.settings import TrainSettings
from rheostat.signals import ExampleLog
from rheostat.training import ImageData, RunFolder
from rheostat.training.labels import data_of, identity_of, is_review, label_files

STORE = "decisions.db"
_BEFORE = "before:"  # no tab is called so, and so none takes back what an earlier review has decided

_NO_LOOK = "train it again with plain views among the augmented ones (--rate uniform), or with --augment none"


@dataclass(frozen=True, eq=False)
class SeenRun:
    """A run that is over, or was interrupted after its first checkpoint.

    Attributes:
        folder: The run folder.
        settings: What it was started with.
        log: What it saw of every training example, up to its last checkpoint.
        data: Its data, with the labels that it was trained on; the images are decoded as they are asked for.
        mean, std: Per channel on the scale [0, 1], as its model was given images; `[C]` each.
    """

    folder: Path
    settings: TrainSettings
    log: ExampleLog
    data: ImageData
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @cached_property
    def identity(self) -> DataIdentity:
        """What its data are known by."""
        return identity_of(self.data)

    @property
    def store(self) -> Path:
        """Where the decisions about it are kept, once there are any."""
        return self.folder / STORE

    def decided(self) -> dict[int, Decision]:
        """What has been decided, by index: before the run, in what it was trained with, and about it since.

        Raises:
            StateError: The decisions are about another data set.
        """
        if not self.store.exists():
            return self._decided_before()
        with Decisions(self.store, data=self.identity, readonly=True) as store:
            return self._decided_before() | store.current()

    def open_store(self) -> Decisions:
        """The store of decisions, ready to be written; it has those that the run was trained with, and so is complete.

        Raises:
            StateError: It is about another data set, or cannot be written.
        """
        store = Decisions(self.store, data=self.identity)
        try:
            alike: dict[tuple[str, int | None, str], dict[int, int]] = defaultdict(dict)
            for index, one in self._decided_before().items():
                if one.given is not None:
                    alike[one.decision, one.label, _BEFORE + one.by.removeprefix(_BEFORE)][index] = one.given
            for (decision, label, by), given in alike.items():  # passes over what has a decision here
                store.decide_many(given, decision, label=label, by=by)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def labels_to_train_with(self) -> str:
        """What `--labels` takes for a run that follows all decisions: mere tables of labels first, then the store."""
        tables = [path for path in label_files(self.settings) if not _reviews(path)]
        return ",".join(map(str, [*tables, self.store]))

    def _decided_before(self) -> dict[int, Decision]:
        return {one.index: one for path in label_files(self.settings) for one in _reviews(path)}


def open_run(folder: Path) -> SeenRun:
    """Open a run folder; nothing of it is changed, and no image goes through a model.

    Raises:
        StateError: There is no run, it never came to a checkpoint, it looked at no example, or its data have changed.
        DataError: The data cannot be loaded.
    """
    run = RunFolder(folder)
    settings = run.settings()
    state = run.checkpoint(settings)
    if state is None:
        raise StateError(f"{folder} holds no checkpoint.pt yet: resume the run until it has one")
    log = ExampleLog(state["log"].get("size", len(state["log"]["score"])), group="alone")
    log.load_state_dict(state["log"])
    if not bool(log.seen.any()):
        earlier = "" if "looks" in state["log"] else " (it is of a version without a log)"
        raise StateError(f"the run in {folder} looked at no example without augmentation{earlier}: {_NO_LOOK}")
    # few images are asked for: they are decoded one by one
    data = data_of(settings.model_copy(update={"memory_limit": 0.0, "workers": 0}))
    told = state["data"]
    _must_be_the_same(folder, data, told, state["given"])
    return SeenRun(folder, settings, log, data, tuple(told["mean"]), tuple(told["std"]))


def _reviews(path: Path) -> list[Decision]:
    """What a person decided, of what a file of labels says."""
    return [one for one in read_decisions(path)[1] if is_review(one)]


def _must_be_the_same(folder: Path, data: ImageData, told: dict[str, Any], given: Tensor) -> None:
    labels = data.train.labels.cpu().clone()
    for settled in sorted(data.reviewed):  # a review may have gone on since; what it has settled is no suspect any more
        labels[settled] = given[settled]
    now = {"images": data.fingerprint, "labels": labels.tolist(), "classes": list(data.classes)}
    then = {"images": told["fingerprint"], "labels": given.tolist(), "classes": told["classes"]}
    for name, value in now.items():
        if then[name] != value:
            raise StateError(
                f"the {name} of data {data.name!r} are not those that the run in {folder} was trained on: put the data "
                "of the run back in place"
            )

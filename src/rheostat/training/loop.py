"""The one training loop.

::

    plan = prepare(settings, folder)     everything named is looked up, everything wrong is said, nothing has run yet
    summary = train(plan)

    for each epoch of candidates:
        for batch in SelectiveLoader(...):   learning rate <- clock; loss; backward; step; maybe a checkpoint
        evaluate on the test split; remember the best weights; write a record; write a checkpoint; tell the trackers

Several processes (`Processes`) go through it in step, each on its share of every batch and of the test split. What is
decided is decided on numbers that all of them have; what is written or said, the main one writes and says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.augment import View
from rheostat.errors import DivergedError, StateError
from rheostat.records import environment
from rheostat.select import Kept, Phases, SelectiveLoader
from rheostat.settings import TrainSettings
from rheostat.signals import ExampleLog, Meters
from rheostat.training.augmenting import HELD_OUT_EVERY, build_augment, held_out, record_of
from rheostat.training.checkpoint import RunFolder
from rheostat.training.data import ImageData, Skipped, note_skipped
from rheostat.training.evaluation import evaluate
from rheostat.training.loader import ImageLoader
from rheostat.training.plan import Plan, cuda_devices
from rheostat.training.recording import by_kind, flat, must_be_as_they_were, of_the_data, selection
from rheostat.training.schedules import Clock, lr_factor

_TEST_BATCH = 500
_EPOCH_CHECKPOINT_SECONDS = 10.0  # short epochs share a checkpoint
_AGREE_EVERY = 16  # steps between two questions of several processes whether it is time for a checkpoint

Progress = Callable[[float, str], None]
"""share of the run done, in [0, 1], and one line on how it goes."""


def train(plan: Plan, *, resume: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Train a model and return the summary of the run.

    The global random state is as it was when this returns.

    Args:
        plan: What to run.
        resume: Go on from the run folder's last checkpoint, to the same weights bit for bit as without the
            interruption.
        progress: Called after each step, in the main process.

    Returns:
        `settings`, `environment`, `processes`, `data`, `epochs` (the records), `final` (the last of them) and `chosen`
        (that of the epoch whose weights `RunFolder.weights` gives: with `patience` the best one, else the last). With
        `patience` the test split chooses, so that `chosen` is no estimate for unseen data. A record has totals since
        the start of the run: `epoch`, `candidates`, `forwards` (scoring, training), `backwards`, `steps`, `seconds` and
        `cpu_seconds` (data, scoring, training, evaluation), `reused` and `modes` (candidates by where their score came
        from); and of the epoch: `selection` (what it costs and saves, see `recording.selection`), `kept_share`,
        `train_loss`, `train_error`, `test_loss`, `test_error`, `lr`. Of several processes, counts, losses and errors
        are over all of them, and times those of the main one.

    Raises:
        StateError: The folder holds a run already, or none that fits, or one of another number of processes.
        DivergedError: The training loss is no longer finite; earlier checkpoints are kept.
    """
    run_folder = None if plan.folder is None else RunFolder(plan.folder)
    checkpoint: dict[str, Any] | None = None
    processes = plan.processes
    with processes.together():
        if run_folder is not None and resume:
            checkpoint = run_folder.checkpoint(plan.settings)
        elif run_folder is not None and processes.main:
            run_folder.start(plan.settings)
    with torch.random.fork_rng(devices=cuda_devices(plan.accelerator)):
        torch.manual_seed(plan.settings.seed)
        run = _Run(plan, run_folder)
        with processes.together():
            if checkpoint is not None:
                run.load_state_dict(checkpoint)
        if run_folder is not None and resume and processes.main:
            run_folder.resume(plan.settings, checkpoint)
        return run.to_the_end(progress if progress is not None and processes.main else _silent)


@dataclass
class _Totals:
    """Sums over this process's training batches of one epoch, on the device until the epoch is over."""

    loss: Tensor
    wrong: Tensor
    examples: int = 0
    started: dict[str, int] = field(default_factory=dict)  # counts of the loader when the epoch began

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.loss += loss.detach().double() * len(labels)
        self.wrong += (logits.detach().argmax(1) != labels).sum()
        self.examples += len(labels)


class _Best(NamedTuple):
    """The epoch with the lowest test loss so far, and the weights that it ended with."""

    epoch: int
    loss: float
    model: dict[str, Tensor]


class _Run:
    """The moving parts of one run, and their state."""

    def __init__(self, plan: Plan, folder: RunFolder | None) -> None:
        settings, data = plan.settings, plan.data
        self.plan = plan
        self.processes = plan.processes
        self.folder = folder if plan.processes.main else None
        self.records: list[dict[str, Any]] = []
        self.meters = Meters()
        accelerator = plan.accelerator
        model = plan.build()
        self.model, self.optimizer = accelerator.prepare(model, _optimizer(settings, model))
        if not self.processes.main:  # all begin with the same weights; dropout draws apart
            torch.manual_seed(settings.seed + self.processes.rank)
        self.best: _Best | None = None
        self.log = ExampleLog(len(data.train.labels), accelerator.device)
        self.augment = build_augment(settings, data, self.log, self.processes)
        # what is decided per example comes after selection, which then scores and logs the plain views
        always = () if self.augment is not None else settings.augmentations
        self.plain = not always
        reserve = held_out(settings, data)
        self.reserve: ImageLoader | None = None
        if reserve is not None:
            self.reserve = ImageLoader(data.train, data, _TEST_BATCH, shuffle=False, among=lambda: reserve)
        shard, batch_size = self.processes.shard, self.processes.share("batch_size", settings.batch_size)
        self.candidates = ImageLoader(
            data.train,
            data,
            batch_size,
            augmentations=always,
            seed=settings.seed,
            among=partial(_trained_on, data, reserve),
            shard=shard,
        )
        in_use = partial(data.in_use, "test")
        self.test = ImageLoader(data.test, data, _TEST_BATCH, shuffle=False, among=in_use, shard=shard)
        self.loader = SelectiveLoader(
            self.candidates,
            self.model,
            plan.policy,
            batch_size,
            scoring=plan.scoring,
            phases=Phases(warmup=settings.warmup),
            seed=settings.seed,
            log=self.log,
            plain_views=self.plain,
            govern=settings.govern,
        )
        self.totals = self._new_totals()
        self.trained_on = 0  # examples, over all processes
        self.saved_at = time.monotonic()

    def to_the_end(self, progress: Progress) -> dict[str, Any]:
        accelerator, settings = self.plan.accelerator, self.plan.settings
        if settings.trackers and self.folder is not None:
            config = {name: str(value) for name, value in settings.model_dump(mode="json").items()}
            accelerator.init_trackers("tracking", config=config)
        while not self._over():
            self._epoch(progress)
            self.log.exchange()
            record = self._record()
            self._tell_damage()
            self.records.append(record)
            self._remember_best()
            self.totals = self._new_totals()
            if self.folder is not None:
                self.folder.epochs.append(record)
            self._save_after(min(_EPOCH_CHECKPOINT_SECONDS, 60 * settings.checkpoint_minutes))
            accelerator.log(flat(record), step=record["epoch"])
            if self._starved():
                break
        self._save_after(0)
        summary = {
            "settings": settings.model_dump(mode="json"),
            "environment": environment(),
            "processes": self.processes.of,
            "data": self._of_the_data(),
            "final": self.records[-1],
            "chosen": self.records[-1 if self.best is None else self.best.epoch - 1],
            "epochs": self.records,
        }
        if self.folder is not None:
            self.folder.finish(summary)
        for tracker in accelerator.trackers:
            tracker.finish()
        return summary

    def _epoch(self, progress: Progress) -> None:
        settings, accelerator = self.plan.settings, self.plan.accelerator
        self.model.train()
        if self.augment is not None:
            self.augment.begin_epoch(len(self.records))
        for (images, labels), kept in self.loader.with_kept():
            examples = self.loader.stats.backwards - self.trained_on  # of this step, over all processes
            self.trained_on += examples
            self._set_lr(examples)
            self.optimizer.zero_grad()
            view = None if self.augment is None else self.augment(kept.index, images)
            logits = self.model(images if view is None else view.images)
            loss = self._loss(logits, labels, kept)
            accelerator.backward(self._in_proportion(loss, len(labels), examples))
            self.optimizer.step()
            self.loader.observe(kept, logits)
            self.totals.add(loss, logits, labels)
            self._look(kept, view, logits, labels)
            progress(self._done(), self._line())
            if self._backwards_are_spent():
                break
            if self._may_look_at_the_clock():
                self._save_after(60 * settings.checkpoint_minutes)

    def _in_proportion(self, loss: Tensor, mine: int, examples: int) -> Tensor:
        """The loss so scaled that the mean of the processes' gradients is that of all examples of a step."""
        scale = mine * self.processes.of / examples  # other than 1 where the remainders of an epoch differ
        return loss if scale == 1 else loss * scale

    def _loss(self, logits: Tensor, labels: Tensor, kept: Kept) -> Tensor:
        quarantined = self.augment is not None and self.plan.settings.quarantine_weight != 1
        if not quarantined and not self.plan.policy.traits.reweights:
            return F.cross_entropy(logits, labels)
        weight = kept.weight
        if quarantined and self.augment is not None:
            weight = weight * self.augment.weights(kept.index)
        return (F.cross_entropy(logits, labels, reduction="none") * weight).mean()

    def _look(self, kept: Kept, view: View | None, logits: Tensor, labels: Tensor) -> None:
        """Tell the log what the step has shown of plain views, and a kind that learns what the others were worth."""
        unscored = ~kept.looked  # one that a scoring forward saw has been looked at then
        if self.augment is not None and view is not None:
            self.augment.observe(view, logits, labels, looks=unscored)
            if self.reserve is not None and self.loader.stats.batches % HELD_OUT_EVERY == 0:
                self.augment.held_out(evaluate(self.model, self.reserve).loss)
        elif self.plain:
            self.log.observe(kept.index, logits, labels, len(self.records), plain=unscored)

    def _record(self) -> dict[str, Any]:
        """Evaluate, and sum up the run so far and this epoch."""
        totals, stats = self.totals, self.loader.stats
        loss, wrong, examples = self._sums()
        self._raise_if_diverged(loss / max(examples, 1))
        model = self.plan.accelerator.unwrap_model(self.model)
        with self.meters.timing("evaluation"):
            self.processes.align(model)
            tested = evaluate(model, self.test)
        offered = stats.candidates - totals.started["candidates"]
        augmented = {} if self.augment is None else {"augment": record_of(self.augment, self.processes)}
        return {
            "epoch": len(self.records) + 1,
            "candidates": stats.candidates,
            "forwards": {"scoring": stats.scoring_forwards, "training": stats.backwards},
            "backwards": stats.backwards,
            "steps": stats.batches,
            "seconds": by_kind(stats, "seconds") | {"evaluation": self.meters.seconds["evaluation"]},
            "cpu_seconds": by_kind(stats, "cpu_seconds") | {"evaluation": self.meters.cpu_seconds["evaluation"]},
            "kept_share": (stats.kept - totals.started["kept"]) / max(offered, 1),
            "reused": stats.reused,
            "modes": dict(stats.modes),
            "selection": selection(stats),
            "train_loss": loss / max(examples, 1),
            "train_error": wrong / max(examples, 1),
            "test_loss": tested.loss,
            "test_error": tested.error,
            "lr": self.optimizer.param_groups[0]["lr"],
            **augmented,
        }

    def _remember_best(self) -> None:
        loss = self.records[-1]["test_loss"]
        if self.plan.settings.patience is not None and (self.best is None or loss < self.best.loss):
            weights = self.plan.accelerator.unwrap_model(self.model).state_dict()
            self.best = _Best(len(self.records), loss, {name: tensor.clone() for name, tensor in weights.items()})

    def _of_the_data(self) -> dict[str, Any]:
        return of_the_data(self.plan.data, train=len(self.candidates), test=len(self.test))

    def _sums(self) -> tuple[float, float, float]:
        """Loss, errors and examples of the epoch so far, over all processes; collective."""
        totals = self.totals
        sums = torch.stack([totals.loss, totals.wrong, torch.full_like(totals.loss, totals.examples)])
        loss, wrong, examples = self.processes.total(sums).tolist()
        return loss, wrong, examples

    def _tell_damage(self) -> None:
        """Let every process leave out the images that any of them could not decode; collective."""
        if self.processes.alone:
            return
        skipped = self.plan.data.skipped
        for found in self.processes.told(list(skipped)):
            for one in found:
                note_skipped(skipped, one)
        self.candidates.look_again()
        self.test.look_again()

    def _raise_if_diverged(self, loss: float) -> None:
        """Stop before a checkpoint or a record of numbers that are not finite."""
        if not math.isfinite(loss):
            what = f"the training loss of epoch {len(self.records) + 1} is {loss}"
        elif not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            what = f"a weight has left the finite numbers in epoch {len(self.records) + 1}"
        else:
            return
        raise DivergedError(
            f"{what}: lower the learning rate (it is {self.optimizer.param_groups[0]['lr']:g}) and start again"
        )

    def _over(self) -> bool:
        end = self.plan.settings.end_epoch
        return (end is not None and len(self.records) >= end) or self._backwards_are_spent() or self._out_of_patience()

    def _out_of_patience(self) -> bool:
        patience = self.plan.settings.patience
        return patience is not None and self.best is not None and len(self.records) - self.best.epoch >= patience

    def _backwards_are_spent(self) -> bool:
        limit = self.plan.settings.max_backwards
        return limit is not None and self.loader.stats.backwards >= limit

    def _starved(self) -> bool:
        """Whether a run without an end in epochs kept nothing for an epoch: nothing will change any more."""
        return self.plan.settings.end_epoch is None and self.records[-1]["kept_share"] == 0

    def _clock(self) -> Clock:
        stats = self.loader.stats
        return Clock(stats.candidates / len(self.candidates), stats.backwards, stats.batches)

    def _set_lr(self, examples: int) -> None:
        # the batch at hand and the round that completed it are counted already: the clock of a step is that before it
        settings, stats, size = self.plan.settings, self.loader.stats, len(self.candidates)
        before = Clock((stats.candidates - stats.latest_round) / size, stats.backwards - examples, stats.batches - 1)
        lr = settings.lr * lr_factor(settings, before)
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def _done(self) -> float:
        settings, clock = self.plan.settings, self._clock()
        by_epochs = clock.epochs / settings.end_epoch if settings.end_epoch is not None else 0.0
        by_backwards = clock.backwards / settings.max_backwards if settings.max_backwards is not None else 0.0
        return min(max(by_epochs, by_backwards), 1.0)

    def _line(self) -> str:
        line = f"epoch {len(self.records) + 1}"
        if self.records:
            last = self.records[-1]
            line += f", test error {last['test_error']:.2%}, kept {last['kept_share']:.0%}"
        return line

    def _new_totals(self) -> _Totals:
        zero = torch.zeros((), dtype=torch.float64, device=self.plan.accelerator.device)
        stats = self.loader.stats
        return _Totals(zero, zero.clone(), started={"candidates": stats.candidates, "kept": stats.kept})

    def _may_look_at_the_clock(self) -> bool:
        """Whether it may be time for a checkpoint within the epoch: several processes do not ask each other often."""
        rarely = self.plan.settings.checkpoint_minutes and not self.processes.alone
        return not rarely or self.loader.stats.batches % _AGREE_EVERY == 0

    def _save_after(self, seconds: float) -> None:
        """Write a checkpoint if the last one is older than this, by the main process's clock; collective."""
        if self.plan.folder is None or not self.processes.agrees(time.monotonic() - self.saved_at >= seconds):
            return
        loss, _, examples = self._sums()
        self._raise_if_diverged(loss / max(examples, 1))
        scaler, log = self.plan.accelerator.scaler, self.log.gathered()
        states = self.processes.handed_in(self._own_state())
        if self.folder is not None:
            own: dict[str, Any] = states[0] if self.processes.alone else {"ranks": states}
            augment = own.get("augment")
            self.folder.save(
                {
                    "data": self._of_the_data(),
                    "given": self.plan.data.train.labels.cpu(),
                    "model": self.plan.accelerator.unwrap_model(self.model).state_dict(),
                    "best": None if self.best is None else self.best._asdict(),
                    "optimizer": self.optimizer.state_dict(),
                    "scaler": None if scaler is None else scaler.state_dict(),
                    "log": log.state_dict() if augment is None else augment["log"],  # stored once
                    "epochs": self.records,
                    **own,
                }
            )
        self.saved_at = time.monotonic()

    def _own_state(self) -> dict[str, Any]:
        """What differs between the processes of a run."""
        totals, accelerator = self.totals, self.plan.accelerator
        state = {
            "loader": self.loader.state_dict(),
            "augment": None if self.augment is None else self.augment.state_dict(),
            "meters": self.meters.state_dict(),
            "totals": [totals.loss, totals.wrong, totals.examples, totals.started],
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": [torch.cuda.get_rng_state(device) for device in cuda_devices(accelerator)],
            },
        }
        if self.processes.alone:
            return state
        if state["augment"] is not None:
            del state["augment"]["log"]  # its share of what is stored whole
        return state | {"buffers": dict(accelerator.unwrap_model(self.model).named_buffers())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        accelerator = self.plan.accelerator
        own = self._own_of(state)
        self.log.load_state_dict(state["log"])  # first: it notices data of another size
        for one in state["data"].get("skipped", ()):
            note_skipped(self.plan.data.skipped, Skipped(**one))
        must_be_as_they_were(state["data"], self._of_the_data())
        if self.augment is not None:
            self.augment.load_state_dict({"log": state["log"], **own["augment"]})
        model = accelerator.unwrap_model(self.model)
        try:
            model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise StateError(
                f"the saved model does not fit these data ({str(error).splitlines()[-1].strip()}): "
                "resume with the data that the run was started with"
            ) from None
        best = state.get("best")  # checkpoints of earlier versions have none
        self.best = None if best is None else _Best(**best)
        self.optimizer.load_state_dict(state["optimizer"])
        if accelerator.scaler is not None and state["scaler"] is not None:
            accelerator.scaler.load_state_dict(state["scaler"])
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(own.get("buffers", {}).get(name, buffer))
        self.loader.load_state_dict(own["loader"])
        self.trained_on = self.loader.stats.backwards
        self.meters.load_state_dict(own["meters"])
        loss, wrong, examples, started = own["totals"]
        device = accelerator.device
        self.totals = _Totals(loss.to(device), wrong.to(device), examples, dict(started))
        self.records = list(state["epochs"])
        torch.set_rng_state(own["random"]["cpu"])
        for device, random in zip(cuda_devices(accelerator), own["random"]["cuda"], strict=False):
            torch.cuda.set_rng_state(random, device)

    def _own_of(self, state: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint has of this process."""
        ranks = state.get("ranks", [state])
        if len(ranks) != self.processes.of:
            raise StateError(
                f"the run was made by {len(ranks)} processes and this is one of {self.processes.of}: "
                f"resume it with {len(ranks)}, or start a new run"
            )
        return ranks[self.processes.rank]


def _optimizer(settings: TrainSettings, model: nn.Module) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        model.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
    )


def _trained_on(data: ImageData, reserve: Tensor | None) -> Tensor:
    """Indices of the training examples that are in use, and not held out."""
    indices = data.in_use("train")
    return indices if reserve is None else indices[~torch.isin(indices, reserve)]


def _silent(share: float, line: str) -> None:
    del share, line

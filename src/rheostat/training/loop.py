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
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rheostat.augment import View
from rheostat.errors import DivergedError
from rheostat.records import environment
from rheostat.select import Kept
from rheostat.training.augmenting import HELD_OUT_EVERY, record_of
from rheostat.training.checkpoint import RunFolder
from rheostat.training.data import note_skipped
from rheostat.training.evaluation import evaluate
from rheostat.training.parts import Parts
from rheostat.training.plan import Plan, cuda_devices
from rheostat.training.recording import by_kind, flat, selection
from rheostat.training.schedules import Clock, lr_factor

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
                run.parts.load_state_dict(checkpoint)
        if run_folder is not None and resume and processes.main:
            run_folder.resume(plan.settings, checkpoint)
        return run.to_the_end(progress if progress is not None and processes.main else _silent)


class _Run:
    """One run: what is done with its parts, until it is over."""

    def __init__(self, plan: Plan, folder: RunFolder | None) -> None:
        self.plan = plan
        self.processes = plan.processes
        self.folder = folder if plan.processes.main else None
        self.parts = Parts(plan)
        self.saved_at = time.monotonic()

    def to_the_end(self, progress: Progress) -> dict[str, Any]:
        accelerator, settings = self.plan.accelerator, self.plan.settings
        if settings.trackers and self.folder is not None:
            config = {name: str(value) for name, value in settings.model_dump(mode="json").items()}
            accelerator.init_trackers("tracking", config=config)
        while not self._over():
            self._epoch(progress)
            self.parts.log.exchange()
            record = self._record()
            self._tell_damage()
            self.parts.end_epoch(record)
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
            "data": self.parts.of_the_data(),
            "final": self.parts.records[-1],
            "chosen": self.parts.records[-1 if self.parts.best is None else self.parts.best.epoch - 1],
            "epochs": self.parts.records,
        }
        if self.folder is not None:
            self.folder.finish(summary)
        for tracker in accelerator.trackers:
            tracker.finish()
        return summary

    def _epoch(self, progress: Progress) -> None:
        parts, settings, accelerator = self.parts, self.plan.settings, self.plan.accelerator
        parts.model.train()
        if parts.augment is not None:
            parts.augment.begin_epoch(len(parts.records))
        for (images, labels), kept in parts.loader.with_kept():
            examples = parts.loader.stats.backwards - parts.trained_on  # of this step, over all processes
            parts.trained_on += examples
            self._set_lr(examples)
            parts.optimizer.zero_grad()
            view = None if parts.augment is None else parts.augment(kept.index, images)
            logits = parts.model(images if view is None else view.images)
            loss = self._loss(logits, labels, kept)
            accelerator.backward(self._in_proportion(loss, len(labels), examples))
            parts.optimizer.step()
            parts.loader.observe(kept, logits)
            parts.totals.add(loss, logits, labels)
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
        quarantined = self.parts.augment is not None and self.plan.settings.quarantine_weight != 1
        if not quarantined and not self.plan.policy.traits.reweights:
            return F.cross_entropy(logits, labels)
        weight = kept.weight
        if quarantined and self.parts.augment is not None:
            weight = weight * self.parts.augment.weights(kept.index)
        return (F.cross_entropy(logits, labels, reduction="none") * weight).mean()

    def _look(self, kept: Kept, view: View | None, logits: Tensor, labels: Tensor) -> None:
        """Tell the log what the step has shown of plain views, and a kind that learns what the others were worth."""
        parts = self.parts
        unscored = ~kept.looked  # one that a scoring forward saw has been looked at then
        if parts.augment is not None and view is not None:
            parts.augment.observe(view, logits, labels, looks=unscored)
            if parts.reserve is not None and parts.loader.stats.batches % HELD_OUT_EVERY == 0:
                parts.augment.held_out(evaluate(parts.model, parts.reserve).loss)
        elif parts.plain:
            parts.log.observe(kept.index, logits, labels, len(parts.records), plain=unscored)

    def _record(self) -> dict[str, Any]:
        """Evaluate, and sum up the run so far and this epoch."""
        parts = self.parts
        totals, stats = parts.totals, parts.loader.stats
        loss, wrong, examples = parts.sums()
        self._raise_if_diverged(loss / max(examples, 1))
        network = parts.network
        with parts.meters.timing("evaluation"):
            self.processes.align(network)
            tested = evaluate(network, parts.test)
        offered = stats.candidates - totals.started["candidates"]
        augmented = {} if parts.augment is None else {"augment": record_of(parts.augment, self.processes)}
        return {
            "epoch": len(parts.records) + 1,
            "candidates": stats.candidates,
            "forwards": {"scoring": stats.scoring_forwards, "training": stats.backwards},
            "backwards": stats.backwards,
            "steps": stats.batches,
            "seconds": by_kind(stats, "seconds") | {"evaluation": parts.meters.seconds["evaluation"]},
            "cpu_seconds": by_kind(stats, "cpu_seconds") | {"evaluation": parts.meters.cpu_seconds["evaluation"]},
            "kept_share": (stats.kept - totals.started["kept"]) / max(offered, 1),
            "reused": stats.reused,
            "modes": dict(stats.modes),
            "selection": selection(stats),
            "train_loss": loss / max(examples, 1),
            "train_error": wrong / max(examples, 1),
            "test_loss": tested.loss,
            "test_error": tested.error,
            "lr": parts.optimizer.param_groups[0]["lr"],
            **augmented,
        }

    def _tell_damage(self) -> None:
        """Let every process leave out the images that any of them could not decode; collective."""
        if self.processes.alone:
            return
        skipped = self.plan.data.skipped
        for found in self.processes.told(list(skipped)):
            for one in found:
                note_skipped(skipped, one)
        self.parts.candidates.look_again()
        self.parts.test.look_again()

    def _raise_if_diverged(self, loss: float) -> None:
        """Stop before a checkpoint or a record of numbers that are not finite."""
        parts = self.parts
        if not math.isfinite(loss):
            what = f"the training loss of epoch {len(parts.records) + 1} is {loss}"
        elif not all(bool(parameter.isfinite().all()) for parameter in parts.model.parameters()):
            what = f"a weight has left the finite numbers in epoch {len(parts.records) + 1}"
        else:
            return
        raise DivergedError(
            f"{what}: lower the learning rate (it is {parts.optimizer.param_groups[0]['lr']:g}) and start again"
        )

    def _over(self) -> bool:
        parts, end = self.parts, self.plan.settings.end_epoch
        return (end is not None and len(parts.records) >= end) or self._backwards_are_spent() or self._out_of_patience()

    def _out_of_patience(self) -> bool:
        parts, patience = self.parts, self.plan.settings.patience
        return patience is not None and parts.best is not None and len(parts.records) - parts.best.epoch >= patience

    def _backwards_are_spent(self) -> bool:
        limit = self.plan.settings.max_backwards
        return limit is not None and self.parts.loader.stats.backwards >= limit

    def _starved(self) -> bool:
        """Whether a run without an end in epochs kept nothing for an epoch: nothing will change any more."""
        return self.plan.settings.end_epoch is None and self.parts.records[-1]["kept_share"] == 0

    def _clock(self) -> Clock:
        stats = self.parts.loader.stats
        return Clock(stats.candidates / len(self.parts.candidates), stats.backwards, stats.batches)

    def _set_lr(self, examples: int) -> None:
        # the batch at hand and the round that completed it are counted already: the clock of a step is that before it
        settings, stats, size = self.plan.settings, self.parts.loader.stats, len(self.parts.candidates)
        before = Clock((stats.candidates - stats.latest_round) / size, stats.backwards - examples, stats.batches - 1)
        lr = settings.lr * lr_factor(settings, before)
        for group in self.parts.optimizer.param_groups:
            group["lr"] = lr

    def _done(self) -> float:
        settings, clock = self.plan.settings, self._clock()
        by_epochs = clock.epochs / settings.end_epoch if settings.end_epoch is not None else 0.0
        by_backwards = clock.backwards / settings.max_backwards if settings.max_backwards is not None else 0.0
        return min(max(by_epochs, by_backwards), 1.0)

    def _line(self) -> str:
        line = f"epoch {len(self.parts.records) + 1}"
        if self.parts.records:
            last = self.parts.records[-1]
            line += f", test error {last['test_error']:.2%}, kept {last['kept_share']:.0%}"
        return line

    def _may_look_at_the_clock(self) -> bool:
        """Whether it may be time for a checkpoint within the epoch: several processes do not ask each other often."""
        rarely = self.plan.settings.checkpoint_minutes and not self.processes.alone
        return not rarely or self.parts.loader.stats.batches % _AGREE_EVERY == 0

    def _save_after(self, seconds: float) -> None:
        """Write a checkpoint if the last one is older than this, by the main process's clock; collective."""
        if self.plan.folder is None or not self.processes.agrees(time.monotonic() - self.saved_at >= seconds):
            return
        loss, _, examples = self.parts.sums()
        self._raise_if_diverged(loss / max(examples, 1))
        state = self.parts.state_dict()
        if self.folder is not None:
            self.folder.save(state)
        self.saved_at = time.monotonic()


def _silent(share: float, line: str) -> None:
    del share, line

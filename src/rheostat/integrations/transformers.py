"""Selection in a Transformers `Trainer`: a mixin, and one argument more."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader, IterableDataset
from typing_extensions import override

from rheostat.errors import DataError, MissingExtraError, SettingsError, StateError
from rheostat.integrations.examples import Batches, Candidates, Collate
from rheostat.integrations.unwatched import Unwatched
from rheostat.records import write_bytes
from rheostat.select import Kept, Phases, Policy, Scoring, SelectiveLoader, Stats
from rheostat.select.scoring import targets_of
from rheostat.signals import ExampleLog
from rheostat.signals.batches import Batch
from rheostat.training.torchvision_ops import ensure_torchvision_imports

with contextlib.suppress(ModuleNotFoundError):
    ensure_torchvision_imports()  # Transformers imports it, where it is installed

try:
    from accelerate.utils import send_to_device
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, SaveStrategy, get_last_checkpoint
except ModuleNotFoundError:
    raise MissingExtraError("this needs Transformers and accelerate: pip install 'rheostat[transformers]'") from None

__all__ = ["Selection", "SelectiveTrainer", "SelectiveTrainerMixin"]

_Base = Trainer if TYPE_CHECKING else object  # the mixin calls on to the Trainer that it is mixed into


@dataclass(frozen=True)
class Selection:
    """What a `SelectiveTrainer` selects, and how; see `SelectiveLoader`.

    Args:
        policy: Which candidates are kept.
        scoring: How candidates are scored.
        phases: When selection is on, and what becomes of examples that wait.
        seed: Seed of the generator that draws.
        log: Remembers scores and uses per example, if given.
        govern: Whether the loader moves the source of the scores itself.
    """

    policy: Policy
    scoring: Scoring = Scoring()  # noqa: RUF009 - frozen
    phases: Phases = Phases()  # noqa: RUF009 - frozen
    seed: int = 0
    log: ExampleLog | None = None
    govern: bool = False

    @property
    def watches(self) -> bool:
        """Whether scores may come from the training pass."""
        return self.govern or self.scoring.watches(self.policy.traits)


class SelectiveTrainerMixin(_Base):
    """Lets any `Trainer` train on the examples that are worth it, with model, arguments and data as they are.

    ::

        class MyTrainer(SelectiveTrainerMixin, Trainer): ...

        trainer = MyTrainer(model, arguments, train_dataset=data, selection=Selection(SelectiveBackprop(floor=0.1)))
        trainer.train()

    The model, in the trainer's precision, scores candidates by its logits `[B, C]` for the labels `[B]`. What waits are
    examples as the data set gives them, so each training batch, of `per_device_train_batch_size`, is made by the
    trainer's own data collator and padded to its own longest example. Where the policy weights the loss, the mean over
    the examples of weight x cross-entropy takes the place of the model's own loss. Evaluation stays as it is.

    An epoch is one pass over the candidates, so it has fewer steps than the data loader is long, and how many is known
    only when it is over:

    - With `num_train_epochs` the learning rate follows the candidates: after half of them it is where it would be after
      half of the plain run's steps, and it ends where that ends. `warmup_steps` counts steps of the plain run. The
      trainer announces about as many steps as the plain run has, and does not make them.
    - With `max_steps` that many steps are made, and the learning rate follows them.
    - Gradients are accumulated over whole windows of batches; a window that an epoch leaves unfinished is carried over
      to the next.
    - A scheduler that is given to the trainer (`optimizers`) is left alone, and steps once a step.

    Logged with the loss: ``select/kept_share`` since the last log, ``select/candidates`` and ``select/backwards`` so
    far, ``select/speedup`` where it is known. Checkpoints hold the selection, and a resumed run goes on bit for bit;
    what waited is read from the data set again. To that end it sets `ignore_data_skip`: no batch has to be skipped.

    Args:
        *args: As the trainer's.
        selection: What is selected, and how.
        **kwargs: As the trainer's.

    Raises:
        SettingsError: The arguments and the selection do not go together.
        StateError: A run is resumed from a checkpoint without a selection.
    """

    def __init__(self, *args: Any, selection: Selection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.selection = selection
        self._batches: Batches | None = None
        self._kept: Kept | None = None
        self._resume_from: Path | None = None
        self._follows = False  # the learning rate, the candidates
        self._logged = (0, 0)  # kept and candidates at the last log
        if self.args.auto_find_batch_size:
            raise SettingsError("auto_find_batch_size begins the run anew with other batches: set the batch size")
        if selection.policy.traits.reweights:
            if self.compute_loss_func is not None or self.label_smoother is not None:
                raise SettingsError(
                    f"{type(selection.policy).__name__} weights the loss of each example, which a compute_loss_func or "
                    "label_smoothing_factor replaces: leave them out, or take a policy that does not weight"
                )
            self.compute_loss_func = self._weighted_loss
        self.add_callback(_Follower(self))

    @property
    def stats(self) -> Stats:
        """Counts and times so far.

        Raises:
            SettingsError: Nothing has been trained yet.
        """
        if self._batches is None:
            raise SettingsError("nothing has been trained yet: call train()")
        return self._batches.loader.stats

    # ---- what the trainer calls

    @override
    def train(
        self, resume_from_checkpoint: str | os.PathLike[str] | bool | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Train, selecting; arguments as the trainer's."""
        asked = resume_from_checkpoint
        folder = asked = os.fspath(asked) if isinstance(asked, os.PathLike) else asked
        if folder is True:
            folder = get_last_checkpoint(str(self.args.output_dir))
        self._resume_from = Path(folder) if isinstance(folder, str) else None
        if self._resume_from is not None:
            self.args.ignore_data_skip = True
        return super().train(asked, *args, **kwargs)

    @override
    def get_train_dataloader(self) -> Any:
        """Training batches of what is kept, in place of the loader that the trainer prepared."""
        prepared: Any = super().get_train_dataloader()
        base = getattr(prepared, "base_dataloader", prepared)
        if not isinstance(base, DataLoader) or isinstance(base.dataset, IterableDataset):
            raise SettingsError("train_dataset has no indices: selection needs a data set with len() and data[index]")
        selection, policy = self.selection, self.selection.policy
        collate, model = Collate(base.collate_fn), Unwatched(self._scorer())
        candidates = Candidates(prepared, base)
        loader = SelectiveLoader(
            candidates,
            model,
            policy,
            self.args.train_batch_size,
            scoring=dataclasses.replace(selection.scoring, forward=self._forward(model, collate)),
            phases=selection.phases,
            seed=selection.seed,
            log=selection.log,
            govern=selection.govern,
        )
        plain = policy.traits.keeps_all and selection.phases.remainder in (None, "flush")
        self._follows = not plain and self.args.max_steps <= 0
        self._batches = Batches(
            loader,
            candidates,
            collate,
            window=1 if plain else self.args.gradient_accumulation_steps,
            epochs=self.args.num_train_epochs if self.args.max_steps <= 0 else math.inf,
            plain=plain,
            ended=self._end_epoch,
        )
        if self._resume_from is not None:
            self._batches.restore(_state_in(self._resume_from, self.args.process_index), base.dataset)
            self._resume_from = None
        self._logged = (loader.stats.kept, loader.stats.candidates)
        return self._batches

    @override
    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """Make the scheduler; one that the user gave follows steps."""
        self._follows = self._follows and self.lr_scheduler is None
        return super().create_scheduler(num_training_steps, optimizer)

    @override
    def training_step(self, model: nn.Module, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Train on the oldest batch that was fetched."""
        self._kept = self._batches.begin() if self._batches is not None else None
        try:
            return super().training_step(model, inputs, *args, **kwargs)
        finally:
            self._kept = None

    @override
    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Compute the loss as the trainer does, and hand the logits over where scores come from the training pass."""
        kept, batches = self._kept, self._batches
        if kept is None or batches is None or not self.selection.watches:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = targets_of(inputs)
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        batches.loader.observe(kept, _logits_of(outputs).detach(), targets)
        return (loss, outputs) if return_outputs else loss

    @override
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what selection did beside the loss."""
        if "loss" in logs and self._batches is not None:
            stats, (kept, candidates) = self.stats, self._logged
            self._logged = (stats.kept, stats.candidates)
            found = {
                "select/kept_share": (stats.kept - kept) / (stats.candidates - candidates)
                if stats.candidates > candidates
                else math.nan,
                "select/candidates": stats.candidates,
                "select/backwards": stats.backwards,
                "select/speedup": stats.actual_speedup,
            }
            logs = {**logs, **{name: value for name, value in found.items() if not math.isnan(value)}}
        super().log(logs, start_time)

    # ---- within

    def _scorer(self) -> nn.Module:
        if not isinstance(self.model, nn.Module):
            raise SettingsError(f"the model is {type(self.model).__name__}: selection scores with a torch module")
        return self.accelerator.unwrap_model(self.model)

    def _forward(self, unwatched: Unwatched, collate: Collate) -> Any:
        forward = self.selection.scoring.forward

        def scored(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            with self.compute_loss_context_manager():
                return forward(unwatched.within(model), send_to_device(collate(batch), self.args.device))

        return scored

    def _weighted_loss(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Tensor:
        """Sum over the examples of weight x cross-entropy, over the number of examples of the whole step."""
        logits = _logits_of(outputs)
        if logits.ndim != 2 or not isinstance(labels, Tensor) or labels.ndim != 1:
            found = list(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
            raise DataError(
                f"logits are {list(logits.shape)} and labels {found}: a policy that weights the loss needs logits "
                "[B, C] and labels [B], as classifiers of sequences have them"
            )
        loss = F.cross_entropy(logits, labels, reduction="none")
        if self._kept is not None:
            loss = loss * self._kept.weight.to(loss.device)
        return loss.sum() / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    def _end_epoch(self) -> None:
        """The candidates are through: do not ask for the batches that there might have been."""
        self.control.should_epoch_stop = True


class SelectiveTrainer(SelectiveTrainerMixin, Trainer):
    """The `Trainer`, selecting; see `SelectiveTrainerMixin`."""


class _Follower(TrainerCallback):
    """Keeps the schedule, the epoch and the end of the run in step with the candidates, and saves the selection."""

    def __init__(self, trainer: SelectiveTrainerMixin) -> None:
        self._trainer = trainer

    @override
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        trainer, batches = self._trainer, self._trainer._batches
        if batches is None or batches.plain:
            return
        done = batches.candidates.epochs
        if trainer._follows:
            _move(trainer.lr_scheduler, round(min(done / args.num_train_epochs, 1.0) * state.max_steps))
        state.epoch = done
        if args.max_steps <= 0 and done >= args.num_train_epochs and args.num_train_epochs % 1:
            control.should_training_stop = True  # in the middle of an epoch, as was asked for

    @override
    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        batches = self._trainer._batches
        if batches is None or batches.plain or args.max_steps > 0:
            return
        if batches.candidates.epochs >= args.num_train_epochs:
            # a resumed trainer begins with too low an epoch: it divides the steps by those of a plain one
            control.should_training_stop = True
            control.should_save |= args.save_strategy == SaveStrategy.STEPS  # as it does at the end of a plain run

    @override
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        folder = Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        if self._trainer._batches is not None and folder.is_dir() and not args.save_only_model:
            content = io.BytesIO()
            torch.save(self._trainer._batches.saved(), content)
            write_bytes(folder / _file_of(args.process_index), content.getvalue())  # whole or not at all


def _move(scheduler: Any, position: int) -> None:
    """Step a scheduler until it is where it should be; one that follows a metric stays where it is."""
    if isinstance(scheduler, LRScheduler) and not isinstance(scheduler, ReduceLROnPlateau):
        while scheduler.last_epoch < position:
            scheduler.step()


def _logits_of(outputs: Any) -> Tensor:
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    if not isinstance(logits, Tensor):
        raise DataError(f"the model gave a {type(outputs).__name__} without logits: selection is for classifiers")
    return logits


def _file_of(process: int) -> str:
    return f"selection_{process}.pt"


def _state_in(folder: Path, process: int) -> dict[str, Any]:
    file = folder / _file_of(process)
    if not file.is_file():
        raise StateError(
            f"{folder} has no {file.name}: it was saved without selection or by fewer processes; resume from another "
            "checkpoint, or begin a run from its weights"
        )
    return torch.load(file, map_location="cpu", weights_only=True)

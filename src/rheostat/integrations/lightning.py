"""Selection in a Lightning `Trainer`: a callback, and nothing else changes.

Lightning has no hook for a callback that sees the training loader. What comes closest is `Strategy.process_dataloader`,
which is public and is given every loader after Lightning has put its distributed sampler into it: while it fits, the
trainer's strategy has that one method replaced, and gets it back at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from typing_extensions import override

from rheostat.errors import MissingExtraError, SettingsError
from rheostat.integrations.ahead import Ahead
from rheostat.integrations.unwatched import Unwatched
from rheostat.select import Kept, Phases, Policy, Scoring, SelectiveLoader, Stats
from rheostat.signals import ExampleLog
from rheostat.signals.batches import Batch
from rheostat.training.torchvision_ops import ensure_torchvision_imports

with contextlib.suppress(ModuleNotFoundError):
    ensure_torchvision_imports()  # Lightning's metrics import it, where it is installed

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        from lightning.pytorch import Callback, LightningModule, Trainer
    except ModuleNotFoundError:
        try:
            from pytorch_lightning import Callback, LightningModule, Trainer  # the same, by its older name
        except ModuleNotFoundError:
            raise MissingExtraError(
                "this needs Lightning, `lightning` or `pytorch_lightning`: pip install 'rheostat[lightning]'"
            ) from None

__all__ = ["SelectiveCallback"]


class SelectiveCallback(Callback):
    """Trains on the examples that are worth it, with the module, the loader and the trainer as they are.

    ::

        trainer = Trainer(max_epochs=30, callbacks=[SelectiveCallback(SelectiveBackprop(floor=0.1))])
        trainer.fit(module, train_dataloaders=loader)

    The training loader becomes a `SelectiveLoader` around what Lightning made of it. The module's `forward` scores, in
    the trainer's precision, and takes what `Scoring.forward` gives it: for batches ``(inputs, targets)``, the inputs.
    Logged at the end of each epoch: ``select/kept_share`` of that epoch, ``select/candidates`` and ``select/backwards``
    so far, and ``select/speedup`` where it is known. Checkpoints hold the selection, also in the middle of an epoch; a
    run that is resumed goes on bit for bit if the loader shuffles by a generator of its own (Lightning does not save
    the global one).

    How many batches an epoch has is known only when it is over, which changes three things. Lightning fetches one batch
    ahead, so that selection looks at the model of one step before. `trainer.estimated_stepping_batches` is known only
    where `max_steps` is: a schedule by steps is best made with `Trainer(max_steps=...)`, and for a run of `max_epochs`
    `progress` gives one that reaches its end, e.g. ``LambdaLR(optimizer, lambda _: 1 - selective.progress)``.
    `val_check_interval` is a number of batches.

    Args:
        policy: Which candidates are kept. One that gives weights needs a `training_step` that multiplies the loss of
            each example by `kept.weight`.
        batch_size: Number of examples in every training batch, >= 1; None = as the loader has.
        scoring: How candidates are scored.
        phases: When selection is on, and what becomes of examples that wait.
        seed: Seed of the generator that draws.
        log: Remembers scores and uses per example, if given.
        govern: Whether the loader moves the source of the scores itself.

    Raises:
        SettingsError: While fitting, if there are several training loaders, if they are to be reloaded, if the loader
            does not say what its batch size is, if a schedule asks for a number of steps that is not known, or if
            `training_step` leaves out what it must do.
    """

    def __init__(
        self,
        policy: Policy,
        batch_size: int | None = None,
        *,
        scoring: Scoring = Scoring(),  # noqa: B008 - frozen
        phases: Phases = Phases(),  # noqa: B008 - frozen
        seed: int = 0,
        log: ExampleLog | None = None,
        govern: bool = False,
    ) -> None:
        self._policy = policy
        self._batch_size = batch_size
        self._scoring = scoring
        self._options: dict[str, Any] = {"phases": phases, "seed": seed, "log": log, "govern": govern}
        self._watches = scoring.watches(policy.traits) and not govern
        self._forget()

    def _forget(self) -> None:
        self._trainer: Trainer | None = None
        self._fitting = False
        self._saved: dict[str, Any] = {}
        self._ahead: Ahead | None = None
        self._examples: int | None = None  # candidates of an epoch in this process
        self._kept: Kept | None = None
        self._weighed = self._observed = False
        self._before = (0, 0)  # kept and candidates when the epoch began
        self._hook: Any = None

    # ---- for the module

    @property
    def kept(self) -> Kept:
        """What is known of the examples of the batch that is trained on: index, score, weight, age.

        Raises:
            SettingsError: No batch is trained on.
        """
        if self._kept is None:
            raise SettingsError("kept is of the batch that is trained on: read it within training_step")
        self._weighed = True
        return self._kept

    @property
    def stats(self) -> Stats:
        """Counts and times so far.

        Raises:
            SettingsError: Nothing has been fitted yet.
        """
        return self._selection().loader.stats

    @property
    def progress(self) -> float:
        """How much of the run is over, in [0, 1]: of `max_epochs` by candidates, of `max_steps` by steps.

        For schedules that have to reach their end: how many steps `max_epochs` will have is not known before.

        Raises:
            SettingsError: There is a `max_epochs`, and the loader does not say how many examples it has.
        """
        trainer, ahead = self._trainer, self._ahead
        if trainer is None or ahead is None:
            return 0.0
        by_steps = trainer.global_step / trainer.max_steps if trainer.max_steps > 0 else 0.0
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            return min(by_steps, 1.0)
        if self._examples is None:
            raise SettingsError("the training loader has no len(): progress needs Trainer(max_steps=...), or a len()")
        stats = ahead.loader.stats
        return min(max(by_steps, stats.candidates / stats.processes / (trainer.max_epochs * self._examples)), 1.0)

    def observe(self, logits: Tensor, targets: Tensor | None = None) -> None:
        """Hand over the logits `[n, C]` of the batch that is trained on, for scores from the training pass.

        Only where `training_step` does not call the module itself: ``self(x)`` hands over what it gives, if the batch
        is of a usual form. For other batches give `targets`, `[n]` or `[n, C]`.
        """
        if self._kept is not None and self._ahead is not None:
            self._observed = True
            self._ahead.loader.observe(self._kept, logits.detach(), targets)

    # ---- for the trainer

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have the training loader come by."""
        if stage != "fit":
            return
        if (every := getattr(trainer, "reload_dataloaders_every_n_epochs", 0)) > 0:
            raise SettingsError(
                f"reload_dataloaders_every_n_epochs is {every}: kept examples wait from one epoch to the next, so the "
                "loader must stay; leave it at 0"
            )
        self._forget()
        self._trainer = trainer
        strategy = trainer.strategy
        process = strategy.process_dataloader

        def select(dataloader: object) -> object:
            loader = process(dataloader)
            return self._selective(loader, trainer, pl_module) if trainer.training else loader

        strategy.process_dataloader = select  # on this object alone
        self._hook = pl_module.register_forward_hook(self._see)

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Optimisers and schedules have been made."""
        self._fitting = True

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Say which batch is trained on."""
        self._kept = self._selection().begin()

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """See that `training_step` did what the policy relies on."""
        self._kept = None
        if self._policy.traits.reweights and not self._weighed:
            raise SettingsError(
                f"{type(self._policy).__name__} weights the loss, and training_step did not read `kept` of this "
                "callback: multiply the loss of each example by kept.weight, e.g. "
                "(F.cross_entropy(self(x), y, reduction='none') * selective.kept.weight).mean()"
            )
        if self._watches and not self._observed:
            raise SettingsError(
                "scores come from the training pass, and training_step did not call the module on the whole batch: "
                "call self(x) in it, or hand the logits over with observe(logits, targets) of this callback"
            )

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what selection did."""
        stats = self.stats
        kept, candidates = self._before
        values = {
            "select/kept_share": (stats.kept - kept) / max(stats.candidates - candidates, 1),
            "select/candidates": float(stats.candidates),
            "select/backwards": float(stats.backwards),
            "select/speedup": stats.actual_speedup,
        }
        pl_module.log_dict({name: value for name, value in values.items() if not math.isnan(value)})
        self._before = (stats.kept, stats.candidates)

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the strategy its method back."""
        if stage == "fit":
            self._let_go(trainer)

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the strategy its method back."""
        self._let_go(trainer)

    @override
    def state_dict(self) -> dict[str, Any]:
        """The selection, and the batches that were fetched ahead."""
        return self._saved if self._ahead is None else {**self._ahead.saved(), "before": list(self._before)}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved selection, once the loader is there."""
        self._saved = state_dict

    # ---- within

    def _let_go(self, trainer: Trainer) -> None:
        self._kept = None
        if self._hook is not None:
            vars(trainer.strategy).pop("process_dataloader", None)
            self._hook.remove()
            self._hook = None

    def _selection(self) -> Ahead:
        if self._ahead is None:
            raise SettingsError("nothing has been fitted yet: give this callback to a Trainer and call fit()")
        return self._ahead

    def _selective(self, loader: Any, trainer: Trainer, module: LightningModule) -> Ahead:
        if self._ahead is not None:
            raise SettingsError("there are several training loaders: selection takes one; join the data sets")
        if not self._fitting and trainer.max_steps < 0:
            raise SettingsError(
                "estimated_stepping_batches was asked for, and how many steps max_epochs will have is known only at "
                "the end: train for Trainer(max_steps=...), or let the schedule follow `progress` of this callback, "
                "e.g. LambdaLR(optimizer, lambda _: 1 - selective.progress)"
            )
        size = self._batch_size or getattr(loader, "batch_size", None)
        if size is None:
            raise SettingsError("the training loader has no batch_size: give SelectiveCallback(policy, batch_size=...)")
        forward, precision, unwatched = self._scoring.forward, trainer.precision_plugin, Unwatched(module)

        def in_precision(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            with precision.forward_context():
                return forward(unwatched.within(model), precision.convert_input(batch))

        scoring = dataclasses.replace(self._scoring, forward=in_precision)
        selective = SelectiveLoader(loader, unwatched, self._policy, size, scoring=scoring, **self._options)
        self._examples = _examples_of(loader)
        self._ahead = Ahead(selective, loader)
        if self._saved:
            self._ahead.restore(self._saved)
            self._before = tuple(self._saved["before"])
        return self._ahead

    def _see(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        """Hand over the logits of a training pass, if they are of the whole batch and its targets can be told."""
        logits, kept = getattr(output, "logits", output), self._kept
        if kept is None or kept.targets is None or not module.training or not isinstance(logits, Tensor):
            return
        if logits.requires_grad and logits.ndim == 2 and len(logits) == len(kept.index):
            self.observe(logits)


def _examples_of(loader: Any) -> int | None:
    """Candidates of an epoch in this process; None = the loader does not say."""
    try:
        return len(loader) * loader.batch_size if loader.drop_last else len(loader.sampler)
    except (AttributeError, TypeError):
        return None

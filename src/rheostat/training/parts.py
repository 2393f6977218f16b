"""What moves in a run (weights, optimiser, selecting loader, log, records), and its state in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rheostat.errors import StateError
from rheostat.select import Phases, SelectiveLoader
from rheostat.settings import TrainSettings
from rheostat.signals import ExampleLog, Meters
from rheostat.training.augmenting import build_augment, held_out
from rheostat.training.data import ImageData, Skipped, note_skipped
from rheostat.training.loader import ImageLoader
from rheostat.training.plan import Plan, cuda_devices
from rheostat.training.recording import must_be_as_they_were, of_the_data

_TEST_BATCH = 500


@dataclass
class Totals:
    """Sums over this process's training batches of one epoch, on the device until the epoch is over."""

    loss: Tensor
    wrong: Tensor
    examples: int = 0
    started: dict[str, int] = field(default_factory=dict)  # counts of the loader when the epoch began

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: its mean loss, `[B, C]` logits and `[B]` labels."""
        self.loss += loss.detach().double() * len(labels)
        self.wrong += (logits.detach().argmax(1) != labels).sum()
        self.examples += len(labels)


class Best(NamedTuple):
    """The epoch with the lowest test loss so far, and the weights that it ended with."""

    epoch: int
    loss: float
    model: dict[str, Tensor]


class Parts:
    """The moving parts of one run in one process.

    Args:
        plan: What is run.
    """

    def __init__(self, plan: Plan) -> None:
        settings, data = plan.settings, plan.data
        self.plan = plan
        self.processes = plan.processes
        self.records: list[dict[str, Any]] = []
        self.meters = Meters()
        accelerator = plan.accelerator
        model = plan.build()
        self.model, self.optimizer = accelerator.prepare(model, _optimizer(settings, model))
        if not self.processes.main:  # all begin with the same weights; dropout draws apart
            torch.manual_seed(settings.seed + self.processes.rank)
        self.best: Best | None = None
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

    @property
    def network(self) -> nn.Module:
        """The model without what several processes or lower precision wrap around it."""
        return self.plan.accelerator.unwrap_model(self.model)

    def sums(self) -> tuple[float, float, float]:
        """Loss, errors and examples of the epoch so far, over all processes; collective."""
        totals = self.totals
        sums = torch.stack([totals.loss, totals.wrong, torch.full_like(totals.loss, totals.examples)])
        loss, wrong, examples = self.processes.total(sums).tolist()
        return loss, wrong, examples

    def end_epoch(self, record: dict[str, Any]) -> None:
        """Keep the record of an epoch, its weights if they are the best so far and asked for, and sum up anew."""
        self.records.append(record)
        loss = record["test_loss"]
        if self.plan.settings.patience is not None and (self.best is None or loss < self.best.loss):
            weights = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
            self.best = Best(len(self.records), loss, weights)
        self.totals = self._new_totals()

    def of_the_data(self) -> dict[str, Any]:
        """What the model is built for and trained on."""
        return of_the_data(self.plan.data, train=len(self.candidates), test=len(self.test))

    def state_dict(self) -> dict[str, Any]:
        """All that a run goes on from, of all processes; collective."""
        scaler, log = self.plan.accelerator.scaler, self.log.gathered()
        states = self.processes.handed_in(self._own_state())
        own: dict[str, Any] = states[0] if self.processes.alone else {"ranks": states}
        augment = own.get("augment")
        return {
            "data": self.of_the_data(),
            "given": self.plan.data.train.labels.cpu(),
            "model": self.network.state_dict(),
            "best": None if self.best is None else self.best._asdict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "log": log.state_dict() if augment is None else augment["log"],  # stored once
            "epochs": self.records,
            **own,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            StateError: It is of other data, or of another number of processes.
        """
        accelerator = self.plan.accelerator
        own = self._own_of(state)
        self.log.load_state_dict(state["log"])  # first: it notices data of another size
        for one in state["data"].get("skipped", ()):
            note_skipped(self.plan.data.skipped, Skipped(**one))
        must_be_as_they_were(state["data"], self.of_the_data())
        if self.augment is not None:
            self.augment.load_state_dict({"log": state["log"], **own["augment"]})
        network = self.network
        try:
            network.load_state_dict(state["model"])
        except RuntimeError as error:
            raise StateError(
                f"the saved model does not fit these data ({str(error).splitlines()[-1].strip()}): "
                "resume with the data that the run was started with"
            ) from None
        best = state.get("best")  # checkpoints of earlier versions have none
        self.best = None if best is None else Best(**best)
        self.optimizer.load_state_dict(state["optimizer"])
        if accelerator.scaler is not None and state["scaler"] is not None:
            accelerator.scaler.load_state_dict(state["scaler"])
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(own.get("buffers", {}).get(name, buffer))
        self.loader.load_state_dict(own["loader"])
        self.trained_on = self.loader.stats.backwards
        self.meters.load_state_dict(own["meters"])
        loss, wrong, examples, started = own["totals"]
        device = accelerator.device
        self.totals = Totals(loss.to(device), wrong.to(device), examples, dict(started))
        self.records = list(state["epochs"])
        torch.set_rng_state(own["random"]["cpu"])
        for device, random in zip(cuda_devices(accelerator), own["random"]["cuda"], strict=False):
            torch.cuda.set_rng_state(random, device)

    def _own_state(self) -> dict[str, Any]:
        """What differs between the processes of a run."""
        totals = self.totals
        state = {
            "loader": self.loader.state_dict(),
            "augment": None if self.augment is None else self.augment.state_dict(),
            "meters": self.meters.state_dict(),
            "totals": [totals.loss, totals.wrong, totals.examples, totals.started],
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": [torch.cuda.get_rng_state(device) for device in cuda_devices(self.plan.accelerator)],
            },
        }
        if self.processes.alone:
            return state
        if state["augment"] is not None:
            del state["augment"]["log"]  # its share of what is stored whole
        return state | {"buffers": dict(self.network.named_buffers())}

    def _own_of(self, state: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint has of this process."""
        ranks = state.get("ranks", [state])
        if len(ranks) != self.processes.of:
            raise StateError(
                f"the run was made by {len(ranks)} processes and this is one of {self.processes.of}: "
                f"resume it with {len(ranks)}, or start a new run"
            )
        return ranks[self.processes.rank]

    def _new_totals(self) -> Totals:
        zero = torch.zeros((), dtype=torch.float64, device=self.plan.accelerator.device)
        stats = self.loader.stats
        return Totals(zero, zero.clone(), started={"candidates": stats.candidates, "kept": stats.kept})


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

"""Selective-Augment as one object: which examples are augmented, and with what, moves with the state of training.

::

    log --difficulty--> rate --P(augment)--> draw --> kind --> operations --> model (the user's own)
     ^                   ^                   own        ^        on the             |
     |                   quarantine      generator      |        device             |
     +--------------- looks at plain views ---------- rewards of augmented views <--+
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from rheostat.augment.credit import Credit
from rheostat.augment.kinds.kind import Choice, Kind
from rheostat.augment.operations import apply
from rheostat.augment.pixels import Normalised
from rheostat.augment.quarantine import Quarantine
from rheostat.augment.rates import Rate
from rheostat.augment.rewards import Band, HeldOutImprovement
from rheostat.augment.scores import difficulty as difficulty_of
from rheostat.augment.tally import Tally
from rheostat.augment.view import View
from rheostat.errors import DataError, SettingsError, StateError
from rheostat.signals import ExampleLog
from rheostat.signals.batches import Batch
from rheostat.signals.loaders import IndexedStream
from rheostat.signals.stateful import Stateful

Transform = Callable[[Tensor, torch.Generator], Tensor]
"""images `[B, C, H, W]` uint8, generator on their device -> images of the same shape and type."""


class SelectiveAugment:
    """Augments examples as often, and as strongly, as the state of training asks for.

    In a loop of one's own it takes three lines::

        augment = SelectiveAugment(len(dataset), Bandit(), RankRate(mean=0.5, gamma=1.0))
        for _ in range(epochs):
            for index, (x, y) in augment.epoch(loader):         # the loader's own batches and order
                view = augment(index, x)
                logits = model(view.images)
                ...
                augment.observe(view, logits, y)

    With selection, whose scoring forward then gives the log its plain looks::

        batches = SelectiveLoader(loader, model, policy, batch_size=128, log=augment.log)
        for _ in range(epochs):
            augment.begin_epoch()
            for (x, y), kept in batches.with_kept():
                view = augment(kept.index, x)
                ...

    At the beginning of an epoch it reads from the log how difficult and how suspect every example is; from that come
    the probabilities of the whole epoch. Views that are not augmented feed the log; augmented ones reward a kind that
    learns. On an accelerator a batch waits for the device once for how many rows are augmented, and once for each
    operation that is applied in a row; a search waits once more for its rewards.

    What it does not touch: the loader, the model, the global random state.

    Args:
        size: Number of examples of the data set, >= 1.
        kind: Which operations are applied.
        rate: How often each example is augmented.
        log: What has been seen of every example; None = a new one on `device`.
        reward: What a kind that learns is rewarded for.
        quarantine: Which suspects are set aside; None = none.
        labels: `[N]`, given labels, for a suspect score that needs them.
        reviewed: Indices that a person has decided on; they are never in quarantine.
        pixels: How images that come as floating point were normalised; by default they lie in [0, 1]. They are rounded
            to 1/255 where they are augmented. uint8 images are pixels as they are.
        base: Transforms of pixels that come before the operations, on augmented rows only.
        seed: Seed of the generator that draws.
        device: Where images come in, where it draws and where a new log lives.

    Raises:
        SettingsError: `kind` or `rate` is not one, or `log` is of another size.
    """

    def __init__(
        self,
        size: int,
        kind: Kind,
        rate: Rate,
        *,
        log: ExampleLog | None = None,
        reward: Band | HeldOutImprovement = Band(),  # noqa: B008 - frozen
        quarantine: Quarantine | None = None,
        labels: Int[Tensor, " n"] | None = None,
        reviewed: Collection[int] = (),
        pixels: Normalised = Normalised(),  # noqa: B008 - frozen
        base: Sequence[Transform] = (),
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        for name, given, wanted, example in (
            ("kind", kind, Kind, "TrivialAugment()"),
            ("rate", rate, Rate, "RankRate(mean=0.5, gamma=1.0)"),
        ):
            if isinstance(given, type) or not isinstance(given, wanted):
                raise SettingsError(f"{name} is {given!r:.60}: it must be an object such as {example}")
        self.log = ExampleLog(size, device) if log is None else log
        if self.log.size != size:
            raise SettingsError(
                f"size is {size} and the log is of {self.log.size} examples: give the log of this data set"
            )
        self.size = size
        self.kind = kind
        self.rate = rate
        self.reward = reward
        self.quarantine = quarantine
        self.pixels = pixels
        self.base = tuple(base)
        self.device = torch.empty(0, device=device).device  # "cuda" is cuda:0
        self.current_epoch = -1
        self._labels = labels
        self._reviewed = torch.zeros(size, dtype=torch.bool, device=self.log.device)
        self._reviewed[torch.tensor(sorted(reviewed), dtype=torch.long)] = True
        self._generator = torch.Generator(self.device)
        self._generator.manual_seed(seed)
        self._difficulty = torch.full((size,), torch.nan, device=self.device)
        self._probability = torch.zeros(size, device=self.device)
        self._quarantined = torch.zeros(size, dtype=torch.bool, device=self.device)
        self._tally = Tally(self.device)
        self._credit = Credit(kind, reward, size, self.device)
        self._loader: Any = None
        self._stream: IndexedStream | None = None
        self._saved_stream: dict[str, Any] | None = None
        self._checked = False

    # ---- epochs

    def epoch(self, loader: Iterable[Batch]) -> Iterator[tuple[Tensor, Batch]]:
        """Begin an epoch and yield `(index [B] int64, batch)` of it, as `rheostat.signals.indexed` does.

        After `load_state_dict` it yields the rest of the epoch that the state was saved in.
        """
        if self._stream is None or self._loader is not loader:
            self._loader, self._stream = loader, IndexedStream(loader)
        stream, saved, self._saved_stream = self._stream, self._saved_stream, None
        if saved is not None:
            stream.load_state_dict(saved)
        if saved is None or not saved["running"]:
            self.begin_epoch()
        yield from stream.epoch()
        stream.finish()

    def begin_epoch(self, epoch: int | None = None) -> None:
        """Begin an epoch: read the log, and give every example its probability.

        Where several processes train together, all must call it.

        Args:
            epoch: Its number; None = the one after the last. The number of the running epoch, as after a resume, goes
                on with it.

        Raises:
            SettingsError: The number is lower than that of the running epoch.
        """
        number = self.current_epoch + 1 if epoch is None else epoch
        if number == self.current_epoch:
            return
        if number < self.current_epoch:
            raise SettingsError(
                f"epoch is {number} and the last one was {self.current_epoch}: epochs count upward; "
                "begin a new training with a new object"
            )
        self.current_epoch = number
        known = self.log.gathered()
        self._difficulty = difficulty_of(known.entropy).to(self.device, torch.float32)
        if self.quarantine is not None:
            members = self.quarantine.members(known, number, self._labels, self._reviewed)
            self._quarantined = members.to(self.device)
        self._probability = self.rate.probabilities(self._difficulty, number, self._quarantined)
        self._credit.begin_epoch(known)
        self._tally = Tally(self.device)

    # ---- a batch

    @torch.no_grad()
    def __call__(self, index: Int[Tensor, " b"], images: Shaped[Tensor, "b c h w"]) -> View:
        """Draw which of B examples are augmented, and augment them.

        Args:
            index: `[B]`, data set indices.
            images: `[B, C, H, W]`, C = 1 or 3: uint8, or floating point as `pixels` says; not changed.

        Raises:
            StateError: No epoch has begun.
            DataError: The images are not as described, or on another device.
        """
        if self.current_epoch < 0:
            raise StateError("no epoch has begun: iterate over augment.epoch(loader), or call begin_epoch() in each")
        self._check(images)
        index = index.to(self.device, torch.long, non_blocking=True)
        difficulty = self._difficulty[index]
        draw = torch.rand(index.shape, generator=self._generator, device=self.device)
        augmented = draw < self._probability[index]
        rows = augmented.nonzero().squeeze(1)
        choice = self.kind.choose(difficulty[rows], self._generator)
        self._tally.add(difficulty, augmented)
        if len(rows):
            self._tally.add_choice(choice, difficulty[rows])
            images = images.index_copy(0, rows, self._varied(images.index_select(0, rows), choice))
        return View(images, augmented, index, rows, choice)

    @torch.no_grad()
    def observe(
        self,
        view: View,
        logits: Float[Tensor, "b c"],
        targets: Shaped[Tensor, "b *c"],
        looks: Bool[Tensor, " b"] | None = None,
    ) -> None:
        """Learn from what the model said: a look at each plain view, a reward of each augmented one.

        Args:
            view: What the model was given.
            logits: `[B, C]`, what it gave back.
            targets: `[B]` class indices, or `[B, C]` soft targets, of which the largest entry is the given label.
            looks: `[B]`, False for plain views that have been looked at in this epoch already, by the scoring of a
                selection; None = none has.
        """
        logits = logits.detach().to(self.device)
        self._credit.observe(view, self._difficulty[view.index], logits, targets, self._tally)
        plain = ~view.augmented if looks is None else looks.to(self.device) & ~view.augmented
        self.log.observe(view.index, logits, targets, self.current_epoch, plain=plain)

    def held_out(self, loss: float) -> None:
        """Reward all that was chosen since the last call; for `reward=HeldOutImprovement()`.

        Args:
            loss: Mean loss on held-out examples now, in nats.

        Raises:
            SettingsError: The reward is another one.
        """
        self._credit.held_out(loss, self._tally)

    def weights(self, index: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Training weight `[B]` of examples: 1, or that of the quarantine."""
        inside = self._quarantined[index.to(self.device)]
        return torch.where(inside, 1.0 if self.quarantine is None else self.quarantine.weight, 1.0)

    @property
    def quarantined(self) -> Bool[Tensor, " size"]:
        """Which examples are in quarantine in this epoch."""
        return self._quarantined

    @property
    def probabilities(self) -> Float[Tensor, " size"]:
        """Probability of each example to be augmented in this epoch, in [0, 1]."""
        return self._probability

    def record(self) -> dict[str, Any]:
        """What was augmented in the epoch so far, as plain numbers: see `Tally.record`; `epoch`; `quarantined`."""
        return {
            "epoch": self.current_epoch,
            **self._tally.record(),
            "quarantined": int(self._quarantined.sum()),
        }

    # ---- what is saved

    def state_dict(self) -> dict[str, Any]:
        """Everything a later object needs to go on bit for bit, also from the middle of an epoch.

        The model, the optimiser and the global random state are the caller's to save. `torch.load` reads it with
        `weights_only=True`.
        """
        return {
            "epoch": self.current_epoch,
            "log": self.log.state_dict(),
            "rate": self.rate.state_dict() if isinstance(self.rate, Stateful) else None,
            "credit": self._credit.state_dict(),
            "generator": {"device": self.device.type, "state": self._generator.get_state()},
            "difficulty": self._difficulty.clone(),
            "probability": self._probability.clone(),
            "quarantined": self._quarantined.clone(),
            "tally": self._tally.state_dict(),
            "stream": self._saved_stream if self._stream is None else self._stream.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            StateError: It was saved on another kind of device, of another kind of augmentation, or of other data.
        """
        drawn = state["generator"]
        if drawn["device"] != self.device.type:
            raise StateError(
                f"the state was saved while drawing on {drawn['device']} and this object draws on {self.device.type}: "
                f"build it with device={drawn['device']!r} to go on with the same draws"
            )
        self.log.load_state_dict(state["log"])
        self._credit.load_state_dict(state["credit"])
        if isinstance(self.rate, Stateful) and state["rate"] is not None:
            self.rate.load_state_dict(state["rate"])
        self._generator.set_state(drawn["state"].cpu())
        self.current_epoch = state["epoch"]
        self._difficulty = state["difficulty"].to(self.device, copy=True)
        self._probability = state["probability"].to(self.device, copy=True)
        self._quarantined = state["quarantined"].to(self.device, copy=True)
        self._tally.load_state_dict(state["tally"])
        self._saved_stream, self._stream = state["stream"], None

    # ---- inside

    def _varied(self, images: Tensor, choice: Choice) -> Tensor:
        """The augmented rows, of the type that they came in."""
        pixels = images if images.dtype == torch.uint8 else self.pixels.to_pixels(images)
        for transform in self.base:
            pixels = transform(pixels, self._generator)
        for operation, magnitude in zip(choice.operation.unbind(1), choice.magnitude.unbind(1), strict=True):
            pixels = apply(pixels, operation, magnitude, self._generator)
        return pixels if images.dtype == torch.uint8 else self.pixels.from_pixels(pixels, like=images)

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise DataError(f"images have shape {list(images.shape)}: they must be [B, C, H, W] with C = 1 or 3")
        if images.device != self.device:
            raise DataError(
                f"images are on {images.device} and the augmentation draws on {self.device}: move them there, or build "
                f"SelectiveAugment with device={str(images.device)!r}"
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise DataError(f"images are {images.dtype}: they must be uint8 pixels, or floating point as `pixels` says")
        if not self._checked and images.is_floating_point():
            self.pixels.check(images)
            self._checked = True

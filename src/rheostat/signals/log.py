"""What has been seen of every example: one row per index of the data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Float16, Int, Shaped
from torch import Tensor

from rheostat.errors import DataError, SettingsError, StateError
from rheostat.signals import shards
from rheostat.signals.calls import Call, enough, looks_of
from rheostat.signals.looks import COLUMNS
from rheostat.signals.repeats import turns
from rheostat.signals.shards import Letters, Outbox, Shard
from rheostat.signals.table import Table, without


class ExampleLog:
    """Per-example memory, addressed by data set index.

    A *look* is one observation of an example by an un-augmented view. Reading a column gives a copy, `[size]` on the
    log's device, in which an example that was never looked at has NaN, -1 or 0.

    Columns of the looks (`observe`):
        entropy, max_softmax, energy: the scores of these names, means over about the last `memory` looks.
        margin, loss: logit margin of the given label and its cross-entropy, means over all looks.
        looks, correct, forgotten: how many there were, how many were right, how often wrong followed right.
        was_correct, prediction, p_given, p_predicted, last_epoch: of the last look.
        history: loss in each epoch.

    Columns of selection (`record_scores`, `record_kept`):
        score, epoch: last score, and its epoch.
        scored, kept: how often the example has been scored and trained on.

    Under torch.distributed each process owns the rows with `index % processes == rank`. What a process observes waits
    until `exchange()` brings it to the owner; columns hold the process's own rows, others read as never seen; and
    `gathered()` gives the whole log.

    Args:
        size: Number of examples of the data set, >= 1.
        device: Where the log lives; the device that scores is cheapest.
        memory: Number of looks M that the label-free means reach back, >= 1: a plain mean until there are M looks, and
            from then on each moves it 1/M of the way.
        group: The processes that keep the log together; None = all of them where torch.distributed runs; ``alone`` =
            this process keeps a whole log of its own.

    Raises:
        SettingsError: `size` or `memory` is below 1.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu", *, memory: int = 5, group: Any = None) -> None:
        if size < 1:
            raise SettingsError(f"size is {size}: a log needs at least one example")
        if memory < 1:
            raise SettingsError(f"memory is {memory}: the means must reach back at least 1 look; 5 is usual")
        self.size = size
        self.memory = memory
        self.shard = Shard() if group == "alone" else Shard.of_group(group)
        self._table = Table(self.shard.rows(size), memory, device)
        self._flawed = torch.zeros((), dtype=torch.long, device=device)
        self._calls: list[Call] = []  # alike, and not yet taken in
        self._outbox = Outbox({"looks": len(COLUMNS), "scores": 1, "kept": 1})

    @property
    def device(self) -> torch.device:
        """Where the log lives."""
        return self._flawed.device

    # ---- what is written

    def observe(
        self,
        index: Int[Tensor, " b"],
        logits: Float[Tensor, "b c"],
        targets: Shaped[Tensor, "b *c"],
        epoch: int,
        plain: Bool[Tensor, " b"] | None = None,
    ) -> None:
        """Look at the examples of a batch, without a host synchronisation.

        A row with a NaN or an infinite signal, or whose label is none of the classes, is left out and counted in
        `flawed`. An example that comes twice in one call is looked at once: its last row counts.

        Args:
            index: `[B]`, data set indices.
            logits: `[B, C]` with C >= 2, before the softmax.
            targets: `[B]` class indices, or `[B, C]` soft targets, of which the largest entry is the given label.
            epoch: From 0.
            plain: `[B]`, False where the view was augmented: such rows are left out. None = all are plain.

        Raises:
            SettingsError: `epoch` is below 0.
            DataError: The shapes do not fit, there are fewer than two classes, or an index on the host lies outside the
                data set.
        """
        call = Call(index, logits, targets, epoch, plain)
        self._check(call)
        if self._calls and not call.like(self._calls[0]):
            self._take_calls()
        self._calls.append(call.copied_to(self.device))
        if enough(self._calls):
            self._take_calls()

    def record_scores(self, index: Int[Tensor, " b"], scores: Float[Tensor, " b"], epoch: int) -> None:
        """Note the scores `[B]` that the examples at `index` `[B]` got in `epoch`."""
        index, scores = self._placed(index), scores.detach().to(self.device, torch.float32)
        if self.shard.alone:
            self._table.take_scores(index, scores, epoch)
        else:
            self._outbox.put("scores", index, scores[:, None], epoch)

    def record_kept(self, index: Int[Tensor, " b"]) -> None:
        """Note that the examples at `index` `[B]` (repeats count) are trained on."""
        index = self._placed(index)
        if self.shard.alone:
            self._table.count("kept", index)
        else:
            self._outbox.put("kept", index, torch.ones(len(index), 1, device=self.device), 0)

    def exchange(self) -> None:
        """Bring what has been observed to the owners of the rows: once per epoch, in every process.

        After it the log is what one process would have that was given every look: epoch by epoch, call by call, and in
        a call rank by rank. Alone in its group, a process has nothing to do.
        """
        if self.shard.alone:
            return
        self._take_calls()
        received = self._outbox.exchange(self.shard)
        for epoch, row, values in self._in_turns(received["looks"]):
            self._table.take_looks(row, values, epoch)
        for epoch, row, values in self._in_turns(received["scores"]):
            self._table.take_scores(row, values[:, 0], epoch)
        for _, row, _ in self._in_turns(received["kept"]):
            self._table.count("kept", row)

    # ---- what is read

    @property
    def seen(self) -> Bool[Tensor, " size"]:
        """Whether an example has been looked at."""
        return self.looks > 0

    @property
    def flawed(self) -> int:
        """How many observations of this process were left out: a signal not finite, a label that is no class."""
        self._take_calls()
        return int(self._flawed)

    @property
    def entropy(self) -> Float[Tensor, " size"]:
        """Entropy of the softmax in nats, in [0, ln C], mean of the recent looks; higher = harder, NaN = never seen."""
        return self._column("entropy")

    @property
    def max_softmax(self) -> Float[Tensor, " size"]:
        """1 - largest probability, in [0, 1 - 1/C], mean of the recent looks; higher = harder, NaN = never seen."""
        return self._column("max_softmax")

    @property
    def energy(self) -> Float[Tensor, " size"]:
        """-logsumexp of the logits, mean of the recent looks; higher = stranger, NaN = never seen."""
        return self._column("energy")

    @property
    def margin(self) -> Float[Tensor, " size"]:
        """Logit of the given label minus the largest other, mean of all looks; lower = label more suspect, or NaN."""
        return self._column("margin")

    @property
    def loss(self) -> Float[Tensor, " size"]:
        """Cross-entropy with the given label in nats, >= 0, mean of all looks; NaN = never seen."""
        return self._column("loss")

    @property
    def looks(self) -> Int[Tensor, " size"]:
        """How often an example has been looked at."""
        return self._column("looks")

    @property
    def correct(self) -> Int[Tensor, " size"]:
        """At how many of the looks the prediction was the given label."""
        return self._column("correct")

    @property
    def forgotten(self) -> Int[Tensor, " size"]:
        """How often a wrong look has followed a right one (arXiv:1812.05159, definition 2)."""
        return self._column("forgotten")

    @property
    def was_correct(self) -> Bool[Tensor, " size"]:
        """Whether the prediction of the last look was the given label; False = never seen."""
        return self._column("was_correct").bool()

    @property
    def prediction(self) -> Int[Tensor, " size"]:
        """Predicted class of the last look, -1 = never seen."""
        return self._column("prediction")

    @property
    def p_given(self) -> Float[Tensor, " size"]:
        """Probability of the given label at the last look, NaN = never seen."""
        return self._column("p_given")

    @property
    def p_predicted(self) -> Float[Tensor, " size"]:
        """Probability of the predicted class at the last look, NaN = never seen."""
        return self._column("p_predicted")

    @property
    def last_epoch(self) -> Int[Tensor, " size"]:
        """Epoch of the last look, -1 = never seen."""
        return self._column("last_epoch")

    @property
    def history(self) -> Float16[Tensor, "epochs size"]:
        """Loss of the last look in each epoch, at most 65504; NaN = not looked at in it. Epochs up to the last look."""
        self._take_calls()
        return self._spread(self._table.history(), torch.nan)

    @property
    def score(self) -> Float[Tensor, " size"]:
        """Last score of every example, NaN = never scored."""
        return self._column("score")

    @property
    def epoch(self) -> Int[Tensor, " size"]:
        """Epoch of the last score of every example, -1 = never scored."""
        return self._column("epoch")

    @property
    def scored(self) -> Int[Tensor, " size"]:
        """How often every example has been scored."""
        return self._column("scored")

    @property
    def kept(self) -> Int[Tensor, " size"]:
        """How often every example has been trained on."""
        return self._column("kept")

    def gathered(self) -> ExampleLog:
        """The whole log, in every process; every process must call it, and what waits is exchanged first.

        It is a copy that belongs to this process alone. Of an unsharded log it is that log itself.
        """
        if self.shard.alone:
            return self
        self.exchange()
        whole = ExampleLog(self.size, self.device, memory=self.memory, group="alone")
        whole._table.values[:-1] = shards.gathered(self._table.values[:-1], self.size, self.shard)
        self._table.epochs = max(shards.of_all(self._table.epochs, self.shard))
        losses = self._table.history().T.contiguous()
        whole._table.set_history(shards.gathered(losses, self.size, self.shard).T)
        whole._flawed += sum(shards.of_all(self.flawed, self.shard))
        return whole

    # ---- what is saved

    def state_dict(self) -> dict[str, Any]:
        """All columns by name, of the whole log or of the rows that this process owns, and the calls not yet in them.

        A state that any number of processes can load is that of the whole log: `log.gathered().state_dict()`.

        Raises:
            StateError: Observations wait to be exchanged.
        """
        if not self.shard.alone and (self._outbox or self._calls):
            raise StateError("observations wait for their owners: call exchange() in every process, then state_dict()")
        return self._table.state_dict() | {
            "flawed": self._flawed.clone(),
            # as they are, for when a state is saved must not show in what is computed later, not even in rounding
            "calls": [list(call) for call in self._calls],
            "size": self.size,
            "shard": [self.shard.rank, self.shard.of],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the columns of another log of the same size: a whole one, or the same share of one.

        Columns that an earlier version did not have stay empty. What waits to be exchanged is forgotten.

        Raises:
            StateError: The saved log has another size, or is a share of one and not this process's.
        """
        size, (rank, of) = state.get("size", len(state["score"])), state.get("shard", (0, 1))
        if size != self.size:
            raise StateError(
                f"the saved log is of {size} examples and this data set has {self.size}: "
                "resume with the data that the run was started with"
            )
        if of > 1 and (rank, of) != (self.shard.rank, self.shard.of):
            raise StateError(
                f"the saved log is share {rank} of {of} and this one is share {self.shard.rank} of {self.shard.of}: "
                "save gathered().state_dict(), which loads anywhere"
            )
        own = slice(self.shard.rank, None, self.shard.of) if of == 1 else slice(None)
        self._table.load_state_dict(state, own)
        first = of > 1 or self.shard.rank == 0  # to take what is not of a row
        self._flawed.fill_(state.get("flawed", 0) if first else 0)
        self._calls = [Call(*call).copied_to(self.device) for call in state.get("calls", ())] if first else []
        self._outbox.clear()

    def _take_calls(self) -> None:
        """Take in what `observe` was given."""
        if not self._calls:
            return
        looks, flawed = looks_of(self._calls, self._table.nowhere if self.shard.alone else -1)
        self._calls = []
        self._flawed += flawed
        for examples, rows, epoch in looks:
            if self.shard.alone:
                self._table.take_looks(examples, rows, epoch)
            else:
                self._outbox.put("looks", examples, rows, epoch)

    def _column(self, name: str) -> Tensor:
        self._take_calls()
        return self._spread(self._table.column(name), without(name))

    def _spread(self, own: Tensor, empty: float) -> Tensor:
        """Put what there is of the rows of this process, `[..., rows]`, to its places among all, `[..., size]`."""
        if self.shard.alone:
            return own
        spread = own.new_full((*own.shape[:-1], self.size), empty)
        spread[..., self.shard.rank :: self.shard.of] = own
        return spread

    def _in_turns(self, letters: Letters) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield `(epoch, row, values)` in order, with no row twice in a turn."""
        epoch, _, index, values = (column.to(self.device) for column in letters)
        for at in epoch.unique().tolist():
            of_epoch = (epoch == at).nonzero().squeeze(1)
            for turn in turns(index[of_epoch]):
                chosen = of_epoch[turn]
                yield at, index[chosen] // self.shard.of, values[chosen]

    def _placed(self, index: Tensor) -> Tensor:
        self._check_index(index)
        return index.to(self.device, torch.long)

    def _check(self, call: Call) -> None:
        size, logits, targets = len(call.examples), list(call.logits.shape), list(call.targets.shape)
        if call.epoch < 0:
            raise SettingsError(f"epoch is {call.epoch}: epochs count from 0")
        if len(logits) != 2 or logits[0] != size or targets not in ([size], logits):
            raise DataError(
                f"{size} examples have logits {logits} and targets {targets}: the logits must be [{size}, classes], "
                f"and the targets [{size}] or {logits}"
            )
        if logits[1] < 2:
            raise DataError(
                "the model gives 1 logit per example and a look needs 2 classes or more: of one logit z make [0, z]"
            )
        self._check_index(call.examples)

    def _check_index(self, index: Tensor) -> None:
        """Raise for an index outside the data set, where that needs no synchronisation."""
        if index.device.type != "cpu" or not len(index):
            return
        low, high = map(int, index.aminmax())
        if low < 0 or high >= self.size:
            raise DataError(
                f"index {low if low < 0 else high} is none of the data set's: indices lie in [0, {self.size - 1}]; "
                "build the log with the size of the data set"
            )

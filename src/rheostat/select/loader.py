"""The inverted loop: selection as a loader that yields only full training batches.

::

    loader --round--> score --P(keep)--> draw --> queue --n at a time--> training step (the user's own)
             |          forward, memory   own      on the scoring          |          |
             |          or training pass  generator  device                |   scores of the training pass, for later
             +------------------------ next round <------------------------+
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from rheostat.errors import DataError, ScoreError, SettingsError, StateError
from rheostat.select.costs import OFF, TRAINING, Costs, Mode, forward_mode
from rheostat.select.drawing import drawn
from rheostat.select.governor import Governor
from rheostat.select.last_scores import LastScores
from rheostat.select.ledger import Ledger
from rheostat.select.observing import Rows, TrainingPasses
from rheostat.select.phases import Phases
from rheostat.select.policy import Candidates, Policy
from rheostat.select.queue import Kept, Queue
from rheostat.select.ranks import Ranks
from rheostat.select.rounds import Rounds
from rheostat.select.scoring import Scoring, device_of, targets_of
from rheostat.select.source import RoundScores, Scores
from rheostat.select.stats import Stats
from rheostat.signals import ExampleLog, batches
from rheostat.signals.batches import Batch
from rheostat.signals.stateful import Stateful, load_named_state, named_state


class SelectiveLoader:
    """Wraps a loader and yields training batches of exactly `batch_size` examples that are worth training on.

    The loop around it stays as it was::

        batches = SelectiveLoader(loader, model, SelectiveBackprop(floor=0.1), batch_size=128)
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            ...

    One pass over it is one epoch of candidates, in the wrapped loader's order. Each batch of the wrapped loader is one
    round (but see `Scoring.batch_size`): it is moved to the model's device, scored there without gradient, and each of
    its examples is drawn with the probability that the policy gives; the drawn wait in a queue until `batch_size` are
    there. How many batches an epoch has is known only when it is over, so there is no `len()`.

    What it does not touch: the model's parameters, buffers and train flags, and the global random state.

    In a distributed run every process wraps the loader of its own shard. They step together, whenever each has
    `batch_size` kept examples, so all make the same number of steps, however uneven the shards.

    Args:
        loader: The candidates: any iterable of batches that can be iterated once per epoch. Batches are tensors
            `[B, ...]` in any nesting of tuples, lists and mappings. With a map-style `DataLoader`, indices are data set
            indices.
        model: Scores the candidates. Its first parameter's device is where examples are scored and queued.
        policy: Which candidates are kept.
        batch_size: Number of examples n in every training batch, >= 1.
        scoring: How candidates are scored.
        phases: When selection is on, and what becomes of examples that wait.
        seed: Seed of the generator that draws; process r draws from seed + r.
        log: Remembers scores and uses per example, if given.
        plain_views: Whether the loader's views are un-augmented, so that a scoring forward is also a look of the
            `log` at them (`ExampleLog.observe`). What is not scored is not looked at.
        govern: Whether the loader moves the source of the scores itself, to what saves most time, and switches
            selection off while it saves none (`Governor`); `Scoring.source` and `Scoring.reuse` are its own then. What
            it decides depends on measured times, so that a governed run is not repeated bit for bit.
        group: The torch.distributed group of the processes; None = the default one, if torch.distributed runs.

    Raises:
        SettingsError: `batch_size` is below 1, `policy` is not a policy, or there is nothing to govern.

    While iterating:
        StateError: The model has moved to another device since examples were drawn.
        DataError: A batch cannot be taken apart, the model's output does not fit, or a label lies outside the classes.
        ScoreError: A score is NaN or infinite (the message has the example's index), or not one per example.

    Source:
        Jiang's thesis, section 4, algorithm 1; arXiv:1910.00762, section 3.
    """

    def __init__(
        self,
        loader: Iterable[Batch],
        model: nn.Module,
        policy: Policy,
        batch_size: int,
        *,
        scoring: Scoring = Scoring(),  # noqa: B008 - frozen
        phases: Phases = Phases(),  # noqa: B008 - frozen
        seed: int = 0,
        log: ExampleLog | None = None,
        plain_views: bool = False,
        govern: bool = False,
        group: Any = None,
    ) -> None:
        _check(policy, scoring, batch_size, govern=govern)
        self.model = model
        self.policy = policy
        self.batch_size = batch_size
        self.phases = phases
        self.log = log
        self.plain_views = plain_views
        self.epoch = 0
        self._traits = policy.traits
        self._remembers = isinstance(policy, Stateful)
        self._scoring = scoring.resolved(self._traits, govern=govern)
        self._remainder = phases.remainder or ("flush" if self._traits.keeps_all else "carry")
        self._rounds = Rounds(loader, self._scoring.round_size)
        self._queue = Queue()
        self._ledger = Ledger()
        self._seed = seed
        self._generator: torch.Generator | None = None  # made on the scoring device at the first draw
        self._group = group
        self._ranks = Ranks(group)
        self._device = device_of(model)
        self._scores = self._new_scores(govern=govern)
        # held weakly: workers that persist hang for 10 s when a DataLoader goes in a cycle
        self._governor = Governor(policy, _weak(self._costs)) if govern else None
        heeded = govern or scoring.watches(self._traits)
        self._passes = TrainingPasses(model, _weak(self._seen)) if heeded else None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the training batches of one epoch of candidates."""
        return (batch for batch, _ in self.with_kept())

    def with_kept(self) -> Iterator[tuple[Batch, Kept]]:
        """Yield `(batch, kept)` for one epoch; `kept` has the index, score, weight and age of each example."""
        self._settle_down()
        self._begin_epoch()
        rounds: Iterator[tuple[Tensor, Batch]] | None = self._rounds.epoch()
        while True:
            while self._all_ready():
                yield from self._hand_out(*self._queue.pop(self.batch_size, now=self._ledger.batches))
            if self._all_ended(ended=rounds is None):
                break
            pair = None
            if rounds is not None:
                with (
                    self._ledger.meters.timing("data"),
                    self._scores.stopwatch.timing(
                        "plain_data" if self._mode == OFF else "data",
                        self._ledger.share.latest_round or self.batch_size,
                    ),
                ):
                    pair = next(rounds, None)
            if pair is None:
                rounds = None
                self._listen()
            elif self._is_ready_made(pair[1]):
                yield from self._pass_on(*pair)
            else:
                with self._ledger.meters.timing("scoring"):
                    self._offer(*pair)
            self._ledger.tell(self._ranks, self._mode)
            if self._governor is not None:
                self._governor.after_round(
                    self.epoch, self._rounds.count, self._ledger.share.now, self._scores.seen, self._ledger.batches
                )
        yield from self._left_over()
        self._rounds.finish()
        if self._scores.table is not None:
            self._scores.table.share(self._ranks)
        self._end_epoch()

    def observe(self, kept: Kept, logits: Tensor, targets: Tensor | None = None) -> None:
        """Hand over what the training pass of a batch gave, in place of the forward hook.

        Of use where scores come from the training pass (`Scoring.source`, `govern`): for loops that change the batch
        before the model sees it. Elsewhere it does nothing.

        Args:
            kept: Of that batch.
            logits: `[n, C]`, of its examples in their order.
            targets: `[n]` or `[n, C]`; None = those of the batch.

        Raises:
            DataError: The shapes do not fit, or the targets cannot be told.
            ScoreError: There is not one score per example.
        """
        if self._passes is None:
            return
        self._passes.stop()  # who hands over once does so always
        if self._heeds():
            self._scores.trained(kept, None, logits, targets, self.epoch)

    @property
    def stats(self) -> Stats:
        """Counts and times so far."""
        return self._ledger.stats(
            waiting=len(self._queue),
            processes=self._ranks.of,
            mode=self._mode,
            costs=self._costs(),
            device_seconds=self._scores.stopwatch.device_seconds(),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything a later loader needs to go on bit for bit, also from the middle of an epoch.

        The model, the optimiser and the global random state are the caller's to save. `torch.load` reads it with
        `weights_only=True` if the batches are plain tensors, tuples, lists and dicts. In a distributed run every
        process has a state of its own.
        """
        generator = self._generator
        return {
            "epoch": self.epoch,
            "candidates": self._rounds.state_dict(),
            "queue": self._queue.state_dict(),
            "policy": named_state(self.policy),
            "generator": generator and {"device": generator.device.type, "state": generator.get_state()},
            "scores": self._scores.state_dict(),
            **self._ledger.state_dict(),
            "governor": self._governor and self._governor.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; the next iteration finishes the epoch it was taken in.

        Raises:
            StateError: The state was saved on another kind of device, or of another policy or loader.
        """
        self._generator = None  # what was drawn with and what waits give way to what is loaded
        self._queue.clear()
        self._settle_down()
        saved, device = state["generator"], self._device
        if saved is not None and saved["device"] != device.type:
            raise StateError(
                f"the state was saved while drawing on {saved['device']} and the model is on {device.type} now: "
                f"move the model to {saved['device']} to go on with the same draws"
            )
        load_named_state(self.policy, state["policy"], "policy")
        if saved is not None:
            self._generator = torch.Generator(device)
            self._generator.set_state(saved["state"].cpu())
        self.epoch = state["epoch"]
        self._rounds.load_state_dict(state["candidates"])
        self._queue.load_state_dict(state["queue"], device)
        self._ledger.load_state_dict(state)
        if "scores" in state:  # states of earlier versions end here
            self._scores.load_state_dict(state["scores"])
            if self._governor is not None and state["governor"] is not None:
                self._governor.load_state_dict(state["governor"])

    def _settle_down(self) -> None:
        """Look where the model is, and which processes there are: both may have changed before the first draw."""
        self._ranks = Ranks(self._group)
        if self._governor is not None:
            self._governor.ranks = self._ranks
        device = device_of(self.model)
        if device != self._device:
            if self._generator is not None or len(self._queue):
                raise StateError(
                    f"the model has moved from {self._device} to {device} in the middle of a run: move it back, or "
                    "make a new loader"
                )
            self._device = device
            self._scores = self._new_scores(govern=self._governor is not None)

    def _begin_epoch(self) -> None:
        if self._rounds.count and not self._rounds.resumed:  # the loop around it broke off the last one
            self._end_epoch()
        self._scores.begin_epoch(resumed=self._rounds.resumed)
        if self._passes is not None:
            self._passes.forget()
        if self._governor is not None and not self._rounds.resumed:
            self._governor.begin_epoch(self.epoch, self._table, self._ledger.share.recent)

    def _end_epoch(self) -> None:
        self._ledger.end_epoch()
        self.epoch += 1

    def _new_scores(self, *, govern: bool) -> Scores:
        return Scores(self.model, self._scoring, self._rounds.examples, self._device, remembers=govern)

    def _costs(self) -> Costs:
        return self._scores.stopwatch.costs()

    @property
    def _table(self) -> LastScores:
        assert self._scores.table is not None, "a governed loader remembers scores"
        return self._scores.table

    @property
    def _mode(self) -> Mode:
        """Where scores come from now."""
        if self._governor is not None:
            return self._governor.mode
        if not self._traits.needs_score:
            return OFF
        return TRAINING if self._scoring.source == "training" else forward_mode(self._scoring.reuse)

    def _all_ready(self) -> bool:
        """Whether a batch waits in every process, once those that are too old are dropped."""
        if self.phases.max_age is not None:
            self._ledger.count(dropped=self._queue.drop_older(self.phases.max_age, now=self._ledger.batches))
        ready = len(self._queue) >= self.batch_size
        return ready if self._ranks.alone else all(yes for (yes,) in self._ranks.tell_all([int(ready)]))

    def _all_ended(self, *, ended: bool) -> bool:
        """Whether no process has candidates left."""
        return ended if self._ranks.alone else all(yes for (yes,) in self._ranks.tell_all([int(ended)]))

    def _left_over(self) -> Iterator[tuple[Batch, Kept]]:
        """Deal with what waits at the end of an epoch."""
        if self._remainder == "flush":
            # the smallest of the processes' remainders decides, because all step or none
            mine = min(len(self._queue), self.batch_size)
            sizes = [size for (size,) in self._ranks.tell_all([mine])]
            if min(sizes) > 1 or (min(sizes) == 1 and not _normalises_over_batch(self.model)):
                yield from self._hand_out(*self._queue.pop(mine, now=self._ledger.batches), everywhere=sum(sizes))
        elif self._remainder == "drop":
            self._ledger.count(dropped=self._queue.clear())
            self._ledger.tell(self._ranks, self._mode)

    def _is_ready_made(self, batch: Batch) -> bool:
        """Whether a round is a training batch as it is: nothing to choose, nothing waiting, nothing to move."""
        # what waits can wait until selection is on again
        governed_off = self._governor is not None and self._mode == OFF
        nothing_to_do = governed_off or (self._traits.keeps_all and not len(self._queue))
        at_hand = self._ranks.alone and self._device.type == "cpu"
        return nothing_to_do and at_hand and batches.size_of(batch) == self.batch_size

    def _pass_on(self, index: Tensor, batch: Batch) -> Iterator[tuple[Batch, Kept]]:
        """Yield a round that is ready-made, past the queue: the plain loop must cost what it costs."""
        self._ledger.offered(OFF, candidates=self.batch_size, kept=self.batch_size)
        self._ledger.tell(self._ranks, OFF)
        unscored = torch.full((self.batch_size,), torch.nan)
        age, looked = torch.zeros_like(index), torch.zeros_like(index, dtype=torch.bool)
        kept = Kept(index, unscored, torch.ones_like(unscored), age, targets_of(batch), looked)
        yield from self._hand_out(batch, kept)

    def _hand_out(self, batch: Batch, kept: Kept, everywhere: int | None = None) -> Iterator[tuple[Batch, Kept]]:
        """Yield a batch; `everywhere` is the sum of its sizes over the processes, None = all are full."""
        if self.log is not None:
            self.log.record_kept(kept.index)
        self._ledger.handed_out(self.batch_size * self._ranks.of if everywhere is None else everywhere)
        if self._passes is not None:
            self._passes.handed(kept, batch, heeded=self._heeds())
        with self._ledger.meters.timing("training"), self._scores.stopwatch.timing("step", len(kept.index)):
            yield batch, kept
        if self._passes is not None and self._governor is None:
            self._scores.must_have_seen(missed=self._passes.missed)

    def _heeds(self) -> bool:
        """Whether the training pass of the batch at hand is looked at."""
        return self._governor is None or self._governor.heeds(self._ledger.batches)

    def _seen(self, kept: Kept, rows: Rows, logits: Tensor) -> None:
        unfit = () if self._governor is None else (DataError, ScoreError)  # the governor can go without
        with suppress(*unfit):
            self._scores.trained(kept, rows, logits, None, self.epoch)

    def _offer(self, index: Tensor, batch: Batch) -> None:
        """Put one round of candidates through selection.

        At most one host synchronisation, and one more each if scores are reused and if the batch holds lists, whose
        entries are picked on the host.
        """
        if self._scores.table is not None:
            self._scores.table.reach(index)
        columns, structure = batches.flatten(batch)
        size = batches.batch_size(columns)
        columns = batches.to_device(columns, self._device)
        index = index.to(self._device, non_blocking=True)
        mode = self._mode
        selecting = size > 0 and self.phases.selecting(self.epoch, self._rounds.count - 1)
        selecting = selecting and not self._traits.keeps_all and (self._governor is None or mode != OFF)

        if not selecting or not self._traits.needs_score:
            found = RoundScores(torch.full((size,), torch.nan, device=self._device))
        else:
            found = self._scores.of_round(mode, index, columns, structure, self.epoch)
            self._ledger.count(scoring_forwards=found.forwards(), reused=size - found.forwards())
        elsewhere = self._elsewhere(found.score if selecting else found.score[:0])
        score, weight, looked = found.score, None, found.looked()
        with self._scores.stopwatch.timing("pick", size if selecting else 0):
            if selecting:
                choice = self.policy.choose(Candidates(index, score, self.epoch, elsewhere, self._scores.typical()))
                positions = drawn(choice, index, found.flaws(), self._drawing())
                self._record(index, found)
                columns = batches.take(columns, positions)
                index, score, looked = (part.index_select(0, positions) for part in (index, score, looked))
                weight = None if choice.weight is None else choice.weight.float().index_select(0, positions)
                self._ledger.count(chosen_from=size, chosen=len(index))
            self._ledger.offered(mode if selecting else OFF, candidates=size, kept=len(index))
            weight = torch.ones_like(score) if weight is None else weight
            self._queue.push(columns, structure, index, score, weight, looked, born=self._ledger.batches)

    def _record(self, index: Tensor, found: RoundScores) -> None:
        """Tell the log what a scoring forward gave."""
        if self.log is None or found.fresh is None:
            return
        index = index if found.at is None else index[found.at]
        self.log.record_scores(index, found.fresh.score, self.epoch)
        if self.plain_views:
            self.log.observe(index, found.fresh.logits, found.fresh.targets, self.epoch)

    def _elsewhere(self, score: Tensor) -> Tensor:
        """The scores of this round in the other processes, where the policy remembers scores."""
        return self._ranks.elsewhere(score) if self._remembers else score[:0]

    def _listen(self) -> None:
        """Take part in a round of the other processes: a policy's history is of all of them."""
        nothing = torch.empty(0, device=self._device)
        elsewhere = self._elsewhere(nothing)
        if len(elsewhere):
            self.policy.choose(Candidates(nothing.long(), nothing, self.epoch, elsewhere, self._scores.typical()))

    def _drawing(self) -> torch.Generator:
        if self._generator is None:
            self._generator = torch.Generator(self._device)
            self._generator.manual_seed(self._seed + self._ranks.rank)  # neighbours draw apart
        return self._generator


def _check(policy: Policy, scoring: Scoring, batch_size: int, *, govern: bool) -> None:
    if batch_size < 1:
        raise SettingsError(f"batch_size is {batch_size}: a training batch needs at least 1 example; 128 is usual")
    if isinstance(policy, type) or not isinstance(policy, Policy):
        raise SettingsError(
            f"policy is {policy!r:.60}: it must be a policy object such as SelectiveBackprop(floor=0.1); "
            "build_policy(name) makes one from a name"
        )
    if govern and (scoring.source is not None or scoring.reuse):
        raise SettingsError("govern is True and source or reuse are given: the governor moves them; leave them out")


def _weak(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that does not keep its object alive, which must be alive when it is called."""
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> Any:
        alive = reference()
        assert alive is not None
        return alive(*args)

    return call


def _normalises_over_batch(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())

"""The inverted loop: selection as a loader that yields only full training batches.

::

    loader --round--> score --P(keep)--> draw --> queue --n at a time--> training step (the user's own)
             |          forward,           own      on the scoring          |
             |          no gradient        generator  device                  |
             +------------------------ next round <------------------------+
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rheostat.errors import DataError, ScoreError, SettingsError, StateError
from rheostat.select.phases import Phases
from rheostat.select.policy import Candidates, Policy
from rheostat.select.queue import Kept, Queue
from rheostat.select.scoring import Scored, Scorer, Scoring
from rheostat.signals import ExampleLog, Meters, batches
from rheostat.signals.batches import Batch
from rheostat.signals.loaders import IndexedStream
from rheostat.signals.stateful import load_named_state, named_state


@dataclass(frozen=True)
class Stats:
    """What selection has done so far, over all epochs.

    Attributes:
        epochs: Epochs of candidates that were finished.
        candidates: Examples offered.
        scoring_forwards: Examples sent through the network to be scored.
        kept: Examples kept, whether they have been trained on yet or not.
        backwards: Examples yielded for training; each costs a training forward and a backward.
        dropped: Kept examples that were dropped before training (remainder, age).
        batches: Training batches yielded.
        data_seconds, scoring_seconds, training_seconds: Wall-clock time waiting for candidates, scoring and selecting
            them, and between a batch and the request for the next one.
        data_cpu_seconds, scoring_cpu_seconds, training_cpu_seconds: The same in processor time of this process.
    """

    epochs: int
    candidates: int
    scoring_forwards: int
    kept: int
    backwards: int
    dropped: int
    batches: int
    data_seconds: float
    scoring_seconds: float
    training_seconds: float
    data_cpu_seconds: float
    scoring_cpu_seconds: float
    training_cpu_seconds: float

    @property
    def kept_share(self) -> float:
        """Kept examples per candidate, in [0, 1]; NaN before the first candidate."""
        return self.kept / self.candidates if self.candidates else float("nan")


class SelectiveLoader:
    """Wraps a loader and yields training batches of exactly `batch_size` examples that are worth training on.

    The loop around it stays as it was::

        batches = SelectiveLoader(loader, model, SelectiveBackprop(floor=0.1), batch_size=128)
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            ...

    One pass over it is one epoch of candidates, in the wrapped loader's order. Each batch of the wrapped loader is one
    round: it is moved to the model's device, scored there without gradient, and each of its examples is drawn with the
    probability that the policy gives; the drawn wait in a queue until `batch_size` are there. How many batches an epoch
    has is known only when it is over, so there is no `len()`.

    What it does not touch: the model's parameters, buffers and train flags, and the global random state.

    Args:
        loader: The candidates: any iterable of batches that can be iterated once per epoch. Batches are tensors
            `[B, ...]` in any nesting of tuples, lists and mappings. With a map-style `DataLoader`, indices are data set
            indices.
        model: Scores the candidates. Its first parameter's device is where examples are scored and queued.
        policy: Which candidates are kept.
        batch_size: Number of examples n in every training batch, >= 1.
        scoring: How candidates are scored.
        phases: When selection is on, and what becomes of examples that wait.
        seed: Seed of the generator that draws.
        log: Remembers scores and uses per example, if given.
        plain_views: Whether the loader's views are un-augmented, so that the forward that scores them is also a look of
            the `log` at them (`ExampleLog.observe`). What is not scored is not looked at.

    Raises:
        SettingsError: `batch_size` is below 1, or `policy` is not a policy.

    While iterating:
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
    ) -> None:
        if batch_size < 1:
            raise SettingsError(f"batch_size is {batch_size}: a training batch needs at least 1 example; 128 is usual")
        if isinstance(policy, type) or not isinstance(policy, Policy):
            raise SettingsError(
                f"policy is {policy!r:.60}: it must be a policy object such as SelectiveBackprop(floor=0.1); "
                "build_policy(name) makes one from a name"
            )
        self.model = model
        self.policy = policy
        self.batch_size = batch_size
        self.scoring = scoring
        self.phases = phases
        self.log = log
        self.plain_views = plain_views
        self.epoch = 0
        self._remainder = phases.remainder or ("flush" if policy.keeps_all else "carry")
        self._stream = IndexedStream(loader)
        self._queue = Queue()
        self._meters = Meters()
        self._seed = seed
        self._generator: torch.Generator | None = None  # made on the scoring device at the first draw

    def __iter__(self) -> Iterator[Batch]:
        """Yield the training batches of one epoch of candidates."""
        return (batch for batch, _ in self.with_kept())

    def with_kept(self) -> Iterator[tuple[Batch, Kept]]:
        """Yield `(batch, kept)` for one epoch; `kept` has the index, score, weight and age of each example."""
        rounds = self._stream.epoch()
        device, scorer = self._device(), Scorer(self.model, self.scoring)
        while True:
            while self._waiting() >= self.batch_size:
                yield from self._one_batch(self.batch_size)
            with self._meters.timing("data"):
                pair = next(rounds, None)
            if pair is None:
                break
            if self._is_ready_made(pair[1], device):
                yield from self._pass_on(*pair)
                continue
            with self._meters.timing("scoring"):
                self._offer(*pair, device, scorer)
        if self._remainder == "flush":
            left = self._waiting()
            if left > 1 or (left == 1 and not _normalises_over_batch(self.model)):
                yield from self._one_batch(left)
        elif self._remainder == "drop":
            self._meters.count("dropped", self._queue.clear())
        self._stream.finish()
        self.epoch += 1
        self._meters.count("epochs")

    @property
    def stats(self) -> Stats:
        """Counts and times so far."""
        count, wall, cpu = self._meters.counts, self._meters.seconds, self._meters.cpu_seconds
        return Stats(
            epochs=count.get("epochs", 0),
            candidates=count.get("candidates", 0),
            scoring_forwards=count.get("scoring_forwards", 0),
            kept=count.get("kept", 0),
            backwards=count.get("backwards", 0),
            dropped=count.get("dropped", 0),
            batches=count.get("batches", 0),
            data_seconds=wall.get("data", 0.0),
            scoring_seconds=wall.get("scoring", 0.0),
            training_seconds=wall.get("training", 0.0),
            data_cpu_seconds=cpu.get("data", 0.0),
            scoring_cpu_seconds=cpu.get("scoring", 0.0),
            training_cpu_seconds=cpu.get("training", 0.0),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything a later loader needs to go on bit for bit, also from the middle of an epoch.

        The model, the optimiser and the global random state are the caller's to save. `torch.load` reads it with
        `weights_only=True` if the batches are plain tensors, tuples, lists and dicts.
        """
        drawn = self._generator
        return {
            "epoch": self.epoch,
            "candidates": self._stream.state_dict(),
            "queue": self._queue.state_dict(),
            "policy": named_state(self.policy),
            "meters": self._meters.state_dict(),
            "generator": None if drawn is None else {"device": drawn.device.type, "state": drawn.get_state()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; the next iteration finishes the epoch it was taken in.

        Raises:
            StateError: The state was saved on another kind of device, or of another policy or loader.
        """
        device = self._device()
        saved = state["generator"]
        if saved is not None and saved["device"] != device.type:
            raise StateError(
                f"the state was saved while drawing on {saved['device']} and the model is on {device.type} now: "
                f"move the model to {saved['device']} to go on with the same draws"
            )
        load_named_state(self.policy, state["policy"], "policy")
        self._generator = None
        if saved is not None:
            self._generator = torch.Generator(device)
            self._generator.set_state(saved["state"].cpu())
        self.epoch = state["epoch"]
        self._stream.load_state_dict(state["candidates"])
        self._queue.load_state_dict(state["queue"], device)
        self._meters.load_state_dict(state["meters"])

    def _waiting(self) -> int:
        """How many examples wait, once those that are too old are dropped."""
        if self.phases.max_age is not None:
            self._meters.count("dropped", self._queue.drop_older(self.phases.max_age, now=self._now()))
        return len(self._queue)

    def _now(self) -> int:
        """The time that ages are counted in: training batches yielded so far."""
        return self._meters.counts.get("batches", 0)

    def _one_batch(self, number: int) -> Iterator[tuple[Batch, Kept]]:
        """Yield the oldest `number` waiting examples."""
        yield from self._hand_out(*self._queue.pop(number, now=self._now()))

    def _is_ready_made(self, batch: Batch, device: torch.device) -> bool:
        """Whether a round is a training batch as it is: nothing to choose, nothing waiting, nothing to move."""
        as_it_is = self.policy.keeps_all and not len(self._queue) and device.type == "cpu"
        return as_it_is and batches.size_of(batch) == self.batch_size

    def _pass_on(self, index: Tensor, batch: Batch) -> Iterator[tuple[Batch, Kept]]:
        """Yield a round that is ready-made, past the queue: the plain loop must cost what it costs."""
        self._meters.count("candidates", self.batch_size)
        self._meters.count("kept", self.batch_size)
        unscored = torch.full((self.batch_size,), torch.nan)
        kept = Kept(index, unscored, torch.ones_like(unscored), torch.zeros_like(index))
        yield from self._hand_out(batch, kept)

    def _hand_out(self, batch: Batch, kept: Kept) -> Iterator[tuple[Batch, Kept]]:
        if self.log is not None:
            self.log.record_kept(kept.index)
        self._meters.count("batches")
        self._meters.count("backwards", len(kept.index))
        with self._meters.timing("training"):
            yield batch, kept

    def _offer(self, index: Tensor, batch: Batch, device: torch.device, scorer: Scorer) -> None:
        """Put one round of candidates through selection.

        At most one host synchronisation, and one more if the batch holds lists, whose entries are picked on the host.
        """
        columns, structure = batches.flatten(batch)
        size = batches.batch_size(columns)
        columns = batches.to_device(columns, device)
        index = index.to(device, non_blocking=True)
        self._meters.count("candidates", size)
        selecting = self.phases.selecting(self.epoch, self._stream.rounds - 1)

        scored: Scored | None = None
        if selecting and self.policy.needs_score and size:
            scored = scorer.score(batches.unflatten(columns, structure), size)
            self._meters.count("scoring_forwards", size)
        score = torch.full((size,), torch.nan, device=device) if scored is None else scored.score
        if selecting and not self.policy.keeps_all and size:
            probability = self.policy.keep_probability(Candidates(index, score))
            draw = torch.rand(size, generator=self._drawing(device), device=device)
            positions = _kept_positions(draw < probability, index, probability, scored)
            if self.log is not None and scored is not None:
                self.log.record_scores(index, score, self.epoch)
                if self.plain_views:
                    self.log.observe(index, scored.logits, scored.targets, self.epoch)
            columns = batches.take(columns, positions)
            index, score = index.index_select(0, positions), score.index_select(0, positions)

        self._meters.count("kept", len(index))
        self._queue.push(columns, structure, index, score, born=self._now())

    def _device(self) -> torch.device:
        first = next(itertools.chain(self.model.parameters(), self.model.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    def _drawing(self, device: torch.device) -> torch.Generator:
        if self._generator is None:
            self._generator = torch.Generator(device)
            self._generator.manual_seed(self._seed)
        return self._generator


def _kept_positions(keep: Tensor, index: Tensor, probability: Tensor, scored: Scored | None) -> Tensor:
    """Positions `[K]` of the kept candidates, in order, after checking the round.

    How many are kept and whether anything is wrong come to the host in one transfer, the only one of a round.
    """
    flaws = [probability != probability.clamp(0, 1)]  # true of NaN as well
    if scored is not None:
        flaws += [scored.bad_target, scored.bad_score]
    number, *flawed = to_host(torch.stack([keep, *flaws]).sum(dim=1))
    if any(flawed):
        _raise_for_first(index, probability, scored, torch.stack(flaws).any(dim=0))
    # a stable sort puts the kept first and, unlike boolean indexing, needs no synchronisation of its own
    return torch.sort(keep, descending=True, stable=True).indices[:number]


def to_host(values: Tensor) -> list[int]:
    """Bring a few integers to the host: the one synchronisation that a round may make."""
    return values.tolist()


def _raise_for_first(index: Tensor, probability: Tensor, scored: Scored | None, wrong: Tensor) -> None:
    """Raise for the first wrong candidate of the round, naming its index."""
    at = int(wrong.int().argmax())
    example = int(index[at])
    if scored is not None and scored.bad_target[at]:
        classes = scored.logits.shape[1]
        raise DataError(
            f"the label of example {example} is {int(scored.targets[at])} and the model has {classes} outputs: "
            f"labels must lie in [0, {classes - 1}]; correct the label or build the model with more outputs"
        )
    if scored is not None and scored.bad_score[at]:
        raise ScoreError(
            f"the score of example {example} is {float(scored.score[at])}: training has diverged or its input holds "
            "NaN; lower the learning rate or look at this example"
        )
    raise ScoreError(
        f"the policy gave example {example} the probability {float(probability[at])}: it must lie in [0, 1]"
    )


def _normalises_over_batch(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())

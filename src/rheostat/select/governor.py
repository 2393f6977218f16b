"""Moves the scoring itself to where selection saves time, and switches it off where it cannot.

::

    off, watching --(the epoch is over, or `_CHECKS` rounds are)--> the freshest scores of nearly the best speed-up,
         ^                                                           if that is above 1
         +----------------------- off again as soon as it is not ---+

Scores of the training pass cost next to nothing, so they are what it takes where the loader sees training passes. Where
it does not, it weighs a forward pass for every candidate against the reuse of older scores. While selection is off, the
training passes are still looked at, but never for more than `_WATCHING` of the time.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

from rheostat.select.costs import OFF, REUSES, TRAINING, Costs, Mode, forward_mode, speedup
from rheostat.select.last_scores import LastScores
from rheostat.select.policy import Candidates, Policy
from rheostat.select.ranks import Ranks

_WORTH = 1.02  # a speed-up below this is not worth a choice of examples
_WORTH_OF_A_BIASED_CHOICE = 2.0  # an epoch of selection teaches less than one of all: see decision 0017
_NEARLY = 0.9  # of the best speed-up: fresher scores are worth that much
_CHECKS = (8, 64, 256)  # rounds of an epoch or a mode after which it is judged again, and then every so many
_BLIND = 32  # training batches after which the loader must have seen a training pass; trainers may fetch ahead
MODES = tuple(mode.name for mode in (OFF, TRAINING, *map(forward_mode, REUSES)))
"""The names of all modes that it may take."""

_SAMPLE = 1024  # examples that the kept share is estimated from while selection is off
_WATCHING = 0.01


def best_mode(costs: Costs, kept_share: float, modes: Sequence[Mode], worth: float = _WORTH) -> Mode:
    """The first mode whose predicted speed-up is nearly the best one's; `OFF` if none is worth it.

    Args:
        costs: Measured; a mode whose cost is not is taken, so that it will be.
        kept_share: Expected, in [0, 1].
        modes: The freshest scores first.
        worth: Least speed-up that a mode must have, >= 1.
    """
    gains = [speedup(costs, mode, kept_share) for mode in modes]
    for mode, gain in zip(modes, gains, strict=True):
        if math.isnan(gain):
            return mode
    best = max(gains)
    if best < worth:
        return OFF
    return next(mode for mode, gain in zip(modes, gains, strict=True) if gain >= max(_NEARLY * best, worth))


class Governor:
    """Decides the mode of a loader; the loader tells it what it has measured.

    Args:
        policy: Its kept share is predicted from the scores of the last epoch.
        costs: Gives what was measured lately.
    """

    def __init__(self, policy: Policy, costs: Callable[[], Costs]) -> None:
        self._policy = policy
        self._worth = _WORTH if policy.traits.reweights else _WORTH_OF_A_BIASED_CHOICE
        self._costs = costs
        self.ranks = Ranks()  # of the processes, who decide alike
        self.mode = OFF
        self.history: list[tuple[int, int, str]] = []  # epoch, round and name of each change
        self._sees_training: bool | None = False if policy.traits.excludes else None  # None = not known yet
        self._watched_whole = False  # whether there was an epoch off in which every training pass was looked at
        # epochs left out after a trial of a forward that did not pay: next time, and still to go
        self._pause, self._paused = 1, 0
        self._since = 0  # rounds since the mode or the epoch began
        self._every = 1  # of so many training batches one is looked at while selection is off

    def begin_epoch(self, epoch: int, table: LastScores, kept_share: float) -> None:
        """Decide for the epoch that begins; collective.

        Args:
            epoch: From 0.
            table: Last scores.
            kept_share: In [0, 1], of the last rounds that went through selection; NaN = none has.
        """
        self._since = 0
        self._watched_whole = self._watched_whole or self._sees_training is True
        if self._sees_training is None:
            self._take(OFF, epoch, 0)
        elif self.mode != OFF and not math.isnan(kept_share):
            self._decide(kept_share, epoch, 0)
        elif self._sees_training:
            self._decide(self._expected(table, epoch), epoch, 0)
        elif self._paused:
            self._paused -= 1
        else:
            self._take(forward_mode(), epoch, 0)  # only trying it tells what it would keep by now

    def after_round(self, epoch: int, round_: int, kept_share: float, seen: int, batches: int) -> None:
        """Judge the mode now and then; collective.

        Args:
            epoch: From 0.
            round_: Rounds of it that are over.
            kept_share: Of this epoch's rounds that went through selection, in [0, 1]; NaN = none has.
            seen: Training passes that this process has seen so far.
            batches: Training batches so far.
        """
        self._since += 1
        if self._sees_training is None and batches:
            if all(passes for (passes,) in self.ranks.tell_all([seen])):
                self._sees_training = True
            elif batches >= _BLIND:
                self._sees_training = False
                self._take(forward_mode(), epoch, round_)
            return
        due = self._since in _CHECKS or self._since % _CHECKS[-1] == 0
        if due and self.mode != OFF and not math.isnan(kept_share):
            self._decide(kept_share, epoch, round_)

    def heeds(self, batch: int) -> bool:
        """Whether the training pass of the batch of this number is looked at: all are, while selection is on."""
        if self._sees_training is False:
            return False
        if self.mode != OFF or not self._watched_whole:
            return True
        if batch % _CHECKS[-1] == 0 or self._every == 1:
            costs = self._costs()
            if costs.observe > 0 and costs.step > 0:
                self._every = max(1, math.ceil(costs.observe / (_WATCHING * costs.step)))
        return batch % self._every == 0

    def state_dict(self) -> dict[str, Any]:
        """Mode and history; what the clocks say is measured anew."""
        return {
            "mode": list(self.mode),
            "history": [list(change) for change in self.history],
            "sees_training": self._sees_training,
            "watched_whole": self._watched_whole,
            "pause": [self._pause, self._paused],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the saved mode."""
        name, source, reuse = state["mode"]
        self.mode = Mode(name, source, reuse)
        self.history = [(epoch, round_, name) for epoch, round_, name in state["history"]]
        self._sees_training = state["sees_training"]
        self._watched_whole = state["watched_whole"]
        self._pause, self._paused = state["pause"]

    def _decide(self, kept_share: float, epoch: int, round_: int) -> None:
        *means, share = self.ranks.mean([*self._costs(), kept_share])
        modes = [TRAINING] if self._sees_training else [forward_mode(reuse) for reuse in REUSES]
        mode = best_mode(Costs(*means), share, modes, self._worth)
        if mode == OFF and not self._sees_training:
            self._pause, self._paused = 2 * self._pause, self._pause
        elif mode != OFF:
            self._pause = 1
        self._take(mode, epoch, round_)

    def _take(self, mode: Mode, epoch: int, round_: int) -> None:
        if mode != self.mode or not self.history:
            self.history.append((epoch, round_, mode.name))
            self._since = 0
        self.mode = mode

    def _expected(self, table: LastScores, epoch: int) -> float:
        """The share that the policy would keep of what was last seen; 0 if nothing was, so that a mode is tried."""
        index = table.sample(_SAMPLE)
        if not len(index):
            return 0.0
        score = table.of(index)  # those that were not looked at count as hard, and would be kept
        policy = copy.deepcopy(self._policy)  # one that remembers must not remember this
        return float(policy.choose(Candidates(index, score, epoch, typical=table.mean())).expected_share())

"""Where the scores of a round come from: a forward pass, memory, or the training passes."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rheostat.errors import DataError, ScoreError
from rheostat.select.costs import Mode, Stopwatch
from rheostat.select.last_scores import LastScores
from rheostat.select.observing import Rows
from rheostat.select.queue import Kept
from rheostat.select.scoring import Resolved, Scored, Scorer, scores_of
from rheostat.signals import batches
from rheostat.signals.batches import Column, Structure

_PATIENCE = 8  # training batches
_LONG_PATIENCE = 64  # where the model has not been run yet: trainers may fetch batches ahead


class RoundScores(NamedTuple):
    """The scores of one round.

    Attributes:
        score: `[B]` float32.
        fresh: What a forward pass gave, of the candidates at `at`; None = none was made.
        at: `[F]` positions of those; None = all.
        bad: `[B]` bool, of which what is remembered is no finite number; None = they are known to be good.
    """

    score: Tensor
    fresh: Scored | None = None
    at: Tensor | None = None
    bad: Tensor | None = None

    def forwards(self) -> int:
        """How many candidates went through the network."""
        return 0 if self.fresh is None else len(self.fresh.score)

    def looked(self) -> Tensor:
        """`[B]` bool, which candidates went through the network."""
        looked = torch.full_like(self.score, self.fresh is not None and self.at is None, dtype=torch.bool)
        return looked if self.at is None else looked.index_fill(0, self.at, value=True)

    def flaws(self) -> Scored | None:
        """What was wrong with the scores, over the whole round; None = nothing can be."""
        fresh, at = self.fresh, self.at
        if fresh is not None and at is None:
            return fresh
        none = torch.zeros_like(self.score, dtype=torch.bool)
        if fresh is None or at is None:  # the logits are gone, and so are targets that could be wrong
            return None if self.bad is None else Scored(self.score, self.score[:, None], none, none, self.bad)
        targets = fresh.targets.new_zeros(len(self.score), *fresh.targets.shape[1:]).index_copy(0, at, fresh.targets)
        bad_target, bad_score = none.index_copy(0, at, fresh.bad_target), none.index_copy(0, at, fresh.bad_score)
        return Scored(self.score, fresh.logits, targets, bad_target, bad_score)


class Scores:
    """Gives rounds their scores, and remembers them where that is of use.

    Args:
        model: Scores the candidates.
        scoring: How.
        examples: Size of the data set; 0 = not known.
        device: Where the scoring happens.
        remembers: Whether last scores are kept even if `scoring` has no use for them.
    """

    def __init__(
        self, model: nn.Module, scoring: Resolved, examples: int, device: torch.device, *, remembers: bool
    ) -> None:
        self._model = model
        self._scoring = scoring
        self._device = device
        remembers = remembers or scoring.source == "training" or scoring.reuse > 0
        self.table = LastScores(examples, device) if remembers else None
        self.stopwatch = Stopwatch(device)
        self.seen = 0  # training passes
        self._unseen = 0  # training batches whose pass should have been seen
        self._typical: Tensor | None = None
        self._scorer = Scorer(model, scoring)

    def begin_epoch(self, *, resumed: bool) -> None:
        """Look at the model anew and, unless this is the rest of an epoch, at what scores are typical."""
        self._scorer = Scorer(self._model, self._scoring)
        if not resumed:
            mean = None if self.table is None else self.table.mean()
            self._typical = None if mean is None or mean.isnan() else mean

    def typical(self) -> Tensor | None:
        """Mean of the last scores when the epoch began; None if there was none, or they are not remembered."""
        return self._typical

    def of_round(
        self, mode: Mode, index: Tensor, columns: list[Column], structure: Structure, epoch: int
    ) -> RoundScores:
        """Scores of the candidates of a round.

        Raises:
            DataError: The logits or the targets have the wrong shape.
            ScoreError: There is not one score per example.
        """
        size = len(index)
        if mode.source == "training":
            assert self.table is not None, "training passes are remembered"
            last = self.table.of(index)
            return RoundScores(last, bad=last * 0 != 0)
        at: Tensor | None = None
        if self.table is not None and mode.reuse:
            old = self.table.older(index, epoch - mode.reuse).nonzero().flatten()
            if not len(old):
                return RoundScores(self.table.of(index))
            at = old if len(old) < size else None
        with self.stopwatch.timing("score", size if at is None else len(at)):
            part = columns if at is None else batches.take(columns, at)
            fresh = self._scorer.score(batches.unflatten(part, structure), size if at is None else len(at))
        if self.table is not None:
            self.table.put(index if at is None else index[at], fresh.score, epoch)
        if self.table is None or at is None:
            return RoundScores(fresh.score, fresh)
        return RoundScores(self.table.of(index), fresh, at)

    def trained(self, kept: Kept, rows: Rows, logits: Tensor, targets: Any, epoch: int) -> None:
        """Take the scores of (some rows of) a training batch from the logits of its training pass.

        Raises:
            DataError: The shapes do not fit, or the targets cannot be told.
            ScoreError: There is not one score per example.
        """
        if self.table is None:
            return
        targets = kept.targets if targets is None else targets
        if not isinstance(targets, Tensor):
            raise DataError(
                "the targets of the training batch cannot be told from its form: hand them over, "
                "batches.observe(kept, logits, targets)"
            )
        index = kept.index if rows is None else kept.index[rows]
        if rows is not None and len(targets) == len(kept.index):
            targets = targets[rows]
        with self.stopwatch.timing("observe", len(index)), torch.no_grad():
            found = scores_of(self._scoring.score, logits.detach(), targets.to(logits.device), len(index))
            self.table.put(index, found.score, epoch)
        self.seen += 1

    def must_have_seen(self, *, missed: bool) -> None:
        """Count a training batch whose pass should have been seen.

        Args:
            missed: Whether there was a pass that was not recognised; without one, the loop may be fetching ahead.

        Raises:
            ScoreError: None of the first few was, and the scores depend on it.
        """
        self._unseen += 1
        if not self.seen and self._unseen >= (_PATIENCE if missed else _LONG_PATIENCE):
            raise ScoreError(
                f"source is 'training' and none of the first {self._unseen} training batches was recognised in a "
                "forward pass of the model: hand its logits over with batches.observe(kept, logits) after each step, "
                "or give Scoring(source='forward')"
            )

    def state_dict(self) -> dict[str, Any]:
        """What is remembered."""
        return {"table": None if self.table is None else self.table.state_dict(), "typical": self._typical}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Take over a saved memory."""
        if state is None or self.table is None or state["table"] is None:
            return
        self.table.load_state_dict(state["table"])
        typical = state["typical"]
        self._typical = None if typical is None else typical.to(self._device)

"""How candidates are scored: a forward pass without gradient that leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from rheostat.errors import DataError, ScoreError, SettingsError
from rheostat.signals import Score, euclidean
from rheostat.signals.batches import Batch
from rheostat.signals.randomness import host_random_states_kept, torch_random_states_kept

Forward = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""model, batch -> logits `[B, C]` and targets `[B]` or `[B, C]`."""

_TARGET_KEYS = ("labels", "label", "targets", "target", "y")


def logits_and_targets(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Run the model on the two usual forms of batch.

    ``(inputs, targets)`` calls ``model(inputs)``; a mapping with a key ``labels``, ``label``, ``targets``, ``target``
    or ``y`` calls ``model(**rest)``. A result with ``logits`` (a Transformers output) is reduced to them.

    Raises:
        DataError: The batch has another form.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        inputs, targets = batch
        output = model(inputs)
    elif isinstance(batch, Mapping) and (named := [key for key in _TARGET_KEYS if key in batch]):
        targets = batch[named[0]]
        output = model(**{key: value for key, value in batch.items() if key != named[0]})
    else:
        raise DataError(
            f"cannot tell inputs from targets in a {type(batch).__name__}: (inputs, targets) and mappings with one of "
            f"{', '.join(_TARGET_KEYS)} are understood; for others give Scoring(forward=...)"
        )
    return getattr(output, "logits", output), targets


@dataclass(frozen=True)
class Scoring:
    """How a candidate gets its score.

    Args:
        score: logits `[B, C]`, targets `[B]` or `[B, C]` -> `[B]`, higher = more to teach.
        mode: Mode of the model while it scores. ``eval`` uses the running statistics of normalisation layers and no
            dropout; ``train`` scores the network as the training step sees it, with buffers and random state put back.
        forward: How to run the model on a batch; `logits_and_targets` understands the usual forms.

    Raises:
        SettingsError: `mode` is neither ``eval`` nor ``train``.
    """

    score: Score = euclidean
    mode: Literal["eval", "train"] = "eval"
    forward: Forward = logits_and_targets

    def __post_init__(self) -> None:
        if self.mode not in ("eval", "train"):
            raise SettingsError(f"mode is {self.mode!r}: the model scores in 'eval' or in 'train' mode")


class Scored(NamedTuple):
    """Scores `[B]`, and what could be wrong with them, still on the device.

    Attributes:
        score: `[B]` float32.
        logits: `[B, C]`, what they were computed from.
        targets: What the batch gave.
        bad_target: `[B]` bool, a class index outside [0, C).
        bad_score: `[B]` bool, NaN or infinite.
    """

    score: Tensor
    logits: Tensor
    targets: Tensor
    bad_target: Tensor
    bad_score: Tensor


class Scorer:
    """Scores the rounds of one epoch; what the model consists of is looked up once.

    Args:
        model: Scores the candidates.
        scoring: How.
    """

    def __init__(self, model: nn.Module, scoring: Scoring) -> None:
        self._model = model
        self._scoring = scoring
        self._modules = list(model.modules())
        written = [m for m in self._modules if scoring.mode == "train" or not isinstance(m, _STILL_IN_EVAL)]
        self._buffer_owners = [module for module in written if module._buffers]
        first = next(model.parameters(), None)
        self._cuda = [first.device.index] if first is not None and first.device.type == "cuda" else []
        # whether the forward moves Python's or numpy's random state: keeping them costs more than the rest of a round,
        # and hardly any model draws from them, so the first round finds out
        self._draws_on_host: bool | None = None

    def score(self, batch: Batch, size: int) -> Scored:
        """Score the `size` examples of a batch without a host synchronisation.

        Raises:
            DataError: The logits or the targets have the wrong shape.
            ScoreError: There is not one score per example.
        """
        scoring = self._scoring
        with torch.no_grad(), self._model_left_as_it_was():
            logits, targets = scoring.forward(self._model, batch)
            _check_shapes(logits, targets, size)
            # an index outside the classes would stop the device: it is clamped, and reported with the round's counts
            within = targets.clamp(0, logits.shape[1] - 1) if targets.ndim == 1 else targets
            score = scoring.score(logits, within)
        if score.shape != (size,):
            raise ScoreError(
                f"the score of {size} examples has shape {list(score.shape)} and must be one number per example, "
                f"[{size}]: a loss that is averaged over the batch cannot rank it, use reduction='none'"
            )
        score = score.detach().float()
        bad_target = targets != within if targets.ndim == 1 else torch.zeros_like(score, dtype=torch.bool)
        # NaN and infinity are the numbers that do not vanish when multiplied by 0; half the work of isfinite()
        return Scored(score, logits, targets, bad_target, score * 0 != 0)

    @contextmanager
    def _model_left_as_it_was(self) -> Iterator[None]:
        """Put train flags, buffers and the global random states back as they were before the block."""
        flags = [(module, module.training) for module in self._modules]
        buffers = [
            (module, name, buffer, None if buffer is None else buffer.clone())
            for module in self._buffer_owners
            for name, buffer in module._buffers.items()
        ]
        train = self._scoring.mode == "train"
        settled = self._draws_on_host is False
        with torch_random_states_kept(self._cuda) if settled else self._all_random_states_kept():
            try:
                if not (train and self._model.training):  # a part that is frozen in eval trains so, and scores so
                    _set_training((module, train) for module in self._modules)
                yield
            finally:
                _set_training(flags)
                for module, name, buffer, saved in buffers:
                    if buffer is not None and saved is not None:
                        buffer.data.copy_(saved)  # autograd need not know: a graph that waits finds what it saved
                    module._buffers[name] = buffer

    @contextmanager
    def _all_random_states_kept(self) -> Iterator[None]:
        with torch_random_states_kept(self._cuda), host_random_states_kept() as moved:
            yield
            self._draws_on_host = moved()


def _check_shapes(logits: Any, targets: Any, size: int) -> None:
    shape = logits.shape if isinstance(logits, Tensor) else ()
    if len(shape) != 2 or shape[0] != size:
        what = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise DataError(
            f"the model gave {what} for {size} examples and must give logits [{size}, classes]: "
            "for another kind of output give Scoring(forward=...)"
        )
    if not isinstance(targets, Tensor) or targets.shape not in ((size,), shape):
        what = list(targets.shape) if isinstance(targets, Tensor) else type(targets).__name__
        raise DataError(
            f"the targets are {what} and must be class indices [{size}] or soft targets {list(logits.shape)}, "
            f"because the model has {logits.shape[1]} outputs: does its last layer have one for every class?"
        )
    if targets.ndim == 1 and targets.is_floating_point():
        raise DataError(
            f"the targets are {targets.dtype} of shape [{size}] and must be integers: "
            "class indices are compared with equality"
        )


def _set_training(flags: Iterable[tuple[nn.Module, bool]]) -> None:
    """Set the flags themselves: `train()` may be overridden to do more, and is slow on many modules."""
    for module, training in flags:
        if module.training != training:
            object.__setattr__(module, "training", training)


# layers whose buffers an eval-mode forward does not write; there is nothing to put back
_STILL_IN_EVAL = (nn.modules.batchnorm._NormBase,)

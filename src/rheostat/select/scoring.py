"""How candidates are scored: a forward pass without gradient that leaves the model as it was."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.errors import DataError, ScoreError, SettingsError
from rheostat.select.policy import Source, Traits
from rheostat.select.ranks import unwrapped
from rheostat.signals import Score, batches
from rheostat.signals.batches import Batch
from rheostat.signals.randomness import host_random_states_kept, torch_random_states_kept

Forward = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""model, batch -> logits `[B, C]` and targets `[B]` or `[B, C]`."""

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TARGET_KEYS = ("labels", "label", "targets", "target", "y")


def logits_and_targets(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Run the model on the two usual forms of batch.

    ``(inputs, targets)`` calls ``model(inputs)``; a mapping with a key ``labels``, ``label``, ``targets``, ``target``
    or ``y`` calls ``model(**rest)``. A result with ``logits`` (a Transformers output) is reduced to them.

    Raises:
        DataError: The batch has another form.
    """
    targets = targets_of(batch)
    if targets is None:
        raise DataError(
            f"cannot tell inputs from targets in a {type(batch).__name__}: (inputs, targets) and mappings with one of "
            f"{', '.join(_TARGET_KEYS)} are understood; for others give Scoring(forward=...)"
        )
    if isinstance(batch, Mapping):
        output = model(**{key: value for key, value in batch.items() if key != _target_key(batch)})
    else:
        output = model(batch[0])
    return getattr(output, "logits", output), targets


def targets_of(batch: Batch) -> Any:
    """The targets in the two usual forms of batch; None where they cannot be told."""
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[1]
    if isinstance(batch, Mapping) and (key := _target_key(batch)) is not None:
        return batch[key]
    return None


def _target_key(batch: Mapping[Any, Any]) -> str | None:
    return next((key for key in _TARGET_KEYS if key in batch), None)


@dataclass(frozen=True)
class Scoring:
    """How a candidate gets its score.

    Args:
        score: logits `[B, C]`, targets `[B]` or `[B, C]` -> `[B]`, higher = more to teach; None = what the policy asks
            for.
        mode: Mode of the model while it scores. ``eval`` uses the running statistics of normalisation layers and no
            dropout; ``train`` scores the network as the training step sees it, with buffers and random state put back.
        forward: How to run the model on a batch; `logits_and_targets` understands the usual forms.
        source: ``forward`` = a forward pass without gradient; ``training`` = what the last training pass of the example
            gave, without any further pass: taken by a forward hook, or handed over by `SelectiveLoader.observe`. An
            example that was never trained on counts as hard. None = what the policy asks for.
        reuse: Epochs for which a score serves again before the next forward pass, >= 0 (StaleSB, arXiv:1910.00762,
            section 3.3, with n = reuse + 1).
        batch_size: Candidates that are scored and drawn together, >= 1; None = as many as the wrapped loader yields at
            once, or as the policy asks for. Larger rounds, e.g. 4 training batches, make better use of the hardware.
        precision: Of the scoring forward: ``no`` as the model is, ``bf16`` or ``fp16`` in autocast.
        scale: Height and width of images in the scoring forward, as a share, in (0, 1]. The model must take them.
        model: What scores instead of the model, e.g. a smaller network; on the same device.

    Raises:
        SettingsError: A value is outside its range.
    """

    score: Score | None = None
    mode: Literal["eval", "train"] = "eval"
    forward: Forward = logits_and_targets
    source: Source | None = None
    reuse: int = 0
    batch_size: int | None = None
    precision: Literal["no", "bf16", "fp16"] = "no"
    scale: float = 1.0
    model: nn.Module | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("eval", "train"):
            raise SettingsError(f"mode is {self.mode!r}: the model scores in 'eval' or in 'train' mode")
        if self.source not in (None, *get_args(Source)):
            raise SettingsError(f"source is {self.source!r}: scores come from 'forward' or from 'training'")
        if self.reuse < 0:
            raise SettingsError(f"reuse is {self.reuse}: it is a number of epochs, 0 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise SettingsError(f"batch_size of scoring is {self.batch_size}: a round needs at least 1 candidate")
        if self.precision not in ("no", *_AUTOCAST):
            raise SettingsError(f"precision is {self.precision!r}: it must be one of no, {', '.join(_AUTOCAST)}")
        if not 0 < self.scale <= 1:
            raise SettingsError(f"scale is {self.scale}: the share of height and width must lie in (0, 1], e.g. 0.5")

    def watches(self, traits: Traits) -> bool:
        """Whether scores come from the training pass under a policy of these traits, unless a governor moves them."""
        return traits.needs_score and (self.source or traits.source) == "training"

    def resolved(self, traits: Traits, *, govern: bool = False) -> Resolved:
        """This with what a policy asks for wherever nothing was said.

        Raises:
            SettingsError: An option of the scoring forward is given, and there is none. A governed loader may make one.
        """
        source = self.source or traits.source
        if govern and not traits.needs_score:
            raise SettingsError("govern is True and the policy looks at no score: there is nothing to govern")
        if traits.pool is not None and self.batch_size not in (None, traits.pool):
            raise SettingsError(
                f"batch_size of scoring is {self.batch_size} and the policy's pool {traits.pool}: candidates are seen "
                "together as the pool says; leave batch_size out"
            )
        forward = {
            "reuse": self.reuse,
            "scale": self.scale != 1,
            "precision": self.precision != "no",
            "mode": self.mode != "eval",
            "model": self.model is not None,
        }
        beside = {
            "source": self.source is not None,
            "score": self.score is not None,
            "batch_size": self.batch_size is not None,
        }
        idle = [name for name, given in forward.items() if given]
        said = [*idle, *(name for name, given in beside.items() if given)]
        if said and not traits.needs_score:
            raise SettingsError(f"{said[0]} of the scoring is given and the policy looks at no score: leave it out")
        if source == "training" and idle and not govern:
            raise SettingsError(
                f"source is 'training' and {idle[0]} is given: there is no scoring forward that it could be of; leave "
                f"{idle[0]} out, or give source='forward'"
            )
        round_size = traits.pool or (self.batch_size if traits.needs_score else None)
        return Resolved(self, self.score or traits.score, source, 0 if source == "training" else self.reuse, round_size)


class Resolved(NamedTuple):
    """A `Scoring` with nothing left open.

    Attributes:
        options: What was asked for.
        score: The score.
        source: Where scores come from.
        reuse: Epochs for which a score serves again.
        round_size: Candidates per round; None = as they come.
    """

    options: Scoring
    score: Score
    source: Source
    reuse: int
    round_size: int | None


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


def scores_of(score: Score, logits: Any, targets: Any, size: int) -> Scored:
    """Score the logits of `size` examples without a host synchronisation.

    Raises:
        DataError: The logits or the targets have the wrong shape.
        ScoreError: There is not one score per example.
    """
    _check_shapes(logits, targets, size)
    # an index outside the classes would stop the device: it is clamped, and reported with the round's counts
    within = targets.clamp(0, logits.shape[1] - 1) if targets.ndim == 1 else targets
    found = score(logits, within)
    if found.shape != (size,):
        raise ScoreError(
            f"the score of {size} examples has shape {list(found.shape)} and must be one number per example, "
            f"[{size}]: a loss that is averaged over the batch cannot rank it, use reduction='none'"
        )
    found = found.detach().float()
    bad_target = targets != within if targets.ndim == 1 else torch.zeros_like(found, dtype=torch.bool)
    # NaN and infinity are the numbers that do not vanish when multiplied by 0; half the work of isfinite()
    return Scored(found, logits, targets, bad_target, found * 0 != 0)


class Scorer:
    """Scores the rounds of one epoch; what the model consists of is looked up once.

    Args:
        model: Scores the candidates, unless the options name another.
        scoring: How.
    """

    def __init__(self, model: nn.Module, scoring: Resolved) -> None:
        self._model = unwrapped(model if scoring.options.model is None else scoring.options.model)
        self._scoring = scoring
        self._train = scoring.options.mode == "train"
        self._modules = list(self._model.modules())
        written = [m for m in self._modules if self._train or not isinstance(m, _STILL_IN_EVAL)]
        self._buffer_owners = [module for module in written if module._buffers]
        self._device = device_of(self._model)
        self._cuda = [self._device.index] if self._device.type == "cuda" else []
        # whether the forward moves Python's or numpy's random state: keeping them costs more than the rest of a round,
        # and hardly any model draws from them, so the first round finds out
        self._draws_on_host: bool | None = None

    def score(self, batch: Batch, size: int) -> Scored:
        """Score the `size` examples of a batch without a host synchronisation.

        Raises:
            DataError: The logits or the targets have the wrong shape.
            ScoreError: There is not one score per example.
            SettingsError: The model does not take images of the scale asked for.
        """
        options = self._scoring.options
        with torch.no_grad(), self._model_left_as_it_was(), self._precision():
            logits, targets = options.forward(self._model, batch) if options.scale == 1 else self._small(batch)
            return scores_of(self._scoring.score, logits, targets, size)

    def _precision(self) -> AbstractContextManager[Any]:
        name = self._scoring.options.precision
        return torch.autocast(self._device.type, _AUTOCAST[name]) if name in _AUTOCAST else nullcontext()

    def _small(self, batch: Batch) -> tuple[Tensor, Tensor]:
        options = self._scoring.options
        small = shrunk(batch, options.scale)
        try:
            return options.forward(self._model, small)
        except RuntimeError as error:
            raise SettingsError(
                f"the model does not take images at scale {options.scale:g} ({str(error).splitlines()[0]}): leave "
                "scale at 1, or take a model that pools whatever size it gets"
            ) from None

    @contextmanager
    def _model_left_as_it_was(self) -> Iterator[None]:
        """Put train flags, buffers and the global random states back as they were before the block."""
        flags = [(module, module.training) for module in self._modules]
        buffers = [
            (module, name, buffer, None if buffer is None else buffer.clone())
            for module in self._buffer_owners
            for name, buffer in module._buffers.items()
        ]
        settled = self._draws_on_host is False
        with torch_random_states_kept(self._cuda) if settled else self._all_random_states_kept():
            try:
                if not (self._train and self._model.training):  # a part that is frozen in eval trains so, and scores so
                    _set_training((module, self._train) for module in self._modules)
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


def device_of(model: nn.Module) -> torch.device:
    """Where a model is: its first parameter, or its first buffer; one that has neither is on the CPU."""
    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def shrunk(batch: Batch, scale: float) -> Batch:
    """The batch with its images `[B, C, H, W]` reduced to a share of their height and width, by averaging areas.

    Raises:
        SettingsError: There are no images of floating-point numbers in it.
    """
    columns, structure = batches.flatten(batch)
    are_images = [isinstance(c, Tensor) and c.ndim == 4 and c.is_floating_point() for c in columns]
    if not any(are_images):
        raise SettingsError(
            f"scale is {scale:g} and the batches hold no images, floating-point tensors [B, C, H, W]: leave scale out"
        )
    return batches.unflatten(
        [_resized(c, scale) if is_image else c for c, is_image in zip(columns, are_images, strict=True)], structure
    )


def _resized(images: Any, scale: float) -> Tensor:
    return F.interpolate(images, size=[max(1, round(scale * side)) for side in images.shape[2:]], mode="area")


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

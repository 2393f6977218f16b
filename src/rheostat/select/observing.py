"""Which rows of which training batch a training forward pass was of."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rheostat.select.queue import Kept
from rheostat.signals import batches
from rheostat.signals.batches import Batch

Rows = slice | None
"""Which examples of a batch; None = all of them."""

Seen = Callable[[Kept, Rows, Tensor], None]
"""kept, rows, logits `[rows, C]`."""

_AT_ONCE = 16  # batches that a trainer may fetch before it trains on the first


class _Handed(NamedTuple):
    """A batch that a training forward is expected of, and how many rows from which row on have been seen."""

    kept: Kept
    columns: list[Tensor]
    seen: dict[int, int]


class TrainingPasses:
    """Watches the training forwards of a model, and tells which examples their logits are of.

    An input is recognised by its memory: it is a tensor of a batch that was handed out, or a slice of one, as
    accumulating loops make. An input of another memory (augmented, cast, moved) is taken for the whole of the batch
    that was handed out last, if all before it have been trained on, their sizes agree, and no input of its own memory
    follows; loops that do more than that hand the logits over themselves.

    Args:
        model: Whatever the training loop calls.
        seen: Told of each recognised forward.

    Attributes:
        missed: Whether there was a training forward that was not recognised.
    """

    def __init__(self, model: nn.Module, seen: Seen) -> None:
        self._handed: deque[_Handed] = deque(maxlen=_AT_ONCE)
        self._last: _Handed | None = None  # what an input of another memory can be of
        self._guessed = False  # whether the one that waits was taken for an input of another memory
        self._seen = seen
        self.missed = False
        # the model must not keep the loader alive, nor call one that is gone
        self._remove = weakref.finalize(
            self, model.register_forward_hook(_hook_of(weakref.ref(self)), with_kwargs=True).remove
        )

    def handed(self, kept: Kept, batch: Batch, *, heeded: bool = True) -> None:
        """Expect a training forward of this batch, and look at it if it is to be heeded."""
        if self._guessed:
            self.forget()
        self._last = None
        if not heeded or not self._remove.alive:
            return
        tensors = [column for column in batches.flatten(batch)[0] if isinstance(column, Tensor)]
        handed = _Handed(kept, tensors, {})
        if not self._handed:
            self._last = handed
        self._handed.append(handed)

    def forget(self) -> None:
        """Expect nothing: what was handed out and not trained on will not be."""
        self._handed.clear()
        self._last, self._guessed = None, False

    def stop(self) -> None:
        """Watch no longer."""
        self._remove()
        self.forget()

    def forward(self, inputs: Iterable[Any], output: Any) -> None:
        """Take the logits of one training forward."""
        if not self._handed:
            return
        logits = getattr(output, "logits", output)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or not self._recognises(inputs, logits):
            self.missed = True

    def _recognises(self, inputs: Iterable[Any], logits: Tensor) -> bool:
        size = len(logits)
        tensors = [value for value in inputs if isinstance(value, Tensor) and value.ndim and len(value) == size]
        for handed in reversed(self._handed):
            for column in handed.columns:
                for value in tensors:
                    at = _rows_within(value, column)
                    if at is not None:
                        self._take(handed, at, logits)
                        return True
        last = self._last
        if last is None or len(last.kept.index) != size:
            return False
        self._last, self._guessed = None, True
        self._seen(last.kept, None, logits)
        return True

    def _take(self, handed: _Handed, at: int, logits: Tensor) -> None:
        size, whole = len(logits), len(handed.kept.index)
        if at in handed.seen:
            return  # a second pass over the same rows tells nothing that is newer
        handed.seen[at] = size
        self._seen(handed.kept, None if size == whole else slice(at, at + size), logits)
        if sum(handed.seen.values()) >= whole:
            self._handed = deque((other for other in self._handed if other is not handed), maxlen=_AT_ONCE)
            self._last = None


def _rows_within(part: Tensor, whole: Tensor) -> int | None:
    """The row of `whole` that `part` begins at, if it is a run of its rows in the same memory."""
    if part.shape[1:] != whole.shape[1:] or part.dtype != whole.dtype or part.device != whole.device:
        return None
    if part.stride() != whole.stride() and len(part) > 1:
        return None
    step = whole.stride(0) * whole.element_size()
    distance = part.data_ptr() - whole.data_ptr()
    if step == 0 or distance % step:
        return None
    at = distance // step
    return at if at >= 0 and at + len(part) <= len(whole) else None


def _hook_of(watcher: weakref.ref[TrainingPasses]) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Any, ...], *rest: Any) -> None:
        # a watcher that is collected in the middle of a call takes its claim to the keyword arguments along
        *kwargs, output = rest
        passes = watcher()
        if passes is not None and module.training and torch.is_grad_enabled():
            passes.forward((*args, *(kwargs[0].values() if kwargs else ())), output)

    return torch.compiler.disable(hook)  # pyright: ignore[reportReturnType] - a compiled model calls it between graphs

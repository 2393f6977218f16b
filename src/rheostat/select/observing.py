"""Which rows of which training batch a training forward pass was of."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rheostat.select.queue import Kept
from rheostat.signals import batches
from rheostat.signals.batches import Batch

Rows = slice | None
"""Which examples of a batch; None = all of them."""

Seen = Callable[[Kept, Rows, Tensor], None]
"""kept, rows, logits `[rows, C]`."""

_AT_ONCE = 4  # batches that a trainer may fetch ahead of the one that it trains on


class TrainingPasses:
    """Watches the training forwards of a model, and tells which examples their logits are of.

    An input is recognised by its memory: it is a tensor of a batch that was handed out, or a slice of one, as
    accumulating loops make. An input of another memory (augmented, cast, moved) is taken for the whole of the batch
    that was handed out, if there is one alone and their sizes agree; loops that do more than that hand the logits over
    themselves.

    Args:
        model: Whatever the training loop calls.
        seen: Told of each recognised forward.
    """

    def __init__(self, model: nn.Module, seen: Seen) -> None:
        self._handed: deque[tuple[Kept, Batch]] = deque(maxlen=_AT_ONCE)
        self._seen = seen
        # the model must not keep the loader alive, nor call one that is gone
        self._remove = weakref.finalize(
            self, model.register_forward_hook(_hook_of(weakref.ref(self)), with_kwargs=True).remove
        )

    def handed(self, kept: Kept, batch: Batch) -> None:
        """Expect a training forward of this batch."""
        if self._remove.alive:
            self._handed.append((kept, batch))

    def stop(self) -> None:
        """Watch no longer."""
        self._remove()
        self._handed.clear()

    def forward(self, inputs: tuple[Any, ...], output: Any) -> None:
        """Take the logits of one training forward."""
        logits = getattr(output, "logits", output)
        if not self._handed or not isinstance(logits, Tensor) or logits.ndim != 2:
            return
        tensors = [value for value in inputs if isinstance(value, Tensor) and value.ndim and len(value) == len(logits)]
        for kept, batch in reversed(self._handed):
            for column in batches.flatten(batch)[0]:
                for value in tensors:
                    at = _rows_within(value, column) if isinstance(column, Tensor) else None
                    if at is not None:
                        self._recognised(kept, at, logits)
                        return
        if len(self._handed) == 1 and len(self._handed[0][0].index) == len(logits):
            self._recognised(self._handed[0][0], 0, logits)

    def _recognised(self, kept: Kept, at: int, logits: Tensor) -> None:
        whole = len(logits) == len(kept.index)
        self._seen(kept, None if whole else slice(at, at + len(logits)), logits)
        if whole:  # a second pass over the same batch tells nothing that is newer
            self._handed = deque(((k, b) for k, b in self._handed if k is not kept), maxlen=_AT_ONCE)


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

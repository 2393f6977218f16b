"""Training batches for a trainer that fetches them ahead, and gives iterations up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from rheostat.select import Kept, SelectiveLoader
from rheostat.select.scoring import device_of
from rheostat.signals.batches import Batch


class Ahead:
    """What Lightning iterates: the training batches, of which it fetches one before it trains on the one before.

    It gives iterations up, too: the first one after a resume, and each one where `limit_train_batches` cuts an epoch
    short. So batches that were fetched and not begun are kept in mind, and the next iteration starts with them and goes
    on with the epoch that they are of. It has no `state_dict`: Lightning would save that besides the callback's.

    Args:
        loader: Selects.
        source: The loader that it selects from, as Lightning made it.
    """

    def __init__(self, loader: SelectiveLoader, source: Any) -> None:
        self.loader = loader
        self._source = source
        self._fetched: deque[tuple[Batch, Kept]] = deque()  # and not begun
        self._again: deque[tuple[Batch, Kept]] = deque()  # of an iteration that was given up
        self._epoch: Iterator[tuple[Batch, Kept]] | None = None

    def __iter__(self) -> Iterator[Batch]:
        self._again.extendleft(reversed(self._fetched))
        self._fetched.clear()
        if self._epoch is None:
            _set_epoch(self._source, self.loader.epoch)
            self._epoch = self.loader.with_kept()
        return self._batches(self._epoch)

    def _batches(self, epoch: Iterator[tuple[Batch, Kept]]) -> Iterator[Batch]:
        while (pair := self._again.popleft() if self._again else next(epoch, None)) is not None:
            self._fetched.append(pair)
            yield pair[0]
        self._epoch = None

    def begin(self) -> Kept:
        """Say that the oldest batch that was fetched is trained on now."""
        return self._fetched.popleft()[1]

    def saved(self) -> dict[str, Any]:
        """The selection and what was fetched ahead, as plain values."""
        ahead = [(batch, vars(kept).copy()) for batch, kept in (*self._fetched, *self._again)]
        return {"selection": self.loader.state_dict(), "ahead": ahead}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from `saved`."""
        device = device_of(self.loader.model)
        self.loader.load_state_dict(saved["selection"])
        self._again = deque((batch, Kept(**kept).to(device)) for batch, kept in saved["ahead"])


def _set_epoch(loader: Any, epoch: int) -> None:
    """Let a distributed sampler shuffle anew, as Lightning does with the loaders that it knows."""
    for owner in (loader, getattr(loader, "batch_sampler", None)):
        set_epoch = getattr(getattr(owner, "sampler", None), "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)

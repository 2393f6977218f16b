"""Examples of a data set that are collated only when they are used, so that those that wait are padded then."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from rheostat.errors import DataError
from rheostat.select import Kept, SelectiveLoader
from rheostat.select.scoring import device_of
from rheostat.signals.batches import Batch
from rheostat.signals.loaders import IndexedStream

_EXAMPLES = "examples"


class Example:
    """One example, which nothing looks into until it is collated.

    Args:
        features: What the data set gave.
    """

    def __init__(self, features: Any) -> None:
        self.features = features
        self.index = -1


class Collate:
    """Makes a batch of a round or a training batch of examples.

    Args:
        collate: The trainer's own.
    """

    def __init__(self, collate: Callable[[list[Any]], Batch]) -> None:
        self._collate = collate

    def __call__(self, batch: Batch) -> Batch:
        """What the trainer's collate function makes of the examples."""
        return self._collate([example.features for example in batch[_EXAMPLES]])


class Candidates:
    """The loader that a trainer prepared, as rounds of examples with their indices (`IndexedLoader`).

    Args:
        prepared: The loader that accelerate made; each of its epochs has an order of its own.
        base: The loader within, of this process's share.
    """

    def __init__(self, prepared: Any, base: DataLoader[Any]) -> None:
        self._prepared = prepared
        self._base = base
        bare = copy.copy(base)
        bare.collate_fn = _apart
        bare.__dict__["_iterator"] = None  # workers that live on hold the loader that was copied
        self._stream = IndexedStream(bare)
        self._begun = self._rounds = 0
        self.epoch: Callable[[], int] = int  # tells which epoch is to begin; the loader around sets it
        self.dataset: Any = base.dataset
        self.examples = len(self.dataset)
        # where accelerate seeds the order by the epoch there is none; otherwise the one that it keeps alike everywhere
        self.generator = prepared.synchronized_generator if hasattr(prepared, "synchronized_generator") else None

    def __len__(self) -> int:
        """Rounds of an epoch."""
        return len(self._base)

    @property
    def epochs(self) -> float:
        """Epochs that have been offered, with the part of the running one."""
        return self._begun + self._rounds / max(len(self), 1)

    def __iter__(self) -> Iterator[Batch]:
        return (batch for _, batch in self.indexed())

    def indexed(self) -> Iterable[tuple[Tensor, Batch]]:
        """One epoch of `(index [B] int64, examples)`."""
        self._begun, self._rounds = self.epoch(), 0
        if getattr(self._prepared, "rng_types", None):
            from accelerate.utils import synchronize_rng_states

            synchronize_rng_states(self._prepared.rng_types, self._prepared.synchronized_generator)
        if hasattr(self._prepared, "set_epoch"):
            self._prepared.set_epoch(self._begun)
        for index, batch in self._stream.epoch():
            for example, at in zip(batch[_EXAMPLES], index.tolist(), strict=True):
                example.index = at
            self._rounds += 1
            yield index, batch
        self._stream.finish()


class Batches:
    """What a Transformers trainer iterates: the training batches of one epoch of candidates, in whole windows.

    The trainer fetches as many batches as it accumulates gradients over before it trains on the first of them. A window
    that an epoch cannot fill waits for the next epoch, because the trainer would not step on a part of one; an epoch
    that fills none goes on with the next one's candidates, because the trainer would end the run.

    Args:
        loader: Selects.
        candidates: What it selects from.
        collate: Makes a batch of examples.
        window: Batches per step.
        epochs: How many there are to be; infinite where the trainer counts steps and is to know of no length.
        plain: Whether all is kept, so that it is the plain run, the unfinished window at the end of an epoch included.
        ended: Called when an epoch's candidates are through.
    """

    def __init__(
        self,
        loader: SelectiveLoader,
        candidates: Candidates,
        collate: Collate,
        *,
        window: int,
        epochs: float,
        plain: bool,
        ended: Callable[[], None],
    ) -> None:
        self.loader = loader
        self.candidates = candidates
        self.plain = plain
        candidates.epoch = lambda: loader.epoch
        self._collate = collate
        self._window = window
        self._epochs = epochs
        self._ended = ended
        self._waiting: deque[tuple[Batch, Kept]] = deque()
        self._fetched: deque[Kept] = deque()  # by the trainer, and not begun

    def __len__(self) -> int:
        """More batches than an epoch can have, by a window: the trainer asks once more to learn that it is over."""
        if self.plain:
            return len(self.candidates)
        if self._epochs == math.inf:
            raise TypeError("how many batches there are is known only at the end")  # as for anything without len()
        windows = -(-(len(self.candidates) + self._window - 1) // self._window)
        return (windows + 1) * self._window

    @property
    def dataset(self) -> Any:
        """What the trainer counts the examples of."""
        return self.candidates.dataset

    def __iter__(self) -> Iterator[Batch]:
        self._fetched.clear()
        some = False
        while not some and self.loader.epoch < self._epochs:
            kept = self.loader.stats.kept
            for batch in self._windows():
                some = True
                yield batch
            if self.loader.stats.kept == kept:
                break  # nor would the next epoch fill a window
        if not self.plain:
            self._ended()

    def _windows(self) -> Iterator[Batch]:
        """The whole windows of one epoch of candidates."""
        pairs, through = self.loader.with_kept(), False
        ahead = 1 if self.plain else 0  # the trainer stops asking at len(), and the epoch has to be over by then
        while True:
            while not through and len(self._waiting) < self._window + ahead:
                pair = next(pairs, None)
                through = pair is None
                if pair is not None:
                    self._waiting.append(pair)
            if len(self._waiting) < self._window:
                return
            for _ in range(self._window):
                batch, kept = self._waiting.popleft()
                self._fetched.append(kept)
                yield self._collate(batch)

    def begin(self) -> Kept:
        """Say that the oldest batch that was fetched is trained on now."""
        return self._fetched.popleft()

    def saved(self) -> dict[str, Any]:
        """The selection and what waits for its window, as plain values; examples as their indices."""
        waiting = [(batch, vars(kept).copy()) for batch, kept in self._waiting]
        return _mapped({"selection": self.loader.state_dict(), "waiting": waiting}, lambda example: example.index)

    def restore(self, saved: dict[str, Any], data: Any) -> None:
        """Go on from `saved`, with the examples of a data set."""

        def fetched(index: int) -> Example:
            if not 0 <= index < len(data):
                raise DataError(
                    f"example {index} waits to be trained on, and the data set has {len(data)}: resume with the data "
                    "that the run was started with"
                )
            example = Example(data[index])
            example.index = index
            return example

        saved = _mapped(saved, fetched)
        device = device_of(self.loader.model)
        self.loader.load_state_dict(saved["selection"])
        self._waiting = deque((batch, Kept(**kept).to(device)) for batch, kept in saved["waiting"])


def _apart(features: list[Any]) -> Batch:
    """Collate nothing."""
    return {_EXAMPLES: [Example(one) for one in features]}


def _mapped(state: Any, change: Callable[[Any], Any]) -> Any:
    """The state with every example in it changed."""
    if isinstance(state, dict):
        return {
            key: [change(entry) for entry in value] if key == _EXAMPLES else _mapped(value, change)
            for key, value in state.items()
        }
    if isinstance(state, list | tuple):
        return type(state)(_mapped(entry, change) for entry in state)
    return state

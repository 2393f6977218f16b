"""Examples with their data set index, out of the user's own loader and in its order."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from rheostat.errors import StateError
from rheostat.signals import batches
from rheostat.signals.batches import Batch
from rheostat.signals.randomness import host_random_states_kept, torch_random_states_kept
from rheostat.signals.stateful import Stateful


@runtime_checkable
class IndexedLoader(Protocol):
    """A loader that knows the data set index of what it yields."""

    def indexed(self) -> Iterable[tuple[Tensor, Batch]]:
        """One epoch of `(index [B] int64, batch)`."""
        ...


def indexed(loader: Iterable[Batch]) -> Iterator[tuple[Tensor, Batch]]:
    """Yield `(index [B] int64, batch)` for one epoch of any loader, as `IndexedStream` finds the indices."""
    return IndexedStream(loader).epoch()


class IndexedStream:
    """One epoch after another of `(index, batch)`, out of any loader.

    A map-style `DataLoader` gets its data set and its collate function wrapped, so the index travels with the example
    through samplers, shuffling and worker processes; the loader itself is left alone. A loader with `indexed()` is
    asked. For any other iterable the index is the position within the epoch.

    Args:
        loader: What to iterate once per epoch.
    """

    def __init__(self, loader: Iterable[Batch]) -> None:
        self._start: dict[str, Any] | None = None  # the order of the running epoch, as random states; None = none runs
        self._resume: dict[str, Any] | None = None
        self.rounds = 0  # batches taken in the running epoch

        self._source: Any = loader  # what is iterated, and so what holds the order
        if isinstance(loader, IndexedLoader):
            self._indexed: Callable[[], Iterable[tuple[Tensor, Batch]]] = loader.indexed
        elif isinstance(loader, DataLoader) and _is_map_style(loader):
            self._source = twin = _with_index(loader)
            # not by way of self: in a cycle, workers that persist are waited for 10 s when it is collected
            self._indexed = lambda: twin
        else:
            self._indexed = lambda: _numbered(loader)

    @property
    def examples(self) -> int:
        """Number of examples in the data set, as far as the loader tells; 0 = it does not."""
        known = getattr(self._source, "examples", None)
        if isinstance(known, int):
            return known
        data = getattr(self._source, "dataset", None)
        return len(data) if isinstance(data, _WithIndex) and data.sized else 0

    def epoch(self) -> Iterator[tuple[Tensor, Batch]]:
        """Begin an epoch, or the rest of the one that `load_state_dict` brought; it runs until `finish()`."""
        resume, self._resume = self._resume, None
        if resume is None:
            self.rounds, self._start = 0, self._order()
            return self._counted(iter(self._indexed()))
        self.rounds, self._start = resume["rounds"], resume["order"]
        return self._counted(self._fast_forward(resume))

    def finish(self) -> None:
        """End the running epoch: all that it offered has been dealt with."""
        self.rounds, self._start = 0, None

    def state_dict(self) -> dict[str, Any]:
        """Where the running epoch stands, and what its order (between two epochs, the next one's) is drawn from."""
        running = self._start is not None
        return {"running": running, "rounds": self.rounds, "order": self._start if running else self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next `epoch()` go on where `state` was taken."""
        self.rounds = state["rounds"]
        self._start, self._resume = (state["order"], state) if state["running"] else (None, None)
        if not state["running"]:
            self._set_order(state["order"])

    def _counted(self, pairs: Iterator[tuple[Tensor, Batch]]) -> Iterator[tuple[Tensor, Batch]]:
        for pair in pairs:
            self.rounds += 1
            yield pair

    def _fast_forward(self, resume: dict[str, Any]) -> Iterator[tuple[Tensor, Batch]]:
        # the order of an epoch is drawn at its start, from generators of the loader or from the global one: they are
        # set to what they were then, and the global one is given back as the caller has it now
        with torch_random_states_kept(), host_random_states_kept():
            self._set_order(resume["order"])
            torch.set_rng_state(resume["order"]["global"])
            iterator = iter(self._indexed())
            for _ in range(resume["rounds"]):
                if next(iterator, None) is None:
                    raise StateError(
                        f"the saved epoch stood after {resume['rounds']} batches and the loader has fewer: "
                        "resume with the data and the batch size that the run was started with"
                    )
        return iterator

    def _order(self) -> dict[str, Any]:
        states = [generator.get_state() for generator in _generators(self._source)]
        return {"generators": states, "loader": _state_of(self._source), "global": torch.get_rng_state()}

    def _set_order(self, order: dict[str, Any]) -> None:
        if isinstance(self._source, Stateful) and order["loader"] is not None:
            self._source.load_state_dict(order["loader"])
        generators = _generators(self._source)
        if len(generators) != len(order["generators"]):
            raise StateError(
                f"the saved epoch was shuffled by {len(order['generators'])} generators and this loader has "
                f"{len(generators)}: build the loader as it was built for the first run"
            )
        for generator, state in zip(generators, order["generators"], strict=True):
            generator.set_state(state)


class _WithIndex(Dataset[Any]):
    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Any:
        # a worker_init_fn finds on the data set what it looks for; dunder names belong to pickling and copying
        if name.startswith("__") or name == "_dataset":
            raise AttributeError(name)
        return getattr(self._dataset, name)

    @property
    def sized(self) -> bool:
        return callable(getattr(self._dataset, "__len__", None))

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self._dataset[index]

    def __getitems__(self, indices: list[int]) -> list[tuple[int, Any]]:
        if callable(getattr(self._dataset, "__getitems__", None)):
            return list(zip(indices, self._dataset.__getitems__(indices), strict=True))
        return [self[index] for index in indices]


class _CollateWithIndex:
    def __init__(self, collate: Callable[[list[Any]], Batch]) -> None:
        self._collate = collate

    def __call__(self, pairs: list[tuple[int, Any]]) -> tuple[Tensor, Batch]:
        indices, examples = zip(*pairs, strict=True)
        return torch.tensor(indices, dtype=torch.int64), self._collate(list(examples))


def _is_map_style(loader: DataLoader[Any]) -> bool:
    if type(loader).__iter__ is not DataLoader.__iter__:
        return False  # a subclass that does something to its batches would do it to the index too
    return loader.batch_sampler is not None and not isinstance(loader.dataset, IterableDataset)


def _with_index(loader: DataLoader[Any]) -> DataLoader[Any]:
    # a shallow copy keeps the sampler, its generator, the workers' settings and what a subclass adds
    twin = copy.copy(loader)
    twin.__dict__["dataset"] = _WithIndex(loader.dataset)
    twin.__dict__["collate_fn"] = _CollateWithIndex(loader.collate_fn)
    twin.__dict__["_iterator"] = None  # workers of the loader that live on hold its own data set, not the wrapped one
    return twin


def _numbered(loader: Iterable[Batch]) -> Iterator[tuple[Tensor, Batch]]:
    position = 0
    for batch in loader:
        size = batches.size_of(batch)
        yield torch.arange(position, position + size), batch
        position += size


def _state_of(loader: Any) -> dict[str, Any] | None:
    """The state of a loader that keeps one."""
    if not isinstance(loader, Stateful):
        return None
    try:
        return loader.state_dict()
    except AttributeError:  # accelerate's loaders have the method, and a state only over a stateful loader
        return None


def _generators(loader: Any) -> list[torch.Generator]:
    """The random generators that belong to a DataLoader and its samplers, each once."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    owners = [
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    ]
    found: list[torch.Generator] = []
    for owner in owners:
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and not any(generator is other for other in found):
            found.append(generator)
    return found

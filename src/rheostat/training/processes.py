"""The processes that train one model together: who they are, what they agree on, and how they fail together."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rheostat.errors import MissingExtraError, RheostatError, SettingsError
from rheostat.select.ranks import Ranks
from rheostat.signals.shards import Shard

T = TypeVar("T")

_MAIN = 0


class PeerError(RheostatError, RuntimeError):
    """Another process of the run has failed; the message is its own."""


class Processes:
    """All that the processes of a run do together; a single one pays nothing.

    What is marked collective is called by every process at the same point.

    Args:
        shard: This process among them.

    Attributes:
        shard: As given.
        rank: This process, from 0; 0 is the main one, which alone writes and speaks.
        of: Number of processes, >= 1.
    """

    def __init__(self, shard: Shard = Shard()) -> None:  # noqa: B008 - frozen
        self.shard = shard
        self.rank, self.of, self.alone = shard.rank, shard.of, shard.alone
        self._ranks = Ranks(shard.group) if shard.of > 1 else None

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == _MAIN

    def agreed(self, decide: Callable[[], T]) -> T:
        """What the main process decides; collective."""
        if self._ranks is None:
            return decide()
        decided: list[Any] = [None]
        with self.together():
            decided = [decide() if self.main else None]
        dist.broadcast_object_list(decided, src=_MAIN)
        return decided[0]

    def agrees(self, yes: bool) -> bool:
        """What the main process says; collective, and cheaper than `agreed`."""
        return yes if self._ranks is None else bool(self._ranks.tell_all([int(yes)])[_MAIN][0])

    def main_first(self, make: Callable[[], T]) -> T:
        """What this process makes, the main one before the others: they find in a cache what it has put there."""
        made: list[T] = []
        for turn in (True, False) if self._ranks is not None else (True,):
            with self.together():
                if self.main == turn:
                    made.append(make())
        return made[0]

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes of tensors of one shape, added in the order of the ranks; collective."""
        return values if self._ranks is None else self._ranks.stacked(values).sum(dim=0)

    def told(self, mine: T) -> list[T]:
        """What each process tells, by rank; collective."""
        if self._ranks is None:
            return [mine]
        told: list[Any] = [None] * self.of
        dist.all_gather_object(told, mine)
        return told

    def handed_in(self, mine: dict[str, Any]) -> list[dict[str, Any]]:
        """States of all processes, on the host, by rank; the main process has them, the others nothing. Collective."""
        if self._ranks is None:
            return [mine]
        buffer = io.BytesIO()
        torch.save(mine, buffer)  # as bytes: a tensor would come back on the device of the process that sent it
        received: list[Any] | None = [None] * self.of if self.main else None
        dist.gather_object(buffer.getvalue(), received, dst=_MAIN)
        return [torch.load(io.BytesIO(one), map_location="cpu", weights_only=True) for one in received or ()]

    def align(self, model: nn.Module) -> None:
        """Give all processes the main one's buffers (running statistics follow a process's own batches); collective."""
        if self._ranks is None:
            return
        for buffer in model.buffers():
            dist.broadcast(buffer.data, src=_MAIN)

    def share(self, name: str, examples: int) -> int:
        """This process's share of a number of examples.

        Raises:
            SettingsError: They cannot be divided evenly.
        """
        if examples % self.of:
            nearest = max(1, round(examples / self.of)) * self.of
            raise SettingsError(
                f"{name} is {examples} and {self.of} processes share it evenly: give a multiple of {self.of}, e.g. "
                f"{nearest}"
            )
        return examples // self.of

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let the block fail in every process if it fails in one; collective, while the block must not be.

        Raises:
            RheostatError: What the block raised, where it did; `PeerError` where it was another process's.
        """
        error: RheostatError | None = None
        try:
            yield
        except RheostatError as raised:
            if self._ranks is None:
                raise
            error = raised
        if self._ranks is None:
            return
        failed = [bool(yes) for (yes,) in self._ranks.tell_all([int(error is not None)])]
        if not any(failed):
            return
        said = self.told(str(error))
        if error is not None:
            raise error
        first = failed.index(True)
        raise PeerError(f"process {first}: {said[first]}")


def join(device: str) -> Processes:
    """Meet the other processes that a launcher has started (`torchrun`, `accelerate launch`), if it has.

    Args:
        device: ``cpu``, or ``auto`` for the accelerator if there is one.

    Raises:
        MissingExtraError: accelerate is not installed.
        SettingsError: torch.distributed runs and accelerate cannot see it, or on another device.
    """
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingExtraError("training needs `accelerate`: pip install 'rheostat[train]'") from None
    # accelerate looks for no peers on the host unless it is told that the host is the device
    on_host = device == "cpu" or not torch.accelerator.is_available()
    state: Any = PartialState(cpu=on_host)
    if (state.device.type == "cpu") != on_host and not (dist.is_available() and dist.is_initialized()):
        PartialState._reset_state()  # an earlier run of this process was on another device
        state = PartialState(cpu=on_host)
    if device == "cpu" and state.device.type != "cpu":
        raise SettingsError(
            f"device is cpu and the processes have met on {state.device.type}: start them anew, or leave device at auto"
        )
    seen = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if seen != state.num_processes:
        raise SettingsError(
            f"torch.distributed runs {seen} processes and accelerate sees {state.num_processes}: start them with "
            "torchrun or accelerate launch, which tell both"
        )
    return Processes(Shard(state.process_index, state.num_processes))


def leave() -> None:
    """Part from the other processes, at the end of a program."""
    from accelerate import PartialState

    PartialState().destroy_process_group()

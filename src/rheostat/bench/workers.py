"""Work side by side in processes of one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """Some processes, or this one; `all` runs tasks on them.

    Args:
        pool: The processes; None = this one does it all.
    """

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool
        self._others = multiprocessing.active_children()  # of somebody else: the pool starts its own when it has work

    def all(
        self, work: Callable[..., T], tasks: Iterable[tuple[Any, ...]], done: Callable[[int, T], None] | None = None
    ) -> list[T]:
        """Call `work` with the arguments of each task.

        When one fails, or on Ctrl-C, the others end too: what they do can be gone on with.

        Args:
            work: To be found by its name in a module, and its arguments and result to be pickled.
            tasks: Arguments of each call.
            done: Told after every task how many are finished, and what this one gave.

        Returns:
            The results, in the order of the tasks.
        """
        tell = done or (lambda *_: None)
        if self._pool is None:
            found = []
            for number, task in enumerate(tasks, 1):
                found.append(work(*task))
                tell(number, found[-1])
            return found
        futures: list[Future[T]] = [self._pool.submit(work, *task) for task in tasks]
        try:
            for number, future in enumerate(as_completed(futures), 1):
                tell(number, future.result())
        except BaseException:
            for future in futures:
                future.cancel()
            for process in multiprocessing.active_children():
                if process not in self._others:
                    process.terminate()
            raise
        return [future.result() for future in futures]


@contextlib.contextmanager
def workers(jobs: int) -> Iterator[Workers]:
    """Start `jobs` processes, at least 1; 1 starts none."""
    if jobs == 1:
        yield Workers(None)
        return
    # spawned, because a forked process must not use the threads of torch; one thread each, or they fight for the cores
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_be_a_worker) as pool:
        yield Workers(pool)


def _be_a_worker() -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends its workers
    torch.set_num_threads(1)

"""What waits for the steering thread of a node: the newest budget to plan for, and chores."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from rheostat.share.node.governor import Budget


class Steering:
    """A queue for one thread. Of the budgets the newest is wanted only, and a chore that waits is not queued again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted: Budget | None = None
        self._chores: deque[Callable[[], None]] = deque()
        self._over = False

    def want(self, budget: Budget) -> None:
        """Plan for this budget, and for none that was wanted before."""
        with self._changed:
            self._wanted = budget
            self._changed.notify_all()

    def later(self, chore: Callable[[], None]) -> None:
        """Do something as soon as the thread is free."""
        with self._changed:
            if chore not in self._chores:
                self._chores.append(chore)
            self._changed.notify_all()

    def end(self) -> None:
        """Let `run` return; what still waits is not done."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def run(self, move: Callable[[Budget], object]) -> None:
        """Do what waits and will come, until the end.

        Args:
            move: Plans for a budget.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted is not None or self._chores or self._over)
                if self._over:
                    return
                wanted, self._wanted = self._wanted, None
                chores = list(self._chores)
                self._chores.clear()
            for chore in chores:
                chore()
            if wanted is not None:
                move(wanted)

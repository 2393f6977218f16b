"""What went wrong in a node, which goes on: told once in a while, and kept for who asks."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from rheostat.errors import RheostatError

log = logging.getLogger("rheostat.node")

MOST = 50  # that are kept
QUIET_SECONDS = 60.0  # before the same one is told again


class Problems:
    """The latest problems. May be told from any thread.

    Args:
        wall: The time of day, in seconds.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._kept: deque[tuple[float, str]] = deque(maxlen=MOST)

    def tell(self, said: str) -> None:
        """Keep a problem and log it, unless it was told just before."""
        now = self._wall()
        with self._lock:
            if any(told == said and now - wall < QUIET_SECONDS for wall, told in self._kept):
                return
            self._kept.append((now, said))
        log.warning("%s", said)

    def attempt(self, what: str, work: Callable[[], object]) -> bool:
        """Do something that may fail without the node ending; tells whether it did not fail."""
        try:
            work()
        except (RheostatError, OSError) as error:
            self.tell(f"{what} failed: {error}")
            return False
        return True

    def told(self) -> list[dict[str, Any]]:
        """The time of day and the text of each, the oldest first."""
        with self._lock:
            return [{"wall": wall, "said": said} for wall, said in self._kept]

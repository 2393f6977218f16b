"""How long to wait before another attempt."""

from __future__ import annotations

import random


def wait_before(failures: int, first: float, longest: float, generator: random.Random) -> float:
    """Seconds to wait after so many failures in a row: half to all of a time that doubles from `first` to `longest`.

    Args:
        failures: How many there were, at least 1.
        first: The time after one failure, in seconds.
        longest: The longest time, in seconds.
        generator: Spreads the waits, so that many nodes do not come back at once.
    """
    return min(longest, first * 2.0 ** min(failures - 1, 60)) * generator.uniform(0.5, 1.0)

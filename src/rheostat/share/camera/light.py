"""Sun, clouds and night: how the same place looks different from minute to minute."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

DAY_SECONDS = 150.0  # a day is short here, so that a clip of a few minutes holds light of every kind

_NOON, _DUSK, _NIGHT = (1.03, 1.0, 0.97), (0.86, 0.68, 0.56), (0.34, 0.38, 0.5)
_ZENITH = ((92, 142, 204), (96, 98, 142), (14, 18, 34))
_HORIZON = ((196, 214, 228), (232, 166, 118), (38, 42, 62))


@dataclass(frozen=True, eq=False)
class Light:
    """The light at one instant.

    Attributes:
        gain: [3], what colours are multiplied with.
        sun: Strength of shadows, in [0, 1].
        lean: Where they point: -1 = to the left, as long as things are high, to 1 = to the right.
        night: In [0, 1]; 1 = lamps are on.
        zenith, horizon: [3], colours of the sky, 0 to 255.
        clouds: How much of the sky they cover, in [0, 1].
    """

    gain: Floats
    sun: float
    lean: float
    night: float
    zenith: Floats
    horizon: Floats
    clouds: float


def light_at(seconds: float, phases: npt.NDArray[np.float64]) -> Light:
    """The light `seconds` after the start; `phases` [4] in [0, 1) say at what time of the day, and how clouds drift."""
    turn = 2 * math.pi * (seconds / DAY_SECONDS + 0.3 * phases[0])
    height = math.sin(turn) + 0.35  # of the sun; more day than night
    day, dusk = _step(-0.15, 0.5, height), _step(0.1, 0.7, height)
    waves = (
        math.sin(2 * math.pi * (seconds / period + phase))
        for period, phase in zip((37, 17, 71), phases[1:4], strict=True)
    )
    clouds = min(1.0, max(0.0, 0.45 + 0.28 * sum(waves)))

    def mixed(noon: tuple[float, ...], evening: tuple[float, ...], night: tuple[float, ...]) -> Floats:
        low = np.array(night) + day * (np.array(evening) - np.array(night))
        return (low + dusk * (np.array(noon) - low)).astype(np.float32)

    gain = mixed(_NOON, _DUSK, _NIGHT) * np.float32(1 - 0.22 * clouds * day)
    grey = np.float32(0.55 * clouds * day)
    zenith, horizon = mixed(*_ZENITH), mixed(*_HORIZON)
    return Light(
        gain=gain,
        sun=float(day * (1 - 0.85 * clouds)),
        lean=-math.cos(turn),
        night=1 - _step(-0.1, 0.25, height),
        zenith=zenith + grey * (zenith.mean() * np.float32(1.15) - zenith),
        horizon=horizon + grey * (horizon.mean() * np.float32(0.95) - horizon),
        clouds=clouds,
    )


def _step(low: float, high: float, value: float) -> float:
    """0 below `low`, 1 above `high`, smooth between."""
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return share * share * (3 - 2 * share)

"""The published workloads, as the tests ask for them; the data and the readers are those of the reproduction."""

from collections.abc import Mapping, Sequence
from typing import Any

from reproductions.mainstream import voting
from reproductions.mainstream.published import RATES, STREAM_FPS, workload_of
from rheostat.share.plan import Workload

TENTHS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]  # rates that No-Sharing had in addition
SHARING = {"mainstream": "any", "maxsharing": "max", "nosharing": "none"}


def of_apps(
    rows: Sequence[Mapping[str, Any]], *, fps: Sequence[float] = RATES, stream_fps: float = STREAM_FPS
) -> Workload:
    """A workload of the apps in `rows`."""
    return workload_of(rows, stream_fps, fps)


def of_x_voting(app: str, number: int, votes: int) -> Workload:
    """Figure 9: so many instances of one app, of the older measurements, all with one count of votes."""
    return voting.workload(app, number, [votes]).model_copy(update={"budget": voting.BUDGET})

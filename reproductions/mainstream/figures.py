"""All figures and tables by name."""

from __future__ import annotations

from reproductions.mainstream import correlation, costs, packages, recall, schedules, voting
from reproductions.running import Figure

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        packages.DATASETS,
        recall.FIGURE,
        costs.THROUGHPUT,
        packages.ACCURACY,
        schedules.REGRESSION,
        correlation.FIGURE,
        costs.DEPLOYED,
        voting.FIGURE,
        schedules.SCHEDULES,
    )
}
ALSO_CALLED = {"fig6": "fig6-8", "fig7": "fig6-8", "fig8": "fig6-8"}  # one set of schedules, three figures

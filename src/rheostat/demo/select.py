"""First chapter: which examples teach. Selective-Backprop beside plain training, its controls, and the governor."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from rheostat.bench import Arm, arms_of, compare
from rheostat.bench.compare import CONTROL
from rheostat.demo.chapters import Chapter, Progress
from rheostat.records import read_json
from rheostat.settings import TrainSettings
from rheostat.training import prepare

SELECTED, GOVERNED = "selective-backprop", "governed"
_RUNS = "runs"


def run(chapter: Chapter, progress: Progress) -> dict[str, Any]:
    """Train every arm with every seed; what was finished before is not run again."""
    scale, runs = chapter.scale.select, chapter.folder / _RUNS
    base = TrainSettings.checked({"policy": SELECTED, **scale.training})
    examples = len(prepare(base).data.train.labels)
    arms = arms_of(base, [SELECTED, CONTROL], examples=examples, share=scale.share)
    (selected,) = [arm for arm in arms if arm.name == SELECTED]
    governed = TrainSettings.checked(selected.settings.model_dump() | {"govern": True})
    arms.insert(arms.index(selected) + 1, Arm(GOVERNED, governed))
    found = compare(
        arms,
        range(scale.seeds),
        runs,
        jobs=chapter.jobs,
        on_run=lambda done, of, name: progress(done / of, f"{done} of {of} runs, last {name}"),
    )
    finals = [read_json(runs / f"{GOVERNED}-s{seed}" / "summary.json")["final"] for seed in range(scale.seeds)]
    return {"comparison": found, "modes": _modes([final["modes"] for final in finals])}


def tidy(chapter: Chapter, record: dict[str, Any]) -> None:
    """Remove the runs, once what is told of them has been kept."""
    del record
    shutil.rmtree(chapter.folder / _RUNS, ignore_errors=True)


def _modes(of_seeds: Sequence[dict[str, int]]) -> dict[str, float]:
    """Share of the candidates by where their scores came from, mean over the seeds."""
    names = sorted({name for modes in of_seeds for name in modes})
    return {name: float(np.mean([modes.get(name, 0) / sum(modes.values()) for modes in of_seeds])) for name in names}

"""First chapter: which examples teach. Selective-Backprop beside plain training, its controls, and the governor."""

from __future__ import annotations

import shutil
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
    shutil.rmtree(runs)
    return {"comparison": found, "governor": _clock(finals)}


def _clock(finals: list[dict[str, Any]]) -> dict[str, Any]:
    """What the governed runs say of themselves: means over the seeds."""
    speeds = [final["selection"]["actual_speedup"] for final in finals]
    modes: dict[str, float] = {}
    for final in finals:
        for name, number in final["modes"].items():
            modes[name] = modes.get(name, 0.0) + number / sum(final["modes"].values()) / len(finals)
    known = [speed for speed in speeds if speed is not None]
    return {"speedup": float(np.mean(known)) if known else None, "modes": modes}

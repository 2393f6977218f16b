"""Second chapter: which labels are wrong, and what that costs. The truth is known, and plays the reviewer."""

from __future__ import annotations

import csv
import io
import math
import shutil
from typing import Any

import numpy as np
import torch

from rheostat.augment.scores import suspect_score_named
from rheostat.bench import Arm, compare
from rheostat.demo.chapters import Chapter, Progress
from rheostat.records import write_bytes
from rheostat.review import SeenRun, SuspectList, make_suspects, open_run
from rheostat.review.pictures import thumbnail_of
from rheostat.settings import TrainSettings
from rheostat.training import prepare

RIGHT, WRONG, ASIDE = "right", "wrong", "set-aside"
REVIEWED, VARIED, HARDER = "reviewed", "varied", "varied-hard"
TITLES = {
    RIGHT: "the right labels (the best to be had)",
    WRONG: "wrong labels planted",
    ASIDE: "suspects set aside, nobody looks",
    REVIEWED: "reviewed",
    VARIED: "reviewed, half of all views varied",
    HARDER: "reviewed, hard ones varied more often",
}
_RUNS, _NOISE = "runs", "planted.csv"
_SHOWN, _SIDE = 18, 96  # thumbnails, and their side in pixels at most
_CURVE, _ESTIMATES = 60, 10  # points
REVIEWER = "the truth"


def planted(labels: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Labels `[N]` of which round(share x N), at random, have become one of the other classes, any of them."""
    spoilt = np.array(labels, np.int64)
    chosen = rng.choice(len(spoilt), round(share * len(spoilt)), replace=False)
    spoilt[chosen] = (spoilt[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return spoilt


def run(chapter: Chapter, progress: Progress) -> dict[str, Any]:
    """Plant wrong labels, train, list the suspects, let the truth decide about them, and train again."""
    scale, folder = chapter.scale.augment, chapter.folder.resolve()  # runs name the labels that they had
    base = TrainSettings.checked(scale.training)
    data = prepare(base).data
    truth = data.train.labels.cpu().numpy()
    given = planted(truth, scale.noise, len(data.classes), np.random.default_rng(0))
    table = folder / _NOISE
    write_bytes(table, _labels_file(given))
    seeds, runs, total = range(scale.seeds), folder / _RUNS, len(TITLES) * scale.seeds
    spoilt = Arm(WRONG, _with(base, labels=str(table)))
    first = [
        Arm(RIGHT, base),
        spoilt,
        Arm(ASIDE, _with(spoilt.settings, quarantine=scale.budget, quarantine_weight=0.0)),
    ]
    at = _told(progress, 0, total)
    before = compare(first, seeds, runs, jobs=chapter.jobs, on_run=at)
    seen = open_run(runs / f"{WRONG}-s0")
    listed = make_suspects(seen, scale.budget)
    decide(seen, listed, truth)
    reviewed = _with(base, labels=seen.labels_to_train_with)
    half = {"augment": scale.kind, "rate_mean": 0.5}
    then = [
        Arm(REVIEWED, reviewed),
        Arm(VARIED, _with(reviewed, **half, rate="uniform")),
        Arm(HARDER, _with(reviewed, **half, rate="rank", rate_gamma=1.0)),
    ]
    after = compare(then, seeds, runs, jobs=chapter.jobs, on_run=_told(progress, len(first) * scale.seeds, total))
    return {
        "arms": {name: _arm(content) for found in (before, after) for name, content in found["arms"].items()},
        "examples": len(truth),
        "test": before["data"]["test"],
        "data": before["data"]["name"],
        "seeds": scale.seeds,
        "planted": int((given != truth).sum()),
        "suspects": _of_suspects(seen, listed, truth),
        "run": seen.folder.name,
    }


def tidy(chapter: Chapter, record: dict[str, Any]) -> None:
    """Remove the runs, once what is told of them has been kept; the one that was reviewed stays, to be looked at."""
    for run_folder in (chapter.folder / _RUNS).glob("*"):
        if run_folder.name != record["run"]:
            shutil.rmtree(run_folder)


def decide(seen: SeenRun, listed: SuspectList, truth: np.ndarray) -> None:
    """Decide about all suspects that nobody has decided about, as one who knows the truth would."""
    with seen.open_store() as store:
        done = seen.decided()
        for suspect in listed.suspects:
            if suspect.index in done:
                continue
            right = int(truth[suspect.index])
            verdict, label = ("keep", None) if right == suspect.given else ("relabel", right)
            store.decide(suspect.index, verdict, given=suspect.given, label=label, by=REVIEWER, expected=None)


def _of_suspects(seen: SeenRun, listed: SuspectList, truth: np.ndarray) -> dict[str, Any]:
    """How good the list is, as the truth knows it and as the audits estimate it, and the first of it to look at."""
    given = seen.data.train.labels.cpu()
    wrong = given.numpy() != truth
    ranks = torch.nan_to_num(suspect_score_named(listed.score)(seen.log, given), nan=-torch.inf)
    found = np.cumsum(wrong[torch.argsort(ranks, descending=True, stable=True).numpy()])
    at = np.unique(np.linspace(max(1, len(wrong) // 100), len(wrong) // 2, _CURVE).astype(int))
    ranked = [suspect.index for suspect in listed.suspects if suspect.ranked >= 0]
    return {
        "budget": listed.budget,
        "listed": len(listed.suspects),
        "audits": sum(suspect.audit for suspect in listed.suspects),
        "ranked": len(ranked),
        "ranked_wrong": int(wrong[ranked].sum()),
        "found": int(wrong[[suspect.index for suspect in listed.suspects]].sum()),
        "wrong": int(wrong.sum()),
        "curve": {
            "reviewed": (at / len(wrong)).tolist(),
            "precision": (found[at - 1] / at).tolist(),
            "recall": (found[at - 1] / wrong.sum()).tolist(),
        },
        "estimates": _estimates(seen, listed, wrong),
        "shown": [_shown(seen, suspect, int(truth[suspect.index])) for suspect in listed.suspects[:_SHOWN]],
    }


def _estimates(seen: SeenRun, listed: SuspectList, wrong: np.ndarray) -> list[dict[str, Any]]:
    """What was known after so many looks of the review, and what is so."""
    decided, told = seen.decided(), []
    for looks in np.linspace(0, len(listed.suspects), _ESTIMATES + 1).round().astype(int)[1:].tolist():
        found = listed.estimate({one.index: decided[one.index] for one in listed.suspects[:looks]})
        meant = [one.index for one in listed.suspects if 0 <= one.ranked <= found.round]
        told.append(
            {
                "looks": looks,
                "reviewed": looks / listed.size,
                "precision": _known(found.precision),
                "precision_interval": list(map(_known, found.precision_interval)),
                "precision_true": float(wrong[meant].mean()) if meant else None,
                "noise": _known(found.noise_rate),
                "noise_interval": list(map(_known, found.noise_interval)),
                "confidence": found.confidence,
            }
        )
    return told


def _known(value: float) -> float | None:
    """What JSON has no word for is None."""
    return value if math.isfinite(value) else None


def _shown(seen: SeenRun, suspect: Any, right: int) -> dict[str, Any]:
    classes = seen.data.classes
    return {
        "index": suspect.index,
        "image": thumbnail_of(seen.data, suspect.index, _SIDE).uri,
        "given": classes[suspect.given],
        "predicted": None if suspect.predicted is None else classes[suspect.predicted],
        "right": classes[right],
        "why": suspect.why,
    }


def _arm(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "error": [run["test_error"][-1] for run in content["runs"]],
        "curve": np.mean([run["test_error"] for run in content["runs"]], axis=0).tolist(),
        "settings": {name: value for name, value in content["settings"].items() if name != "labels"},
    }


def _with(settings: TrainSettings, **changes: Any) -> TrainSettings:
    return TrainSettings.checked(settings.model_dump() | changes)


def _labels_file(labels: np.ndarray) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["index", "label"])
    table.writerows(enumerate(labels.tolist()))
    return text.getvalue().encode()


def _told(progress: Progress, before: int, total: int) -> Any:
    return lambda done, _, name: progress((before + done) / total, f"{before + done} of {total} runs, last {name}")

"""Hold the event models against a simulator and against the published measurements, and keep a record.

    python -m benchmarks.event_models --record benchmarks/results/event-models.json

The simulator draws videos frame by frame, with a correlation from each frame to the next, so that the correlation
between two *samples* falls as the stride grows, as measured ones do. Every model is told the same rates per frame and
predicts recall, precision and F1; the error is the distance from what was counted in the simulation. Precision is left
out where hardly an event is detected: it is then a ratio of a few alarms.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.keep import keep
from reproductions.mainstream.published import document, table
from rheostat.records import environment
from rheostat.share.events import Detection, detection, replay, simulate, timeline

Floats = NDArray[np.float64]

STREAM_FPS = 10.0
RATES = np.array([1.0, 2.0, 5.0, 10.0])
CASES: list[dict[str, Any]] = [
    dict(zip(("event_seconds", "hit", "false_positive", "event_frequency", "correlation"), values, strict=True))
    for values in itertools.product((0.5, 2.0), (0.9, 0.6), (0.02, 0.1), (0.1, 0.5), (0.0, 0.5, 0.9))
]
VOTES = (None, 3)
RARE = 0.02  # recall below which precision is not compared
MODELS = {
    "published": "as the authors' code, one correlation for all rates",
    "paper, one correlation": "equations of the paper, the correlation of neighbouring frames for all rates",
    "paper, by lag": "equations of the paper, the correlation between samples at each rate",
    "profiled": "replay of another video with 200 labelled events",
}


def measure(events: int, seed: int = 0) -> dict[str, Any]:
    """Errors of every model over all cases, rates and votes, and against the published measurement."""
    rng = np.random.default_rng(seed)
    errors: dict[str, list[Floats]] = {name: [] for name in MODELS}
    noise = []
    for case, votes in itertools.product(CASES, VOTES):
        drawn = [
            simulate(
                **case, fps=fps, stream_fps=STREAM_FPS, votes=votes, correlation_at="frame", events=events, rng=rng
            )
            for fps in RATES
        ]
        counted = np.array([found.detection for found in drawn])  # [rates, 3]
        noise.append([found.standard_error.f1 for found in drawn])
        for name, told in _predicted(case, votes, rng).items():
            error = np.abs(np.stack(told, axis=1) - counted)
            error[counted[:, 0] < RARE, 1] = np.nan
            errors[name].append(error)
    return {
        "bench": "event-models",
        "cases": len(CASES) * len(VOTES),
        "rates": RATES.tolist(),
        "events": events,
        "simulator_standard_error": float(np.max(noise)),
        "models": {name: {"is": MODELS[name], **_summary(np.array(found))} for name, found in errors.items()},
        "train": _against_measured(),
        "environment": environment(),
    }


def _predicted(case: dict[str, Any], votes: int | None, rng: np.random.Generator) -> dict[str, Detection]:
    lag = STREAM_FPS / RATES
    given: dict[str, Any] = {**case, "fps": RATES, "stream_fps": STREAM_FPS, "votes": votes}
    video = timeline(**case, stream_fps=STREAM_FPS, events=200, rng=rng)
    return {
        "published": detection(**given, model="published"),
        "paper, one correlation": detection(**given, model="paper"),
        "paper, by lag": detection(**given | {"correlation": case["correlation"] ** lag}, model="paper"),
        "profiled": replay(*video, stream_fps=STREAM_FPS, fps=RATES, votes=votes),
    }


def _summary(errors: Floats) -> dict[str, Any]:
    """Mean and largest error `[cases, rates, 3]` of each figure, and mean F1 error at each rate."""
    names = ("recall", "precision", "f1")
    return {
        "mean": dict(zip(names, np.nanmean(errors, axis=(0, 1)).tolist(), strict=True)),
        "largest": dict(zip(names, np.nanmax(errors, axis=(0, 1)).tolist(), strict=True)),
        "mean_f1_by_rate": errors[:, :, 2].mean(axis=0).tolist(),
    }


def _against_measured() -> dict[str, Any]:
    """Recall of the published train detector against stride: what was measured on video, and both analytic models."""
    parameters = document("app_params.json")
    lengths = parameters["event_lengths_frames"]["train_fig5"]
    constants = parameters["fig5_constants"]["train_inception_313"]
    p, q = constants["accuracy"], constants["cond_miss_prob"]
    correlation = (q - (1 - p)) / p
    rows = [
        row for row in table("fig5_recall_vs_stride.csv") if row["dataset"] == "train" and row["curve"] == "empirical"
    ]
    stride = np.array([float(row["stride_frames"]) for row in rows])
    measured = np.array([float(row["recall"]) for row in rows])
    stream = 30.0  # cancels out: only lengths and strides in frames matter
    found = {}
    for model in ("published", "paper"):
        told = detection(
            hit=p,
            false_positive=0.0,
            event_seconds=np.array(lengths)[:, None] / stream,
            event_frequency=0.5,
            correlation=correlation,
            fps=stream / stride,
            stream_fps=stream,
            model=model,
        )
        error = np.abs(told.recall.mean(axis=0) - measured)
        found[model] = {"mean": float(error.mean()), "largest": float(error.max())}
    return {"strides": [int(stride.min()), int(stride.max())], "events": len(lengths), "recall": found}


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """The parts of a page that are rendered from the record."""
    lines = [
        "| model | recall, mean (largest) | precision | F1 | F1 at 1, 2, 5, 10 fps, mean |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, found in record["models"].items():
        cells = [f"{found['mean'][key]:.3f} ({found['largest'][key]:.3f})" for key in ("recall", "precision", "f1")]
        by_rate = ", ".join(f"{error:.3f}" for error in found["mean_f1_by_rate"])
        lines.append(f"| {name}: {found['is']} | {' | '.join(cells)} | {by_rate} |")
    train = record["train"]
    measured = [
        f"| model | recall error on {train['events']} train events, mean | largest |",
        "|---|---:|---:|",
        *(f"| {name} | {e['mean']:.3f} | {e['largest']:.3f} |" for name, e in train["recall"].items()),
    ]
    conditions = (
        f"{record['cases']} cases of event length, hit and false-positive rate, frequency, correlation and votes "
        f"(none, 3), {record['events']:,} events and gaps each at {len(record['rates'])} rates of a 10 fps stream; "
        f"standard error of the simulated F1 at most {record['simulator_standard_error']:.3f}; precision where recall "
        f"is at least {RARE:g}; commit {record['environment']['commit']}."
    )
    return {"table": "\n".join(lines), "train": "\n".join(measured), "conditions": conditions}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000, help="events simulated per case and rate")
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/event-models.json"))
    given = parser.parse_args()
    found = measure(given.events)
    keep(given.record, found, pieces)


if __name__ == "__main__":
    main()

"""Fig. 3 of the thesis, Fig. 5 of the paper: recall against the stride between sampled frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reproductions.mainstream.published import Floats, document, table
from reproductions.running import Cell, Figure, Row
from rheostat.share.events import correlation_of, miss_of_all, sample_counts

STRIDES = np.arange(1, 301)
SHOWN = 10  # every tenth stride goes into the record
DATASETS = ("train", "pedestrian")
MEASURED = {"train": "empirical", "pedestrian": "empirical-random"}
PREDICTED = ("dependent", "dependent-whole", "independent", "independent-whole", "correlation")


def curve_of(dataset: str, name: str) -> Floats:
    """`[300]` a published curve."""
    rows = [row for row in table("fig5_recall_vs_stride.csv") if (row["dataset"], row["curve"]) == (dataset, name)]
    rows.sort(key=lambda row: int(row["stride_frames"]))
    return np.array([float(row["recall"]) for row in rows])


def event_lengths(dataset: str) -> NDArray[np.int64]:
    """Frames of each event. The list of pedestrian events holds one of 1681 frames that no curve shows a trace of."""
    if dataset == "train":
        return np.array(document("app_params.json")["event_lengths_frames"]["train_fig5"])
    events = document("pedestrian_event_predictions.json")["events"].values()
    return np.array([len(event) for event in events if event])


def hits_of(dataset: str) -> tuple[NDArray[np.int64], Floats]:
    """Length, and share of frames that are hits, of each event.

    The hits are not published. Where every frame of an event says the same, recall is mean(min(d / s, 1) p), which is
    linear in the hits of the events, and there are more strides than events. They come out whole to within a tenth or
    so, hence are rounded. Of events of one length only the sum is determined, and they get equal shares.
    """
    frames = event_lengths(dataset)
    lengths, at, times = np.unique(frames, return_inverse=True, return_counts=True)
    per_hit = np.minimum(1 / STRIDES[:, None], 1 / lengths) / len(frames)
    hits = np.round(np.linalg.lstsq(per_hit, curve_of(dataset, "dependent-whole"), rcond=None)[0])
    return frames, (hits / (times * lengths))[at]


def predicted(dataset: str, name: str, *, weights: str) -> Floats:
    """`[300]` a curve by the paper's equations 1 to 4, with the accuracy and the correlation that its name stands for.

    Args:
        dataset: One of `DATASETS`.
        name: One of `PREDICTED`; `whole` with independent frames is one accuracy for all events.
        weights: Of the two numbers of samples that an event may hold: by the `stride`, as Eq. 1 has it, or by the
            `event`, as the published curves were made: for d >= s the larger number has the chance (d mod s) / d.
    """
    constants = document("app_params.json")["fig5_constants"]
    constants = constants["train_inception_313" if dataset == "train" else "pedestrian_mobilenets_84"]
    frames, hit = hits_of(dataset)
    p = (np.full(len(frames), constants["accuracy"]) if name == "independent-whole" else hit)[:, None]
    again = {"dependent": np.ones_like(p), "independent": 1 - p}.get(
        name.removesuffix("-whole"), np.full_like(p, constants["cond_miss_prob"])
    )
    correlation = np.where(p > 0, correlation_of(again, p), 0.0)
    d = frames[:, None].astype(float)
    fewer, more = sample_counts(d, STRIDES)
    if weights == "event":
        more = np.where(d >= STRIDES, (d % STRIDES) / d, more)
    missed = (1 - more) * miss_of_all(fewer, p, correlation) + more * miss_of_all(fewer + 1, p, correlation)
    return 1 - missed.mean(axis=0)


def row(cell: Cell) -> Row:
    """Both forms of one curve, how far each is from the published one, and both and that from the measured one."""
    dataset, name = cell["dataset"], cell["curve"]
    published, measured = curve_of(dataset, name), curve_of(dataset, MEASURED[dataset])
    curves = {"published": published, **{w: predicted(dataset, name, weights=w) for w in ("event", "stride")}}
    return {
        "strides": STRIDES[::SHOWN],
        "curves": {
            "published": published[::SHOWN],
            "stride": curves["stride"][::SHOWN],
            "measured": measured[::SHOWN],
        },
        "from_published": {label: _apart(curves[label], published) for label in ("event", "stride")},
        "from_measured": {label: _apart(curve, measured) for label, curve in curves.items()},
    }


def _apart(one: Floats, other: Floats) -> dict[str, float]:
    apart = np.abs(one - other)
    return {"mean": float(apart.mean()), "max": float(apart.max())}


def _cells(_: int) -> list[Cell]:
    names = {(row["dataset"], row["curve"]) for row in table("fig5_recall_vs_stride.csv")}
    return [{"dataset": d, "curve": c} for d in DATASETS for c in PREDICTED if (d, c) in names]


FIGURE = Figure(
    name="fig3",
    what="recall against stride: published curves, and the paper's equations with the weights of Eq. 1 and with theirs",
    claimed=(),
    cells=_cells,
    row=row,
    setting={"strides": [1, 300], "measured": MEASURED, "weights": ["event", "stride"]},
)

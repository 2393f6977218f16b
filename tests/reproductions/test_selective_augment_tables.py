"""The page says what the record says."""

from typing import Any

import pytest

from reproductions.selective_augment import pages
from reproductions.selective_augment.mislabel_tables import PIECES, best, groups


def standing(precision: float) -> dict[str, float]:
    return {"precision": precision, "recall": precision / 2, "auroc": (1 + precision) / 2}


def row(noise: str, rate: float | None, seed: int, *, log: float, theirs: tuple[float, float]) -> dict[str, Any]:
    course = {"precision": [log - 0.1, log], "auroc": [0.5, 0.6]}
    return {
        "cell": {"data": "cifar10", "noise": noise, "rate": rate, "seed": seed},
        "wrong": 0.2,
        "test_error": 0.1,
        "train_error": 0.3,
        "ours": {"disagreement": standing(log), "energy": standing(0.25)},
        "online": {"disagreement": course, "energy": course},
        "cleanlab": {"plain": standing(theirs[0]), "adjusted": standing(theirs[1])},
        "detectors": {"Entropy": standing(0.25)},
        "cpu_seconds": {"training": 5.0, "log": 1.0, "cross_validation": 19.0, "cleanlab": 1.0, "pass": 0.5},
    }


@pytest.fixture
def record() -> dict[str, Any]:
    return {
        "figure": "mislabels",
        "setting": {
            "budget": 0.05,
            "recipes": {"cifar10": {"hidden": 0, "epochs": 2, "batch_size": 8, "lr": 0.1}},
            "versions": {"cleanlab": "1.2"},
        },
        "environment": {"processor": "a processor", "packages": {"torch": "3.4"}, "commit": "abc"},
        "complete": True,
        "rows": [
            row("aggregate", None, 0, log=0.70, theirs=(0.80, 0.60)),
            row("aggregate", None, 1, log=0.72, theirs=(0.60, 0.84)),
            row("symmetric", 0.2, 0, log=0.94, theirs=(0.90, 0.80)),
            row("symmetric", 0.2, 1, log=0.97, theirs=(0.92, 0.80)),
        ],
    }


def test_rows_of_one_kind_of_noise_stand_together(record: dict[str, Any]):
    assert {name: len(rows) for name, rows in groups(record).items()} == {
        "CIFAR-10N aggregate": 2,
        "CIFAR-10 symmetric 20 %": 2,
    }


def test_the_best_of_the_others_is_the_best_in_the_mean(record: dict[str, Any]):
    by_name = groups(record)
    assert best(by_name["CIFAR-10N aggregate"], "cleanlab") == "adjusted"
    assert best(by_name["CIFAR-10 symmetric 20 %"], "cleanlab") == "plain"


def test_the_bars_are_judged(record: dict[str, Any]):
    said = pages.piece(record, "findings")
    assert "symmetric 20 %: precision 0.955 (0.940 to 0.970) at 5%; the bar is 0.95: met." in said
    assert (
        "aggregate: 0.010 below the best of cleanlab's rankings (adjusted); the bar is at most 0.02 below: met." in said
    )
    assert "The log is the more precise: CIFAR-10 symmetric 20 % (+0.045)." in said
    assert "cleanlab is the more precise: CIFAR-10N aggregate (-0.010)." in said
    assert "detector has a mean precision of 0.25 where chance has 0.20 and the log 0.83" in said

    for row in record["rows"]:
        row["ours"]["disagreement"] = standing(0.6)
    said = pages.piece(record, "findings")
    assert said.count("missed") == 2
    assert "0.120 below" in said


def test_the_tables(record: dict[str, Any]):
    assert pages.piece(record, "found").splitlines()[2] == (
        "| CIFAR-10N aggregate | 20.0% | 0.710 (0.700 to 0.720) | 0.720 (0.600 to 0.840) | 0.250 (0.250 to 0.250) | "
        "0.355 | 0.360 | 0.125 | 0.855 | 0.860 | 0.625 |"
    )
    assert pages.piece(record, "scores").splitlines()[3] == "| CIFAR-10 symmetric 20 % | **0.955** | 0.250 |"
    assert pages.piece(record, "online").splitlines()[3] == "| CIFAR-10 symmetric 20 % | 0.855 | 0.955 |"
    assert pages.piece(record, "costs").splitlines()[2] == (
        "| CIFAR-10 | 5.00 | 1.00 | 19.00 | 1.00 | 0.50 | 10.0 | 25% | 400% |"
    )
    assert "2 seeds" in pages.piece(record, "conditions")
    assert "cleanlab 1.2" in pages.piece(record, "conditions")


def test_a_long_run_is_shown_at_some_epochs(record: dict[str, Any]):
    record["figure"] = "mislabels-long"
    for row in record["rows"]:
        row["online"] = {"disagreement": {"precision": [epoch / 100 for epoch in range(1, 41)]}}

    header, _, line, _ = pages.piece(record, "course").splitlines()

    assert header.endswith("| epoch 20 | epoch 30 | epoch 40 |")
    assert line == (
        "| CIFAR-10N aggregate, disagreement | 0.010 | 0.020 | 0.030 | 0.050 | 0.100 | 0.200 | 0.300 | 0.400 |"
    )
    assert "the last epoch gets 30.0% of the given ones wrong, and 10.0% of the test labels" in pages.piece(
        record, "by_heart"
    )


def test_every_piece_of_a_study_can_be_made_and_its_curves_drawn(record: dict[str, Any]):
    for name in PIECES["mislabels"]:
        assert pages.piece(record, name)
    (picture,) = pages.plots_of(record).values()
    assert "CIFAR-10N aggregate" in picture
    assert picture == next(iter(pages.plots_of(record).values()))  # the same record, the same bytes

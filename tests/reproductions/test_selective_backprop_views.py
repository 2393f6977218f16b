"""What is read off a record, against hand-made ones whose answers are known."""

import math
from typing import Any

import pytest

from reproductions.selective_backprop import claims, pages, views
from reproductions.selective_backprop.plan import SCALES
from reproductions.selective_backprop.plots import PLOTS
from reproductions.selective_backprop.tables import PIECES
from reproductions.selective_backprop.workloads import CONTROL, DECAYED, KATH18, PLAIN, SELECTIVE, THESIS

T_SCORE, T_TRAIN = 1e-4, 3e-4  # a backward costs two forwards


def row(
    arm: str,
    errors: list[float],
    *,
    backwards: int = 1000,
    scored: int = 0,
    course: str = THESIS,
    share: float = 1.0,
    noise: float = 0.0,
    seed: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """A run with one error per epoch, and `backwards` and `scored` in each of them."""
    data = "mnist-part" if noise else "mnist"
    steps = range(1, len(errors) + 1)
    return {
        "cell": {"data": data, "arm": arm, "course": course, "share": share, "noise": noise, "seed": seed},
        "candidates": [(scored or backwards) * step for step in steps],
        "backwards": [backwards * step for step in steps],
        "scoring_forwards": [scored * step for step in steps],
        "steps": [8 * step for step in steps],
        "kept_share": [backwards / (scored or backwards)] * len(errors),
        "test_error": errors,
        "train_loss": errors,
        **{f"data_{unit}": [0.0] * len(errors) for unit in ("seconds", "cpu_seconds")},
        **{f"scoring_{unit}": [T_SCORE * scored * step for step in steps] for unit in ("seconds", "cpu_seconds")},
        **{f"training_{unit}": [T_TRAIN * backwards * step for step in steps] for unit in ("seconds", "cpu_seconds")},
        **more,
    }


def record_of(*rows: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from reproductions.selective_backprop.workloads import WORKLOADS

    scale = SCALES["small"]
    return {
        "figure": "small",
        "what": "a record",
        "setting": {
            "scale": asdict(scale),
            "workloads": {name: asdict(WORKLOADS[name]) for name in ("mnist", "mnist-part")},
        },
        "environment": {"processor": "a processor", "packages": {"torch": "3.4"}, "commit": "abc"},
        "complete": True,
        "rows": list(rows),
    }


@pytest.fixture
def record() -> dict[str, Any]:
    plain = [0.5, 0.3, 0.2, 0.1]
    lengths = ((0.25, 0.4, 1), (0.5, 0.2, 2), (1.0, 0.1, 4))
    return record_of(
        row(PLAIN, plain),
        row(SELECTIVE, [0.4, 0.2, 0.1, 0.09], backwards=250, scored=1000, share=0.4),
        row(CONTROL, [0.6, 0.5, 0.4, 0.3], backwards=250, scored=1000, share=0.4),
        row(KATH18, [0.5, 0.4, 0.2, 0.1], backwards=250, scored=1000, share=0.4),
        *(row(PLAIN, [0.5] * (n - 1) + [error], course=DECAYED, share=share) for share, error, n in lengths),
        row(SELECTIVE, [0.2], backwards=1000, scored=4000, course=DECAYED, share=0.25),
        row("top-k", [0.3], backwards=1000, scored=4000, course=DECAYED, share=0.25),
        row(PLAIN, [0.3], course=DECAYED, share=0.5, noise=0.1, corrupted=0.1),
        row(CONTROL, [0.35], course=DECAYED, share=0.5, noise=0.1, corrupted=0.1),
        row(SELECTIVE, [0.4], course=DECAYED, share=0.5, noise=0.1, corrupted=0.35),
    )


def test_an_arm_reaches_an_error_where_its_mean_curve_first_is_there(record: dict[str, Any]) -> None:
    rows = views.runs_of(record, "mnist", SELECTIVE, THESIS)
    bar = views.bar_of(record, "mnist", 1.0)
    assert bar == 0.1
    assert views.reached(rows, bar) == pytest.approx((750, 3000, 750 * T_TRAIN + 3000 * T_SCORE))
    assert views.reached(rows, 0.01) is None


def test_an_error_that_plain_training_has_from_the_start_is_none_to_reach() -> None:
    made = record_of(row(PLAIN, [0.25, 0.2]))  # 1.2 x 0.2 = 0.24 takes longer than an epoch, 1.4 x 0.2 = 0.28 does not

    assert views.factors_of(made, "mnist") == [1.0, 1.1, 1.2]
    assert views.factors_of(made, "cifar10-part") == []


def test_the_mean_is_over_the_seeds() -> None:
    made = record_of(row(PLAIN, [0.3, 0.2]), row(PLAIN, [0.5, 0.4], seed=1))
    rows = views.runs_of(made, "mnist", PLAIN, THESIS)
    assert views.end_of(rows).error == pytest.approx(0.3)
    assert views.reached(rows, 0.3) == pytest.approx((2000, 0, 2000 * T_TRAIN))
    assert views.lower(rows, [row(PLAIN, [0.3]), row(PLAIN, [0.3], seed=1)]) == (1, 2)


def test_the_longest_runs_are_taken_unless_a_length_is_asked_for(record: dict[str, Any]) -> None:
    (longest,) = views.runs_of(record, "mnist", PLAIN, DECAYED)
    (short,) = views.runs_of(record, "mnist", PLAIN, DECAYED, share=0.25)
    assert (longest["cell"]["share"], short["cell"]["share"]) == (1.0, 0.25)


def test_plain_lengths_make_a_curve_that_can_be_read_both_ways(record: dict[str, Any]) -> None:
    lengths = views.lengths_of(record, "mnist")
    assert lengths.backwards == [1000, 2000, 4000]
    assert lengths.at("backwards", 1000 * math.sqrt(2)) == pytest.approx(0.3)  # half-way in log x
    assert lengths.at("backwards", 500) is None
    assert lengths.at("seconds", 4000 * T_TRAIN) == pytest.approx(0.1)
    assert lengths.needs("backwards", 0.15) == ("", pytest.approx(2000 * math.sqrt(2)))
    assert lengths.needs("backwards", 0.4) == ("<", 1000)
    assert lengths.needs("backwards", 0.05) == (">", 4000)
    for error in (0.35, 0.25, 0.2, 0.11):  # there and back
        assert lengths.at("backwards", lengths.needs("backwards", error)[1]) == pytest.approx(error)


def test_a_longer_run_that_is_worse_does_not_hide_a_shorter_one() -> None:
    lengths = views.Lengths([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [0.4, 0.2, 0.3])
    assert lengths.needs("seconds", 0.25)[1] < 2
    assert lengths.needs("seconds", 0.15) == (">", 4.0)


def test_the_speed_up_by_counts_is_that_of_the_costs() -> None:
    # plain: 4,000 backwards and as many training forwards; ours: 750 and 3,000 scoring forwards besides
    for ratio in (1, 2, 10):
        plain, ours = 4000 * (1 + ratio), 3000 + 750 * (1 + ratio)
        assert views.cost(4000, 0, ratio) / views.cost(750, 3000, ratio) == pytest.approx(plain / ours)


def test_the_measured_ratio_is_of_a_backward_to_a_forward(record: dict[str, Any]) -> None:
    assert views.measured_ratio(views.runs_of(record, "mnist", SELECTIVE, THESIS)) == pytest.approx(2)
    assert views.measured_ratio(views.runs_of(record, "mnist", PLAIN, THESIS)) is None


def test_a_holdout_model_is_paid_for(record: dict[str, Any]) -> None:
    made = row("reducible-loss", [0.2], course=DECAYED, holdout_cpu_seconds=7.0)
    assert views.end_of([made]).seconds == pytest.approx(7 + 1000 * T_TRAIN)


def test_table_3_and_figure_9_agree_at_the_measured_ratio(record: dict[str, Any]) -> None:
    (line,) = [line for line in pages.piece(record, "table3").splitlines() if ": 1 x plain's" in line]
    # 4,000 x 3 forwards against 750 x 3 + 3,000; kath18 gets there after 1,000 and 4,000
    assert line.split(" | ")[1:] == ["2.29 (5.33)", "1.71 (4.00)", "never", "1.00 (1.00)", "1.33 |"]
    (line,) = [line for line in pages.piece(record, "fig9").splitlines() if "to 1 x" in line]
    assert line.split(" | ")[2] == "2.29"
    assert line.endswith("| 2.0 | 2.29 |")


def test_policies_stand_beside_plain_training_of_their_backwards_and_of_their_time(record: dict[str, Any]) -> None:
    lines = pages.piece(record, "rivals").splitlines()
    assert lines[2] == "| selective-backprop | 1 | 1,000 | 4,000 | 1 s | 20.00% | 40.00% | 17.78% | 2.00 | 0.86 |"
    assert lines[3].startswith("| top-k |")


def test_the_table_of_wrong_labels(record: dict[str, Any]) -> None:
    lines = pages.piece(record, "noise").splitlines()
    assert "| plain, as many backwards | 10.0% | 30.00% |" in lines
    assert "| selective-backprop | 35.0% | 40.00% (0 of 1) |" in lines


def test_claims_are_judged(record: dict[str, Any]) -> None:
    backwards = claims.backwards(record)
    assert backwards is not None
    assert backwards == ("0.19", "never", "1.00", "holds")  # 750 of 4,000
    assert claims.stale(record) is None
    verdicts = {name: found.verdict for name, judge in claims.JUDGES.items() if (found := judge(record)) is not None}
    assert verdicts["probabilistic"] == "holds"
    assert verdicts["label noise"] == "holds"
    assert verdicts["kath18"] == "holds"

    for made in record["rows"]:  # every error of Selective-Backprop the wrong way round
        if made["cell"]["arm"] == SELECTIVE:
            made["test_error"] = [0.05 if made["cell"]["noise"] else 0.6] * len(made["test_error"])
    verdicts = {name: found.verdict for name, judge in claims.JUDGES.items() if (found := judge(record)) is not None}
    assert verdicts["backwards"] == "not shown"
    assert verdicts["probabilistic"] == "does not hold"
    assert verdicts["label noise"] == "does not hold"


def test_every_piece_can_be_made_and_every_plot_drawn(record: dict[str, Any]) -> None:
    for name in PIECES:
        assert pages.piece(record, name)
    drawn = pages.plots_of(record)
    assert set(drawn) == {f"small-{name}" for name in PLOTS}
    assert drawn == pages.plots_of(record)  # the same record, the same bytes


def test_a_record_of_some_runs_has_the_plots_of_those() -> None:
    made = record_of(row(PLAIN, [0.2]), row(SELECTIVE, [0.2], scored=1000))
    assert set(pages.plots_of(made)) == {"small-fig5", "small-fig6", "small-fig7", "small-fig9"}

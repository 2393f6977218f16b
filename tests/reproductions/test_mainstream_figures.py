"""The figures through the reproduction's own code, a part of each."""

import numpy as np
import pytest

from reproductions.mainstream import costs, packages, recall, schedules, voting
from reproductions.mainstream.published import RATES, RATES_UNSHARED, table, workload
from rheostat.share.scheduler import plan
from rheostat.share.tree import plan_cost


def test_the_hits_of_the_train_events_are_those_that_the_overall_accuracy_asks_for() -> None:
    frames, hit = recall.hits_of("train")

    np.testing.assert_allclose(frames * hit, [265, 41, 69, 437, 244, 255, 251, 153])
    assert (frames * hit).sum() / frames.sum() == pytest.approx(0.93972, abs=1e-5)


@pytest.mark.parametrize("cell", recall.FIGURE.cells(1), ids=lambda cell: " ".join(cell.values()))
def test_every_curve_of_recall_comes_out_with_the_published_weights(cell: dict[str, str]) -> None:
    row = recall.row(cell)

    assert row["from_published"]["event"]["max"] < 5.1e-7
    differs = not cell["curve"].startswith("dependent")  # without a further sample to gain by, weights do not matter
    assert (row["from_published"]["stride"]["max"] > 0.01) == differs


@pytest.mark.parametrize("cell", packages.ACCURACY.cells(1), ids=lambda cell: cell["app"])
def test_dominated_points_are_overwritten_as_published(cell: dict[str, str]) -> None:
    assert packages.accuracy_row(cell)["from_published"] == 0


def test_a_dominated_point_takes_both_rates_of_the_deeper_one() -> None:
    p, g = packages.without_dominated(np.array([0.7, 0.6, 0.8, 0.5]), np.array([0.1, 0.2, 0.3, 0.4]))

    assert p.tolist() == [0.8, 0.8, 0.8, 0.5]
    assert g.tolist() == [0.3, 0.3, 0.3, 0.4]


@pytest.mark.parametrize("mode", schedules.MODES)
def test_the_published_rule_gives_the_published_means(mode: str) -> None:
    sharing = schedules.MODES[mode]
    asked = [workload(3, index, RATES_UNSHARED if sharing == "none" else RATES) for index in range(100)]
    plans = [plan(one, budget=150, sharing=sharing, solver="legacy-greedy") for one in asked]

    assert schedules.means_of(asked, plans) == pytest.approx(schedules.published_means()[3, 150][mode], abs=1e-6)


def test_a_cell_of_schedules_compares_with_published_means_only_where_it_has_all_workloads() -> None:
    cell = {"apps": 5, "budget": 150, "baselines": True, "workloads": 2}
    row = schedules.schedules_row(cell)

    assert "published" not in row
    assert set(row["exact"]) == {"any", "head", "max", "none"}
    best = row["exact"]["any"]["f1"]
    assert all(best >= found["f1"] - 1e-9 for found in [*row["exact"].values(), *row["legacy"].values()])
    assert row["gap"]["mean"] == pytest.approx(1 - row["legacy"]["mainstream"]["f1"] / best, abs=0.02)
    assert row["gap"]["max"] >= row["gap"]["mean"] > 0


def test_a_cell_names_the_modes_whose_f1_is_not_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "WORKLOADS", 2)
    cell = {"apps": 1, "budget": 150, "baselines": False, "workloads": 2}
    legacy = schedules.schedules_row(cell)["legacy"]
    off = {name: value + 0.01 * (name == "f1") for name, value in legacy["maxsharing"].items()}
    monkeypatch.setattr(schedules, "published_means", lambda: {(1, 150): {**legacy, "maxsharing": off}})

    row = schedules.schedules_row(cell)

    assert row["f1_differs"] == ["maxsharing"]
    assert row["apart"] == pytest.approx({**dict.fromkeys(schedules.MEANS, 0.0), "f1": 0.01})


def test_the_start_of_the_published_rule_may_lie_above_the_budget() -> None:
    made = plan(workload(25, 0, RATES_UNSHARED), budget=50, sharing="none", solver="legacy-greedy")

    assert made.cost > 50


@pytest.mark.parametrize("setup", [cell["setup"] for cell in schedules.REGRESSION.cells(1)][:4])
def test_the_optimum_of_the_regression_test_is_the_published_one(setup: str) -> None:
    row = schedules.regression_row({"setup": setup})

    assert row["optimal"]
    assert row["exact"] == pytest.approx(row["published"]["stems_cpp-5"], abs=5.1e-7)


def test_published_schedules_with_votes_have_the_published_means() -> None:
    for row in table("fig9_xvoting.csv")[::20]:
        found = voting.foretold(row["dataset"], *voting._schedule(row), int(row["x_vote"]))

        assert 1 - found.recall.mean() == pytest.approx(float(row["mean_fnr"]), abs=5.1e-5)
        assert 1 - found.precision.mean() == pytest.approx(float(row["mean_1_minus_precision"]), abs=5.1e-5)


def test_votes_that_may_be_chosen_are_at_least_as_good_as_fixed_ones() -> None:
    chosen = plan(voting.workload("train", 3, voting.VOTES), budget=voting.BUDGET)

    for votes in (1, 5):
        assert chosen.mean_f1 >= plan(voting.workload("train", 3, [votes]), budget=voting.BUDGET).mean_f1


def test_the_capacity_is_found_where_rates_follow_the_formula() -> None:
    cost = np.array([plan_cost([4.0, 2.0], [1] * n, [1.0] * n) for n in (1, 2, 4, 8)])

    assert costs.capacity_of(cost, 900 / cost) == pytest.approx(900)


def test_shares_of_the_cost_are_found_where_rates_follow_the_formula() -> None:
    apps, frozen = np.repeat([1, 2, 4], 3), np.tile([0, 10, 20], 3)
    share = np.array([1.0, 0.6, 0.1])
    rates = 15 / (1 + (apps - 1) * np.tile(share, 3))

    found = costs._own_share(apps, frozen, rates)

    assert list(found["by_rates"].values()) == pytest.approx(share)
    assert found["relative_error"]["max"] == pytest.approx(0)


def test_the_form_of_the_cost_formula_fits_throughput_better_than_the_latencies() -> None:
    row = costs.throughput_row({"net": "inceptionv3"})

    assert len(row["apps"]) == 160
    assert row["own_share"]["relative_error"]["mean"] < 0.02 < row["one_rate"]["relative_error"]["mean"]

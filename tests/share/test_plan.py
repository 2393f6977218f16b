"""Workload and plan: what is right is read as it stands, and written so that it is read back the same."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rheostat.share.plan import AppPlan, Plan, as_json, read_plan, read_workload, write
from tests.share.workloads import app, app_plan, branch_point, plan, refusal, workload

SHARES = st.floats(0, 1)
POSITIVE = st.floats(1e-6, 1e6)


def test_a_workload_is_read_with_its_defaults() -> None:
    read = read_workload(workload())
    assert (read.event_model, read.objective, read.budget) == ("published", "mean", None)
    assert read.fps == (1, 2, 5, 10)
    assert read.layer_cost == (4, 3, 2, 1)
    assert read.schema_version == 1
    assert [point.frozen for point in read.apps[0].branch_points] == [0, 2, 4]
    assert (read.apps[0].weight, read.apps[0].votes) == (1.0, None)


def test_numpy_values_are_taken_as_numbers() -> None:
    given_ = workload(
        app(votes=np.array([1, 3]), weight=np.float32(0.5), branch_points=[branch_point(np.int64(2))]),
        layer_cost=np.ones(4),
        fps=np.arange(1, 5),
    )
    read = read_workload(given_)
    assert read.layer_cost == (1, 1, 1, 1)
    assert read.fps == (1, 2, 3, 4)
    assert (read.apps[0].votes, read.apps[0].weight, read.apps[0].branch_points[0].frozen) == ((1, 3), 0.5, 2)


def test_a_whole_number_may_be_written_as_a_float() -> None:
    assert read_plan(plan(app_plan(frozen=3.0))).apps[0].frozen == 3


def test_all_layers_may_be_shared() -> None:
    assert read_workload(workload(app(branch_points=[branch_point(4)]))).apps[0].branch_points[0].frozen == 4


def test_notes_of_the_owner_are_left_out() -> None:
    noted = workload(app(notes="rainy days", camera=3), comment=["from the trial"], unit="core-ms")
    assert read_workload(noted) == read_workload(workload())
    assert read_plan(plan(app_plan(colour="red"), note="x")) == read_plan(plan())


PER_RATE = [0.1, 0.2, 0.3, 0.4]
PER_VOTE = [[0.1, 0.2]] * 4


def profiled(table: Any, votes: Any = None, **values: Any) -> dict[str, Any]:
    point = {"frozen": 1, "recall": table, "precision": PER_RATE if votes is None else PER_VOTE, **values}
    return workload(app(votes=votes, branch_points=[point]), event_model="profiled")


def test_measured_tables_are_read() -> None:
    assert read_workload(profiled(PER_RATE)).apps[0].branch_points[0].recall == tuple(PER_RATE)
    assert (
        read_workload(profiled(np.array(PER_VOTE), votes=[1, 3])).apps[0].branch_points[0].recall == ((0.1, 0.2),) * 4
    )


@pytest.mark.parametrize(
    ("table", "votes", "told"),
    [
        (None, None, "recall is missing: the event model 'profiled' needs it"),
        (PER_RATE[:3], None, "recall is a list of 3: must have 4, one per rate in fps"),
        ([*PER_RATE, 0.5], None, "recall is a list of 5: must have 4, one per rate in fps"),
        ([], None, "recall is a list of 0: must have 4, one per rate in fps"),
        (PER_VOTE, None, "recall: must be a list of numbers, one per rate: the app has no votes"),
        (PER_RATE, [1, 3], "recall: must be a list per rate, each with one number per count in votes"),
        (PER_VOTE[:2], [1, 3], "recall is a list of 2: must have 4, one per rate in fps"),
        ([[0.1, 0.2]] * 3 + [[0.1]], [1, 3], "recall: entry 4 is a list of 1: must have 2, one per count in votes"),
        ([0.1, 0.2, 0.3, 1.4], None, "recall: entry 4 is 1.4: must be at most 1"),
        ([[0.1, 0.2]] * 3 + [[0.1, 2]], [1, 3], "recall: entry 4: entry 2 is 2: must be at most 1"),
    ],
)
def test_a_measured_table_must_fit_rates_and_votes(table: Any, votes: Any, told: str) -> None:
    assert refusal(profiled(table, votes)) == f"workload: app 'bus-0': branch point 1: {told}"


def test_the_second_table_is_checked_too() -> None:
    assert "precision is a list of 1: must have 4" in refusal(profiled(PER_RATE, precision=[1]))


def test_tables_that_are_not_used_need_not_fit() -> None:
    point = branch_point(1, recall=[0.5])
    assert read_workload(workload(app(branch_points=[point]))).apps[0].branch_points[0].hit == 0.9


def test_one_correlation_holds_at_every_rate() -> None:
    found = read_workload(workload()).apps[0].correlation_at([1, 2, 10])
    np.testing.assert_array_equal(found, [0.5, 0.5, 0.5])


def test_a_measured_correlation_is_interpolated_at_the_lag_of_the_rate() -> None:
    measured = {"lag_seconds": [0.1, 0.3], "value": [0.8, 0.4]}
    read = read_workload(workload(app(correlation=measured)))
    found = read.apps[0].correlation_at(np.array([100, 10, 5, 1 / 0.3, 1]))
    np.testing.assert_allclose(found, [0.8, 0.8, 0.6, 0.4, 0.4])
    assert read_workload(as_json(read)) == read


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(workload()), encoding="utf-8-sig")
    assert read_workload(tmp_path / "w.json") == read_workload(workload())


def test_documents_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read_plan(plan()).cost = 3.0
    with pytest.raises(ValidationError, match="frozen"):
        read_workload(workload()).apps[0].weight = 3.0


def test_reading_leaves_the_mapping_as_it_was() -> None:
    values = workload(app(note="x"), event_model="paper")
    before = copy.deepcopy(values)
    read_workload(values)
    assert values == before


def test_a_plan_is_written_with_the_keys_of_the_schema(tmp_path: Path) -> None:
    write(tmp_path / "plan.json", read_plan(plan()))
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written == plan(objective="mean", solver="", sharing="any")


APP_PLANS = st.builds(
    AppPlan,
    name=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1),
    frozen=st.integers(0, 400),
    fps=POSITIVE,
    votes=st.none() | st.integers(1, 9),
    f1=SHARES,
    recall=SHARES,
    precision=SHARES,
)
PLANS = st.builds(
    Plan,
    schema=st.just(1),
    mean_f1=SHARES,
    min_f1=SHARES,
    cost=POSITIVE,
    budget=POSITIVE,
    optimal=st.booleans(),
    bound=SHARES,
    seconds=POSITIVE,
    apps=st.lists(APP_PLANS, min_size=1, max_size=4, unique_by=lambda app: app.name),
    solver=st.sampled_from(["", "exact"]),
)


@settings(deadline=None)
@given(PLANS)
def test_a_plan_read_back_is_the_plan_written(tmp_path_factory: pytest.TempPathFactory, made: Plan) -> None:
    file = tmp_path_factory.mktemp("plans") / "plan.json"
    write(file, made)
    assert read_plan(file) == made


@settings(deadline=None)
@given(
    st.lists(POSITIVE, min_size=1, max_size=5),
    st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=4),
    st.none() | st.lists(st.integers(1, 9), min_size=1, unique=True),
    st.none() | POSITIVE,
)
def test_a_workload_read_back_is_the_workload_written(
    tmp_path_factory: pytest.TempPathFactory,
    costs: list[float],
    rates: list[tuple[float, float]],
    votes: list[int] | None,
    budget: float | None,
) -> None:
    points = [branch_point(at, hit=hit, false_positive=wrong) for at, (hit, wrong) in enumerate(rates)]
    read = read_workload(workload(app(votes=votes, branch_points=points), layer_cost=costs * 4, budget=budget))
    file = tmp_path_factory.mktemp("workloads") / "w.json"
    write(file, read)
    assert read_workload(file) == read
    assert "null" not in file.read_text()

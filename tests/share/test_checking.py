"""What is wrong in a document is told in one line, in words, at its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from rheostat.share.placement import read_fleet, read_placement
from rheostat.share.plan import read_plan, read_workload
from tests.share.workloads import app, app_plan, branch_point, plan, refusal, workload


def of_app(**values: Any) -> str:
    return refusal(workload(app(**values))).removeprefix("workload: app 'bus-0': ")


def of_point(**values: Any) -> str:
    points = [branch_point(0), branch_point(**{"frozen": 2, **values})]
    return of_app(branch_points=points).removeprefix("branch point 2: ")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"schema": 7}, "schema is 7: this version reads schema 1"),
        ({"stream_fps": 0}, "stream_fps is 0: must be above 0"),
        ({"stream_fps": "ten"}, "stream_fps is 'ten': must be a number"),
        ({"stream_fps": True}, "stream_fps is true: must be a number"),
        ({"stream_fps": None}, "stream_fps is null: must be a number"),
        ({"fps": []}, "fps is empty: must have at least one entry"),
        ({"fps": 3}, "fps is 3: must be a list"),
        ({"fps": [1, -1]}, "fps: entry 2 is -1: must be above 0"),
        ({"fps": [1, 3, 2]}, "fps has 2 after 3: must increase"),
        ({"fps": [1, 1]}, "fps has 1 after 1: must increase"),
        ({"fps": [1, 12]}, "fps has 12: must be at most stream_fps, which is 10"),
        ({"layer_cost": []}, "layer_cost is empty: must have at least one entry"),
        ({"layer_cost": [1, 1, 1, -1]}, "layer_cost: entry 4 is -1: must be at least 0"),
        ({"layer_cost": [1, float("inf")]}, "layer_cost: entry 2 is inf: must be a finite number"),
        ({"budget": 0}, "budget is 0: must be above 0"),
        ({"budget": float("nan")}, "budget is nan: must be a finite number"),
        ({"objective": "max"}, "objective is 'max': must be 'mean' or 'min'"),
        ({"event_model": "paperr"}, "event_model is 'paperr': must be 'published', 'paper' or 'profiled'"),
        ({"apps": []}, "apps is empty: must have at least one entry"),
        ({"apps": {}}, "apps is an object: must be a list"),
        ({"apps": [3]}, "app 1 is 3: must be an object"),
        ({"apps": [app(), app()]}, "app 'bus-0' is there 2 times"),
        ({"apps": [app("a", weight=0), app("b", weight=0)]}, "weight is 0 for every app"),
        ({"apps": [app(" ")]}, "app 1: name is ' ': must be printable text on one line, and not blank"),
        ({"apps": [app("a\nb")]}, "name is 'a\\nb': must be printable text on one line"),
        ({"apps": [app(5)]}, "app 1: name is 5: must be text"),
    ],
)
def test_a_wrong_workload_is_told(values: dict[str, Any], told: str) -> None:
    assert refusal(workload(**values)).startswith("workload: ")
    assert told in refusal(workload(**values))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"event_seconds": 0}, "event_seconds is 0: must be above 0"),
        ({"event_frequency": 0}, "event_frequency is 0: must be above 0"),
        ({"event_frequency": 1.5}, "event_frequency is 1.5: must be at most 1"),
        ({"correlation": 1.5}, "correlation is 1.5: must be at most 1"),
        ({"correlation": -0.5}, "correlation is -0.5: must be at least 0"),
        ({"correlation": "high"}, "correlation is 'high': must be a number"),
        ({"correlation": {"lag_seconds": [0.1], "value": [2]}}, "correlation: value: entry 1 is 2: must be at most 1"),
        ({"correlation": {"lag_seconds": [1, 1], "value": [0, 0]}}, "correlation: lag_seconds has 1 after 1: must inc"),
        ({"correlation": {"lag_seconds": [1], "value": [0, 0]}}, "correlation: value is a list of 2: must have 1"),
        ({"correlation": {"lag_seconds": [], "value": []}}, "correlation: lag_seconds is empty: must have at"),
        ({"weight": -1}, "weight is -1: must be at least 0"),
        ({"votes": []}, "votes is empty: must have at least one entry"),
        ({"votes": [0]}, "votes: entry 1 is 0: must be at least 1"),
        ({"votes": [1.5]}, "votes: entry 1 is 1.5: must be a whole number"),
        ({"votes": [2, 3, 2]}, "votes has 2 twice"),
        ({"branch_points": []}, "branch_points is empty: must have at least one entry"),
        ({"branch_points": [branch_point(2), branch_point(2)]}, "branch points out of order: frozen has 2 after 2"),
        ({"branch_points": [branch_point(3), branch_point(1)]}, "branch points out of order: frozen has 1 after 3"),
        ({"branch_points": [branch_point(-1)]}, "branch point 1: frozen is -1: must be at least 0"),
    ],
)
def test_a_wrong_app_is_told_by_its_name(values: dict[str, Any], told: str) -> None:
    assert of_app(**values).startswith(told)


def test_a_wrong_branch_point_is_told_by_its_number() -> None:
    assert of_point(hit=1.2) == "hit is 1.2: must be at most 1"
    assert of_point(false_positive=-0.1) == "false_positive is -0.1: must be at least 0"
    assert of_point(hit=float("nan")) == "hit is nan: must be a finite number"
    assert of_point(frozen=5) == "frozen is 5: must be at most 4, the layers of the base"
    assert of_point(hit=None) == "hit is missing: the event model 'published' needs it"


@pytest.mark.parametrize("name", ["stream_fps", "fps", "layer_cost", "apps"])
def test_what_is_missing_is_told(name: str) -> None:
    values = workload()
    del values[name]
    assert refusal(values) == f"workload: {name} is missing"


def test_a_document_without_a_schema_is_told_what_to_write() -> None:
    values = workload()
    del values["schema"]
    assert refusal(values) == 'workload: schema is missing: write "schema": 1'


def test_of_many_problems_five_are_told_and_the_rest_counted() -> None:
    assert refusal(workload(layer_cost=[-1] * 17)).count("; ") == 5
    assert refusal(workload(layer_cost=[-1] * 17)).endswith("; and 12 more")
    assert "more" not in refusal(workload(layer_cost=[-1] * 5))


def test_problems_of_several_apps_are_told_together() -> None:
    told = refusal(workload(app("a", weight=-1), app("b", votes=[1, 1]), app("c", event_seconds=0)))
    assert "app 'a': weight" in told
    assert "app 'b': votes" in told
    assert "app 'c': event_seconds" in told


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("event_second", "event_seconds"), ("Weight", "weight"), ("wieght", "weight"), ("vote", "votes")],
)
def test_a_key_that_is_nearly_right_is_an_error(slip: str, meant: str) -> None:
    assert of_app(**{slip: 1}) == f"unknown key {slip!r}: did you mean {meant!r}?"


def test_a_slip_is_told_once_at_every_depth() -> None:
    values = workload()
    values["steam_fps"] = values.pop("stream_fps")
    assert refusal(values) == "workload: unknown key 'steam_fps': did you mean 'stream_fps'?"
    assert refusal(workload(fsp=3)) == "workload: unknown key 'fsp': did you mean 'fps'?"
    assert of_point(hits=0.5) == "unknown key 'hits': did you mean 'hit'?"
    assert refusal(plan(means_f1=3), read_plan) == "plan: unknown key 'means_f1': did you mean 'mean_f1'?"


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    file = tmp_path / "w.json"
    assert refusal(file) == f"workload file {file} does not exist"
    file.write_text('{"schema": 1,\n "fps": [1,, 2]}')
    assert refusal(str(file)) == f"workload file {file} is not JSON: line 2, column 12: Expecting value"
    file.write_text("[1, 2]")
    assert refusal(file) == f"workload file {file} holds a list: it must be one object, {{...}}"
    file.write_text("null")
    assert refusal(file) == f"workload file {file} holds null: it must be one object, {{...}}"
    file.write_bytes(b'{"schema": "\xff"}')
    assert refusal(file).startswith(f"workload file {file} cannot be read: ")
    file.write_text("[" * 100_000)
    assert refusal(file).startswith(f"workload file {file} cannot be read: ")
    assert refusal(tmp_path).startswith(f"workload file {tmp_path} cannot be read: ")
    file.write_text(json.dumps(workload(budget=float("inf"))))
    assert refusal(file) == f"workload file {file}: budget is inf: must be a finite number"
    assert refusal(file, read_plan).startswith(f"plan file {file}: ")


def test_a_wrong_name_of_an_app_is_told_at_a_camera_of_a_placement() -> None:
    camera = {"camera": "gate", "apps": ["car", " "], "plan": "p.json", "budget": 1.0, "cost": 1.0, "mean_f1": 0.5}
    node = {"name": "shed", "budget": 1.0, "speed": 1.0, "cost": 1.0, "mean_f1": 0.5, "bound": 0.5, "optimal": True}
    values = {"schema": 1, "mean_f1": 0.5, "bound": 0.5, "apps": 2, "seconds": 0.1}
    said = refusal(values | {"nodes": [node | {"cameras": [camera]}]}, read_placement)
    place = "nodes: entry 1: cameras: entry 1: apps: entry 2"
    assert said == f"placement: {place} is ' ': must be printable text on one line, and not blank"


def test_what_must_be_an_object_or_has_too_many_entries_is_told() -> None:
    deployment = {"base": "b", "packages": 3, "stream_fps": 1, "fps": [1], "picture": [1, 2, 3]}
    said = refusal(plan(deployment=deployment), read_plan)
    assert "deployment: packages is 3: must be an object" in said
    assert "deployment: picture is a list of 3: must have at most 2 entries" in said


def test_a_document_of_another_kind_is_told_with_the_command_that_takes_it(tmp_path: Path) -> None:
    fleet = {"schema": 1, "nodes": [{"name": "a", "budget": 5.0}], "cameras": [{"name": "c", "workload": "w.json"}]}
    assert read_fleet(fleet).nodes[0].name == "a"
    placement = {"schema": 1, "nodes": [], "left_out": []}
    told = {"workload": workload(), "plan": plan(), "fleet": fleet, "placement": placement}
    reads = {"workload": read_workload, "plan": read_plan, "fleet": read_fleet, "placement": read_placement}
    takes = {"workload": "plan", "plan": "run", "fleet": "place", "placement": "place --previous"}
    for noun, read in reads.items():
        for other, values in told.items():
            if other != noun:
                assert refusal(values, read) == f"{noun}: it is a {other}, which `rheostat {takes[other]}` takes"
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(fleet))
    assert refusal(file) == f"workload file {file}: it is a fleet, which `rheostat place` takes"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"schema": 2}, "schema is 2: this version reads schema 1"),
        ({"mean_f1": 1.5}, "mean_f1 is 1.5: must be at most 1"),
        ({"min_f1": -1}, "min_f1 is -1: must be at least 0"),
        ({"bound": float("nan")}, "bound is nan: must be a finite number"),
        ({"cost": -1}, "cost is -1: must be at least 0"),
        ({"budget": 0}, "budget is 0: must be above 0"),
        ({"seconds": -1}, "seconds is -1: must be at least 0"),
        ({"optimal": 1}, "optimal is 1: must be true or false"),
        ({"apps": []}, "apps is empty: must have at least one entry"),
        ({"apps": [app_plan(frozen=-1)]}, "app 'bus-0': frozen is -1: must be at least 0"),
        ({"apps": [app_plan(fps=0)]}, "app 'bus-0': fps is 0: must be above 0"),
        ({"apps": [app_plan(votes=0)]}, "app 'bus-0': votes is 0: must be at least 1"),
        ({"apps": [app_plan(f1=2)]}, "app 'bus-0': f1 is 2: must be at most 1"),
        ({"apps": [app_plan(recall=2)]}, "app 'bus-0': recall is 2: must be at most 1"),
        ({"apps": [app_plan(precision=2)]}, "app 'bus-0': precision is 2: must be at most 1"),
        ({"apps": [app_plan(), app_plan()]}, "app 'bus-0' is there 2 times"),
    ],
)
def test_a_wrong_plan_is_told(values: dict[str, Any], told: str) -> None:
    assert refusal(plan(**values), read_plan).startswith(f"plan: {told}")

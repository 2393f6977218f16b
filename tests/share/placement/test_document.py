"""Fleets and placements as files: what is refused, and that a placement is read back as it was written."""

from pathlib import Path
from typing import Any

import pytest

from rheostat.records import write_json
from rheostat.share.placement import gathering, place, read_fleet, read_placement
from rheostat.share.placement.gathering import gathered, keep
from rheostat.share.plan import read_plan, write
from rheostat.share.runner.profile import write_profile
from tests.share.folders import a_base, a_package, measured
from tests.share.placement.toys import a_workload
from tests.share.workloads import refusal


def fleet(**values: Any) -> dict[str, Any]:
    base = {
        "schema": 1,
        "nodes": [{"name": "shed", "budget": 60}, {"name": "hall", "budget": 40, "speed": 2}],
        "cameras": [{"name": name, "workload": "street.json"} for name in ("north", "east", "dock 1")],
    }
    return base | values


def test_a_fleet_is_read() -> None:
    found = read_fleet(fleet(note="mine"))
    assert [(node.name, node.budget, node.speed, node.capacity) for node in found.nodes] == [
        ("shed", 60.0, 1.0, 60.0),
        ("hall", 40.0, 2.0, 80.0),
    ]
    assert [camera.name for camera in found.cameras] == ["north", "east", "dock 1"]
    assert [node.name for node in found.without(["shed"]).nodes] == ["hall"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"nodes": []}, "nodes is empty: must have at least one entry"),
        ({"nodes": [{"name": "shed", "budget": 0}]}, "budget is 0: must be above 0"),
        ({"nodes": [{"name": "../up", "budget": 1}]}, "name is '../up': must be at most 100 letters, digits, blanks"),
        ({"nodes": [{"name": "..", "budget": 1}]}, "name is '..': must be"),
        ({"nodes": [{"name": "a/b", "budget": 1}]}, "name is 'a/b': must be"),
        ({"nodes": [{"name": "end.", "budget": 1}]}, "name is 'end.': must be"),
        ({"nodes": [{"name": "a", "budget": 1}, {"name": "A", "budget": 1}]}, "node 'a' is there 2 times"),
        ({"nodes": [{"name": "a", "budget": 1, "speeed": 2}]}, "did you mean 'speed'?"),
        ({"cameras": [{"name": "x"}]}, "give either a workload, a path, or packages"),
        ({"cameras": [{"name": "x", "workload": "w", "packages": ["p"]}]}, "give either a workload"),
        ({"cameras": [{"name": "x", "workload": "w", "base": "b"}]}, "go with packages"),
        (
            {"cameras": [{"name": "x", "workload": "w", "event_model": "profiled"}]},
            "base, stream_fps, event_model and picture go with packages",
        ),
        ({"schema": 2}, "this version reads schema 1"),
    ],
)
def test_what_is_wrong_with_a_fleet_is_told(values: dict[str, Any], told: str) -> None:
    assert told in refusal(fleet(**values), read_fleet)


def test_a_placement_is_kept_and_plans_that_are_no_more_go(tmp_path: Path) -> None:
    write(tmp_path / "street.json", a_workload(0))
    asked = read_fleet(fleet())
    cameras = gathered(asked, tmp_path)
    assert cameras["north"] is not cameras["dock 1"] or cameras["north"].workload is cameras["dock 1"].workload
    workloads = {name: apps.workload for name, apps in cameras.items()}
    found = place(asked.nodes, workloads)
    keep(tmp_path / "out", found, cameras)
    assert read_placement(tmp_path / "out") == found.placement
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.json"))
    assert files == sorted(["placement.json", *found.plans])
    for file, plan in found.plans.items():
        assert read_plan(tmp_path / "out" / file) == plan
    (tmp_path / "out" / "shed" / "mine.json").write_text("{}")
    again = place(asked.nodes[1:], workloads, previous=found.placement)
    keep(tmp_path / "out", again, cameras)
    left = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.json"))
    assert left == sorted(["placement.json", "shed/mine.json", *again.plans]), "and nothing of anybody else"


def test_a_placement_that_is_written_over_names_only_plans_that_are_there_whenever_that_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "street.json", a_workload(0))
    asked = read_fleet(fleet())
    cameras = gathered(asked, tmp_path)
    workloads = {name: apps.workload for name, apps in cameras.items()}
    keep(tmp_path / "out", place(asked.nodes, workloads), cameras)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    again = place(asked.nodes[1:], workloads)
    for moment in ("write", "write_placement"):
        monkeypatch.setattr(gathering, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            keep(tmp_path / "out", again, cameras)
        monkeypatch.undo()
        named = [camera.plan for node in read_placement(tmp_path / "out").nodes for camera in node.cameras]
        assert all((tmp_path / "out" / plan).exists() for plan in named)


def test_packages_become_plans_that_can_be_run(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    for name in ("bus", "car"):
        a_package(tmp_path / name, base, name)
    camera = {"name": "gate", "packages": ["bus", "car"]}
    asked = read_fleet(fleet(cameras=[camera, camera | {"name": "yard"}, camera | {"name": "far", "stream_fps": 4}]))
    assert "holds no profile.json" in refusal(asked, lambda fleet: gathered(fleet, tmp_path))
    write_profile(base, measured(base))
    cameras = gathered(asked, tmp_path)
    assert cameras["gate"].workload is cameras["yard"].workload
    assert (cameras["gate"].workload.layer_cost, cameras["gate"].workload.picture_cost) == ((4.0, 3.0, 2.0, 1.0), 0.5)
    assert cameras["far"].workload.stream_fps == 4.0
    found = place(asked.nodes, {name: apps.workload for name, apps in cameras.items()})
    keep(tmp_path, found, cameras)
    for node in found.placement.nodes:
        for placed in node.cameras:
            deployment = read_plan(tmp_path / placed.plan).deployment
            assert deployment is not None
            assert Path(deployment.base) == base.folder
            assert set(deployment.packages) == set(placed.apps)


def test_a_placement_that_is_none_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "placement.json", {"schema": 1, "nodes": []})
    assert "nodes is empty" in refusal(tmp_path, read_placement)

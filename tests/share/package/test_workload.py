"""From packages to what is planned."""

from pathlib import Path

import numpy as np
import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.share.base import BASE_FILE
from rheostat.share.package.document import HELD_OUT_FILE
from rheostat.share.package.held_out import HeldOutScores, write_held_out
from rheostat.share.package.workload import (
    CameraApps,
    apps_of,
    find_base,
    relative,
    usual_rates,
    usual_stream_fps,
    workload_of,
)
from rheostat.share.scheduler import plan
from tests.share.folders import a_base, a_package, a_variant, measured

COST = (4.0, 3.0, 2.0, 1.0)


def test_a_workload_says_what_the_packages_say(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    one, two = (a_package(tmp_path / name, base, name) for name in ("car", "bus"))
    found = workload_of([one, two], base, layer_cost=COST, picture_cost=0.5)
    assert (found.stream_fps, found.fps) == (10.0, (0.5, *range(1, 11)))
    assert (found.layer_cost, found.picture_cost, found.head, found.event_model) == (COST, 0.5, 3, "paper")
    assert [app.name for app in found.apps] == ["car", "bus"]
    app = found.apps[0]
    assert (app.event_seconds, app.event_frequency, app.votes) == (4.0, 0.25, (1, 2))
    assert app.correlation_at(1.0) == pytest.approx(0.2)
    assert [(point.frozen, point.hit, point.false_positive) for point in app.branch_points] == [
        (1, 0.9, 0.1),
        (3, 0.9, 0.1),
    ]
    assert plan(found, budget=60).optimal


def test_the_plan_of_a_camera_names_the_packages_of_the_apps_it_plans(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    packages = [a_package(tmp_path / "apps" / name, base, name) for name in ("car", "bus")]
    apps = apps_of(packages, base, measured(base), picture=(640, 360), stream_fps=5.0)
    assert apps.workload.layer_cost == measured(base).core_ms
    assert apps.workload.picture_cost == measured(base).picture_ms(640, 360) != measured(base).picture_ms()
    both = plan(apps.workload, budget=1000)
    bus = both.model_copy(update={"apps": [app for app in both.apps if app.name == "bus"]})
    found = apps.deployed(bus, tmp_path / "apps").deployment
    assert found is not None
    assert (found.base, found.packages) == (str(base.folder), {"bus": "bus"})
    assert (found.stream_fps, found.fps, found.event_model) == (5.0, (0.5, *range(1, 6)), "paper")
    assert found.picture == (640, 360)
    assert CameraApps(apps.workload).deployed(both, tmp_path) is both, "a workload names no networks to find"


def test_dominated_variants_are_left_out(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    variants = [a_variant(base, 1, dominated=True), a_variant(base, 3)]
    package = a_package(tmp_path / "car", base, "car", branch_points=variants)
    assert [point.frozen for point in workload_of([package], base, layer_cost=COST).apps[0].branch_points] == [3]


def test_the_profiled_model_replays_what_each_variant_said(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    package = a_package(tmp_path / "car", base, "car", stream_fps=10.0)
    label = np.tile(np.repeat([False, True], 20), 3)
    never, late = np.zeros(len(label)), np.where(label, 0.9, 0.0)
    late[20:40:2] = 0.0  # of the first event only every other frame is a hit: no two in a row
    scores = HeldOutScores(10.0, (("gate.mp4", len(label)),), label, {1: never, 3: late})
    write_held_out(package.folder / HELD_OUT_FILE, scores)
    found = workload_of([package], base, layer_cost=COST, fps=[5, 10], event_model="profiled")
    shallow, deep = found.apps[0].branch_points
    assert np.array(shallow.recall).max() == 0.0
    np.testing.assert_allclose(
        deep.recall, [[1 - 1 / 6, 1 - 1 / 6], [1.0, 2 / 3]]
    )  # at 5 fps one phase of two misses it
    np.testing.assert_allclose(deep.precision, np.ones((2, 2)))


def test_packages_of_one_name_or_of_another_base_are_refused(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    package = a_package(tmp_path / "car", base, "car")
    with pytest.raises(SettingsError, match="2 packages are called 'car': make all but one anew under another --name"):
        workload_of([package, package], base, layer_cost=COST)
    with pytest.raises(StateError, match="was trained on base 'toy'"):
        workload_of([package], a_base(tmp_path / "other", seed="x"), layer_cost=COST)


def test_the_base_is_found_beside_the_packages_by_its_hash(tmp_path: Path) -> None:
    a_base(tmp_path / "another", seed="x")
    base = a_base(tmp_path / "base")
    package = a_package(tmp_path / "car", base, "car")
    assert find_base([package]).folder.samefile(base.folder)
    a_base(tmp_path / "aside", seed="y")
    (tmp_path / "aside" / BASE_FILE).write_text("{")
    assert find_base([package]).folder.samefile(base.folder), "a neighbour that is broken is passed over"
    for file in base.folder.iterdir():
        file.unlink()
    with pytest.raises(StateError, match=r"base 'toy' \(\w{12}\) of package 'car' is not beside it in .*--base"):
        find_base([package])


def test_rates_go_up_to_that_of_the_slowest_video(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    slow = a_package(tmp_path / "slow", base, "slow", stream_fps=2.5)
    fast = a_package(tmp_path / "fast", base, "fast", stream_fps=30.0)
    assert usual_stream_fps([fast]) == 10.0
    assert usual_stream_fps([fast, slow]) == 2.5
    events = fast.document.events.model_copy(update={"count": 0}).model_dump()
    pictures = a_package(tmp_path / "pictures", base, "pictures", stream_fps=1.0, events=events)
    assert usual_stream_fps([pictures]) == 10.0, "judged by single pictures, which tell no rate"
    assert usual_stream_fps([pictures, slow]) == 2.5
    assert usual_rates(2.5) == [0.5, 1, 2]
    assert usual_rates(0.2) == [0.2]


def test_a_plan_names_folders_below_it_from_where_it_is(tmp_path: Path) -> None:
    assert relative(tmp_path / "apps" / "car", tmp_path) == "apps/car"
    assert relative(tmp_path / "apps", tmp_path / "plans") == str((tmp_path / "apps").resolve())

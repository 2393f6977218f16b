"""What a node runs, from what a camera was planned with."""

from pathlib import Path

import pytest

from rheostat.errors import SettingsError
from rheostat.share.node import fleet_of
from rheostat.share.node.fleet import Fleet
from rheostat.share.package.workload import CameraApps, apps_of
from tests.share.folders import a_base, a_package, measured


def test_what_was_planned_for_a_camera_is_what_its_node_plans_again(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    packages = [a_package(tmp_path / name, base, name) for name in ("car", "bus")]
    apps = apps_of(packages, base, measured(base), picture=(640, 360), stream_fps=5.0)
    fleet = Fleet.of(apps)
    assert fleet.workload == apps.workload
    assert fleet.packages == {package.name: package for package in packages}
    deployed = apps.deployed(fleet.plan(1000.0), tmp_path)
    assert fleet_of(deployed, tmp_path, measured).workload == apps.workload


def test_a_workload_has_nothing_to_run(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    apps = apps_of([a_package(tmp_path / "car", base, "car")], base, measured(base))
    with pytest.raises(SettingsError, match="names no networks to run: give packages"):
        Fleet.of(CameraApps(apps.workload))

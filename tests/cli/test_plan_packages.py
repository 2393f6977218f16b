"""`rheostat plan PACKAGES...`, as an operator meets it."""

import json
from pathlib import Path

import pytest

from rheostat.share import read_plan
from rheostat.share.base import Base
from rheostat.share.runner import profile
from rheostat.share.runner.profile import PROFILE_FILE, read_profile
from tests.cli.shown import Call
from tests.share.folders import a_base, a_package, measured


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of a base with its profile and two packages."""
    base = a_base(tmp_path / "apps" / "base")
    profile.write_profile(base, measured(base))
    for name in ("bus", "car"):
        a_package(tmp_path / "apps" / name, base, name)
    return tmp_path / "apps"


def test_a_folder_of_packages_is_planned_for_this_node(call: Call, packages: Path) -> None:
    shown = call("plan", packages, "--budget", "60", "--out", packages / "plan.json", "--tree")
    assert (shown.code, shown.err) == (0, "")
    plan = read_plan(packages / "plan.json")
    assert [app.name for app in plan.apps] == ["bus", "car"]
    assert plan.cost <= 60
    assert plan.deployment is not None
    assert (plan.deployment.base, plan.deployment.packages) == ("base", {"bus": "bus", "car": "car"})
    assert (plan.deployment.stream_fps, plan.deployment.picture) == (10.0, None)
    assert "pictures" in shown.out  # preparing them costs something, and is told


def test_packages_can_be_named_one_by_one(call: Call, packages: Path) -> None:
    shown = call("plan", packages / "car", "--budget", "60", "--json")
    assert [app["name"] for app in json.loads(shown.out)["apps"]] == ["car"]


def test_without_a_budget_it_is_what_the_cores_of_this_node_carry(
    call: Call, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert json.loads(call("plan", packages, "--json").out)["budget"] == pytest.approx(2400)


def test_a_base_that_was_never_measured_or_elsewhere_is_measured_here(
    call: Call, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(profile, "measure", lambda base, progress: asked.append(base) or measured(base))
    base = read_profile_of(packages)
    call("plan", packages, "--budget", "60")
    assert not asked
    profile.write_profile(base, measured(base, processor="another"))
    shown = call("plan", packages, "--budget", "60")
    assert "the profile was measured with processor another and not" in shown.err
    (base.folder / PROFILE_FILE).unlink()
    call("plan", packages, "--budget", "60")
    assert len(asked) == 2
    assert read_profile(base) == measured(base)


def read_profile_of(packages: Path) -> Base:
    from rheostat.share.base import read_base

    return read_base(packages / "base")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "workload file"),
        (["."], "holds no package: make packages with `rheostat package`"),
        (["apps/car", "apps/car"], "2 packages are called 'car'"),
        (["apps", "--event-model", "published"], "unknown event model 'published'"),
        (["apps", "--base", "apps/car"], "base.json does not exist"),
        (["apps", "--picture", "640"], "picture is '640': must be width and height in pixels"),
        (["apps", "--budget", "1"], "budget is 1: must be at least"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    call: Call, packages: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    (packages.parent / "empty").mkdir()
    monkeypatch.chdir(packages.parent / "empty" if arguments == ["."] else packages.parent)
    shown = call("plan", *arguments)
    assert shown.code == 2
    assert told in shown.err
    assert len(shown.err.strip().splitlines()) == 1


def test_smaller_pictures_cost_less(call: Call, packages: Path) -> None:
    costs = [
        json.loads(call("plan", packages, "--budget", "60", "--sharing", "max", "--picture", size, "--json").out)[
            "cost"
        ]
        for size in ("640x360", "1280x720")
    ]
    rate = json.loads(call("plan", packages, "--budget", "60", "--sharing", "max", "--json").out)["apps"][0]["fps"]
    assert costs[1] - costs[0] == pytest.approx(0.3 * rate)


def test_options_of_packages_do_not_go_with_a_workload(call: Call) -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "six_detectors.json"
    assert (
        "--base, --stream-fps, --event-model and --picture go with packages"
        in call("plan", example, "--stream-fps", "5").err
    )

"""The cameras of a node, run in one process."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rheostat.share.node import Node, StoreReader
from rheostat.share.placement import place, read_fleet
from rheostat.share.placement.carrying import Carrier, Order
from rheostat.share.placement.gathering import gathered
from rheostat.share.runner.profile import write_profile
from tests.share.folders import measured
from tests.share.node.toys import colour_app, colour_base, video_of


@pytest.fixture
def orders(tmp_path: Path) -> dict[str, Order]:
    """Two cameras that show red once, on one node."""
    base = colour_base(tmp_path / "base")
    write_profile(base, measured(base).model_copy(update={"core_ms": (2.0, 2.0, 1.0)}))
    for colour in ("red", "green"):
        colour_app(tmp_path / colour, base, colour)
    video = str(video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1)))
    cameras = [{"name": name, "source": video, "packages": ["red", "green"]} for name in ("north", "east")]
    fleet = read_fleet({"schema": 1, "nodes": [{"name": "a", "budget": 200}], "cameras": cameras})
    apps = gathered(fleet, tmp_path)
    found = place(fleet.nodes, {name: camera.workload for name, camera in apps.items()})
    return {
        name: Order(name, video, apps[name].deployed(found.plans[f"a/{name}.json"], tmp_path), tmp_path)
        for name in ("north", "east")
    }


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def test_every_camera_is_run_and_keeps_its_events(orders: dict[str, Order], tmp_path: Path) -> None:
    with Carrier(tmp_path / "events", settings={"clips": False}) as carrier:
        carrier.carry(list(orders.values()))
        until(lambda: all(told["state"] == "ended" for told in carrier.status().values()))
        assert carrier.status()["north"]["status"]["frames"]["analysed"] == 30
    for name in orders:
        with StoreReader(tmp_path / "events" / name / "events.db") as reader:
            assert [event.app for event in reader.events()] == ["red"]


def test_another_budget_reaches_a_camera_while_it_runs_and_what_is_not_wanted_ends(
    orders: dict[str, Order], tmp_path: Path
) -> None:
    settings = {"clips": False, "live": True, "loop": True, "feedback": False}
    with Carrier(tmp_path / "events", settings=settings) as carrier:
        carrier.carry(list(orders.values()))
        before = carrier._running["north"].node
        less = orders["north"].plan.model_copy(update={"budget": orders["north"].plan.budget / 2})
        carrier.carry([Order("north", orders["north"].source, less, tmp_path)])
        assert set(carrier.status()) == {"north"}
        assert carrier._running["north"].node is before, "it went on without a break"
        assert carrier.status()["north"]["status"]["budget"]["ceiling"] == less.budget
        assert carrier.status()["north"]["state"] == "running"
    assert carrier.status() == {}


def test_other_apps_and_what_has_ended_are_begun_anew(orders: dict[str, Order], tmp_path: Path) -> None:
    order, plan = orders["north"], orders["north"].plan
    assert plan.deployment is not None
    fewer = plan.deployment.model_copy(update={"packages": {"red": plan.deployment.packages["red"]}})
    one = tuple(app for app in plan.apps if app.name == "red")
    changed = replace(order, plan=plan.model_copy(update={"apps": one, "deployment": fewer}))
    with Carrier(tmp_path / "events", settings={"clips": False}) as carrier:
        carrier.carry([order])
        before = carrier._running["north"].node
        carrier.carry([changed])
        after = carrier._running["north"].node
        assert [app["name"] for app in carrier.status()["north"]["status"]["apps"]] == ["red"]
        assert after is not before
        until(lambda: carrier.status()["north"]["state"] == "ended")
        carrier.carry([changed])
        assert carrier._running["north"].node is not after


def test_a_camera_that_cannot_run_does_not_keep_the_others_from_it(orders: dict[str, Order], tmp_path: Path) -> None:
    lost = Order("east", "nowhere.mp4", orders["east"].plan, tmp_path)
    with Carrier(tmp_path / "events", settings={"clips": False}) as carrier:
        carrier.carry([lost, orders["north"]])
        told = carrier.status()
        assert (told["east"]["state"], "does not exist" in told["east"]["error"]) == ("failed", True)
        assert told["north"]["state"] in ("running", "ended")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("fault", "said"),
    [(OSError("the disk is full"), "the disk is full"), (ZeroDivisionError(), "fault of the program")],
)
def test_a_camera_that_dies_is_not_said_to_have_ended(
    orders: dict[str, Order], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, said: str
) -> None:
    def broken(node: Node, stop: object = None) -> None:
        raise fault

    monkeypatch.setattr(Node, "run", broken)
    with Carrier(tmp_path / "events", settings={"clips": False}) as carrier:
        carrier.carry([orders["north"]])
        until(lambda: carrier.status()["north"]["state"] != "running")
        told = carrier.status()["north"]
        assert (told["state"], said in told["error"]) == ("failed", True)


def test_a_slow_node_knows_that_its_layers_cost_more(orders: dict[str, Order], tmp_path: Path) -> None:
    for speed in (1.0, 0.5):
        with Carrier(tmp_path / str(speed), speed=speed, settings={"clips": False}) as carrier:
            carrier.carry([orders["north"]])
            fleet = carrier._running["north"].node._fleet
            assert fleet.layer_cost == tuple(cost / speed for cost in (2.0, 2.0, 1.0))
            assert fleet.picture_cost == 0.5 / speed

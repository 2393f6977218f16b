"""`rheostat place`, as an operator meets it."""

import json
from pathlib import Path
from typing import Any

import pytest

from rheostat.records import write_json
from rheostat.share import read_plan
from rheostat.share.placement import read_placement
from rheostat.share.plan import write
from tests.cli.shown import Call
from tests.share.placement.toys import a_workload

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fleet.json"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    write(tmp_path / "street.json", a_workload(0))
    document: dict[str, Any] = {
        "schema": 1,
        "nodes": [{"name": "shed", "budget": 60}, {"name": "hall", "budget": 30, "speed": 2}],
        "cameras": [{"name": name, "workload": "street.json"} for name in ("north", "east", "dock")],
    }
    write_json(tmp_path / "fleet.json", document)
    return tmp_path / "fleet.json"


def test_the_example_of_the_help_is_placed(call: Call, tmp_path: Path) -> None:
    shown = call("place", EXAMPLE, "--out", tmp_path / "plans")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].split()[:7] == ["node", "budget", "used", "apps", "F1", "at", "best"]
    assert [line.split()[0] for line in lines[1:4]] == ["shed", "gatehouse", "hall"]
    assert lines[5].startswith("7 cameras, 42 apps: mean F1 0.7")
    assert lines[6].startswith("no placement exceeds 0.7")
    assert lines[-1] == f"written: {tmp_path / 'plans'}"
    placement = read_placement(tmp_path / "plans")
    for node in placement.nodes:
        for camera in node.cameras:
            assert read_plan(tmp_path / "plans" / camera.plan).mean_f1 == camera.mean_f1


def test_a_lost_node_is_placed_again_and_the_others_stay(call: Call, fleet: Path, tmp_path: Path) -> None:
    assert call("place", fleet, "--out", tmp_path / "plans").code == 0
    before = read_placement(tmp_path / "plans")
    shown = call("place", fleet, "--out", tmp_path / "plans", "--previous", tmp_path / "plans", "--lost", "hall")
    after = read_placement(tmp_path / "plans")
    assert shown.code == 0
    assert [node.name for node in after.nodes] == ["shed"]
    assert all(after.at(name) == ("shed",) for name in ("north", "east", "dock"))
    assert before.nodes[1].cameras
    assert not list((tmp_path / "plans" / "hall").glob("*.json"))
    assert "moved" not in shown.out


def test_for_machines_there_is_one_object(call: Call, fleet: Path, tmp_path: Path) -> None:
    shown = call("place", fleet, "--out", tmp_path / "plans", "--json")
    told = json.loads(shown.out)
    assert told.pop("folder") == str(tmp_path / "plans")
    assert told == json.loads((tmp_path / "plans" / "placement.json").read_text())


def test_what_is_left_out_is_told(call: Call, fleet: Path, tmp_path: Path) -> None:
    document = json.loads(fleet.read_text()) | {"nodes": [{"name": "shed", "budget": 12}]}
    write_json(fleet, document)
    shown = call("place", fleet, "--out", tmp_path / "plans")
    assert shown.code == 0
    assert "LEFT OUT, for want of room: " in shown.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.json", "--out", "plans"], "fleet file nowhere.json does not exist"),
        (["fleet.json", "--out", "plans", "--lost", "hat"], "unknown node 'hat': did you mean hall"),
        (["fleet.json", "--out", "plans", "--lost", "hall", "--lost", "shed"], "nodes is empty"),
        (["fleet.json", "--out", "plans", "--time-limit", "0"], "time_limit is 0.0: must be above 0"),
        (["fleet.json", "--out", "street.json"], "street.json is a file"),
        (["fleet.json", "--out", "plans", "--previous", "street.json"], "placement file street.json"),
        (["fleet.json"], "--out"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    call: Call, fleet: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(fleet.parent)
    shown = call("place", *arguments)
    assert (shown.code, told in shown.err, len(shown.err.strip().splitlines())) == (2, True, 1), shown.err

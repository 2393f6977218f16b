"""`rheostat run`, as an operator meets it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rheostat.share.node import StoreReader
from rheostat.share.node.fleet import Fleet
from rheostat.share.plan import Deployment, write
from tests.cli.shown import Call
from tests.share.node.toys import ample, colour_app, colour_base, colour_fleet, sees, video_of


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return colour_fleet(tmp_path, ["red", "green"], fps=(10,))


@pytest.fixture
def plan(tmp_path: Path, fleet: Fleet) -> Path:
    """A plan of two apps, which names their folders from where it is."""
    deployment = Deployment(base="base", packages={name: name for name in fleet.packages}, stream_fps=10.0, fps=(10.0,))
    write(tmp_path / "plan.json", ample(fleet).model_copy(update={"deployment": deployment, "budget": 1000.0}))
    return tmp_path / "plan.json"


def until(done: Callable[[], object], seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-m", "rheostat", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def states(store: Path) -> list[str]:
    if not store.exists():
        return []
    with StoreReader(store) as reader:
        return [event.state for event in reader.events()]


def test_a_file_is_run_to_its_end_and_its_events_are_told(call: Call, plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1), ("green", 1), ("grey", 1))
    shown = call("run", plan, "--source", video, "--out", tmp_path / "out")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert [line.split("  ")[-1].split(",")[0] for line in lines[:2]] == ["red", "green"]
    assert lines[0].split()[:4] == ["1.0", "s", "to", "1.9"]
    assert lines[-1] == f"2 events in {tmp_path / 'out'}; 50 frames looked at, 0 skipped"
    assert len(list((tmp_path / "out/evidence").glob("*.mp4"))) == 2


def test_for_machines_there_is_one_object(call: Call, plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1))
    shown = call("run", plan, "--source", video, "--out", tmp_path / "out", "--no-clips", "--json")
    told = json.loads(shown.out)
    assert (told["frames"]["analysed"], told["source"]["state"]) == (30, "ended")
    assert [(app["name"], app["events"]) for app in told["apps"]] == [("red", 1), ("green", 0)]
    assert not (tmp_path / "out/evidence").exists()


def test_settings_may_come_from_a_file(call: Call, plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("red", 1))
    config = tmp_path / "node.toml"
    config.write_text(
        f'source = "{video}"\nout = "{tmp_path / "there"}"\nclips = false\nsink = ["{tmp_path}/e.jsonl"]\n'
    )
    assert call("run", plan, "--config", config, "--out", tmp_path / "here").code == 0
    assert states(tmp_path / "here/events.db") == ["closed"]
    assert (tmp_path / "e.jsonl").read_text().count("finished") == 1


def test_a_page_that_cannot_be_served_is_told_before_anything_is_begun(
    call: Call, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = video_of(tmp_path / "v.mp4", ("grey", 0.5))
    for name in [name for name in sys.modules if name.startswith("rheostat.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    shown = call("run", plan, "--source", video, "--out", tmp_path / "out", "--console")
    assert (shown.code, "uvicorn is missing" in shown.err, (tmp_path / "out").exists()) == (2, True, False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "nowhere.mp4"], "source 'nowhere.mp4' does not exist"),
        ([], "source is missing: give --source"),
        (["--source", "v.mp4", "--cores", "0"], "cores is 0"),
        (["--source", "v.mp4", "--budget", "1"], "budget is 1 core-ms per second: must be at least"),
        (["--source", "v.mp4", "--sink", "carrier-pigeon"], "sink 'carrier-pigeon' is not known"),
        (["--source", "v.mp4", "--watch", "nowhere"], "watch is nowhere: it must be a folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    call: Call, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    video_of(tmp_path / "v.mp4", ("grey", 0.5))
    monkeypatch.chdir(tmp_path)
    shown = call("run", plan, *arguments)
    assert (shown.code, told in shown.err, len(shown.err.strip().splitlines())) == (2, True, 1), shown.err


def test_a_source_that_breaks_ends_it_with_the_reason(call: Call, plan: Path, tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    shown = call("run", plan, "--source", tmp_path / "v.mp4", "--out", tmp_path / "out")
    assert shown.code == 2
    assert f"the source {tmp_path / 'v.mp4'} failed: " in shown.err


def test_events_of_an_earlier_run_are_not_told_again(call: Call, plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1))
    for _ in range(2):
        shown = call("run", plan, "--source", video, "--out", tmp_path / "out", "--no-clips")
        assert len(shown.out.splitlines()) == 2
        assert shown.out.splitlines()[-1].startswith("1 events in")


def test_a_plan_of_a_workload_names_nothing_to_run(call: Call, plan: Path, tmp_path: Path) -> None:
    values = json.loads(plan.read_text())
    del values["deployment"]
    plan.write_text(json.dumps(values))
    shown = call("run", plan, "--source", video_of(tmp_path / "v.mp4", ("grey", 0.5)))
    assert (shown.code, "plan packages instead" in shown.err) == (2, True)


def test_a_package_of_another_base_is_refused(call: Call, plan: Path, fleet: Fleet, tmp_path: Path) -> None:
    other = colour_base(tmp_path / "other", head=sees("blue"))
    colour_app(tmp_path / "green", other, "green")  # over the one that the plan names
    shown = call("run", plan, "--source", video_of(tmp_path / "v.mp4", ("grey", 0.5)))
    assert shown.code == 2
    assert "package 'green' was trained on base 'colours' with the hash" in shown.err


def test_a_kill_in_the_middle_of_an_event_loses_none(plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("red", 1), ("grey", 1.5), ("red", 60))
    store = tmp_path / "out/events.db"
    with process("run", plan, "--source", video, "--live", "--out", tmp_path / "out") as running:
        until(lambda: states(store) == ["open", "closed"])
        running.send_signal(signal.SIGKILL)
        running.wait(10)
    assert states(store) == ["open", "closed"]  # as it was written: the finished one is whole
    short = video_of(tmp_path / "short.mp4", ("grey", 1))
    with process("run", plan, "--source", short, "--out", tmp_path / "out") as running:
        _, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert states(store) == ["interrupted", "closed"]
    assert "was open when the last node ended" in err


def test_ctrl_c_ends_it_in_order(plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("red", 60))
    store = tmp_path / "out/events.db"
    with process("run", plan, "--source", video, "--live", "--out", tmp_path / "out") as running:
        until(lambda: states(store) == ["open"])
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert states(store) == ["closed"]
    assert "1 events in" in out


def test_two_nodes_do_not_share_a_folder(plan: Path, tmp_path: Path) -> None:
    video = video_of(tmp_path / "v.mp4", ("red", 60))
    arguments = ("run", plan, "--source", video, "--live", "--out", tmp_path / "out")
    with process(*arguments) as first:
        until(lambda: states(tmp_path / "out/events.db") == ["open"])
        with process(*arguments) as second:
            _, err = second.communicate(timeout=30)
        assert (second.returncode, f"is in use by process {first.pid}" in err) == (2, True), err
        assert first.poll() is None


def test_the_page_shows_the_node_and_takes_apps(plan: Path, fleet: Fleet, tmp_path: Path) -> None:
    blue = colour_app(tmp_path / "more/blue", fleet.base, "blue")
    video = video_of(tmp_path / "v.mp4", ("red", 60))
    with process(
        "run", plan, "--source", video, "--live", "--out", tmp_path / "o", "--console", "--port", 0
    ) as running:
        assert running.stderr is not None
        line = next(line for line in running.stderr if "live page: " in line)
        page = line.split("live page: ")[1].strip()
        until(lambda: json.load(urllib.request.urlopen(f"{page}api/status"))["frames"]["analysed"] > 2)
        assert urllib.request.urlopen(f"{page}api/frame.jpg").read()[:2] == b"\xff\xd8"
        assert b"rheostat_frames_analysed_total" in urllib.request.urlopen(f"{page}metrics").read()
        asked = urllib.request.Request(
            f"{page}api/apps",
            data=json.dumps({"folder": str(blue.folder)}).encode(),
            headers={"content-type": "application/json"},
        )
        assert json.load(urllib.request.urlopen(asked)) == {"name": "blue"}
        status = json.load(urllib.request.urlopen(f"{page}api/status"))
        assert [app["name"] for app in status["apps"]] == ["red", "green", "blue"]
        (event,) = json.load(urllib.request.urlopen(f"{page}api/events"))["events"]
        assert (event["app"], event["state"], event["end"]) == ("red", "open", None)

"""Packages and fleets on a local Ray cluster of worker processes, some of which are killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.integrations.ray import PackageOrder, RayFleet, build_packages
from rheostat.share.base import Base
from rheostat.share.node import StoreReader
from rheostat.share.package.document import read_package
from rheostat.share.placement import read_fleet, read_placement
from rheostat.share.runner.profile import write_profile
from rheostat.share.stem import Network
from rheostat.share.trainer import make_package
from tests.share.folders import measured
from tests.share.node.toys import colour_app, colour_base, video_of
from tests.share.trainer.toys import LABEL, clip, exported, left_behind, network, settings

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")

SHORT = {
    "branch_points": (2, 4),
    "settings": settings({"epochs": 2, "checkpoint_minutes": 0.0}, passes=2.0, per_class=20),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two CPUs' worth of worker processes on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns
        # workers are nice (15) to all others, and on a busy machine would get nothing done
        patient = {"worker_niceness": 0, "worker_register_timeout_seconds": 600}
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            resources={"b": 1},
            _system_config=patient,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Base]:
    return exported(tmp_path_factory.mktemp("ray") / "base")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return (clip(tmp_path_factory.mktemp("ray-clips")),)


def load_and_be_killed(marks: Path, driver: int, times: int) -> Network:
    """The network; in a worker the first `times` calls end with the death of its process."""
    if os.getpid() != driver:
        mine = marks / str(len(list(marks.iterdir())))
        mine.touch()
        if int(mine.name) < times:
            os.kill(os.getpid(), signal.SIGKILL)
    return network()


def load_and_wait(marks: Path, driver: int) -> Network:
    """The network; in a worker the second call waits until the file `go` is there."""
    if os.getpid() != driver:
        mine = marks / str(len(list(marks.iterdir())))
        mine.touch()
        if mine.name == "1":
            until((marks / "go").exists)
    return network()


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.1)


# --- packages


def test_packages_are_those_of_one_process_bit_for_bit_though_a_worker_is_killed(
    cluster: None, base: tuple[Network, Base], clips: tuple[Path, ...], tmp_path: Path
) -> None:
    (tmp_path / "marks").mkdir()
    load = partial(load_and_be_killed, tmp_path / "marks", os.getpid(), 1)
    orders = [PackageOrder(name, LABEL, clips, tmp_path / name, **SHORT) for name in ("one", "two")]
    told: list[str] = []
    made = build_packages(load, base[1].folder, orders, progress=lambda _, line: told.append(line))
    assert [package.name for package in made] == ["one", "two"]
    for order in orders:
        alone = make_package(*base, **(order.arguments() | {"out": tmp_path / f"{order.name}-alone"}))
        assert left_behind(order.out) == left_behind(alone.folder)
    heads = 2 * 2  # one task per app and branch point
    assert told[-1] == f"{heads} of {heads} heads"
    assert len(list((tmp_path / "marks").iterdir())) == heads + 1, "the one that was killed was tried again"


def test_a_second_call_goes_on_where_the_first_one_stopped(
    cluster: None, base: tuple[Network, Base], clips: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "marks").mkdir()
    monkeypatch.chdir(tmp_path)  # the workers are somewhere else
    done, begun = (PackageOrder(name, LABEL, clips, Path(name), **SHORT) for name in ("done", "begun"))
    make_package(*base, **done.arguments())
    before = {path: path.stat().st_mtime_ns for path in done.out.iterdir()}

    def press(share: float, line: str) -> None:
        if line.startswith("branch point 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_package(*base, **begun.arguments(), progress=press)
    head = begun.out / ".work" / "head-04.json"
    assert head.exists()
    build_packages(partial(load_and_be_killed, tmp_path / "marks", os.getpid(), 0), base[1].folder, [done, begun])
    assert {path: path.stat().st_mtime_ns for path in done.out.iterdir()} == before
    assert read_package(begun.out).document.model_copy(update={"name": "done"}) == read_package(done.out).document


def test_when_it_is_interrupted_nobody_works_on(
    cluster: None, base: tuple[Network, Base], clips: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "marks").mkdir()
    load = partial(load_and_wait, tmp_path / "marks", os.getpid())
    order, left = PackageOrder("one", LABEL, clips, tmp_path / "one", **SHORT), []
    cancel = ray.cancel
    monkeypatch.setattr(ray, "cancel", lambda task: (left.append(task), cancel(task)))

    def press(share: float, line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_packages(load, base[1].folder, [order], progress=press)
    assert len(left) == 1
    assert ray.wait(left, timeout=0)[0] == left, "it is over"
    (tmp_path / "marks" / "go").touch()
    assert not (tmp_path / "one" / "package.json").exists()
    assert (tmp_path / "one" / ".work" / "head-04.json").exists()
    assert build_packages(load, base[1].folder, [order])[0].name == "one"


def test_what_is_wrong_with_an_order_is_told_before_any_task(
    cluster: None, base: tuple[Network, Base], clips: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(work: object) -> object:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda *_: pytest.fail("a task was begun")))

    monkeypatch.setattr(ray, "remote", begun)
    good = PackageOrder("good", LABEL, clips, tmp_path / "good", **SHORT)
    with pytest.raises(SettingsError, match="unknown label 'cat'"):
        build_packages(network, base[1].folder, [good, PackageOrder("bad", "cat", clips, tmp_path / "bad", **SHORT)])
    assert not (tmp_path / "good").exists()
    with pytest.raises(SettingsError, match="same out"):
        build_packages(network, base[1].folder, [good, good])


# --- fleets


@pytest.fixture
def fleet(tmp_path: Path) -> dict:
    """Three cameras that show a colour now and then, and three nodes; `b` has a Ray node of its own."""
    base = colour_base(tmp_path / "base")
    write_profile(base, measured(base).model_copy(update={"core_ms": (2.0, 2.0, 1.0)}))
    for colour in ("red", "green"):
        colour_app(tmp_path / colour, base, colour)
    video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1), ("green", 1))
    return {
        "schema": 1,
        "nodes": [{"name": name, "budget": 70} for name in ("a", "b", "c")],
        "cameras": [
            {"name": name, "source": str(tmp_path / "v.mp4"), "packages": ["red", "green"]}
            for name in ("north", "east", "south")
        ],
    }


def events(folder: Path, node: str, camera: str) -> int:
    store = folder / "events" / node / camera / "events.db"
    if not store.exists():
        return 0
    with StoreReader(store) as reader:
        return len(list(reader.events()))


def test_the_cameras_of_a_node_that_is_killed_go_on_elsewhere(cluster: None, fleet: dict, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = {"live": True, "loop": True, "clips": False, "feedback": False}
    with RayFleet(read_fleet(fleet), tmp_path, out, settings=options) as running:
        before = running.placement
        assert [len(node.cameras) for node in before.nodes] == [1, 1, 1]
        told = running.check()
        assert len({status["pid"] for status in told.values()} | {os.getpid()}) == 4
        of_b = before.nodes[1].cameras[0].camera
        until(lambda: all(events(out, node.name, node.cameras[0].camera) for node in before.nodes))
        os.kill(told["b"]["pid"], signal.SIGKILL)
        until(lambda: running.check() and running.lost == ["b"])
        after = running.placement
        assert [node.name for node in after.nodes] == ["a", "c"]
        assert after == read_placement(out)
        assert after.left_out == after.moved == ()
        for node in before.nodes:
            if node.name != "b":
                assert after.at(node.cameras[0].camera) == (node.name,), "it stays"
        (new,) = after.at(of_b)
        until(lambda: events(out, new, of_b))
        told = running.check()
        assert {camera: status["state"] for node in told.values() for camera, status in node["cameras"].items()} == {
            "north": "running",
            "east": "running",
            "south": "running",
        }
        assert told[new]["cameras"][of_b]["status"]["budget"]["ceiling"] < 70, "two share the node"
        pids = [status["pid"] for status in told.values()]
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_fleet_whose_last_node_is_lost_says_so(cluster: None, fleet: dict, tmp_path: Path) -> None:
    fleet["nodes"] = fleet["nodes"][:1]
    fleet["cameras"] = fleet["cameras"][:1]
    options = {"live": True, "loop": True, "clips": False}
    with RayFleet(read_fleet(fleet), tmp_path, tmp_path / "out", settings=options) as running:
        os.kill(running.check()["a"]["pid"], signal.SIGKILL)
        with pytest.raises(StateError, match="all nodes are lost, the last one was 'a'"):
            until(lambda: running.check() and False)


def test_a_fleet_that_cannot_run_is_refused(cluster: None, fleet: dict, tmp_path: Path) -> None:
    del fleet["cameras"][1]["source"]
    with pytest.raises(SettingsError, match="camera 'east' has no source"):
        RayFleet(read_fleet(fleet), tmp_path, tmp_path / "out")


def test_without_a_cluster_the_remedy_is_told(fleet: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(StateError, match=r"call ray.init\(\) first"):
        RayFleet(read_fleet(fleet), tmp_path, tmp_path / "out")

"""The node as a whole: pictures in, events out, and what may go wrong in between."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.share.node import live
from rheostat.share.node.governor import Budget
from rheostat.share.node.live import Node
from rheostat.share.node.sources import Frame, Phase, SourceCounts, SourceState
from rheostat.share.runner import loaded
from tests.share.node.toys import ample, colour_app, colour_base, colour_fleet, sees, settings_for, video_of


def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def seen(node: Node) -> list[tuple[str, float, float, str]]:
    events = sorted(node.store.events(), key=lambda event: (event.start, event.app))
    return [(event.app, event.start, event.end, event.state) for event in events]


@contextmanager
def running(node: Node) -> Iterator[None]:
    """Run a node in a thread for a while."""
    stop = threading.Event()
    thread = threading.Thread(target=node.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_file_gives_the_events_that_it_shows(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red", "green"])
    video = video_of(
        tmp_path / "v.mp4", ("grey", 1), ("red", 1.5), ("grey", 1), ("green", 1), ("grey", 1), ("red", 0.5)
    )
    told = tmp_path / "told.jsonl"
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, sink=(str(told),))) as node:
        node.run()
        events = seen(node)
        assert [(app, state) for app, *_, state in events] == [
            ("red", "closed"),
            ("green", "closed"),
            ("red", "closed"),
        ]
        spans = [(start, end) for _, start, end, _ in events]
        for span, expected in zip(spans, [(1.0, 2.4), (3.5, 4.4), (5.5, 5.9)], strict=True):
            assert span == pytest.approx(expected, abs=0.11)
        status = node.status()
    assert json.loads(json.dumps(status))["frames"] == {"analysed": 60, "skipped": 0}
    assert [app["events"] for app in status["apps"]] == [2, 1]
    kinds = [(json.loads(line)["kind"], json.loads(line)["app"]) for line in told.read_text().splitlines()]
    assert [kind for kind in kinds if kind[0] == "finished"] == [("finished", app) for app in ("red", "green", "red")]


def test_every_event_has_a_snapshot_of_what_was_seen_and_a_clip(tmp_path: Path) -> None:
    from PIL import Image

    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 2))
    node = Node(fleet, ample(fleet), settings_for(video, tmp_path, pre_seconds=0.5, post_seconds=0.5))
    with node:
        node.run()
        (event,) = node.events()
    snapshot, clip = tmp_path / "out/evidence" / f"{event['id']}.jpg", tmp_path / "out/evidence" / f"{event['id']}.mp4"
    red, green, blue = Image.open(snapshot).resize((1, 1)).getpixel((0, 0))
    assert red > 180 > 80 > max(green, blue)
    assert clip.stat().st_size > 500


def test_frames_that_no_app_is_due_at_are_not_looked_at(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"], fps=(2,))
    video = video_of(tmp_path / "v.mp4", ("grey", 3))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, clips=False)) as node:
        node.run()
        assert node.status()["frames"] == {"analysed": 6, "skipped": 0}
        assert node.status()["apps"][0]["achieved_fps"] == pytest.approx(2.0, abs=0.2)


def test_apps_come_and_go_while_it_runs(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("green", 30), ("grey", 1))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False)) as node, running(node):
        until(lambda: node.status()["frames"]["analysed"] > 2)
        assert node.add_app(colour_app(tmp_path / "green", fleet.base, "green").folder) == "green"
        until(lambda: [event["state"] for event in node.events(app="green")] == ["open"])
        assert [app["name"] for app in node.status()["plan"]["apps"]] == ["red", "green"]
        before = node.status()["frames"]["analysed"]
        node.remove_app("green")
        until(lambda: [event["state"] for event in node.events(app="green")] == ["closed"])
        until(lambda: node.status()["frames"]["analysed"] > before + 2)
        assert [app["name"] for app in node.status()["apps"]] == ["red"]
        with pytest.raises(SettingsError, match="'red' is the only app"):
            node.remove_app("red")
        with pytest.raises(SettingsError, match="there is no app 'pink': the node runs red"):
            node.remove_app("pink")


def test_a_package_of_another_base_is_refused_and_the_node_goes_on(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    foreign = colour_app(tmp_path / "foreign", colour_base(tmp_path / "other", head=sees("blue")), "green")
    video = video_of(tmp_path / "v.mp4", ("red", 30))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False)) as node, running(node):
        with pytest.raises(StateError, match="package 'green' was trained on base 'colours'"):
            node.add_app(foreign.folder)
        before = node.status()["frames"]["analysed"]
        until(lambda: node.status()["frames"]["analysed"] > before + 2)
        assert [app["name"] for app in node.status()["apps"]] == ["red"]


def test_a_watched_folder_says_which_apps_run(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    watched = tmp_path / "watched"
    watched.mkdir()
    video = video_of(tmp_path / "v.mp4", ("grey", 60))
    with (
        Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False, watch=watched)) as node,
        running(node),
    ):
        colour_app(tmp_path / "made", fleet.base, "green")
        (tmp_path / "made").rename(watched / "green")
        until(lambda: [app["name"] for app in node.status()["apps"]] == ["red", "green"])
        broken = watched / "broken"
        broken.mkdir()
        (broken / "package.json").write_text("{")
        until(lambda: any("broken" in problem["said"] for problem in node.status()["problems"]))
        colour_app(tmp_path / "foreign", colour_base(tmp_path / "other", head=sees("blue")), "blue")
        (tmp_path / "foreign").rename(watched / "foreign")
        until(lambda: any("foreign" in problem["said"] for problem in node.status()["problems"]))
        (watched / "foreign").rename(tmp_path / "foreign")
        (watched / "green").rename(tmp_path / "away")
        until(lambda: [app["name"] for app in node.status()["apps"]] == ["red"])
        assert not any("removing" in problem["said"] for problem in node.status()["problems"])


def test_a_busy_box_gets_a_plan_that_it_can_carry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = colour_fleet(tmp_path, ["red", "green"])
    busy = threading.Event()
    prepared = loaded.prepared
    monkeypatch.setattr(loaded, "prepared", lambda *given: (busy.is_set() and time.sleep(0.2)) or prepared(*given))
    video = video_of(tmp_path / "v.mp4", ("grey", 120))
    settings = settings_for(video, tmp_path, live=True, clips=False, window_seconds=0.5)
    with Node(fleet, ample(fleet), settings) as node, running(node):
        until(lambda: (node.status()["apps"][0]["achieved_fps"] or 0) > 8)
        assert node.status()["plan_number"] == 1
        busy.set()  # now it carries less than 5 frames per second
        until(lambda: all(app["fps"] <= 2 for app in node.status()["plan"]["apps"]))
        skipped = node.status()["frames"]["skipped"]
        assert skipped > 0
        assert node.status()["budget"]["now"] < node.status()["budget"]["ceiling"]
        busy.clear()
        until(lambda: all(app["fps"] >= 5 for app in node.status()["plan"]["apps"]))


def test_without_feedback_the_plan_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    prepared = loaded.prepared
    monkeypatch.setattr(loaded, "prepared", lambda *given: time.sleep(0.2) or prepared(*given))
    video = video_of(tmp_path / "v.mp4", ("grey", 60))
    settings = settings_for(video, tmp_path, live=True, clips=False, window_seconds=0.3, feedback=False)
    with Node(fleet, ample(fleet), settings) as node, running(node):
        until(lambda: node.status()["frames"]["skipped"] > 10)
        assert node.status()["plan_number"] == 1


def test_the_operator_moves_the_budget(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("grey", 60))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False)) as node, running(node):
        node.set_budget(12.0)
        (app,) = node.status()["plan"]["apps"]
        assert (app["fps"], node.status()["plan"]["cost"] <= 12) == (2, True)
        with pytest.raises(SettingsError, match=r"budget is 1 core-ms per second: must be at least 5\.5"):
            node.set_budget(1.0)


def test_what_a_picture_really_costs_is_planned_with_once_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    monkeypatch.setattr(live, "FRAMES_TO_TELL", 5)
    video = video_of(tmp_path / "v.mp4", ("grey", 60))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False)) as node, running(node):
        until(lambda: node.status()["frames"]["analysed"] > 10)
        node.set_budget(900.0)
        usage = node._runner.usage()
        assert usage is not None
        assert node._fleet.picture_cost != fleet.picture_cost
        assert 0 < node._fleet.picture_cost < 10 * usage.prepare_ms / usage.frames


def test_a_plan_above_what_the_operator_allows_is_planned_anew_at_the_start(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    plan = ample(fleet)
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path, budget=12.0, clips=False)
    with Node(fleet, plan, settings) as node:
        assert plan.cost > 12 >= node.status()["plan"]["cost"]


def test_what_goes_wrong_in_a_thread_of_the_node_is_raised_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("grey", 5))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, clips=False)) as node:
        monkeypatch.setattr(node, "_judge", lambda result: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            node.run()


def test_an_app_that_cannot_tell_is_a_problem_and_no_want_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    monkeypatch.setattr(loaded, "run", lambda session, value: np.full((1, 2), np.nan, dtype=np.float32))
    video = video_of(tmp_path / "v.mp4", ("grey", 60))
    settings = settings_for(video, tmp_path, live=True, clips=False, window_seconds=0.3)
    with Node(fleet, ample(fleet), settings) as node, running(node):
        until(lambda: node.status()["frames"]["analysed"] > 10)
        assert (node.status()["plan_number"], node.status()["budget"]["state"]) == (1, "steady")
        assert len(node.status()["problems"]) == 1  # told once, not once per frame


def test_the_events_of_a_live_source_that_is_silent_for_long_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STALLED_SECONDS", 0.5)
    fleet = colour_fleet(tmp_path, ["red"], fps=(10,))
    video = video_of(tmp_path / "v.mp4", ("red", 60))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False)) as node, running(node):
        until(lambda: [event["state"] for event in node.events()] == ["open"])
        monkeypatch.setattr(node._source, "read", lambda timeout: time.sleep(0.05))
        until(lambda: [event["state"] for event in node.events()] == ["closed"])
        (app,) = node.status()["apps"]
        assert (app["state"], app["since"], app["achieved_fps"]) == ("quiet", app["timeline"][-1][0], 0.0)


def test_a_second_node_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path)
    with Node(fleet, ample(fleet), settings), pytest.raises(StateError, match=r"events\.db is in use by process"):
        Node(fleet, ample(fleet), settings)
    with Node(fleet, ample(fleet), settings):
        pass  # the first one is over, and left nothing behind


def test_a_budget_below_the_cheapest_plan_is_refused_at_the_start(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path, budget=1.0)
    with pytest.raises(SettingsError, match=r"budget is 1 core-ms per second: must be at least 5\.5, the cost of the"):
        Node(fleet, ample(fleet), settings)


def test_a_disk_that_is_full_costs_evidence_and_not_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rheostat.share.node import evidence

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evidence.Evidence.__init__, "__kwdefaults__", {"rule": None, "live": True, "write": full})
    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1))
    node = Node(fleet, ample(fleet), settings_for(video, tmp_path))
    with node:
        node.run()
    with pytest.raises(StateError):
        node.events()  # closed
    from rheostat.share.node.store import StoreReader

    with StoreReader(tmp_path / "out/events.db") as reader:
        (event,) = reader.events()
    assert (event.state, event.snapshot, event.clip) == ("closed", None, None)
    assert "no clip: No space left on device" in event.note


def test_a_store_that_cannot_be_written_for_a_while_loses_no_finished_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rheostat.share.node.store import Store

    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1), ("red", 1), ("grey", 1))
    start, finish, failures = Store.start, Store.finish, [True] * 4

    def failing(method: Callable) -> Callable:
        def called(*given: object, **named: object) -> object:
            if failures:
                failures.pop()
                raise StateError("store cannot be written: disk full")
            return method(*given, **named)

        return called

    monkeypatch.setattr(Store, "start", failing(start))
    monkeypatch.setattr(Store, "finish", failing(finish))
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, clips=False)) as node:
        node.run()
        spans = [(round(start, 1), round(end, 1), state) for _, start, end, state in seen(node)]
    assert spans == [(1.0, 1.9, "closed"), (3.0, 3.9, "closed")]


def test_what_a_source_dropped_counts_as_looks_that_were_missed(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red", "green"], fps=(10,))
    video = video_of(tmp_path / "v.mp4", ("grey", 1))
    first = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0, 0, 0.0, time.time(), time.monotonic())
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, live=True, clips=False)) as node:
        counts = SourceCounts()
        node._source.__class__ = type("Counted", (type(node._source),), {"counts": property(lambda self: counts)})

        def missed(**values: float) -> int:
            before = node._load.due
            node._take(replace(first, **values))
            return node._load.due - before

        assert missed(number=0) == 0
        counts = SourceCounts(dropped=3)
        assert missed(number=1, slot=5, seconds=0.5) == 3 * 2  # slots 2, 3 and 4 were dropped, 1 never came
        counts = SourceCounts(dropped=9)
        for _ in range(2):  # those two frames are looked at
            result = node._runner.get()
            assert result is not None
            node._judge(result)
        assert (node._load.due, node._load.done) == (3 * 2 + 4, 4)
        assert missed(number=2, slot=20, seconds=2.0, gap=True) == 0  # an interruption is not this node's doing


def test_sinks_of_runs_before_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    video = video_of(tmp_path / "v.mp4", ("grey", 0.5), ("red", 0.5), ("grey", 1))
    waits = []
    monkeypatch.setattr(live.time, "sleep", waits.append)
    with Node(fleet, ample(fleet), settings_for(video, tmp_path, clips=False)) as node:
        node.store.outbox.register("of a run before")
        node.run()
        assert [(sink["sink"], sink["waiting"]) for sink in node.status()["sinks"]] == [("of a run before", 2)]
        waits.clear()
    assert waits == []


def test_why_a_sink_takes_nothing_is_a_problem(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    (tmp_path / "told.jsonl").mkdir()
    settings = settings_for(
        video_of(tmp_path / "v.mp4", ("red", 0.5)), tmp_path, clips=False, sink=(str(tmp_path / "told.jsonl"),)
    )
    with Node(fleet, ample(fleet), settings) as node:
        node.run()
        until(lambda: bool(node.status()["problems"]))
        (problem,) = node.status()["problems"]
    assert problem["said"].startswith(f"sink jsonl:{tmp_path}/told.jsonl: ")
    assert "Is a directory" in problem["said"]


def test_a_window_that_was_judged_meanwhile_keeps_what_the_operator_allowed(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path, budget=2000.0, clips=False)
    with Node(fleet, ample(fleet), settings) as node:
        judged = replace(node._budget, calm=1)
        node.set_budget(1500.0)  # which leaves `now` as it is
        node._want(judged)
        assert (node._budget.now, node._budget.ceiling, node._budget.calm) == (1000.0, 1500.0, 1)


def test_pictures_that_cost_more_than_is_allowed_are_told_and_raise_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = colour_fleet(tmp_path, ["red", "green"])
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path, budget=20.0, clips=False)
    with Node(fleet, ample(fleet), settings) as node:
        dear = replace(fleet, picture_cost=40.0)
        monkeypatch.setattr(node, "_as_measured", lambda _: dear)
        node._move_to(Budget(now=20.0, ceiling=20.0))
        assert node.status()["budget"]["now"] == node.status()["budget"]["floor"] == dear.least() > 20
        assert node.status()["budget"]["ceiling"] == 20
        (problem,) = node.status()["problems"]
        assert problem["said"].startswith(f"the cheapest plan costs {dear.least():.1f} core-ms per second, more than")
        monkeypatch.setattr(node, "_as_measured", lambda given: given)
        node._fleet = fleet
        node.remove_app("green")
        assert node.status()["budget"]["now"] == 20  # all that is allowed, and no more


def test_a_source_that_breaks_again_for_the_same_reason_is_told_again(tmp_path: Path) -> None:
    fleet, now = colour_fleet(tmp_path, ["red"]), [1000.0]
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path, live=True, clips=False)
    with Node(fleet, ample(fleet), settings, wall=lambda: now[0]) as node:
        broken = SourceState(Phase.FAILED, 0.0, "no route")
        for state in (broken, broken, SourceState(Phase.RUNNING, 0.0), broken):
            node._source.state = state
            node._watch_source(0.0)
            now[0] += 100.0
        assert [problem["wall"] for problem in node.status()["problems"]] == [1000.0, 1300.0]


def test_ends_of_events_are_tried_again_by_one_thread_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = colour_fleet(tmp_path, ["red"])
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 1)), tmp_path, clips=False)
    with Node(fleet, ample(fleet), settings) as node:
        free = []

        def taken() -> None:
            def look() -> None:
                if node._keeping.acquire(blocking=False):
                    node._keeping.release()
                    free.append("by another thread")

            other = threading.Thread(target=look)
            other.start()
            other.join()

        monkeypatch.setattr(node._keeper, "retry", taken)
        node._keep_house()
        assert free == []

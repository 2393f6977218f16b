"""A plan that is carried out on labelled video."""

from pathlib import Path

import pytest

from rheostat.share.clips import LabelledEvent, Labels, Stretch
from rheostat.share.events import Judged
from rheostat.share.node.trial import labelled_from, try_plan
from tests.share.node.toys import STREAM_FPS, ample, colour_fleet, video_of


def stream_of(folder: Path, *events: tuple[str, int, int]) -> Labels:
    """Grey, red, grey, green, grey, a second each; labelled as is said."""
    video = video_of(folder / "v.mp4", ("grey", 1), ("red", 1), ("grey", 1), ("green", 1), ("grey", 1))
    return Labels(video, STREAM_FPS, 50, Stretch(0, 50), tuple(LabelledEvent(*event) for event in events))


def test_what_is_reported_is_held_against_the_labels(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red", "green"], fps=(5,))
    found = try_plan(fleet, ample(fleet), stream_of(tmp_path, ("red", 10, 20), ("red", 40, 45), ("green", 0, 5)))
    red, green = found.apps["red"], found.apps["green"]
    assert red.judged == Judged(events=2, detected=1, false=0)
    assert green.judged == Judged(events=1, detected=0, false=1)
    assert [[pytest.approx(moment) for moment in event] for event in red.reported] == [[1.0, 1.8]]
    assert (red.fps, green.fps) == (pytest.approx(5, rel=0.05), pytest.approx(5, rel=0.05))
    assert found.cost > 0
    assert list(found.apps) == ["red", "green"]


def test_a_plan_above_its_budget_is_run_as_it_is(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"], fps=(1, 10))
    plan = ample(fleet)
    assert plan.apps[0].fps == 10
    found = try_plan(fleet, plan.model_copy(update={"budget": fleet.least()}), stream_of(tmp_path))
    assert found.apps["red"].fps == pytest.approx(10, rel=0.05)


def test_what_lies_before_the_start_is_neither_shown_nor_counted(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red", "green"], fps=(10,))
    stream = stream_of(tmp_path, ("red", 10, 20), ("green", 30, 40))
    found = try_plan(fleet, ample(fleet), stream, start=25)
    assert found.apps["red"].judged == Judged(0, 0, 0)
    assert found.apps["green"].judged == Judged(1, 1, 0)
    assert found.apps["green"].reported == ((pytest.approx(0.5), pytest.approx(1.4)),)


def test_labelled_events_are_told_from_the_start_on(tmp_path: Path) -> None:
    stream = stream_of(tmp_path, ("red", 5, 20), ("red", 30, 31))
    assert labelled_from(stream, "red", 10) == [(0.0, 0.9), (2.0, 2.0)]
    assert labelled_from(stream, "green") == []

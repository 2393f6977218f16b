"""What is trained on and what judges: balanced, spread over clips and time, and never of one event."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat.errors import DataError
from rheostat.share.clips import Occurrence, Split, Stretch, split_by_time
from rheostat.share.clips.labels import LabelledEvent, Labels
from rheostat.share.trainer.choice import spread, to_judge, to_learn
from rheostat.share.trainer.material import Material, Source
from rheostat.share.trainer.settings import PackageSettings


def source(name: str, fps: float | None, label: np.ndarray, split: Split) -> Source:
    return Source(name, fps, label, split, lambda numbers: iter(()))


def gate(fps: float = 10.0, times: int = 1) -> Source:
    """Six events in 300 frames, or in `times` as many."""
    events = [LabelledEvent("bus", start * times, (start + 20) * times) for start in (10, 60, 110, 160, 210, 260)]
    labels = Labels(Path("gate.mp4"), fps, 300 * times, Stretch(0, 300 * times), tuple(events))
    return source("gate", fps, labels.presence("bus").astype(np.int64), split_by_time(labels, "bus"))


def empty(frames: int, fps: float = 10.0) -> Source:
    labels = Labels(Path("empty.mp4"), fps, frames, Stretch(0, frames), ())
    return source("empty", fps, np.zeros(frames, dtype=np.int64), split_by_time(labels, "bus"))


def material(*sources: Source) -> Material:
    return Material(sources, ("other", "bus"), 1, Occurrence(2.0, 0.4, 6))


def settings(**values: Any) -> PackageSettings:
    return PackageSettings(**{"train_fps": 10.0, "per_class": 1000, "balance": 100.0} | values)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 100))
def test_spread_is_as_even_as_can_be_and_wastes_nothing(available: list[int], most: int) -> None:
    taken = spread(available, most)
    assert sum(taken) == min(most, sum(available))
    assert all(0 <= mine <= there for mine, there in zip(taken, available, strict=True))
    highest = max(taken)
    assert all(mine >= highest - 1 or mine == there for mine, there in zip(taken, available, strict=True))


def test_no_event_lies_on_both_sides_and_no_frame_is_used_twice() -> None:
    found = material(gate(), empty(100))
    train, validation = to_learn(found, settings())
    runs = to_judge(found)
    for at, one in enumerate(found.sources):
        used = [train.numbers[at], validation.numbers[at], *(run.numbers for run in runs if run.source == at)]
        assert len(np.unique(np.concatenate(used))) == sum(map(len, used)) == len(one.label)
        assert used[0].max() < used[1].min() <= used[1].max() < used[2].min()
    event = np.cumsum(np.diff(found.sources[0].label, prepend=0) == 1)[found.sources[0].label == 1]
    numbers = np.flatnonzero(found.sources[0].label == 1)
    sides = [
        set(event[np.isin(numbers, side)].tolist())
        for side in (train.numbers[0], validation.numbers[0], runs[0].numbers)
    ]
    assert all(sides)
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_labels_are_those_of_the_numbers() -> None:
    found = material(gate(), empty(100))
    for chosen in to_learn(found, settings(train_fps=4.0, per_class=11)):
        expected = [one.label[numbers] for one, numbers in zip(found.sources, chosen.numbers, strict=True)]
        assert chosen.label.tolist() == np.concatenate(expected).tolist()


def test_frames_are_no_closer_than_asked() -> None:
    train, _ = to_learn(material(gate(), empty(200, fps=5.0)), settings(train_fps=2.5))
    assert np.diff(train.numbers[0]).min() == 4
    assert np.diff(train.numbers[1]).min() == 2


def test_a_class_has_no_more_than_asked_and_no_more_than_the_balance_allows() -> None:
    found = material(gate(), empty(1000))
    train, validation = to_learn(found, settings(per_class=30))
    assert np.bincount(train.label).tolist() == [30, 30]
    assert np.bincount(validation.label).tolist() == [15, 15]
    train, _ = to_learn(found, settings(balance=1.5))
    others, events = np.bincount(train.label).tolist()
    assert others == int(1.5 * events)
    train, _ = to_learn(found, settings())
    assert np.bincount(train.label)[0] > 5 * events


def test_negatives_of_the_events_own_clip_are_not_drowned_and_lie_all_over_its_time() -> None:
    train, _ = to_learn(material(gate(), empty(1000), empty(10)), settings(per_class=40))
    own = train.numbers[0][gate().label[train.numbers[0]] == 0]
    assert [len(own), len(train.numbers[1]), len(train.numbers[2])] == [18, 17, 5]
    ends = np.flatnonzero(gate().label[: gate().split.train[0].end] == 0)[[0, -1]]
    assert own[0] - ends[0] < 8
    assert ends[1] - own[-1] < 8


def test_what_cannot_be_learnt_is_told() -> None:
    with pytest.raises(DataError, match="there is no picture of 'bus' to train on"):
        to_learn(material(empty(100)), settings())
    nothing = Split((Stretch(0, 10),), (), (Stretch(10, 20),), apart=False)
    alone = source("alone", 10.0, np.arange(20) % 2, nothing)
    with pytest.raises(DataError, match="there is no picture to validate by"):
        to_learn(material(alone), settings())


def test_held_out_frames_come_at_the_rate_of_the_stream() -> None:
    found = material(gate(), empty(100, fps=4.0), empty(100, fps=30.0))
    own, slow, fast = to_judge(found)
    assert found.stream_fps == 10.0
    assert own.frames.tolist() == list(range(len(own.numbers)))
    assert slow.frames[:6].tolist() == [0, 0, 0, 1, 1, 2], "at 0, 0.1, ... s a picture of every 0.25 s"
    assert fast.numbers[:3].tolist() == [65, 68, 71]
    assert fast.frames.tolist() == list(range(len(fast.numbers)))
    for run, fps in ((slow, 4.0), (fast, 30.0)):
        assert len(run.frames) == int(35 / fps * 10)


def test_the_stream_is_that_of_the_fastest_clip_with_events() -> None:
    assert material(gate(), gate(fps=25.0), empty(50, fps=60.0)).stream_fps == 25.0
    pictures = source("folder", None, np.arange(10) % 2, gate().split)
    assert material(pictures).stream_fps is None

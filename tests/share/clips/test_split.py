"""Time is divided so that no event lies on both sides of a bound."""

import numpy as np
import pytest

from rheostat.errors import DataError, SettingsError
from rheostat.share.clips import Labels, Split, Stretch, numbers, split_by_time
from tests.share.clips.conftest import labels

BOTTLES = labels(1189, (214, 334), (534, 813), (958, 1033), fps=179 / 6)
VEHICLES = labels(377, (54, 108), (181, 239), (315, 348), fps=12.5)
PERSONS = labels(1394, (60, 200), (227, 450), (502, 701), (744, 871), (921, 1201), (1234, 1361), fps=10)
TWENTY = labels(2000, *((100 * n + 20, 100 * n + 60) for n in range(20)))
CLIPS = [BOTTLES, VEHICLES, PERSONS, TWENTY, labels(100, (10, 30), (60, 70))]


def events_in(clip: Labels, part: tuple[Stretch, ...]) -> set[int]:
    """Numbers of the events that have a frame in a part."""
    frames = set(numbers(part).tolist())
    return {at for at, (start, end) in enumerate(clip.events_of("bus")) if frames & set(range(start, end))}


def all_frames(split: Split) -> list[int]:
    return sorted(numbers((*split.train, *split.validation, *split.held_out)).tolist())


@pytest.mark.parametrize("clip", CLIPS)
def test_every_frame_has_one_use_and_held_out_events_have_no_other(clip: Labels) -> None:
    split = split_by_time(clip, "bus")
    assert all_frames(split) == list(range(clip.frames))
    before = events_in(clip, split.train) | events_in(clip, split.validation)
    assert events_in(clip, split.train)
    assert events_in(clip, split.held_out)
    assert not before & events_in(clip, split.held_out)
    assert max(numbers((*split.train, *split.validation))) < min(numbers(split.held_out))


@pytest.mark.parametrize("clip", [PERSONS, TWENTY])
def test_with_many_events_validation_has_its_own(clip: Labels) -> None:
    split = split_by_time(clip, "bus")
    assert split.apart
    assert events_in(clip, split.validation)
    assert not events_in(clip, split.train) & events_in(clip, split.validation)


@pytest.mark.parametrize("clip", [BOTTLES, VEHICLES])
def test_with_few_events_validation_is_the_end_of_those_for_training(clip: Labels) -> None:
    split = split_by_time(clip, "bus")
    assert not split.apart
    assert events_in(clip, split.train) == events_in(clip, split.validation) == {0, 1}
    for event in events_in(clip, split.train):
        start, end = clip.events_of("bus")[event]
        trained = [n for n in numbers(split.train) if start <= n < end]
        assert trained == list(range(start, start + round(0.5 / 0.65 * (end - start))))


def test_bounds_are_near_to_the_shares() -> None:
    split = split_by_time(TWENTY, "bus")
    [(_, first)], [(second, _)] = split.train, split.held_out
    assert abs(first - 1000) <= 40
    assert abs(second - 1300) <= 40


def test_a_bound_keeps_away_from_events() -> None:
    split = split_by_time(labels(100, (0, 40), (64, 100)), "bus", shares=(0.6, 0, 0.4))
    assert split.held_out == ((59, 100),)  # the wish, 60, is 4 frames before an event: half a second is 5
    tight = split_by_time(labels(100, (0, 57), (61, 100)), "bus", shares=(0.6, 0, 0.4))
    assert tight.held_out == ((59, 100),)  # the middle of a gap that is too short for that


def test_validation_can_be_left_out() -> None:
    split = split_by_time(PERSONS, "bus", shares=(0.6, 0, 0.4))
    assert split.validation == ()
    assert all_frames(split) == list(range(1394))


def test_frames_that_nobody_labelled_are_not_used() -> None:
    clip = Labels(TWENTY.video, 10.0, 2000, Stretch(100, 1900), TWENTY.events[1:-1])
    assert all_frames(split_by_time(clip, "bus")) == list(range(100, 1900))


def test_a_clip_without_the_label_is_cut_by_its_shares() -> None:
    split = split_by_time(TWENTY, "tram", shares=(0.5, 0.25, 0.25))
    assert (split.train, split.validation, split.held_out) == (((0, 1000),), ((1000, 1500),), ((1500, 2000),))


def test_one_event_cannot_be_divided() -> None:
    with pytest.raises(DataError, match=r"has 1 event of 'bus': it takes at least 2.*label a longer clip"):
        split_by_time(labels(100, (10, 30)), "bus")


def test_a_part_without_a_gap_is_told() -> None:
    clip = labels(100, (0, 20), (21, 40), (41, 60), (61, 80), (81, 100))
    with pytest.raises(DataError, match=r"of 5 events of 'bus', the training time \[\(0, 20\)\] has no frame without"):
        split_by_time(clip, "bus", shares=(0.1, 0.3, 0.6))


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5), (0.5, 0.2, 0.2), (0, 0.5, 0.5), (0.5, 0.5, 0), (0.7, -0.1, 0.4), (np.nan, 0.5, 0.5)]
)
def test_wrong_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="must be three that sum to 1"):
        split_by_time(TWENTY, "bus", shares=shares)

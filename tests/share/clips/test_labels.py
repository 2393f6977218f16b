"""A labels file says what is in view, and must fit its video."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.errors import DataError, SettingsError
from rheostat.share.clips import LabelledEvent, Labels, Stretch, find_labels, read_labels, statistics, write_labels
from tests.share.clips.conftest import labels

Described = Callable[..., Path]


def test_a_file_is_read(described: Described) -> None:
    path = described([("bus", 5, 9), ("train", 0, 40)], labelled_range=[0, 40], rule="any part", presence=[0] * 40)
    read = read_labels(path)
    assert read == Labels(
        video=path.parent / "gate.mp4",
        fps=10.0,
        frames=40,
        labelled=Stretch(0, 40),
        events=(LabelledEvent("bus", 5, 9), LabelledEvent("train", 0, 40)),
    )
    assert read.labels == ("bus", "train")


def test_frames_of_an_event_are_present_and_its_end_is_not(described: Described) -> None:
    presence = read_labels(described([("bus", 5, 9), ("bus", 38, 40)])).presence("bus")
    assert np.flatnonzero(presence).tolist() == [5, 6, 7, 8, 38, 39]
    assert presence.shape == (40,)


def test_what_has_no_event_is_never_present(described: Described) -> None:
    read = read_labels(described([]))
    assert read.labels == ()
    assert read.events_of("bus") == ()
    assert not read.presence("bus").any()


@pytest.mark.parametrize(("text", "fps"), [("179/6", 179 / 6), ("12.5", 12.5), (29.97, 29.97), (25, 25.0)])
def test_a_rate_may_be_a_fraction(described: Described, text: Any, fps: float) -> None:
    assert read_labels(described(fps=text)).fps == fps


def test_the_whole_video_is_labelled_unless_the_file_says_less(described: Described) -> None:
    assert read_labels(described()).labelled == Stretch(0, 40)
    assert read_labels(described(labelled_range=[2, 30])).labelled == Stretch(2, 30)


def test_what_overlaps_or_touches_is_one_event() -> None:
    clip = labels(100, (50, 60), (10, 20), (15, 30), (30, 40), (42, 44))
    assert clip.events_of("bus") == ((10, 40), (42, 44), (50, 60))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"happened": [("bus", 9, 9)]}, "events: entry 1: end_frame is 9: must be above start_frame, which is 9"),
        ({"happened": [("bus", 5, 41)]}, r"events: entry 1: frames 5 to 41 must lie in \[0, 40\], the labelled range"),
        ({"happened": [("bus", 3, 9)], "labelled_range": [5, 40]}, r"frames 3 to 9 must lie in \[5, 40\]"),
        ({"happened": [("bus", -1, 9)]}, "events: entry 1: start_frame is -1: must be at least 0"),
        ({"happened": [(" ", 1, 9)]}, "events: entry 1: label is ' ': must be printable text"),
        ({"labelled_range": [0, 41]}, r"labelled_range is \[0, 41\]: must be a part of \[0, 40\]"),
        ({"labelled_range": [7, 7]}, r"labelled_range is \[7, 7\]: must be a part of"),
        ({"fps": "fast"}, "fps is 'fast': must be a number, or a fraction"),
        ({"fps": "1/0"}, "fps is '1/0': must be a number, or a fraction"),
        ({"fps": "0/5"}, "fps is .*: must be above 0"),
        ({"video": None}, "video is missing"),
        ({"events": None, "evnets": []}, "unknown key 'evnets': did you mean 'events'"),
    ],
)
def test_a_wrong_file_is_told(described: Described, values: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=f"labels file .*gate.labels.json: .*{told}"):
        read_labels(described(**values))


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        read_labels(tmp_path / "none.labels.json")


def test_a_video_that_is_missing_is_told(described: Described) -> None:
    with pytest.raises(DataError, match=r"there is no video .*other.mp4: put the two beside each other"):
        read_labels(described(video="other.mp4"))


def test_labels_of_another_version_of_the_video_are_refused(described: Described) -> None:
    with pytest.raises(DataError, match=r"frames is 41, and gate.mp4 has 40"):
        read_labels(described(frames=41))


def test_labels_are_found_beside_their_video(described: Described) -> None:
    path = described()
    assert find_labels(path.parent / "gate.mp4") == path
    with pytest.raises(DataError, match=r"video .*none.mp4 does not exist"):
        find_labels(path.parent / "none.mp4")
    path.unlink()
    with pytest.raises(DataError, match=r"has no labels: .*gate.labels.json does not exist; it holds video, fps"):
        find_labels(path.parent / "gate.mp4")


def test_what_is_written_reads_back(described: Described) -> None:
    read = read_labels(described([("bus", 5, 9), ("train", 0, 40)], labelled_range=[0, 40], fps="179/6"))
    path = write_labels(read, {"rule": "any part", "width": 48})
    assert read_labels(path) == read
    assert '"rule": "any part"' in path.read_text()


def test_statistics_are_over_the_labelled_time_of_all_clips() -> None:
    fast, slow = labels(200, (0, 20), (40, 60), fps=20), labels(100, (50, 80), fps=10)
    # events of 1, 1 and 3 s in 10 s and 10 s
    found = statistics([fast, slow], "bus")
    assert (found.seconds, found.frequency, found.count) == pytest.approx((5 / 3, 0.25, 3))
    assert statistics(fast, "bus").frequency == pytest.approx(0.2)


def test_a_label_that_never_occurs_has_no_statistics() -> None:
    with pytest.raises(SettingsError, match="unknown label 'buss': did you mean bus"):
        statistics([labels(100, (5, 9))], "buss")

"""Held-out scores: kept, read back, and replayed at any rate."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.errors import DataError, SettingsError, StateError
from rheostat.share.events import replay
from rheostat.share.package.held_out import HeldOutScores, detection_at, read_held_out, write_held_out

LABEL = np.array([0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1], dtype=np.bool_)
CLIPS = (("gate.mp4", 8), ("yard.mp4", 4))


def scores(stream_fps: float | None = 4.0) -> HeldOutScores:
    generator = np.random.default_rng(0)
    return HeldOutScores(stream_fps, CLIPS, LABEL, {12: generator.random(12), 0: generator.random(12)})


def document(**values: Any) -> dict[str, Any]:
    right = {
        "schema": 1,
        "stream_fps": 4.0,
        "clips": [{"name": name, "frames": frames} for name, frames in CLIPS],
        "label": LABEL.astype(int).tolist(),
        "scores": {"0": [0.5] * 12},
    }
    return right | values


@pytest.mark.parametrize("stream_fps", [4.0, None])
def test_what_is_written_is_read_back_to_four_decimals(tmp_path: Path, stream_fps: float | None) -> None:
    written = scores(stream_fps)
    write_held_out(tmp_path / "held-out.json", written)
    found = read_held_out(tmp_path / "held-out.json")
    assert (found.stream_fps, found.clips) == (stream_fps, CLIPS)
    assert found.label.tolist() == LABEL.tolist()
    assert list(found.scores) == [0, 12]
    for frozen, row in written.scores.items():
        assert found.scores[frozen].tolist() == [round(score, 4) for score in row.tolist()]
    assert len(json.loads((tmp_path / "held-out.json").read_text())["scores"]["0"]) == 12


def test_clips_are_no_neighbours_and_pictures_none_at_all() -> None:
    assert scores().boundaries == [8]
    assert scores(None).boundaries == list(range(1, 12))


@pytest.mark.parametrize("votes", [None, 2, [1, 2, 3]])
@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_a_variant_is_replayed_from_its_own_scores_clip_by_clip(votes: Any, threshold: float) -> None:
    known = scores()
    for frozen in (0, 12):
        found = detection_at(known, frozen, fps=[4, 2, 1], votes=votes, threshold=threshold)
        said = known.scores[frozen] >= threshold
        expected = replay(said, LABEL, stream_fps=4.0, fps=[4, 2, 1], votes=votes, boundaries=[8])
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_score_that_equals_the_threshold_is_a_hit() -> None:
    assert detection_at(document(), 0, fps=[4]).recall.tolist() == [1.0]
    assert detection_at(document(), 0, fps=[4], threshold=0.5001).recall.tolist() == [0.0]


def test_an_event_does_not_go_on_in_the_next_clip() -> None:
    label, said = [0, 1, 1, 1], [0.0, 0.0, 0.9, 0.9]
    values = document(label=label, scores={"0": said})
    glued = detection_at(values | {"clips": [{"name": "one", "frames": 4}]}, 0, fps=[4], votes=2)
    clips = [{"name": "one", "frames": 3}, {"name": "two", "frames": 1}]
    apart = detection_at(values | {"clips": clips}, 0, fps=[4], votes=2)
    assert (glued.recall.tolist(), apart.recall.tolist()) == ([1.0], [0.0])


def test_a_branch_point_that_is_not_there_is_told() -> None:
    with pytest.raises(StateError, match="have no branch point 3, only 12, 0: make the package anew"):
        detection_at(scores(), 3, fps=[1])


def test_single_pictures_cannot_be_replayed() -> None:
    with pytest.raises(DataError, match=r"judged by single pictures.*use the event model 'paper'"):
        detection_at(scores(None), 0, fps=[1])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"label": [0, 1]}, "label has 2 entries: must be 12"),
        ({"scores": {"0": [0.5] * 11}}, "scores of 0 has 11 entries: must be 12"),
        ({"scores": {"first": [0.5] * 12}}, "'first': must be a branch point"),
        ({"scores": {"0": [1.5] * 12}}, "must be at most 1"),
        ({"clips": []}, "clips is empty"),
        ({"stream_fps": 0}, "stream_fps is 0: must be above 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_held_out(document(**values))
    assert told in str(caught.value)

"""A clip of the camera is a real video with exact labels."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.camera import LABELS, Scene, write_clip
from rheostat.share.camera.clip import events_in
from rheostat.share.clips import LabelledEvent, find_labels, pictures, read_labels

SIZE = {"width": 192, "height": 108}


def write(folder: Path, **values: Any) -> Path:
    return write_clip(folder, **{"name": "gate", "seconds": 30, "fps": 5, "seed": 0, **SIZE, **values})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("camera"))


def test_it_is_h264(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (192, 108, 5)


def test_labels_say_what_the_scene_showed(clip: Path) -> None:
    labels = read_labels(find_labels(clip))
    assert (labels.fps, labels.frames, labels.labelled) == (5.0, 150, (0, 150))
    presence = {label: labels.presence(label) for label in LABELS}
    for number, (_, in_view) in enumerate(Scene(0, fps=5, **SIZE).frames(150)):
        assert {label for label in LABELS if presence[label][number]} == in_view
    assert len(labels.labels) >= 5


def test_the_file_has_the_form_of_those_made_by_hand(clip: Path) -> None:
    told = json.loads(find_labels(clip).read_text())
    assert {"video", "fps", "width", "height", "frames", "label_source", "labelled_range", "rule"} <= set(told)
    assert {"tolerance_frames", "events"} <= set(told)
    assert told["video"] == "gate.mp4"
    assert "0.04%" in told["rule"]


def test_decoded_pictures_are_near_to_the_drawn_ones(clip: Path) -> None:
    drawn = Scene(0, fps=5, **SIZE)
    errors = [np.abs(p.astype(int) - drawn.picture(n)[0]).mean() for n, p in pictures(clip, step=10)]
    assert len(errors) == 15
    assert max(errors) < 5
    apart = [np.abs(p.astype(int) - drawn.picture(n + 9)[0]).mean() for n, p in pictures(clip, step=10)]
    assert np.mean(errors) < 0.8 * np.mean(apart)


def test_the_same_seed_gives_the_same_clip(clip: Path, tmp_path: Path) -> None:
    again = write(tmp_path)
    # the encoder rounds a little differently from time to time
    pairs = zip(pictures(clip, step=25), pictures(again, step=25), strict=True)
    assert max(np.abs(one.astype(int) - other).mean() for (_, one), (_, other) in pairs) < 0.5
    assert find_labels(again).read_bytes() == find_labels(clip).read_bytes()


def test_only_the_labels_asked_for_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "new", seconds=25, fps=2, labels=["train", "bus"])
    assert read_labels(find_labels(path)).labels == ("bus", "train")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"labels": ["tram"]}, "unknown label 'tram': did you mean train"),
        ({"seconds": 0}, r"seconds 0, .*must be at least one frame long \(0.2 s\)"),
        ({"seconds": float("inf")}, "must be at least one frame long"),
        ({"seconds": 0.01}, "must be at least one frame long"),
        ({"width": 193}, "width and height even"),
        ({"fps": 0}, "fps > 0"),
    ],
)
def test_a_wrong_clip_is_refused_before_it_is_drawn(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        write(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_events_are_runs_of_frames() -> None:
    seen = [frozenset(labels) for labels in ((), ("bus",), ("bus", "dog"), ("dog",), ("bus",), ("bus",))]
    assert events_in(seen, ["bus", "dog"]) == (
        LabelledEvent("bus", 1, 3),
        LabelledEvent("dog", 2, 4),
        LabelledEvent("bus", 4, 6),
    )
    assert events_in(seen, ["dog"]) == (LabelledEvent("dog", 2, 4),)

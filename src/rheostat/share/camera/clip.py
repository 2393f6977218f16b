"""Write what the camera sees as a labelled clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rheostat.errors import SettingsError, unknown_name
from rheostat.share.camera.scene import VISIBLE, Scene
from rheostat.share.camera.traffic import LABELS
from rheostat.share.clips import LabelledEvent, Labels, Stretch, write_labels, write_video
from rheostat.share.frames import Picture


def write_clip(
    folder: Path | str,
    *,
    name: str,
    seconds: float,
    fps: float = 10.0,
    seed: int = 0,
    labels: Sequence[str] = LABELS,
    width: int = 384,
    height: int = 216,
) -> Path:
    """Write NAME.mp4, H.264, and NAME.labels.json beside it.

    Args:
        folder: Made if need be.
        name: Of the clip.
        seconds: Its length, at least one frame.
        fps: Frames per second, above 0.
        seed: Of what happens; see `Scene`.
        labels: What to label, of `LABELS`.
        width: Of a picture, in pixels, even.
        height: Likewise.

    Returns:
        Path of the video; `find_labels` finds the labels.

    Raises:
        SettingsError: A label is not known, or an argument is outside its range.
        OSError: The clip cannot be written.
    """
    for label in labels:
        if label not in LABELS:
            raise unknown_name("label", label, LABELS)
    scene = Scene(seed, width=width, height=height, fps=fps)
    frames = round(seconds * fps) if 0 < seconds < float("inf") else 0
    if frames < 1 or width % 2 or height % 2:
        raise SettingsError(
            f"seconds {seconds:g}, width {width}, height {height}: must be at least one frame long "
            f"({1 / fps:g} s), and width and height even"
        )
    path = Path(folder) / f"{name}.mp4"
    seen: list[frozenset[str]] = []

    def shown() -> Iterator[Picture]:
        for picture, in_view in scene.frames(frames):
            seen.append(in_view)
            yield picture

    write_video(path, shown(), fps)
    found = Labels(path, fps, frames, Stretch(0, frames), events_in(seen, labels))
    write_labels(
        found,
        {
            "width": width,
            "height": height,
            "label_source": f"drawn, so known exactly: procedural camera, seed {seed}",
            "rule": f"one such thing shows at least {VISIBLE:.2%} of the picture",
            "tolerance_frames": 0,
        },
    )
    return path


def events_in(seen: Sequence[frozenset[str]], labels: Sequence[str] = LABELS) -> tuple[LabelledEvent, ...]:
    """Runs of frames that show a label, in order of their start; `seen` has the labels of each frame."""
    events, since = [], {}
    for number, in_view in enumerate([*seen, frozenset()]):
        for label in labels:
            if label in in_view:
                since.setdefault(label, number)
            elif label in since:
                events.append(LabelledEvent(label, since.pop(label), number))
    return tuple(sorted(events, key=lambda event: (event.start, event.label)))

"""Labelled clips: what is in view when, the pictures themselves, and how their time is divided."""

from rheostat.share.clips.folder import ImageFolder, read_folder, split_by_order
from rheostat.share.clips.labels import (
    LabelledEvent,
    Labels,
    Occurrence,
    find_labels,
    read_labels,
    statistics,
    write_labels,
)
from rheostat.share.clips.split import SHARES, Shares, Split, split_by_time
from rheostat.share.clips.stretches import Stretch, merged, numbers
from rheostat.share.clips.video import frames_in, pictures, write_video

__all__ = [  # noqa: RUF022 - in plain order, as tests/test_public_names.py asks
    "ImageFolder",
    "LabelledEvent",
    "Labels",
    "Occurrence",
    "SHARES",
    "Shares",
    "Split",
    "Stretch",
    "find_labels",
    "frames_in",
    "merged",
    "numbers",
    "pictures",
    "read_folder",
    "read_labels",
    "split_by_order",
    "split_by_time",
    "statistics",
    "write_labels",
    "write_video",
]

"""A folder of pictures per class.

::

    pictures/bus/000.jpg ...             each picture stands for itself
    pictures/train/passage-1/000.jpg ... pictures of one event, which are never divided

The order of the names, numbers by their value, is the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from rheostat.errors import DataError
from rheostat.share.clips.split import SHARES, Split, checked_shares, divided
from rheostat.share.clips.stretches import Stretch
from rheostat.share.frames import Picture

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Pictures sorted into classes.

    Attributes:
        path: The folder.
        classes: Names of its sub-folders, in alphabetical order.
        files: [N], class after class, each in order of time.
        labels: [N], index of each picture's class.
    """

    path: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: npt.NDArray[np.int64]

    def picture(self, number: int) -> Picture:
        """Read one picture, turned upright.

        Raises:
            DataError: The file is no picture.
        """
        try:
            with Image.open(self.files[number]) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{self.files[number]} cannot be read as a picture: {error}: remove or replace it"
            ) from None


def read_folder(path: Path | str) -> ImageFolder:
    """List the pictures of a folder with a sub-folder per class; hidden files and other kinds are left out.

    Raises:
        DataError: There is no such folder, it has fewer than two classes, or one of them has no picture.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} is no folder: give one with a sub-folder of pictures per class")
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{path} has {len(folders)} sub-folders: it takes at least two, one per class")
    found = [_in_order(folder) for folder in folders]
    for folder, files in zip(folders, found, strict=True):
        if not files:
            raise DataError(f"{folder} holds no picture: known are {', '.join(sorted(_SUFFIXES))}")
    labels = np.repeat(np.arange(len(found)), [len(files) for files in found])
    return ImageFolder(path, tuple(f.name for f in folders), tuple(file for files in found for file in files), labels)


def split_by_order(folder: ImageFolder, *, shares: Sequence[float] = SHARES) -> Split:
    """Divide the pictures of every class by their order, as `split_by_time` does with the events of a clip.

    Returns:
        Numbers of pictures, those that `ImageFolder.files` gives them.

    Raises:
        SettingsError: The shares are no such shares.
        DataError: A class has one picture only, or the pictures of one event.
    """
    wanted, parts = checked_shares(shares), []
    for label, name in enumerate(folder.classes):
        of_class = np.flatnonzero(folder.labels == label)
        runs = _events(folder, name, Stretch(int(of_class[0]), int(of_class[-1]) + 1))
        if len(runs) < 2:
            raise DataError(
                f"{folder.path / name} has 1 event of {runs[0].length} pictures: it takes at least 2 to train on one "
                "and judge by another: add pictures"
            )
        places = [Stretch(run.end, run.end) for run in runs[:-1]]
        parts.append(divided(Stretch(runs[0].start, runs[-1].end), places, runs, wanted))
    return Split(
        train=tuple(stretch for part in parts for stretch in part.train),
        validation=tuple(stretch for part in parts for stretch in part.validation),
        held_out=tuple(stretch for part in parts for stretch in part.held_out),
        apart=all(part.apart for part in parts),
    )


def _in_order(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    visible = (file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    return sorted(visible, key=lambda file: [_natural(part) for part in file.relative_to(folder).parts])


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts 2.jpg before 10.jpg; `rheostat.share.node.decoder` has the same."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part], name


def _events(folder: ImageFolder, name: str, whole: Stretch) -> list[Stretch]:
    """Pictures of `whole` that belong together: those of one folder below the class's own, else each by itself."""
    top = folder.path / name
    keys = [file if file.parent == top else file.parent for file in folder.files[whole.start : whole.end]]
    starts = [whole.start]
    for _, group in groupby(keys):
        starts.append(starts[-1] + len(list(group)))
    return [Stretch(start, end) for start, end in pairwise(starts)]

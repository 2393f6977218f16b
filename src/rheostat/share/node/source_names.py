"""What a source is, told from one string."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rheostat.errors import SettingsError
from rheostat.share.node.decoder import PICTURES
from rheostat.share.node.redacted import without_secrets

Kind = Literal["file", "folder", "url", "camera"]


@dataclass(frozen=True)
class SourceName:
    """What a source is: see `parse_source`."""

    name: str
    kind: Kind
    live: bool
    loop: bool

    @property
    def shown(self) -> str:
        """The name without user, password and what a query says, for pages, logs and records."""
        return without_secrets(self.name)


def parse_source(name: str, *, live: bool | None = None, loop: bool = False) -> SourceName:
    """Tell what a source is.

    Args:
        name: Path of a video file or of a folder of pictures (in the order of their names), a URL (`rtsp://...`), a
            webcam by its index (`0`) or device (`/dev/video0`).
        live: True = a file or folder is played at its own rate and frames are dropped, as if it were a camera.
            None = as the kind is: files and folders are not live, URLs and webcams always are.
        loop: A file or folder begins again at its end.

    Raises:
        SettingsError: There is no such file, or an option does not fit the kind.
    """
    kind, name = _kind(name)
    if kind in ("url", "camera"):
        source = SourceName(name, kind, live=True, loop=False)
        if live is False or loop:
            wrong = "live=False" if live is False else "loop"
            raise SettingsError(f"source {source.shown!r} is live: {wrong} is for files and folders; leave it out")
        return source
    return SourceName(name, kind, live=bool(live), loop=loop)


def _kind(name: str) -> tuple[Kind, str]:
    if re.fullmatch(r"\d+", name):
        return "camera", f"/dev/video{name}"
    if re.fullmatch(r"/dev/video\d+", name):
        return "camera", name
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        return "url", name
    path = Path(name)
    if path.is_dir():
        if not any(entry.suffix.lower() in PICTURES for entry in path.iterdir()):
            raise SettingsError(
                f"source {name!r} is a folder without pictures: it must hold {', '.join(PICTURES)} files"
            )
        return "folder", name
    if not path.exists():
        raise SettingsError(
            f"source {name!r} does not exist: give a video file, a folder of pictures, a URL such as rtsp://host/path, "
            f"or the index of a webcam"
        )
    return "file", name

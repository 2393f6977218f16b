"""Files that a document names: looked for in its own folder alone, and used only if they are what was described.

A package or a base may come from a stranger. What it says is data: numbers, names, and networks that onnxruntime runs.
Nothing of it is ever unpickled or imported, no name in it leads out of its folder, and no network in it reads a file
(see `runner.plain`).
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from rheostat.errors import StateError
from rheostat.share.checking import Name


def _in_this_folder(name: str) -> str:
    if name in (".", "..") or any(part in name for part in ("/", "\\", ":")):
        raise ValueError("must be the name of a file in the same folder")
    return name


FileName = Annotated[Name, AfterValidator(_in_this_folder)]
"""Name of a file in the folder of the document: without separators, also those of other systems."""


def inside(folder: Path, name: str) -> Path:
    """The path of a file in a folder.

    Raises:
        StateError: It is no plain file (a device or a pipe would never end), or a link that leads out of the folder.
    """
    path = folder / name
    try:
        found = path.resolve(strict=True)
        plain = stat.S_ISREG(found.stat().st_mode)
    except (OSError, RuntimeError):  # missing, or links in a circle: whoever opens it says so
        return path
    if not plain or not found.is_relative_to(folder.resolve()):
        raise StateError(f"{path} is no plain file inside of its folder: put the file itself there")
    return path


def checked_content(folder: Path, name: str, sha256: str, remedy: str) -> bytes:
    """The content of a file whose hash is known: what was hashed, and not what the file holds a moment later.

    Raises:
        StateError: The file is missing, leads out of its folder, or its content is another.
    """
    path = inside(folder, name)
    try:
        content = path.read_bytes()
    except OSError as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise StateError(f"{path} {why}: {remedy}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise StateError(f"{path} has the hash {found[:12]} and should have {sha256[:12]}: {remedy}")
    return content

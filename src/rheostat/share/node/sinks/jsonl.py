"""A sink that is a file: one JSON object per line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rheostat.records import Journal
from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks.worker import Later, Told


class JsonlSink:
    """Appends every message to a file; a line is on the disk when it counts as told.

    Args:
        path: The file; it and its folder are made if need be.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"jsonl:{path.resolve()}"
        self._path, self._journal = path, Journal(path)

    def tell(self, message: Message) -> Told | Later:
        """Append a line."""
        try:
            self._cut_torn_line()
            self._journal.append(json.loads(message.content))
        except OSError as error:
            return Later(f"{self._path} cannot be written: {error.strerror}")
        return Told()

    def close(self) -> None:
        """Nothing is held open."""

    def _cut_torn_line(self) -> None:
        """Remove what a kill or a full disk left of a line: the next would be glued to it."""
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            end = size = file.seek(0, os.SEEK_END)
            while end > 0:
                file.seek(end - 1)
                if file.read(1) == b"\n":
                    break
                end -= 1
            if end < size:
                file.truncate(end)

"""The process that decodes, seen from the node: started, asked for pictures, killed."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import Any

import numpy as np

from rheostat.share.frames import Picture
from rheostat.share.node import decoder
from rheostat.share.node.decoder import Order

_TOLD_BYTES = 2000  # of what a process that died had to say


class Child:
    """One decoder process and the memory that it shares.

    Args:
        order: What it decodes.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        with contextlib.ExitStack() as opened:  # where there are no processes to be had, it is tried for ever
            self._memory = _memory()
            opened.callback(os.close, self._memory)
            self._pipe, writing = os.pipe()
            opened.callback(os.close, self._pipe)
            try:
                self._said = opened.enter_context(tempfile.TemporaryFile())
                handles = (self._memory, writing)
                self._process = subprocess.Popen(  # noqa: S603 - a program of our own
                    [sys.executable, "-P", decoder.__file__, *map(str, handles)],
                    stdin=subprocess.PIPE,
                    stdout=self._said,
                    stderr=self._said,
                    pass_fds=handles,
                    start_new_session=True,  # Ctrl-C is for the node, which then ends this process
                )
            finally:
                os.close(writing)
            self._handles = opened.pop_all()
        self._tell(json.dumps(asdict(order)).encode() + b"\n")  # the name of a camera may hold its password
        self._map: mmap.mmap | None = None
        self._cell_bytes = 0
        self._rest = b""

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def free(self, cell: int) -> None:
        """Tell the process that a cell may be filled; nothing happens if it is dead."""
        self._tell(bytes([cell]))

    def _tell(self, content: bytes) -> None:
        """Write to the process, which reads at once; nothing happens if it is dead."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), content)

    def message(self, timeout: float) -> dict[str, Any] | None:
        """Wait for the next message.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The message; `{"is": "died", "reason": ...}` if the process is dead; None if the time is over.
        """
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                message = json.loads(line)
                if message["is"] != "memory":
                    return message
                self._cell_bytes = message["cell_bytes"]
                self._map = mmap.mmap(self._memory, self._cell_bytes * self.order.cells, access=mmap.ACCESS_READ)
                continue
            if not _readable(self._pipe, timeout):
                return None
            content = os.read(self._pipe, 65536)
            if not content:
                return {"is": "died", "reason": self._last_words()}
            self._rest += content

    def picture(self, cell: int, height: int, width: int) -> Picture:
        """A copy of the picture in a cell."""
        assert self._map is not None
        size = height * width * 3
        return np.frombuffer(self._map, np.uint8, size, cell * self._cell_bytes).reshape(height, width, 3).copy()

    def close(self) -> None:
        """Kill the process, and give everything back."""
        self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._handles.close()
        if self._map is not None:
            self._map.close()

    def _last_words(self) -> str:
        status = self._process.wait()
        length = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, length - _TOLD_BYTES))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"the decoder {how}" + (f": {lines[-1]}" if lines else "")


def _memory() -> int:
    """A file without a name, which is gone with its last handle."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rheostat-pictures")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _readable(handle: int, timeout: float) -> bool:
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    return bool(waiting.poll(max(0.0, timeout) * 1000))

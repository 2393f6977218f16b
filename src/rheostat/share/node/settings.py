"""What a node can be told: the flags of `rheostat run`, and the keys of its settings file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from rheostat.settings import Settings


class NodeSettings(Settings):
    """Settings of a live node."""

    source: str = Field(description="video file, folder of pictures, URL (rtsp://...), or index of a webcam")
    live: bool = Field(
        default=False, description="play a file at its own rate and drop what is late, as a camera would"
    )
    loop: bool = Field(default=False, description="begin a file again at its end")
    out: Path = Field(Path("rheostat-node"), description="folder of the events, their snapshots and clips")
    cores: int | None = Field(None, ge=1, description="cores for the networks; all but one if left out, at least one")
    budget: float | None = Field(
        None, gt=0, description="most that plans may cost, in core-milliseconds per second; the plan's if left out"
    )
    feedback: bool = Field(default=True, description="live: spend less when behind, and probe upward when idle")
    window_seconds: float = Field(5.0, gt=0, description="live: how often the load is judged")
    watch: Path | None = Field(None, description="folder whose packages are run: apps come and go with them")
    sink: tuple[str, ...] = Field(
        (), description="who is told of events, may be repeated: mqtt://host/prefix, https://..., FILE.jsonl"
    )
    clips: bool = Field(default=True, description="keep a snapshot and a clip of every event")
    pre_seconds: float = Field(5.0, ge=0, description="of a clip, before the event")
    post_seconds: float = Field(5.0, ge=0, description="of a clip, after the event")
    keep_days: float = Field(30.0, gt=0, description="snapshots and clips are removed after that")
    keep_megabytes: float = Field(2000.0, gt=0, description="and the oldest of them beyond that")

    @model_validator(mode="before")
    @classmethod
    def _without_secrets(cls, values: Any) -> Any:
        """Take a single sink for a list of one; what is no text is refused without a word of it: it may be a secret."""
        if isinstance(values, Mapping) and isinstance(values.get("sink"), str):
            values = {**values, "sink": (values["sink"],)}
        if isinstance(values, Mapping) and isinstance(values.get("source"), list | Mapping):
            raise ValueError("source holds several values: it must be one text")
        sinks = values.get("sink", ()) if isinstance(values, Mapping) else ()
        if not isinstance(sinks, list | tuple) or not all(isinstance(sink, str) for sink in sinks):
            raise ValueError('sink must be a list of texts: sink = ["mqtts://user:password@host/prefix"]')
        return values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.watch is not None and not self.watch.is_dir():
            raise ValueError(f"watch is {self.watch}: it must be a folder; make it first")
        return self

    @property
    def cores_used(self) -> int:
        """Cores for the networks."""
        return self.cores or max(1, (os.cpu_count() or 1) - 1)

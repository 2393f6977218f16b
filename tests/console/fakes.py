"""A node without a camera and without networks: it is in the state that a test puts it into."""

from __future__ import annotations

import copy
import functools
import io
import math
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw

from rheostat.console import Kind
from rheostat.errors import InfeasibleError, SettingsError
from rheostat.share.picture import draw_svg
from rheostat.share.plan import as_json
from tests.share.workloads import pair

SIZE = (320, 180)
RATES, CUTS = (4.0, 2.0, 5.0, 1.0), (3, 2, 3, 1)


def scene(second: float) -> Image.Image:
    """A street with one car, somewhere else every second."""
    picture = Image.new("RGB", SIZE, "#9fb4c4")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 96, 320, 180), fill="#5d646b")
    pen.rectangle((0, 60, 90, 100), fill="#8a7f74")
    pen.rectangle((210, 44, 320, 100), fill="#7b8791")
    for left in range(0, 320, 40):
        pen.rectangle((left, 134, left + 20, 137), fill="#d8d4c4")
    left = int(40 * second) % 320 - 30
    pen.rectangle((left, 110, left + 60, 128), fill="#b8354a")
    pen.ellipse((left + 8, 122, left + 22, 136), fill="#1c2733")
    pen.ellipse((left + 40, 122, left + 54, 136), fill="#1c2733")
    return picture


def jpeg(second: float) -> bytes:
    held = io.BytesIO()
    scene(second).save(held, "JPEG", quality=85)
    return held.getvalue()


def write_clip(path: Path) -> None:
    """Two seconds of the street, as H.264."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.asarray(scene(number / 10)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


class FakeNode:
    """Implements `LiveNode`; a test changes `source`, `budget` and `apps`, and calls `sample`, `begin`, `end`."""

    def __init__(self, folder: Path, *names: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.now, self.frames = 0.0, 0
        self.budget: dict[str, Any] = {
            "now": 120.0,
            "ceiling": 200.0,
            "floor": 10.0,
            "used": 101.3,
            "unit": "core-ms/s",
            "cores": 1,
            "state": "steady",
        }
        self.source = {"name": "crossing.mp4", "state": "running", "reason": "", "since_s": 12.0, "live": True}
        self.source |= {"restarts": 0, "frames_dropped": 3, "corrupt": 0, "fps": 9.9}
        self.apps: dict[str, dict[str, Any]] = {}
        self.found: list[dict[str, Any]] = []
        self.plan_number = 0
        self.asked: list[tuple[str, Any]] = []
        for name in names:
            self._join(name)

    def _join(self, name: str) -> None:
        at = len(self.apps)
        fps, frozen = RATES[at % 4], CUTS[at % 4]
        app: dict[str, Any] = {"name": name, "state": "waiting", "since": 0.0, "score": None, "threshold": 0.5}
        app |= {"votes": 2, "streak": 0, "frozen": frozen, "planned_fps": fps, "achieved_fps": 0.97 * fps}
        app |= {"f1": 0.9, "events": 0, "timeline": []}
        self.apps[name] = app
        self._plan()

    def _plan(self) -> None:
        self.plan_number += 1
        if not (apps := list(self.apps.values())):
            return
        self.pair = pair(
            [app["frozen"] for app in apps],
            [app["planned_fps"] for app in apps],
            names=[app["name"] for app in apps],
            votes=2,
        )

    def sample(self, name: str, *scores: float) -> None:
        """Let an app look at one frame per score, at the rate that it gets; its state follows by the votes."""
        with self._lock:
            app = self.apps[name]
            time = app["timeline"][-1][0] if app["timeline"] else self.now
            for score in scores:
                time += 1 / app["achieved_fps"]
                app["streak"] = app["streak"] + 1 if score >= app["threshold"] else 0
                app["timeline"] = [*app["timeline"], [time, score, app["streak"]]][-120:]
                state = "event" if app["streak"] >= app["votes"] else "candidate" if app["streak"] else "quiet"
                if state != app["state"]:
                    app["state"], app["since"] = state, time
            app["score"] = scores[-1]
            self.now = max(self.now, time)
            self.frames += len(scores)

    def begin(self, name: str, *, wall: str = "2026-03-01T09:30:00Z", note: str = "", snapshot: bool = True) -> str:
        """Open an event of an app; gives its id."""
        number = str(len(self.found) + 1)
        event: dict[str, Any] = {
            "id": number,
            "app": name,
            "start": self.now,
            "end": None,
            "state": "open",
            "note": note,
        }
        event |= {"wall": wall, "peak": 0.97, "peak_time": self.now, "hits": 7, "snapshot": snapshot, "clip": False}
        with self._lock:
            self.found.append(event)
            self.apps[name]["events"] += 1
        return number

    def end(self, event: str, *, state: str = "closed") -> None:
        """Close an event; its clip is there."""
        with self._lock:
            found = self.found[int(event) - 1]
            found |= {"end": found["start"] + 1.9, "state": state, "clip": True}

    # ---- what the console calls

    def status(self) -> dict[str, Any]:
        with self._lock:
            told = {"version": "0.1.0", "uptime_s": 7384.0, "stream_fps": 10.0, "budget": self.budget}
            told |= {"source": self.source | {"frames_in": self.frames}, "frames": {"analysed": 80, "skipped": 2}}
            told |= {"latency_ms": {"p50": 20.0, "p95": 35.0, "p99": 51.0}, "plan_number": self.plan_number}
            told |= {"plan": as_json(self.pair[1]) if self.apps else None, "apps": list(self.apps.values())}
            return copy.deepcopy(told)

    def picture(self) -> bytes | None:
        return jpeg(self.now) if self.frames else None

    def events(self, *, app: str | None = None, before: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        with self._lock:
            newest = [event for event in reversed(self.found) if app in (None, event["app"])]
            return [dict(event) for event in newest if before is None or int(event["id"]) < int(before)][:limit]

    def evidence(self, event: str, kind: Kind) -> Path | None:
        found = next((known for known in self.found if known["id"] == event), None)
        if found is None or not found[kind]:
            return None
        path = self._folder / f"{event}.{'jpg' if kind == 'snapshot' else 'mp4'}"
        if not path.exists():
            path.write_bytes(jpeg(found["start"]) if kind == "snapshot" else _clip())
        return path

    def tree_svg(self) -> str:
        return draw_svg(*self.pair)

    def metrics(self) -> bytes:
        return b"# TYPE rheostat_frames_total counter\nrheostat_frames_total 80.0\n"

    def package_folders(self) -> tuple[Path, ...]:
        return (Path("/srv"),)

    def add_app(self, folder: Path) -> str:
        self.asked.append(("add", folder))
        if not folder.name.startswith("package"):
            raise SettingsError(f"{folder} is not a package: it has no package.json")
        self._join(folder.name)
        return folder.name

    def remove_app(self, name: str) -> None:
        self.asked.append(("remove", name))
        if name not in self.apps:
            raise SettingsError(f"there is no app {name!r} to remove: there are {', '.join(self.apps)}")
        del self.apps[name]
        self._plan()

    def set_budget(self, budget: float) -> None:
        self.asked.append(("budget", budget))
        if budget < 10:
            raise InfeasibleError(f"no plan fits a budget of {budget:g}: the least is 10", least=10)
        self.budget["ceiling"] = budget


@functools.cache
def _clip() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_clip(path := Path(folder) / "clip.mp4")
        return path.read_bytes()


def wave(samples: int, *, high: float = 0.3, low: float = 0.04) -> list[float]:
    """Scores that go up and down a little, below the threshold."""
    return [low + (high - low) * (0.5 + 0.5 * math.sin(1.7 * at) * math.cos(0.31 * at)) for at in range(samples)]

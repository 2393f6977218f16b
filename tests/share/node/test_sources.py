"""The logic of a source, with decoders and a clock that are made up; real decoders are in test_decoding.py."""

import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.frames import Picture
from rheostat.share.node.backoff import wait_before
from rheostat.share.node.decoder import Counts, Order
from rheostat.share.node.sources import Patience, Phase, Source, SourceCounts, SourceName, parse_source
from tests.share.node.videos import write_folder, write_video

CAMERA = SourceName("rtsp://camera/1", "url", live=True, loop=False)
FILE = SourceName("clip.mp4", "file", live=False, loop=False)
PATIENCE = Patience(open_seconds=8.0, read_seconds=5.0, first_wait=1.0, longest_wait=10.0, attempts=3)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0  # as `time.sleep` would
        self.now += seconds


class Child:
    """A decoder that says what is put into `says`: messages, or seconds in which it says nothing."""

    def __init__(self, order: Order, clock: Clock, says: list[dict[str, Any] | float]) -> None:
        self.order, self.clock, self.says = order, clock, says
        self.begun = clock.now
        self.freed: list[int] = []
        self.closed = False

    def free(self, cell: int) -> None:
        self.freed.append(cell)

    def message(self, timeout: float) -> dict[str, Any] | None:
        while self.says and isinstance(self.says[0], float):
            silent = self.says[0]
            if silent > timeout:
                self.says[0] = silent - timeout
                break
            self.clock.now += silent
            timeout -= silent
            self.says.pop(0)
        if not self.says or isinstance(self.says[0], float):
            self.clock.now += max(0.0, timeout)
            return None
        said = self.says.pop(0)
        assert isinstance(said, dict)
        return said

    def picture(self, cell: int, height: int, width: int) -> Picture:
        return np.zeros((height, width, 3), np.uint8)

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def frame(slot: int, *, cell: int = 0, position: int | None = None, **counts: float) -> dict[str, Any]:
    seconds = slot / 10
    where = {"position": slot if position is None else position, "offset": 0.0, "seconds": seconds, "slot": slot}
    size = {"height": 2, "width": 4, "arrived": 0.0, "clock": 50.0 + seconds}
    return {"is": "frame", "cell": cell, **where, **size, "counts": {**asdict(Counts()), **counts}}


def failed(reason: str, **counts: float) -> dict[str, Any]:
    return {"is": "failed", "reason": reason, "counts": {**asdict(Counts()), **counts}}


Made = Callable[..., tuple[Source, list[Child], Clock]]


@pytest.fixture
def made() -> Made:
    def make(name: SourceName, *scripts: list[Any]) -> tuple[Source, list[Child], Clock]:
        clock, children, waiting = Clock(), [], list(scripts)

        def launch(order: Order) -> Child:
            children.append(Child(order, clock, waiting.pop(0) if waiting else []))
            return children[-1]

        source = Source(
            name,
            stream_fps=10,
            patience=PATIENCE,
            generator=random.Random(0),
            launch=launch,
            clock=clock,
            wall=clock,
            sleep=clock.sleep,
        )
        return source, children, clock

    return make


def slots(source: Source, reads: int, timeout: float = 60.0) -> list[int | None]:
    given = [source.read(timeout) for _ in range(reads)]
    return [None if frame is None else frame.slot for frame in given]


def test_a_live_source_asks_for_one_picture_at_a_time(made: Made) -> None:
    source, children, _ = made(CAMERA, [frame(0), frame(3)])
    assert children == []
    assert slots(source, 1) == [0]
    assert children[0].freed == [0]
    assert slots(source, 1) == [3]
    assert children[0].freed == [0, 0]
    assert children[0].order.cells == 1


def test_asking_again_after_a_time_out_asks_the_decoder_once(made: Made) -> None:
    source, children, _ = made(CAMERA, [frame(0), 3.0, frame(1)])
    assert slots(source, 4, timeout=1.0) == [0, None, None, 1]
    assert children[0].freed == [0, 0]


def test_a_file_has_all_cells_and_gives_each_back(made: Made) -> None:
    source, children, _ = made(FILE, [frame(0, cell=0), frame(1, cell=1), {"is": "ended", "counts": asdict(Counts())}])
    assert slots(source, 3) == [0, 1, None]
    assert children[0].freed == [0, 1, 2, 3, 0, 1]
    assert (source.state.phase, source.state.over, children[0].closed) == (Phase.ENDED, True, True)


def test_a_source_that_fails_is_opened_again_after_waits_that_grow(made: Made) -> None:
    source, children, clock = made(CAMERA, *[[failed(f"refused {n}")] for n in range(6)], [frame(0)])
    begun = clock.now
    assert source.read(0.0) is None
    assert (source.state.phase, source.state.reason) == (Phase.FAILED, "refused 0")
    starts = [begun]
    while source.state.phase is not Phase.RUNNING:
        before = len(children)
        source.read(0.05)
        if len(children) > before:
            starts.append(clock.now)
    waits = np.diff(starts)
    bounds = np.array([1.0, 2.0, 4.0, 8.0, 10.0, 10.0])
    assert len(waits) == 6
    assert (waits >= bounds / 2 - 1e-9).all()
    assert (waits <= bounds + 0.1).all()
    assert source.counts.restarts == 6
    assert all(child.closed for child in children[:-1])


def test_waits_are_spread_and_bounded() -> None:
    generator = random.Random(0)
    waits = [wait_before(n, 1.0, 10.0, generator) for n in (1, 1, 2, 3, 50, 5000)]
    assert len(set(waits)) == len(waits)
    assert all(b / 2 <= wait <= b for wait, b in zip(waits, (1, 1, 2, 4, 10, 10), strict=True))


def test_a_wait_that_is_over_while_it_is_reckoned_is_none() -> None:
    class Passing(Clock):
        def __call__(self) -> float:
            self.now += 0.3  # a busy box
            return self.now

    clock, slept = Passing(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.sleep(seconds)

    def launch(order: Order) -> Child:
        return Child(order, clock, [failed("refused")])

    with Source(
        CAMERA, stream_fps=10, patience=PATIENCE, launch=launch, clock=clock, wall=clock, sleep=sleep
    ) as source:
        for _ in range(50):
            source.read(1.0)
    assert min(slept) == 0


def test_the_reason_stays_while_it_connects_and_goes_when_it_runs(made: Made) -> None:
    source, _, _ = made(CAMERA, [failed("refused")], [2.0, frame(0)])
    source.read(0.0)
    source.read(1.1)
    assert (source.state.phase, source.state.reason) == (Phase.CONNECTING, "refused")
    assert slots(source, 1) == [0]
    assert (source.state.phase, source.state.reason) == (Phase.RUNNING, "")


def test_silence_is_a_stall(made: Made) -> None:
    source, children, clock = made(CAMERA, [frame(0), 100.0], [frame(70)])
    source.read(1.0)
    begun = clock.now
    assert source.read(4.9) is None
    assert source.state.phase is Phase.RUNNING
    assert source.read(0.2) is None
    assert (source.state.phase, source.state.reason) == (Phase.STALLED, "nothing came for 5 s")
    assert clock.now - begun == pytest.approx(5.1)
    assert children[0].closed
    given = source.read(60.0)
    assert given is not None
    assert (given.slot, given.gap) == (70, True)


def test_signs_of_life_are_no_stall(made: Made) -> None:
    alive = {"is": "alive", "counts": asdict(Counts())}
    source, children, _ = made(CAMERA, [frame(0), 4.0, alive, 4.0, alive, 4.0, frame(1)])
    assert slots(source, 2) == [0, 1]
    assert len(children) == 1


def test_a_reader_that_pauses_is_no_stall(made: Made) -> None:
    source, children, clock = made(CAMERA, [frame(0), 0.5, frame(99)])
    source.read(1.0)
    clock.now += 1000.0
    assert slots(source, 1) == [99]
    assert len(children) == 1


def test_opening_has_its_own_patience(made: Made) -> None:
    source, _, _ = made(CAMERA, [7.9, frame(0)])
    assert slots(source, 1) == [0]
    source, _, _ = made(CAMERA, [8.1, frame(0)], [frame(1)])
    assert slots(source, 1) == [1]


def test_after_an_interruption_the_next_process_knows_where_time_was(made: Made) -> None:
    source, children, _ = made(CAMERA, [frame(0), frame(7), failed("gone")], [frame(30), frame(31)])
    given = [source.read(60.0) for _ in range(4)]
    assert [(f.slot, f.gap, f.number) for f in given if f] == [
        (0, False, 0),
        (7, False, 1),
        (30, True, 2),
        (31, False, 3),
    ]
    order = children[1].order
    assert (order.last_seconds, order.last_clock, order.last_slot) == (0.7, 50.7, 7)


def test_a_file_goes_on_with_the_next_frame_and_has_no_gap(made: Made) -> None:
    died = {"is": "died", "reason": "the decoder was killed by signal 9"}
    source, children, _ = made(FILE, [frame(0), {**frame(1, position=3), "offset": 40.0}, died], [frame(2, position=6)])
    given = [source.read(60.0) for _ in range(3)]
    assert [(f.position, f.gap) for f in given if f] == [(0, False), (3, False), (6, False)]
    assert (children[1].order.offset, children[1].order.last_slot) == (40.0, 1)


def test_a_file_that_gives_nothing_more_is_given_up(made: Made) -> None:
    bad = [failed("moov atom not found")]
    source, children, _ = made(FILE, list(bad), list(bad), list(bad))
    assert slots(source, 2) == [None, None]
    assert (source.state.phase, source.state.over, source.state.reason) == (Phase.FAILED, True, "moov atom not found")
    assert (len(children), source.counts.restarts) == (3, 2)


def test_a_camera_is_never_given_up(made: Made) -> None:
    source, _, _ = made(CAMERA, *[[failed("no route")] for _ in range(50)], [frame(0)])
    assert slots(source, 1, timeout=1e6) == [0]


def test_waits_begin_anew_only_after_a_while_of_running(made: Made) -> None:
    flaky = [[frame(n), failed("flaky")] for n in range(4)]
    long = [4.0, frame(50), 4.0, frame(90), 4.0, frame(130), failed("after twelve seconds")]
    source, children, _ = made(CAMERA, *flaky, list(long), [frame(200)])
    slots(source, 8)
    waits = np.diff([child.begun for child in children])
    assert (waits[:4] >= np.array([0.5, 1.0, 2.0, 4.0])).all()  # though each time a frame came
    assert waits[4] - 12.0 <= 1.0


def test_counts_add_up_over_processes(made: Made) -> None:
    first = frame(0, decoded=5, between=4, corrupt=1, cpu_seconds=0.25)
    second = frame(9, decoded=7, between=2, dropped=3, cpu_seconds=0.5)
    source, _, _ = made(CAMERA, [first, failed("x", decoded=6, between=4, corrupt=1, cpu_seconds=0.3)], [second])
    slots(source, 1)
    assert source.counts.decoded == 5
    slots(source, 1)
    counts = SourceCounts(decoded=13, between=6, given=2, dropped=3, corrupt=1, restarts=1, cpu_seconds=0.8)
    assert source.counts == counts


def test_close_ends_the_process_and_says_so(made: Made) -> None:
    source, children, _ = made(CAMERA, [frame(0)])
    with source:
        source.read(1.0)
    assert children[0].closed
    assert (source.state.phase, source.state.over) == (Phase.ENDED, True)
    assert source.read(1.0) is None
    source.close()


def test_a_process_that_cannot_be_started_is_tried_again() -> None:
    clock, tries = Clock(), []

    def launch(order: Order) -> Child:
        tries.append(order)
        if len(tries) == 1:
            raise OSError(12, "Cannot allocate memory")
        return Child(order, clock, [frame(0)])

    source = Source(CAMERA, stream_fps=10, patience=PATIENCE, launch=launch, clock=clock, wall=clock, sleep=clock.sleep)
    assert source.read(0.0) is None
    assert "Cannot allocate memory" in source.state.reason
    assert slots(source, 1) == [0]


def test_names_of_sources(tmp_path: Path) -> None:
    video, folder = write_video(tmp_path / "a.mp4", 2), write_folder(tmp_path / "pictures")
    assert parse_source("0") == SourceName("/dev/video0", "camera", live=True, loop=False)
    assert parse_source("/dev/video2") == SourceName("/dev/video2", "camera", live=True, loop=False)
    assert parse_source("rtsp://u:p@h/1") == SourceName("rtsp://u:p@h/1", "url", live=True, loop=False)
    assert parse_source(str(video)) == SourceName(str(video), "file", live=False, loop=False)
    assert parse_source(str(video), live=True, loop=True) == SourceName(str(video), "file", live=True, loop=True)
    assert parse_source(str(folder)) == SourceName(str(folder), "folder", live=False, loop=False)


def test_a_name_is_shown_without_its_password() -> None:
    assert parse_source("rtsp://user:p@ss@host:554/a@b").shown == "rtsp://host:554/a@b"
    assert parse_source("rtsp://user:pass@host/a").shown == "rtsp://host/a"
    assert parse_source("rtsp://host/a@b").shown == "rtsp://host/a@b"
    with pytest.raises(SettingsError) as refused:
        parse_source("rtsp://user:secret@host/a", loop=True)
    assert "secret" not in str(refused.value)


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'nothing\.mp4' does not exist: give a video file"):
        parse_source("nothing.mp4")
    with pytest.raises(SettingsError, match="folder without pictures"):
        parse_source(str(tmp_path))
    with pytest.raises(SettingsError, match="is live: loop is for files"):
        parse_source("rtsp://h/1", loop=True)
    with pytest.raises(SettingsError, match="is live: live=False is for files"):
        parse_source("0", live=False)
    with pytest.raises(SettingsError, match="stream_fps is 0"):
        Source(CAMERA, stream_fps=0)

"""Sources with real decoder processes."""

import gc
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rheostat.share.clips import read_folder
from rheostat.share.node import child as child_module
from rheostat.share.node import decoder
from rheostat.share.node.child import Child
from rheostat.share.node.decoder import Order, Outlet, advance, slot_of
from rheostat.share.node.sources import Frame, Patience, Phase, Source, parse_source
from tests.share.node.rtsp import pictures_of, showing
from tests.share.node.videos import number_of, picture, write_corrupted, write_folder, write_video

SOON = Patience(open_seconds=10.0, read_seconds=10.0, first_wait=0.02, longest_wait=0.05)


def all_of(source: Source) -> list[Frame]:
    frames = []
    while not source.state.over:
        frame = source.read(20.0)
        if frame is not None:
            frames.append(frame)
    return frames


def until(source: Source, enough: Callable[[Frame], bool], seconds: float = 20.0) -> list[Frame]:
    frames, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        frame = source.read(1.0)
        if frame is not None:
            frames.append(frame)
            if enough(frame):
                return frames
    raise AssertionError(f"not within {seconds} s; {source.state}; {len(frames)} frames")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "video.mp4")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No process, handle or thread outlives a source; those of tests before this one may end meanwhile."""

    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    def handles() -> int:
        gc.collect()  # what tests before this one left to the collector is not of this one
        return len(list(Path("/proc/self/fd").iterdir()))

    before = handles(), children(), set(threading.enumerate())
    yield
    more, born, begun = handles() - before[0], children() - before[1], set(threading.enumerate()) - before[2]
    assert (max(more, 0), born, begun) == (0, set(), set())


def test_a_file_gives_every_frame_however_slow_the_reader(video: Path) -> None:
    with Source(str(video), stream_fps=10) as source:
        first = source.read(20.0)
        time.sleep(0.3)  # the decoder has long filled its memory
        frames = [first, *all_of(source)]
    assert [number_of(frame.picture) for frame in frames if frame] == list(range(30))
    assert [frame.slot for frame in frames if frame] == list(range(30))
    assert [frame.seconds for frame in frames if frame] == pytest.approx([n / 10 for n in range(30)])
    assert (source.state.phase, source.counts.decoded, source.counts.dropped) == (Phase.ENDED, 30, 0)
    assert source.counts.cpu_seconds > 0


def test_pictures_are_those_that_av_gives(video: Path) -> None:
    with av.open(str(video)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Source(str(video), stream_fps=10) as source:
        frames = all_of(source)
    assert all(np.array_equal(frame.picture, one) for frame, one in zip(frames, expected, strict=True))
    frames[0].picture[:] = 0  # the reader's own


def test_of_every_slot_the_first_frame_is_given(video: Path) -> None:
    with Source(str(video), stream_fps=4) as source:
        frames = all_of(source)
    assert [frame.position for frame in frames] == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]
    assert [frame.slot for frame in frames] == list(range(12))
    assert source.counts.between == 18


def test_times_rounded_by_a_container_keep_their_slots() -> None:
    assert [slot_of(round(n / 30, 3), 30) for n in range(300)] == list(range(300))
    assert [slot_of(n * 0.1, 10) for n in range(300)] == list(range(300))
    assert slot_of(0.19, 10) == 1


@pytest.mark.parametrize(
    ("step", "elapsed", "expected"),
    [
        (0.1, None, 5.1),  # a file's own time
        (-3.0, None, 5.2),  # which went backwards
        (None, None, 5.2),
        (0.1, 0.13, 5.1),  # a camera's own time, when the clock agrees
        (900.0, 0.1, 5.1),  # which jumped
        (-900.0, 0.1, 5.1),
        (None, 0.3, 5.3),
        (None, 0.0, 5.002),  # never stands still
    ],
)
def test_time_goes_on_as_the_camera_says_where_that_can_be_believed(
    step: float | None, elapsed: float | None, expected: float
) -> None:
    assert advance(5.0, step, elapsed, 0.2) == pytest.approx(expected)


def test_a_file_may_begin_again_for_ever(video: Path) -> None:
    with Source(parse_source(str(video), loop=True), stream_fps=10) as source:
        frames = [source.read(20.0) for _ in range(65)]
    assert [number_of(frame.picture) for frame in frames if frame] == [n % 30 for n in range(65)]
    assert [frame.slot for frame in frames if frame] == list(range(65))


def test_a_killed_decoder_of_a_file_loses_no_frame(video: Path) -> None:
    with Source(parse_source(str(video), loop=True), stream_fps=10, patience=SOON) as source:
        frames = [source.read(20.0) for _ in range(40)]
        kill(source)
        frames += [source.read(20.0) for _ in range(10)]
        assert source.counts.restarts == 1
    assert [frame.slot for frame in frames if frame] == list(range(50))
    assert [number_of(frame.picture) for frame in frames if frame] == [n % 30 for n in range(50)]
    assert [frame.seconds for frame in frames if frame] == pytest.approx([n / 10 for n in range(50)])
    assert not any(frame.gap for frame in frames if frame)


def test_a_paced_file_gives_the_newest_frame_and_counts_the_others(video: Path) -> None:
    with Source(parse_source(str(video), live=True), stream_fps=10) as source:
        first = source.read(20.0)
        time.sleep(0.75)
        second = source.read(5.0)
        assert first is not None
        assert second is not None
        assert second.slot >= 3
        assert number_of(second.picture) == second.slot
        assert source.counts.dropped == second.slot - 1
        assert second.clock - first.clock == pytest.approx(second.seconds - first.seconds, abs=0.3)


def test_a_camera_that_is_killed_goes_on_later_with_a_gap(video: Path) -> None:
    with Source(parse_source(str(video), live=True, loop=True), stream_fps=10, patience=SOON) as source:
        first = until(source, lambda frame: frame.number == 2)[-1]
        kill(source)
        second, third = (source.read(20.0) for _ in range(2))
        assert second is not None
        assert third is not None
        assert (second.gap, third.gap) == (True, False)
        assert second.seconds - first.seconds == pytest.approx(second.clock - first.clock, abs=0.3)
        assert third.slot > second.slot > first.slot
        assert "killed by signal 9" not in source.state.reason  # it runs again
        assert source.counts.restarts == 1


def test_corrupt_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    bad = write_corrupted(tmp_path / "bad.mp4", [7, 12, 13])
    with Source(str(bad), stream_fps=10) as source:
        frames = all_of(source)
    assert source.state.phase is Phase.ENDED
    assert source.counts.corrupt >= 3
    assert 20 <= len(frames) <= 27
    assert [frame.slot for frame in frames][-1] == 29
    assert [frame.slot for frame in frames] == [round(frame.seconds * 10) for frame in frames]
    assert number_of(frames[-1].picture) == 29


def test_a_frame_that_the_decoder_had_to_guess_is_not_given(tmp_path: Path) -> None:
    with Source(str(write_corrupted(tmp_path / "torn.mp4", [], torn=[3, 17])), stream_fps=10) as source:
        slots = [frame.slot for frame in all_of(source)]
    assert slots == [slot for slot in range(30) if slot not in (3, 17)]
    assert source.counts.corrupt == 2


def test_a_file_that_is_no_video_fails_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video")
    with Source(str(tmp_path / "text.mp4"), stream_fps=10, patience=SOON) as source:
        assert all_of(source) == []
    assert (source.state.phase, source.counts.restarts) == (Phase.FAILED, 2)
    assert "Invalid data" in source.state.reason


def test_a_camera_file_that_goes_and_returns(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mp4", 3)
    with Source(parse_source(str(path), live=True, loop=True), stream_fps=10, patience=SOON) as source:
        until(source, lambda frame: frame.number == 1)
        path.rename(tmp_path / "away.mp4")
        while not source.state.reason:
            source.read(0.1)
        assert source.state.reason == "No such file or directory"
        (tmp_path / "away.mp4").rename(path)
        assert until(source, lambda frame: frame.gap)[-1].seconds > 0.2


def test_a_folder_gives_its_pictures_in_order_of_any_size(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", 8)
    (folder / "notes.txt").write_text("no picture")
    (folder / "003.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with Source(str(folder), stream_fps=2) as source:
        frames = all_of(source)
    assert [number_of(frame.picture) for frame in frames] == [0, 1, 2, 4, 5, 6, 7]
    assert [frame.picture.shape[1] for frame in frames] == [64 + 40 * n for n in (0, 1, 2, 4, 5, 6, 7)]
    assert [frame.seconds for frame in frames] == pytest.approx([n / 2 for n in (0, 1, 2, 4, 5, 6, 7)])
    assert (source.counts.corrupt, source.state.phase) == (1, Phase.ENDED)


def test_a_folder_is_served_as_it_is_trained_on(tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "class"
    folder.mkdir(parents=True)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    names = ("10.png", "2.png", "\N{SUPERSCRIPT TWO}1.png", "1.gif", "02.png", ".hidden.png", "B.png", "a.png")
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(folder / name, exif=turned)
    (tmp_path / "pictures" / "other").mkdir()
    Image.fromarray(picture(20)).save(tmp_path / "pictures" / "other" / "1.png")
    trained = read_folder(tmp_path / "pictures")
    expected = [trained.picture(number) for number in np.flatnonzero(trained.labels == 0).tolist()]
    with Source(str(folder), stream_fps=10) as source:
        served = [frame.picture for frame in all_of(source)]
    assert [number_of(one) for one in expected] == [7, 6, 2, 3, 4, 1, 0]
    assert all(np.array_equal(one, other) for one, other in zip(served, expected, strict=True))
    assert served[0].shape == (64, 48, 3)  # upright


@contextmanager
def serving(content: bytes, *, port: int = 0, break_after: int | None = None) -> Iterator[int]:
    """Serve a stream on loopback; after so many bytes the connection breaks."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(content[:break_after])

        def log_message(self, *_: Any) -> None:
            pass

    class Server(http.server.HTTPServer):
        allow_reuse_address = True

        def handle_error(self, *_: Any) -> None:  # the client may go at any time
            pass

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_network_stream_that_dies_and_returns(tmp_path: Path) -> None:
    content = write_video(tmp_path / "stream.ts").read_bytes()
    with serving(content, break_after=len(content) // 2) as port:
        source = Source(f"http://127.0.0.1:{port}/live", stream_fps=10, patience=SOON)
        frames = until(source, lambda frame: frame.number == 0)
    while "refused" not in source.state.reason:
        frames += [frame for frame in [source.read(0.05)] if frame]
    assert source.state.phase in (Phase.FAILED, Phase.CONNECTING)
    with serving(content, port=port):
        frames += until(source, lambda frame: frame.gap)
        frames += until(source, lambda frame: frame.number > frames[-1].number + 5)
    source.close()
    times = [frame.seconds for frame in frames]
    assert all(before < after for before, after in pairwise(times))
    assert source.counts.restarts >= 2


def test_a_server_that_says_nothing_is_a_stall(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        patience = Patience(open_seconds=0.6, read_seconds=0.6, first_wait=5.0)
        with Source(f"http://127.0.0.1:{server.getsockname()[1]}/", stream_fps=10, patience=patience) as source:
            while source.state.phase is Phase.CONNECTING:
                assert source.read(0.1) is None
            assert source.state.phase in (Phase.STALLED, Phase.FAILED)
            assert source.state.reason


def test_an_rtsp_camera_that_falls_silent_and_returns(tmp_path: Path) -> None:
    pictures = pictures_of(write_video(tmp_path / "video.h264"))
    patience = Patience(open_seconds=10.0, read_seconds=0.7, first_wait=0.02, longest_wait=0.05)
    with showing(pictures, silent_after=80) as camera:
        source = Source(camera.url, stream_fps=25, patience=patience)
        frames = until(source, lambda frame: frame.slot >= 30)
        while not source.state.reason:
            frames += [frame for frame in [source.read(0.05)] if frame]
    assert camera.shown == 80
    with source, showing(pictures, port=camera.port):
        frames += until(source, lambda frame: frame.gap)
        frames += until(source, lambda frame: frame.number > frames[-1].number + 5)
    assert all(0 <= number_of(frame.picture) < 30 for frame in frames)
    assert all(before.slot < after.slot for before, after in pairwise(frames))


def test_a_decoder_ends_with_its_node(video: Path) -> None:
    program = (
        "import os, signal, sys; from rheostat.share.node.sources import Source\n"
        "source = Source(sys.argv[1], stream_fps=10)\n"
        "source.read(20.0); print(source._child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(video)], capture_output=True, text=True)
    process = Path(f"/proc/{int(done.stdout)}")
    end = time.monotonic() + 5.0
    while running(process) and time.monotonic() < end:
        time.sleep(0.02)
    assert not running(process)


def running(process: Path) -> bool:
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_decoder_that_breaks_says_why(video: Path) -> None:
    child = Child(Order(str(video), "file", stream_fps=0.0, cells=1))  # as if the program had a fault
    child.free(0)
    said = {"is": "alive"}
    while said is not None and said["is"] not in ("died", "failed", "ended"):
        said = child.message(20.0)
    child.close()
    assert said is not None
    assert said["is"] == "died"
    assert "ended with status 1: ZeroDivisionError" in said["reason"]


def test_a_fault_in_the_thread_that_listens_ends_the_decoder_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Ended(BaseException):
        pass

    class Broken(Outlet):
        def credit(self, cell: int) -> None:
            raise MemoryError(f"no room for cell {cell}")

    def ended(status: int) -> None:
        raise Ended(status)

    reading, writing = os.pipe()
    os.write(writing, b"\x07")
    os.close(writing)
    monkeypatch.setattr(os, "_exit", ended)
    with os.fdopen(reading) as told:
        monkeypatch.setattr(sys, "stdin", told)
        with pytest.raises(Ended) as how:
            decoder._listen(Broken(0, 0, Order("x", "file")))
    assert how.value.args == (1,)
    assert capsys.readouterr().err.endswith("MemoryError: no room for cell 7\n")


def test_a_process_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(child_module.subprocess, "Popen", none_left)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            Child(Order("x", "file"))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_the_decoder_imports_nothing_of_rheostat() -> None:
    program = (
        "import sys, runpy; from pathlib import Path\n"
        "runpy.run_path(sys.argv[1], run_name='looked at')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'rheostat', 'torch', 'pydantic', 'typer'}))"
    )
    path = Path(sys.modules["rheostat.share.node.decoder"].__file__ or "")
    done = subprocess.run([sys.executable, "-P", "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def kill(source: Source) -> None:
    child = source._child
    assert isinstance(child, Child)
    os.kill(child.pid, signal.SIGKILL)

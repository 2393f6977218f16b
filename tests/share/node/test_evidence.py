import errno
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rheostat.errors import SettingsError
from rheostat.records import write_bytes
from rheostat.share.frames import Picture
from rheostat.share.node.clip import as_jpeg, as_mp4
from rheostat.share.node.evidence import Evidence, Written
from rheostat.share.node.recorder import NOTICE_SECONDS, EvidenceRule, Recorder
from tests.share.node.videos import number_of, picture

RULE = EvidenceRule(pre_seconds=1.0, post_seconds=0.5, longest_seconds=3.0, fps=10.0)


def shown(content: bytes) -> list[tuple[float, int]]:
    """Times and numbers of the pictures of a video."""
    with av.open(io.BytesIO(content)) as container:
        frames = list(container.decode(video=0))
    return [(float(frame.time or 0), number_of(frame.to_ndarray(format="rgb24"))) for frame in frames]


def seen(recorder: Recorder, seconds: list[float]) -> list[tuple[str, list[float]]]:
    clips = [clip for at in seconds for clip in recorder.see(at, b"%f" % at)]
    return [(clip.event, [at for at, _ in clip.pictures]) for clip in clips]


def test_a_clip_has_what_was_before_and_after() -> None:
    recorder = Recorder(RULE)
    assert seen(recorder, [n / 10 for n in range(30)]) == []
    recorder.begin("e", 2.5)  # at 2.9, after its votes
    assert seen(recorder, [3.0, 3.1]) == []
    recorder.end("e", 3.1)
    ((event, times),) = seen(recorder, [3.2, 3.4, 3.6, 3.7])
    assert event == "e"
    assert times == pytest.approx([n / 10 for n in range(15, 30)] + [3.0, 3.1, 3.2, 3.4, 3.6])


def test_a_clip_of_a_long_event_is_cut_and_given_at_once() -> None:
    recorder = Recorder(RULE)
    recorder.see(0.0, b"")
    recorder.begin("e", 0.0)
    ((_, times),) = seen(recorder, [float(n) for n in range(1, 10)])
    assert times == [0.0, 1.0, 2.0, 3.0]
    recorder.end("e", 9.0)
    assert recorder.finish() == []


def test_an_event_of_the_last_moment_is_given_as_it_is() -> None:
    recorder = Recorder(RULE)
    recorder.see(0.0, b"x")
    recorder.begin("e", 0.0)
    assert [clip.pictures for clip in recorder.finish()] == [((0.0, b"x"),)]
    assert recorder.finish() == []


def test_memory_is_bounded_and_events_share_it() -> None:
    recorder = Recorder(RULE)
    peak = 0
    for number in range(2000):
        recorder.see(number / 10, bytes(1000))
        if number % 7 == 0:
            recorder.begin(f"e{number}", number / 10)  # none of them ever ends
        peak = max(peak, recorder.memory)
    assert peak <= 1000 * 10 * (1.0 + NOTICE_SECONDS) + 1000  # 1000 bytes, 10 a second; a clip needs no more


def test_a_jpeg_is_no_wider_than_asked_and_even() -> None:
    wide = np.zeros((433, 769, 3), np.uint8)
    assert Image.open(io.BytesIO(as_jpeg(wide, quality=80, width=640))).size == (640, 360)
    assert Image.open(io.BytesIO(as_jpeg(wide, quality=80, width=10_000))).size == (768, 432)
    assert Image.open(io.BytesIO(as_jpeg(wide, quality=80))).size == (769, 433)


def test_a_video_plays_at_the_speed_of_its_pictures() -> None:
    times = [7.0, 7.1, 7.5, 8.5]
    content = as_mp4([(at, as_jpeg(picture(n), quality=90, width=640)) for n, at in enumerate(times)], fps=5)
    assert shown(content) == [(pytest.approx(at - 7.0), n) for n, at in enumerate(times)]
    with av.open(io.BytesIO(content)) as container:
        assert (container.streams.video[0].codec_context.name, container.format.name.split(",")[1]) == ("h264", "mp4")


def test_a_video_of_pictures_of_several_sizes_and_of_one_picture() -> None:
    large = np.full((96, 128, 3), 16, np.uint8)
    content = as_mp4([(0.0, as_jpeg(picture(0), quality=90)), (0.1, as_jpeg(large, quality=90))], fps=5)
    assert [number for _, number in shown(content)] == [0, 1]
    assert len(shown(as_mp4([(0.0, as_jpeg(picture(3), quality=90))], fps=5))) == 1


class Folder:
    """An Evidence whose files are looked at when it is closed."""

    def __init__(self, path: Path, *, write: Callable[[Path, bytes], None] = write_bytes, live: bool = False) -> None:
        self.path, self.done = path, []
        self.evidence = Evidence(path, self.done.append, rule=RULE, live=live, write=write)

    def play(self, events: dict[str, tuple[int, int, int]], frames: int = 30) -> list[Written]:
        """Show so many pictures, ten a second; events from a number to another, with a peak at a third."""
        for number in range(frames):
            self.evidence.see(number / 10, picture(number % 30))
            for event, (first, peak, last) in events.items():
                if number == first:
                    self.evidence.begin(event, number / 10, picture(number))
                if number == peak > first:
                    self.evidence.peak(event, picture(number))
                if number == last:
                    self.evidence.end(event, number / 10)
        self.evidence.close()
        return self.done


def test_every_event_has_a_snapshot_of_its_peak_and_a_clip(tmp_path: Path) -> None:
    done = Folder(tmp_path / "evidence").play({"a": (10, 12, 15), "b": (20, 20, 21)})
    *snapshots, clip = [(file.kind, file.name) for file in done if file.event == "a"]
    assert snapshots in ([("snapshot", "a.jpg")], [("snapshot", "a.jpg")] * 2)  # one if the peak came at once
    assert clip == ("clip", "a.mp4")
    assert [(file.kind, file.last) for file in done if file.event == "b"] == [("snapshot", False), ("clip", True)]
    assert number_of(np.asarray(Image.open(tmp_path / "evidence" / "a.jpg"))) == 12
    assert number_of(np.asarray(Image.open(tmp_path / "evidence" / "b.jpg"))) == 20
    assert [number for _, number in shown((tmp_path / "evidence" / "a.mp4").read_bytes())] == list(range(21))
    assert [number for _, number in shown((tmp_path / "evidence" / "b.mp4").read_bytes())] == list(range(10, 27))
    assert sorted(path.name for path in (tmp_path / "evidence").iterdir()) == ["a.jpg", "a.mp4", "b.jpg", "b.mp4"]


def test_an_event_that_is_open_at_the_end_has_its_files(tmp_path: Path) -> None:
    done = Folder(tmp_path).play({"a": (25, 27, 99)})
    *snapshots, clip = [(file.kind, file.name) for file in done]
    assert snapshots in ([("snapshot", "a.jpg")], [("snapshot", "a.jpg")] * 2)  # one if the peak came at once
    assert clip == ("clip", "a.mp4")
    assert number_of(np.asarray(Image.open(tmp_path / "a.jpg"))) == 27


def test_a_full_disk_is_told_and_stops_nothing(tmp_path: Path) -> None:
    full = [True]

    def write(path: Path, content: bytes) -> None:
        if full and path.suffix == ".mp4":
            full.clear()
            raise OSError(errno.ENOSPC, "No space left on device")
        write_bytes(path, content)

    done = Folder(tmp_path, write=write).play({"a": (5, 5, 6), "b": (20, 20, 21)})
    (missing,) = [file for file in done if file.name is None]
    assert (missing.event, missing.kind, missing.note) == ("a", "clip", "no clip: No space left on device")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg", "b.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_device_that_is_full(tmp_path: Path) -> None:
    def write(path: Path, content: bytes) -> None:
        Path("/dev/full").write_bytes(content)

    done = Folder(tmp_path, write=write).play({"a": (5, 5, 6)})
    assert [file.note for file in done] == [f"no {kind}: No space left on device" for kind in ("snapshot", "clip")]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Folder(tmp_path / "file").play({"a": (5, 5, 6)})
    assert [(file.name, file.reason) for file in done] == [(None, "File exists")] * 2


def test_a_picture_that_cannot_be_compressed_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit(shown: Picture, **options: Any) -> bytes:
        if number_of(shown) == 5:
            raise OSError("encoder error -2 when writing image file")
        return as_jpeg(shown, **options)

    monkeypatch.setattr("rheostat.share.node.evidence.as_jpeg", unfit)
    done = Folder(tmp_path).play({"a": (5, 5, 6), "b": (20, 20, 21)})
    (missing,) = [file for file in done if file.name is None]
    assert (missing.event, missing.note) == ("a", "no snapshot: encoder error -2 when writing image file")
    assert [number for _, number in shown((tmp_path / "a.mp4").read_bytes())] == [0, 1, 2, 3, 4, *range(6, 12)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.jpg", "b.mp4"]


def test_a_clip_for_which_there_is_no_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("rheostat.share.node.evidence.as_mp4", none_left)
    done = Folder(tmp_path).play({"a": (5, 5, 6)})
    assert [(file.kind, file.reason) for file in done] == [("snapshot", ""), ("clip", "MemoryError")]


def test_a_slow_disk_holds_nobody_up(tmp_path: Path) -> None:
    may_write = threading.Event()

    def write(path: Path, content: bytes) -> None:
        may_write.wait(20.0)

    folder = Folder(tmp_path, write=write)
    for number in range(200):
        folder.evidence.see(number / 10, picture(number % 30))
        folder.evidence.begin(f"e{number}", number / 10, picture(number % 30))
        folder.evidence.end(f"e{number}", number / 10)
    for _ in range(3):
        folder.evidence.see(100.0, picture(0))
    may_write.set()
    folder.evidence.close()
    assert len({file.event for file in folder.done}) == 200  # each is accounted for
    assert any(file.reason == "too many files were waiting to be written" for file in folder.done)


def test_a_live_source_is_not_held_up_by_the_compressing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go = threading.Event()

    def slow(*_: object, **__: object) -> bytes:
        may_go.wait(20.0)
        return b""

    monkeypatch.setattr("rheostat.share.node.evidence.as_jpeg", slow)
    folder = Folder(tmp_path, live=True)
    for number in range(30):
        folder.evidence.see(number / 10, picture(number))
    assert folder.evidence.left_out == 28
    may_go.set()
    folder.evidence.close()


def test_pictures_are_taken_at_the_rate_of_the_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(Recorder, "see", lambda self, seconds, jpeg: taken.append(seconds) or [])
    evidence = Evidence(tmp_path, lambda written: None, rule=EvidenceRule(fps=3.0), live=False)
    for number in range(100):
        evidence.see(number / 10, picture(0))
    evidence.close()
    assert len(taken) == 30
    assert max(np.diff(taken)) <= 0.4 + 1e-9


@pytest.mark.parametrize(
    ("values", "said"), [({"fps": 0.0}, "fps is 0"), ({"pre_seconds": -1.0}, "is -1"), ({"quality": 99}, "quality 99")]
)
def test_a_rule_outside_of_its_range_is_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        EvidenceRule(**values)  # type: ignore[arg-type]


def test_what_waits_when_the_time_for_closing_is_over_is_told_and_not_written(tmp_path: Path) -> None:
    go_on, told = threading.Event(), []

    def slow(path: Path, content: bytes) -> None:
        go_on.wait(10)
        write_bytes(path, content)

    evidence = Evidence(tmp_path, told.append, rule=RULE, live=False, write=slow)
    for name in ("a", "b"):
        evidence.begin(name, 0.0, picture(1))
    closing = threading.Thread(target=evidence.close, args=(0.2,))
    closing.start()
    closing.join(1.0)
    assert closing.is_alive()  # the file at hand is finished
    go_on.set()
    closing.join(10)
    first, *others = told
    assert (first.event, first.kind, first.name) == ("a", "snapshot", "a.jpg")
    assert {file.reason for file in others} == {"the node ended before it could be written"}

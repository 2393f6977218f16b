"""Pictures come out with the right numbers, and go in as H.264."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from rheostat.errors import DataError, SettingsError
from rheostat.share.clips import frames_in, pictures, write_video
from rheostat.share.frames import Picture
from tests.share.clips.conftest import grey


def shown(picture: Picture) -> int:
    """The number that a picture tells."""
    return round((float(picture.mean()) - 40) / 4)


def with_damage(clip: Path, number: int, folder: Path) -> Path:
    """A copy of a clip with a frame that does not decode."""
    with av.open(str(clip)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(clip.read_bytes())
    position, size = packets[number]
    assert position is not None
    content[position + size // 8 : position + size] = bytes(size - size // 8)
    path = folder / "damaged.mp4"
    path.write_bytes(content)
    return path


def busy(rng: np.random.Generator, frames: int) -> Iterator[Picture]:
    for _ in range(frames):
        yield rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)


def test_frames_are_counted_in_order_of_presentation(clip: Path) -> None:
    with av.open(str(clip)) as container:
        kinds = {PictureType(frame.pict_type).name for frame in container.decode(video=0)}
    assert "B" in kinds  # or order of presentation would be order of decoding, and this test easy
    assert [(number, shown(picture)) for number, picture in pictures(clip)] == [(n, n) for n in range(40)]


@pytest.mark.parametrize(("start", "stop", "step"), [(3, 20, 1), (0, None, 7), (11, 40, 5), (39, None, 1), (4, 4, 1)])
def test_a_part_has_the_numbers_that_it_has_in_the_whole(clip: Path, start: int, stop: int | None, step: int) -> None:
    part = [(number, shown(picture)) for number, picture in pictures(clip, start=start, stop=stop, step=step)]
    assert part == [(n, n) for n in range(start, 40 if stop is None else stop, step)]


def test_pictures_are_rgb(tmp_path: Path) -> None:
    orange = np.full((32, 48, 3), (230, 120, 30), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", [orange], 25)
    [(_, picture)] = pictures(tmp_path / "a.mp4")
    assert picture.dtype == np.uint8
    assert picture.shape == (32, 48, 3)
    assert np.abs(picture.astype(int) - orange).max() <= 4


@pytest.mark.parametrize("wrong", [{"start": -1}, {"step": 0}, {"start": 3, "stop": 2}])
def test_a_wrong_part_is_refused_at_once(clip: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="must be 0 <= start <= stop"):
        pictures(clip, **wrong)


def test_a_video_that_ends_too_early_is_told(clip: Path) -> None:
    with pytest.raises(DataError, match="ends after 40 frames: stop is 41, and must be at most 40"):
        list(pictures(clip, stop=41))


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    with pytest.raises(DataError, match=r"a.mp4 cannot be read as a video"):
        list(pictures(tmp_path / "a.mp4"))
    with pytest.raises(DataError, match=r"b.mp4 cannot be read as a video"):
        frames_in(tmp_path / "b.mp4")


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    # without B frames packets stand in order of presentation, so it is known which frame is hit
    path = tmp_path / "busy.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for picture in busy(np.random.default_rng(0), 20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    damaged = with_damage(path, 7, tmp_path)
    with pytest.raises(DataError, match=r"damaged.mp4 is damaged at frame 7 "):
        list(pictures(damaged))
    assert [number for number, _ in pictures(damaged, stop=7)] == list(range(7))


def test_a_sound_track_is_left_out(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16000)
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        for number in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey(number))))
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1600), dtype=np.float32), format="fltp", layout="mono")
            quiet.sample_rate = 16000
            container.mux(sound.encode(quiet))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    assert frames_in(path) == 5
    assert [shown(picture) for _, picture in pictures(path)] == list(range(5))


@pytest.mark.parametrize("fps", [Fraction(179, 6), 12.5, 29.97, 10])
def test_a_written_video_is_h264_at_the_rate_asked_for(tmp_path: Path, fps: Fraction | float) -> None:
    assert write_video(tmp_path / "new" / "a.mp4", (grey(n) for n in range(7)), fps) == 7
    with av.open(str(tmp_path / "new" / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == Fraction(fps).limit_denominator(1001)
    assert frames_in(tmp_path / "new" / "a.mp4") == 7


def test_the_file_says_how_its_colours_are_coded(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [grey(0)], 10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert next(container.decode(video=0)).colorspace == 6  # SMPTE 170M, in H.264's table of matrices


def test_a_better_quality_is_nearer_to_the_pictures(tmp_path: Path) -> None:
    errors = []
    for crf in (1, 45):
        write_video(tmp_path / "a.mp4", busy(np.random.default_rng(0), 5), 10, crf=crf)
        pairs = zip(busy(np.random.default_rng(0), 5), pictures(tmp_path / "a.mp4"), strict=True)
        errors.append(np.mean([np.abs(sent.astype(int) - back).mean() for sent, (_, back) in pairs]))
    assert errors[0] < 0.8 * errors[1]


def test_an_odd_side_gets_its_last_row_twice(tmp_path: Path) -> None:
    picture = np.full((31, 47, 3), 90, dtype=np.uint8)
    write_video(tmp_path / "a.mp4", [picture], 10)
    [(_, back)] = pictures(tmp_path / "a.mp4")
    assert back.shape == (32, 48, 3)
    assert np.abs(back.astype(int) - 90).max() <= 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ([], "no picture for"),
        ([grey(0), grey(1, (32, 50))], r"picture 1 for .* is uint8 \[32, 50, 3\]: all must be uint8"),
        ([grey(0).astype(np.float32)], r"picture 0 for .* is float32"),
        ([grey(0)[..., 0]], r"picture 0 for .* is uint8 \[32, 48\]"),
    ],
)
def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, wrong: list[Picture], told: str) -> None:
    (tmp_path / "a.mp4").write_text("before")
    with pytest.raises(DataError, match=told):
        write_video(tmp_path / "a.mp4", wrong, 10)
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("a.mp4", "before")]


@pytest.mark.parametrize(("fps", "crf"), [(0, 20), (-1, 20), (float("nan"), 20), (10, 52)])
def test_settings_outside_their_range_are_refused(tmp_path: Path, fps: float, crf: int) -> None:
    with pytest.raises(SettingsError, match=r"must be fps > 0, and crf in \[0, 51\]"):
        write_video(tmp_path / "a.mp4", [grey(0)], fps, crf=crf)

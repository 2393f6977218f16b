"""Pictures out of a video file, and into one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from rheostat.errors import DataError, SettingsError
from rheostat.share.frames import Picture

_X264 = "colormatrix=smpte170m"  # what RGB is turned into YUV with; untold, each player guesses its own


def frames_in(video: Path | str) -> int:
    """Number of frames of a video, without decoding it.

    Raises:
        DataError: It cannot be read as a video.
    """
    with _opened(video) as (container, stream):
        return stream.frames or sum(packet.size > 0 for packet in container.demux(stream))


def pictures(
    source: Path | str, *, start: int = 0, stop: int | None = None, step: int = 1
) -> Iterator[tuple[int, Picture]]:
    """Give the pictures of a video with their numbers.

    All frames are decoded from the first one on, so a number is exact whatever the file's index says.

    Args:
        source: A file that ffmpeg can read; of several video tracks the first one counts, sound is left out.
        start: First frame.
        stop: The one to end before; None = up to the end.
        step: Of `step` frames the first one is given, >= 1.

    Yields:
        Number of the frame, counted from 0 in order of presentation, and the picture, `[H, W, 3]` uint8.

    Raises:
        SettingsError: `start`, `stop` or `step` is outside its range.
        DataError: The file cannot be read, a frame up to `stop` is damaged, or the video ends before `stop`.
    """
    if start < 0 or step < 1 or (stop is not None and stop < start):
        raise SettingsError(f"start {start}, stop {stop}, step {step}: must be 0 <= start <= stop, and step >= 1")
    return _pictures(Path(source), start, stop, step)


def _pictures(source: Path, start: int, stop: int | None, step: int) -> Iterator[tuple[int, Picture]]:
    if stop == start:
        return
    reformatter = VideoReformatter()  # one for all: a frame's own would be set up anew for every frame
    number = 0
    with _opened(source) as (container, stream):
        # one thread, and no frames in flight: whoever decodes decides how many cores that may take
        stream.codec_context.thread_count = 1
        frames = container.decode(stream)
        while True:
            try:
                frame = next(frames, None)
            except FFmpegError as error:
                raise _damaged(source, number, str(error)) from None
            if frame is None:
                break
            if frame.is_corrupt:
                raise _damaged(source, number, "it does not decode without errors")
            if number >= start and (number - start) % step == 0:
                yield number, _rgb(reformatter, frame)
            number += 1
            if number == stop:
                return
    if number == 0:
        raise DataError(f"video {source} ends after 0 frames, none of which decodes: use a whole copy")
    if stop is not None:
        raise DataError(f"video {source} ends after {number} frames: stop is {stop}, and must be at most {number}")


def _rgb(reformatter: VideoReformatter, frame: av.VideoFrame) -> Picture:
    converted = reformatter.reformat(frame, format="rgb24")
    assert converted is not None  # it is for a frame that is not
    return np.asarray(converted.to_ndarray(), dtype=np.uint8)


def _damaged(source: Path, number: int, how: str) -> DataError:
    return DataError(f"video {source} is damaged at frame {number} ({how}): use a whole copy, or cut it before that")


@contextmanager
def _opened(video: Path | str) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise DataError(f"{video} has no video track: give a file that shows something")
            yield container, container.streams.video[0]
    except FFmpegError as error:
        raise DataError(f"{video} cannot be read as a video: {error}") from None


def write_video(path: Path, pictures: Iterable[Picture], fps: Fraction | float, *, crf: int = 20) -> int:
    """Write pictures as H.264 in an MP4 file, whole or not at all.

    The encoder does not promise the same bytes for the same pictures: compare what is decoded, nearly.

    Args:
        path: Its folder is made if need be.
        pictures: `[H, W, 3]` uint8, all of one size. A side of odd length gets its last row or column twice, because
            colour is stored for two by two pixels.
        fps: Frames per second, above 0.
        crf: Constant rate factor of x264, 0 (lossless) to 51; lower = better and larger.

    Returns:
        Number of frames written.

    Raises:
        SettingsError: `fps` or `crf` is outside its range.
        DataError: There is no picture, or one of another size or kind.
        OSError: The file cannot be written, as when the disk is full.
    """
    if not 0 < fps < float("inf") or not 0 <= crf <= 51:
        raise SettingsError(f"fps {float(fps):g}, crf {crf}: must be fps > 0, and crf in [0, 51]")
    rate = Fraction(fps).limit_denominator(1001)
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with av.open(str(neighbour), "w", format="mp4", options={"movflags": "faststart"}) as container:
            number = _encoded(container, pictures, rate, crf, path)
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)
    return number


def _encoded(container: OutputContainer, pictures: Iterable[Picture], rate: Fraction, crf: int, path: Path) -> int:
    upcoming = iter(pictures)
    first = next(upcoming, None)
    if first is None:
        raise DataError(f"no picture for {path}: a video needs at least one")
    height, width = (side + side % 2 for side in first.shape[:2])
    options = {"crf": str(crf), "preset": "veryfast", "x264-params": _X264}
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.thread_count = 1  # the other cores are not ours to take
    stream.codec_context.gop_size = max(1, round(2 * rate))  # a player can jump to every second second
    number = 0
    for number, picture in enumerate(chain([first], upcoming), 1):
        if picture.shape != first.shape or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            raise DataError(
                f"picture {number - 1} for {path} is {picture.dtype} {list(picture.shape)}: all must be uint8 "
                f"[height, width, 3], and as large as the first, {list(first.shape)}"
            )
        frame = av.VideoFrame.from_ndarray(_even(picture), format="rgb24")
        frame.pts, frame.time_base = number - 1, 1 / rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    return number


def _even(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(picture)
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")

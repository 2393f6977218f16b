"""Pictures as bytes: one as a JPEG, several as an MP4."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from rheostat.share.frames import Picture

_MILLISECOND = Fraction(1, 1000)


def as_jpeg(picture: Picture, *, quality: int, width: int | None = None) -> bytes:
    """Compress a picture `[H, W, 3]`.

    Args:
        picture: uint8, red, green, blue.
        quality: 1 to 95.
        width: It is made no wider than this, with even sides, which video needs. None = as it is.
    """
    image = Image.fromarray(picture)
    if width is not None:
        share = min(1.0, width / image.width)
        size = (_even(image.width * share), _even(image.height * share))
        if size != image.size:
            image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def as_mp4(pictures: Sequence[tuple[float, bytes]], *, fps: float) -> bytes:
    """Make an H.264 video of JPEGs, to be played at the speed at which they were taken.

    Args:
        pictures: Time in seconds, increasing, and JPEG; at least one. All are shown at the size of the first.
        fps: About how many there are per second.

    Raises:
        OSError: A picture cannot be read.
        av.error.FFmpegError: The encoder fails.
    """
    first, size = pictures[0][0], _opened(pictures[0][1]).size
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = _MILLISECOND
        stream.codec_context.thread_count = 1  # the cores are for the apps
        stream.options = {"preset": "veryfast", "crf": "26"}
        last = -1
        for seconds, jpeg in pictures:
            image = _opened(jpeg)
            frame = av.VideoFrame.from_ndarray(np.asarray(image if image.size == size else image.resize(size)))
            last = max(last + 1, round((seconds - first) * 1000))
            frame.pts, frame.time_base = last, _MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()


def _opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)

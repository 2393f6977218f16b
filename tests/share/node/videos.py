"""Tiny videos and pictures, made where a test needs them."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

HEIGHT, WIDTH = 48, 64


def picture(number: int) -> npt.NDArray[np.uint8]:
    """`[48, 64, 3]`; its mean grey level tells `number`, 0 to 29."""
    return np.full((HEIGHT, WIDTH, 3), 8 * number + 8, np.uint8)


def number_of(shown: npt.NDArray[np.uint8]) -> int:
    return round((float(shown.mean()) - 8) / 8)


def write_video(path: Path, frames: int = 30, *, fps: int = 10) -> Path:
    with av.open(str(path), "w", format="mpegts" if path.suffix == ".ts" else None) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"g": "5", "bf": "0", "crf": "10", "preset": "ultrafast"}
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number % 30))))
        container.mux(stream.encode())
    return path


def write_corrupted(path: Path, packets: Sequence[int], *, torn: Sequence[int] = ()) -> Path:
    """A video in which the given packets are zeros; of the `torn` ones a single byte is wrong."""
    write_video(path)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for packet in packets:
        start, size = places[packet]
        assert start is not None
        content[start : start + size] = bytes(size)
    for packet in torn:
        start, size = places[packet]
        assert start is not None
        content[start + size // 2] ^= 0xFF
    path.write_bytes(content)
    return path


def write_folder(folder: Path, frames: int = 5, *, width: int = WIDTH) -> Path:
    folder.mkdir()
    for number in range(frames):
        size = (width + 40 * number, HEIGHT)
        Image.fromarray(picture(number)).resize(size).save(folder / f"{number:03d}.png")
    return folder

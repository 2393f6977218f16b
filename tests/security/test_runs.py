"""Files of a run, data sets and clips from a stranger: read as data, or refused, and nothing in them is run."""

import io
import json
import pickle
import shutil
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import av
import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from rheostat.errors import DataError, RheostatError, StateError
from rheostat.select.policies.holdout import read_holdout
from rheostat.share.clips import read_labels
from rheostat.share.node.sources import Source, parse_source
from rheostat.share.stem import load_base
from rheostat.training import RunFolder, load_data
from tests.security.test_packages import HUGE, Payload
from tests.training.toys import bars, run


@pytest.fixture(autouse=True)
def cache_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def _as_torch(value: Any, *, zipped: bool = True) -> bytes:
    content = io.BytesIO()
    torch.save(value, content, _use_new_zipfile_serialization=zipped)
    return content.getvalue()


FORMS: dict[str, Callable[[Any], bytes]] = {
    "pickle": lambda payload: pickle.dumps(payload, 2),
    "torch": lambda payload: _as_torch({"schema": 1, "records": 0, "model": {}, "more": payload}),
    "old torch": lambda payload: _as_torch({"schema": 1, "model": payload}, zipped=False),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(folder, epochs=1)
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_runs_no_code(finished: Path, tmp_path: Path, form: str) -> None:
    mark = tmp_path / "owned"
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    content = FORMS[form](Payload(mark))
    (folder / "checkpoint.pt").write_bytes(content)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: run(folder, resume=True, epochs=1),  # rheostat train --resume
        lambda: RunFolder(folder).weights(),  # rheostat suspects, review, bench
        lambda: load_base(folder, data=bars()),  # rheostat package --base
    )
    for attempt in attempts:
        with pytest.raises(StateError, match=r"checkpoint\.pt cannot be read") as refused:
            attempt()
        assert "\n" not in str(refused.value)
        assert not mark.exists()
    with suppress(RuntimeError):  # a bare pickle is found to be no checkpoint once it has been run
        torch.load(io.BytesIO(content), weights_only=False)  # the payload is one
    assert mark.exists()


def test_holdout_losses_run_no_code(tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    np.save(tmp_path / "losses.npy", np.array([Payload(mark)], dtype=object), allow_pickle=True)
    (tmp_path / "losses.pt").write_bytes(_as_torch(Payload(mark)))
    for name in ("losses.npy", "losses.pt"):
        with pytest.raises(DataError, match="cannot be read"):
            read_holdout(tmp_path / name)
    assert not mark.exists()


def _pictures(folder: Path) -> Path:
    for split in ("train", "test"):
        for name in ("a", "b"):
            for number in range(3):
                path = folder / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (8, 8), number).save(path)
    return folder


def test_a_folder_of_images_brings_no_program(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "photos")
    program = f"import os\nos.mkdir({str(tmp_path / 'owned')!r})\n"
    for name in ("photos.py", "__init__.py", "train.py", "setup.py"):
        (folder / name).write_text(program)
    with suppress(DataError):  # `datasets` may refuse the folder because of the program
        load_data(str(folder))
    assert not (tmp_path / "owned").exists()


def _bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is `side` x `side` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(10_000))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_an_image_that_would_unpack_to_gigabytes_is_left_out(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "photos")
    (folder / "train/a/bomb.png").write_bytes(_bomb(60_000))
    data = load_data(str(folder))
    assert len(data.skipped) == 1
    assert len(data.in_use("train")) == 6


def test_a_picture_that_would_unpack_to_gigabytes_does_not_end_a_node(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(_bomb(60_000))
    Image.new("RGB", (8, 8)).save(tmp_path / "2.png")
    with Source(parse_source(str(tmp_path)), stream_fps=10) as source:
        frames = [source.read(30.0) for _ in range(2)]
        assert all(frame is not None and frame.picture.shape == (8, 8, 3) for frame in frames)
        assert source.read(30.0) is None
        assert source.counts.corrupt == 1


class _Counting(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("name", ["clip.mp4", "clip.m3u8", "clip.ffconcat"])
def test_a_file_of_video_asks_no_server_and_reads_no_other_file(tmp_path: Path, name: str) -> None:
    handler = type("Handler", (_Counting,), {"asked": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        port = server.server_address[1]
        (tmp_path / "secret").write_text("secret")
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
        if name.endswith("ffconcat"):
            text = f"ffconcat version 1.0\nfile '{tmp_path / 'secret'}'\nfile 'http://127.0.0.1:{port}/b.ts'\n"
        path = tmp_path / name
        path.write_text(text)
        with Source(parse_source(str(path)), stream_fps=10) as source:
            assert source.read(20.0) is None
        assert handler.asked == []  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("number", HUGE, ids=[*HUGE[:2], "10**400", *HUGE[3:6], "10**5000", *HUGE[7:]])
@pytest.mark.parametrize("place", ["fps", "frames", "start_frame", "end_frame", "labelled_range"])
def test_absurd_numbers_in_labels_are_refused_or_harmless(tmp_path: Path, place: str, number: str) -> None:
    values: dict[str, Any] = {"video": "gate.mp4", "fps": 10, "frames": 30, "labelled_range": [0, 30]}
    event: dict[str, Any] = {"label": "x", "start_frame": 3, "end_frame": 9}
    (event if place in event else values)[place] = ["@", "@"] if place == "labelled_range" else "@"
    path = tmp_path / "gate.labels.json"
    path.write_text(json.dumps(values | {"events": [event]}).replace('"@"', number))
    with av.open(str(tmp_path / "gate.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    try:
        read_labels(path).presence("x")
    except RheostatError as error:
        assert "\n" not in str(error)  # noqa: PT017 - reading it without an error is right, too

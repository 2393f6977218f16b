"""A camera on loopback that speaks just enough RTSP: one H.264 stream, sent inside of the connection itself."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)


def pictures_of(video: Path) -> list[list[bytes]]:
    """The parts (NAL units) of every picture of an H.264 stream with start codes."""
    with av.open(str(video), format="h264") as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return [
        [part.rstrip(b"\0") for part in packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]
        for packet in packets
    ]


class Camera:
    """Sends the pictures over and over, `fps` a second, until it is closed.

    With `silent_after`, nothing is sent after so many pictures, though the connection stays.
    """

    def __init__(
        self, pictures: list[list[bytes]], *, port: int = 0, fps: float = 50, silent_after: float = 1e9
    ) -> None:
        self._pictures, self._fps, self._silent_after = pictures, fps, silent_after
        self._server = socket.create_server(("127.0.0.1", port), reuse_port=True)
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/live"
        self.port: int = self._server.getsockname()[1]
        self.shown = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        self._server.settimeout(0.02)
        while not self._closed.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._server.accept()
                with connection:
                    connection.settimeout(5.0)
                    self._answer(connection)
                    self._play(connection)

    def _answer(self, connection: socket.socket) -> None:
        """Answer requests until the client wants the stream to play."""
        content, method = b"", ""
        while method != "PLAY":
            while b"\r\n\r\n" not in content:
                received = connection.recv(4096)
                if not received:
                    raise ConnectionError
                content += received
            request, content = content.split(b"\r\n\r\n", 1)
            lines = request.decode().split("\r\n")
            method = lines[0].split()[0]
            number = next(line for line in lines if line.lower().startswith("cseq"))
            extra, body = {
                "OPTIONS": ("Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
                "DESCRIBE": (f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n", _SDP),
                "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
                "PLAY": ("Session: 1\r\n", ""),
            }[method]
            connection.sendall(f"RTSP/1.0 200 OK\r\n{number}\r\n{extra}\r\n{body}".encode())

    def _play(self, connection: socket.socket) -> None:
        sequence, self.shown = 0, 0
        while not self._closed.is_set():
            if self.shown < self._silent_after:
                parts = self._pictures[self.shown % len(self._pictures)]
                for part in parts:
                    last = 0x80 if part is parts[-1] else 0
                    head = struct.pack(
                        ">BBHII", 0x80, 96 | last, sequence & 0xFFFF, int(self.shown * 90000 / self._fps), 7
                    )
                    connection.sendall(struct.pack(">BBH", 0x24, 0, len(head) + len(part)) + head + part)
                    sequence += 1
                self.shown += 1
            time.sleep(1 / self._fps)


@contextmanager
def showing(pictures: list[list[bytes]], *, port: int = 0, silent_after: float = 1e9) -> Iterator[Camera]:
    camera = Camera(pictures, port=port, silent_after=silent_after)
    try:
        yield camera
    finally:
        camera.close()

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheostat.share.node.events import Run, Sample
from rheostat.share.node.store import Store


class Broker:
    """A mosquitto on loopback that can be taken down and brought back."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._program, self._settings = program, folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false"]
        self._settings.write_text("\n".join(lines) + "\n")
        self._settings.chmod(0o644)
        self._process: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 10.0
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("mosquitto does not come up")

    def down(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def needs_broker() -> str:
    """Path of mosquitto; without one the test is skipped, but not in CI."""
    program = shutil.which(
        "mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    if program is None:
        missing = "mosquitto is not installed (Debian: apt-get install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return program


@pytest.fixture
def broker(needs_broker: str, tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(needs_broker, tmp_path)
    broker.up()
    yield broker
    broker.down()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as store:
        yield store


def post(store: Store, number: int, *, app: str = "train") -> list[str]:
    """Start so many events; gives their identifiers."""
    run = Run(0.0, 0.0, Sample(0.0, 0, 0.9), 1)
    return [store.start(app, run, seen=0.0, source="s", plan="p").id for _ in range(number)]


def wait_until_told(store: Store, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while any(sink.waiting for sink in store.outbox.status()):
        assert time.monotonic() < end, store.outbox.status()
        time.sleep(0.01)

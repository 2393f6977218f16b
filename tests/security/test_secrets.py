"""Passwords of cameras, brokers and webhooks: in no page, no log, no record and no list of processes."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rheostat.errors import SettingsError
from rheostat.share.node.child import Child
from rheostat.share.node.decoder import Order
from rheostat.share.node.events import Run, Sample
from rheostat.share.node.live import Node
from rheostat.share.node.outbox import Message
from rheostat.share.node.redacted import scheme_and_host, without_secrets
from rheostat.share.node.settings import NodeSettings
from rheostat.share.node.sinks import Refused, open_sink
from tests.share.node.toys import ample, colour_fleet

SECRET = "hunter2"
CAMERA = f"rtsp://user:{SECRET}@127.0.0.1:9/stream?channel=1&pwd={SECRET}"
BROKER = f"mqtt://user:{SECRET}@127.0.0.1:9/gate"
HOOK = f"http://user:{SECRET}@127.0.0.1:9/{SECRET}?token={SECRET}"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://host:554/a@b", "rtsp://host:554/a@b"),
        (f"rtsp://u:{SECRET}@host/a", "rtsp://host/a"),
        (f"rtsp://u:p@{SECRET}@host/a", "rtsp://host/a"),
        (f"rtsp://u:a/{SECRET}@host/a", "rtsp://host/a"),
        (f"rtsp://u:a/?{SECRET}@host/a?b={SECRET}", "rtsp://host/a?b=***"),
        (f"http://host/a?user=x&pwd={SECRET}&", "http://host/a?user=***&pwd=***&***"),
        (f"http://host/a?{SECRET}", "http://host/a?***"),
        ("gate.mp4", "gate.mp4"),
        ("odd?name=1.mp4", "odd?name=1.mp4"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"https://u:{SECRET}@host:1/{SECRET}?{SECRET}", "https://host:1/..."),
        (f"mqtt://u:a/{SECRET}@host", "mqtt://host"),
        (f"mqtt://u:{SECRET}@", "mqtt://"),
        ("events.txt", "events.txt"),
    ],
)
def test_of_a_sink_only_the_host_is_shown(address: str, shown: str) -> None:
    assert scheme_and_host(address) == shown


@pytest.mark.parametrize("name", [f"mqt://u:{SECRET}@h", f"mqtts://u:{SECRET}@h:99999", f"https://u:{SECRET}@[h/x", ""])
def test_a_sink_with_a_slip_in_it_is_refused_without_its_password(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        open_sink(name)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        {"source": [CAMERA]},
        {"source": {"url": CAMERA}},
        {"source": "0", "sink": [{"url": BROKER}]},
        {"source": "0", "sink": {"url": BROKER}},
        {"source": "0", "sink": 5},
    ],
)
def test_settings_of_a_wrong_form_are_refused_without_what_they_hold(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="must be") as refused:
        NodeSettings.checked(values)
    assert SECRET not in str(refused.value)


def test_a_single_sink_may_be_written_as_one() -> None:
    assert NodeSettings.checked({"source": "0", "sink": BROKER}).sink == (BROKER,)


def test_the_process_that_decodes_shows_no_password_to_others_on_the_machine() -> None:
    child = Child(Order(CAMERA, "url", live=True, cells=1, open_seconds=1.0))
    try:
        told = child.message(30.0)
        assert told is not None
        assert told["is"] != "died"  # it has understood its order, which came another way
        shown = Path(f"/proc/{child.pid}/cmdline").read_bytes() + Path(f"/proc/{child.pid}/environ").read_bytes()
        assert b"decoder" in shown
        assert SECRET.encode() not in shown
    finally:
        child.close()


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


def test_no_log_of_any_library_has_the_address_of_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        sink = open_sink(HOOK.replace(":9/", f":{server.server_address[1]}/"))
        with caplog.at_level(logging.DEBUG):
            assert sink.tell(Message(1, "e", "started", "{}")) == Refused("HTTP 403 Forbidden")
        sink.close()
        assert caplog.records  # the libraries do log
        assert SECRET not in caplog.text + sink.name
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_httpx_logs_requests_of_others_as_before(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("httpx")
    import httpx

    sink = open_sink(HOOK)
    with caplog.at_level(logging.INFO):
        log.info("HTTP Request: %s %s", "POST", httpx.URL(HOOK))
        log.info("HTTP Request: %s %s", "POST", httpx.URL("http://other/"))
        sink.close()
    assert [record.getMessage() for record in caplog.records] == ["HTTP Request: POST http://other/"]
    assert log.filters == []


def test_a_node_tells_and_writes_no_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fleet = colour_fleet(tmp_path / "apps", ["red"])
    settings = NodeSettings.checked(
        {"source": CAMERA, "out": tmp_path / "out", "cores": 1, "sink": [BROKER, HOOK], "feedback": False}
    )
    with caplog.at_level(logging.DEBUG), Node(fleet, ample(fleet), settings) as node:
        event = node.store.start(
            "red", Run(0, 1, Sample(0, 0, 0.9), 1), seen=1, source=node.status()["source"]["name"], plan="p"
        )
        node.store.finish(event.id, Run(0, 1, Sample(0, 0, 0.9), 1))
        told = json.dumps([node.status(), node.events()]).encode() + node.metrics() + node.tree_svg().encode()
    assert b"127.0.0.1" in told  # the camera is named
    assert SECRET.encode() not in told
    assert SECRET not in caplog.text
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks import Later, Refused, SinkWorker, Told
from rheostat.share.node.sinks.webhook import WebhookSink
from rheostat.share.node.store import Store
from tests.share.node.sinks.conftest import post, wait_until_told

MESSAGE = Message(1, "e1", "started", '{"id": "e1"}')


class Endpoint:
    """An HTTP server on loopback that answers with the codes it is given, and then with 200."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.posts: list[tuple[dict[str, Any], str]] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.posts.append((content, self.headers["Idempotency-Key"]))
                self.send_response(endpoint.codes.pop(0) if endpoint.codes else 200, f"as {self.path} is told")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def test_events_are_posted_as_json(store: Store, endpoint: Endpoint) -> None:
    worker = SinkWorker(WebhookSink(endpoint.url), store.outbox)
    events = post(store, 2)
    wait_until_told(store)
    worker.close()
    assert [(content["id"], key) for content, key in endpoint.posts] == [(e, f"{e}-started") for e in events]


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_what_time_may_heal_is_tried_again(endpoint: Endpoint, code: int) -> None:
    endpoint.codes = [code]
    sink = WebhookSink(endpoint.url)
    outcome = sink.tell(MESSAGE)
    assert isinstance(outcome, Later)
    assert str(code) in outcome.reason
    assert sink.tell(MESSAGE) == Told()
    assert [key for _, key in endpoint.posts] == ["e1-started"] * 2
    sink.close()


@pytest.mark.parametrize("code", [301, 400, 401, 404, 422])
def test_what_it_will_never_take_is_refused(endpoint: Endpoint, code: int) -> None:
    endpoint.codes = [code]
    sink = WebhookSink(endpoint.url)
    outcome = sink.tell(MESSAGE)
    assert isinstance(outcome, Refused)
    assert str(code) in outcome.reason
    assert "/hook" not in outcome.reason  # it is logged, and the path may be a secret
    sink.close()


def test_an_endpoint_that_is_down_or_silent_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    sink = WebhookSink(url)
    outcome = sink.tell(MESSAGE)
    assert isinstance(outcome, Later)
    assert "ConnectError" in outcome.reason
    sink.close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = WebhookSink(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.1)
        outcome = sink.tell(MESSAGE)
        assert isinstance(outcome, Later)
        assert "ReadTimeout" in outcome.reason
        sink.close()

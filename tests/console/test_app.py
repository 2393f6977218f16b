"""What the console answers, asked over a real connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from rheostat.console import LiveNode, Server, serve
from tests.console.conftest import Stage
from tests.console.fakes import FakeNode

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def guarded_server(stage: Stage) -> Iterator[Server]:
    with serve(cast("LiveNode", stage), port=0, token=TOKEN) as server:
        yield server


@pytest.fixture
def guarded(guarded_server: Server, node: FakeNode) -> Iterator[httpx.Client]:
    """A client of a console that wants a token; the client has none yet."""
    with httpx.Client(base_url=guarded_server.address) as asking:
        yield asking


def error_of(answer: httpx.Response) -> str:
    """The one line of an error; there is nothing else in it."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]
    return answer.json()["error"]


def test_the_state_is_the_nodes(client: httpx.Client, node: FakeNode):
    node.sample("vehicle", 0.2, 0.9)
    assert client.get("/api/status").json() == node.status()


def test_the_stream_sends_the_state_again_and_again(client: httpx.Client, node: FakeNode):
    seen = []
    with client.stream("GET", "/api/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: "))["source"]["frames_in"])
                node.sample("vehicle", 0.1)
            if len(seen) == 3:
                break
    assert seen == [0, 1, 2]


def test_the_frame_is_the_newest_or_an_error_that_says_why(client: httpx.Client, node: FakeNode):
    assert client.get("/api/frame.jpg").status_code == 404
    assert "no frame yet" in error_of(client.get("/api/frame.jpg"))
    node.sample("vehicle", 0.1)
    answer = client.get("/api/frame.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == node.picture()


def test_events_by_app_and_page_after_page(client: httpx.Client, node: FakeNode):
    for name in ("vehicle", "person", "vehicle"):
        node.begin(name)

    def ids(**asked: Any) -> list[int]:
        return [int(event["id"]) for event in client.get("/api/events", params=asked).json()["events"]]

    assert ids() == [3, 2, 1]
    assert ids(app="vehicle") == [3, 1]
    assert ids(limit=2) == [3, 2]
    assert ids(before=2) == [1]
    assert ids(app="<b>") == []


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 501}, {"limit": "many"}])
def test_an_impossible_page_of_events_is_refused_in_one_line(client: httpx.Client, asked: dict[str, Any]):
    answer = client.get("/api/events", params=asked)
    assert answer.status_code == 422
    assert error_of(answer).startswith(f"the request's {next(iter(asked))}: ")


def test_a_snapshot_and_a_clip_are_files_of_their_kind(client: httpx.Client, node: FakeNode):
    event = node.begin("vehicle")
    assert client.get(f"/api/events/{event}/snapshot").headers["content-type"] == "image/jpeg"
    assert "has no clip" in error_of(client.get(f"/api/events/{event}/clip"))
    node.end(event)
    clip = client.get(f"/api/events/{event}/clip")
    assert clip.headers["content-type"] == "video/mp4"
    assert clip.content[4:8] == b"ftyp"


def test_a_part_of_a_clip_can_be_asked_for(client: httpx.Client, node: FakeNode):
    node.end(event := node.begin("vehicle"))
    whole = client.get(f"/api/events/{event}/clip")
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get(f"/api/events/{event}/clip", headers={"range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert part.content == whole.content[100:200]
    beyond = client.get(f"/api/events/{event}/clip", headers={"range": f"bytes={10**9}-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize("path", ["/api/events/99/clip", "/api/events/-1/clip", f"/api/events/{2**70}/snapshot"])
def test_an_event_that_is_not_there_has_no_evidence(client: httpx.Client, path: str):
    answer = client.get(path)
    assert (answer.status_code, "has no" in error_of(answer)) == (404, True)


def test_evidence_that_was_deleted_since_is_not_there(client: httpx.Client, node: FakeNode):
    event = node.begin("vehicle")
    path = node.evidence(event, "snapshot")
    assert path is not None
    node.evidence = lambda event, kind: path
    path.unlink()
    assert client.get(f"/api/events/{event}/snapshot").status_code == 404


def test_the_plan_is_a_drawing_and_the_metrics_are_for_prometheus(client: httpx.Client, node: FakeNode):
    tree = client.get("/api/plan.svg")
    assert (tree.headers["content-type"].split(";")[0], tree.text) == ("image/svg+xml", node.tree_svg())
    metrics = client.get("/metrics")
    assert metrics.content == node.metrics()
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("state", "status"), [("running", 200), ("ended", 200), ("connecting", 503), ("stalled", 503), ("failed", 503)]
)
def test_health_is_that_of_the_source_and_says_why(client: httpx.Client, node: FakeNode, state: str, status: int):
    node.source |= {"state": state, "reason": "camera.lan does not answer\n"}
    answer = client.get("/healthz")
    assert answer.status_code == status
    if status == 503:
        assert error_of(answer) == f"the source is {state}: camera.lan does not answer"


def test_apps_are_added_and_removed(client: httpx.Client, node: FakeNode):
    added = client.post("/api/apps", json={"folder": "/srv/package-bus"})
    assert (added.status_code, added.json()) == (201, {"name": "package-bus"})
    assert client.delete("/api/apps/package-bus").json() == {"name": "package-bus"}
    assert node.asked == [("add", Path("/srv/package-bus")), ("remove", "package-bus")]


def test_an_app_may_have_any_name(client: httpx.Client, node: FakeNode):
    name = "a/b & <c>?#%2F"
    node._join(name)
    assert client.delete(
        f"/api/apps/{httpx.URL('http://h/', params={'n': name}).query.decode()[2:].replace('+', '%20')}"
    )
    assert node.asked == [("remove", name)]


def test_the_budget_is_set(client: httpx.Client, node: FakeNode):
    assert client.post("/api/budget", json={"budget": 150}).json() == {"budget": 150}
    assert node.asked == [("budget", 150.0)]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/api/budget", {"budget": -1}, "budget is -1: must be above 0"),
        ("/api/budget", {"budget": "150"}, "must be a number"),
        ("/api/budget", {}, "budget is missing"),
        ("/api/budget", {"budget": 1e999}, "must be a finite number"),
        ("/api/budget", {"budget": 5}, "no plan fits a budget of 5: the least is 10"),
        ("/api/apps", {"folder": "  "}, "not blank"),
        ("/api/apps", {"folder": "a\nb"}, "on one line"),
        ("/api/apps", {"folder": "/srv/holiday"}, "is not a package"),
        ("/api/apps", {"folder": "~nobody-of-this-name/x"}, "is not where this node takes packages from"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    client: httpx.Client, node: FakeNode, path: str, body: dict[str, Any], told: str
):
    answer = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert told in error_of(answer)


@pytest.mark.parametrize("content", [b"[1]", b"{", b"", b'"budget"'])
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, node: FakeNode, content: bytes):
    answer = client.post("/api/budget", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, "one JSON object" in error_of(answer)) == (422, True)
    assert node.asked == []


def test_a_form_of_another_site_cannot_pass_for_json(client: httpx.Client, node: FakeNode):
    answer = client.post("/api/budget", content=b'{"budget": 1}', headers={"content-type": "text/plain"})
    assert (answer.status_code, node.asked) == (422, [])


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/static/../app.py", "/static/%2e%2e/app.py", "/docs", "/openapi.json"]
)
def test_what_is_not_there_is_told_as_json(client: httpx.Client, path: str):
    answer = client.get(path)
    assert (answer.status_code, error_of(answer)) == (404, "Not Found")


def test_a_failure_of_the_node_is_told_without_its_inner_life(client: httpx.Client, node: FakeNode):
    def broken() -> str:
        raise OSError("secret path")

    node.tree_svg = broken
    answer = client.get("/api/plan.svg")
    assert (answer.status_code, "secret" in error_of(answer)) == (500, False)
    assert httpx.get(client.base_url.join("/api/status")).status_code == 200  # the server lives on


@pytest.mark.parametrize("path", ["/", "/api/status", "/api/frame.jpg", "/static/main.js", "/metrics"])
def test_every_answer_tells_the_browser_to_be_careful(client: httpx.Client, path: str):
    headers = client.get(path).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "script-src" not in policy  # nothing beyond default-src
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-cache" if path == "/" else "no-store")


def test_a_foreign_host_is_refused_before_anything_else(client: httpx.Client, node: FakeNode):
    answer = client.get("/api/status", headers={"host": "evil.example"})
    assert (answer.status_code, "is not this console" in error_of(answer)) == (421, True)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_another_site_changes_nothing(client: httpx.Client, node: FakeNode, origin: str):
    for answer in (
        client.post("/api/budget", json={"budget": 1000}, headers={"origin": origin}),
        client.post("/api/apps", json={"folder": "/srv/package"}, headers={"origin": origin}),
        client.delete("/api/apps/vehicle", headers={"origin": origin}),
    ):
        assert (answer.status_code, "another site" in error_of(answer)) == (403, True)
    assert node.asked == []
    assert client.get("/api/status", headers={"origin": origin}).status_code == 200  # which it cannot read


def test_the_consoles_own_page_may_change_things(client: httpx.Client, node: FakeNode):
    origin = str(client.base_url).rstrip("/")
    assert client.post("/api/budget", json={"budget": 150}, headers={"origin": origin}).status_code == 200


ROUTES = [
    *["/", "/static/main.js", "/api/status", "/api/stream", "/api/frame.jpg", "/api/events", "/api/events/1/clip"],
    *["/api/plan.svg", "/metrics", "/healthz", "/nothing"],
]


@pytest.mark.parametrize("path", ROUTES)
def test_with_a_token_no_route_answers_without_it(guarded: httpx.Client, path: str):
    wrong = {"authorization": "Bearer wrong-horse-battery"}
    for answer in (guarded.get(path), guarded.get(path, headers=wrong), guarded.get(f"{path}?token=wrong")):
        assert answer.status_code == 401
        assert "needs its token" in error_of(answer)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "set-cookie" not in answer.headers


def test_with_a_token_no_change_is_made_without_it(guarded: httpx.Client, node: FakeNode):
    assert guarded.post(f"/api/budget?token={TOKEN}", json={"budget": 150}).status_code == 401
    assert guarded.delete("/api/apps/vehicle").status_code == 401
    assert node.asked == []


@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_the_token_in_the_header_opens(guarded: httpx.Client, node: FakeNode, kind: str):
    headers = {"authorization": f"{kind} {TOKEN}"}
    assert guarded.get("/api/status", headers=headers).status_code == 200
    assert guarded.post("/api/budget", json={"budget": 150}, headers=headers).status_code == 200


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address(guarded: httpx.Client):
    entered = guarded.get("/api/events", params={"token": TOKEN, "app": "a b"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/api/events?app=a+b")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert guarded.get("/api/status").status_code == 200  # by the cookie that the client holds now
    again = guarded.get("/", params={"token": TOKEN})
    assert (again.status_code, again.headers["location"]) == (303, "/"), (
        "it leaves the address of who is in already, too"
    )


def test_the_way_in_leads_to_no_other_host(guarded: httpx.Client, guarded_server: Server):
    answer = guarded.get(f"{guarded_server.address}//evil.example/?token={TOKEN}")
    assert answer.status_code == 303
    assert httpx.URL(answer.headers["location"]).host == ""
    assert not answer.headers["location"].startswith("//")


def test_two_nodes_on_one_machine_do_not_share_a_cookie(guarded: httpx.Client, node: FakeNode):
    other = "another-horse-battery"
    with serve(node, port=0, token=other) as server:
        guarded.get("/", params={"token": TOKEN})
        guarded.get(f"{server.address}/", params={"token": other})
        assert guarded.get("/api/status").status_code == 200
        assert guarded.get(f"{server.address}/api/status").status_code == 200


def test_a_person_without_the_token_is_asked_for_it(guarded: httpx.Client):
    answer = guarded.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert 'name="token"' in answer.text

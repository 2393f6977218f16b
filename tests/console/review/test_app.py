"""What the review answers, asked over a real connection."""

from __future__ import annotations

from typing import Any, cast

import httpx
import pytest

from rheostat.console import Server, review
from rheostat.console.review import ReviewDesk, serve
from rheostat.errors import SettingsError
from tests.console.review.conftest import Stage
from tests.console.review.fakes import BROKEN, CLASSES, SIZE, FakeDesk, drawn

TOKEN = "correct-horse-battery"


def error_of(answer: httpx.Response) -> str:
    """The one line of an error."""
    assert answer.headers["content-type"] == "application/json"
    assert "\n" not in answer.json()["error"]
    return answer.json()["error"]


def decide(client: httpx.Client, **values: Any) -> httpx.Response:
    return client.post("/api/decisions", json={"by": "tab-1", "decision": "keep", **values})


def test_the_fake_is_a_desk():
    desk: ReviewDesk = FakeDesk()  # for the type checker
    assert desk.summary()["count"] == 30


def test_the_review_tells_what_it_is_and_where_it_stands(client: httpx.Client, desk: FakeDesk):
    told = client.get("/api/review").json()
    assert told == {**desk.summary(), "progress": desk.progress(), "pairs": desk.pairs()}
    assert (told["classes"], told["size"], told["budget"], told["count"]) == (list(CLASSES), SIZE, 25, 30)


def test_suspects_come_in_pages_in_the_order_of_review(client: httpx.Client, desk: FakeDesk):
    told = client.get("/api/suspects", params={"start": 28, "count": 5}).json()
    assert (told["total"], told["start"]) == (30, 28)
    assert [row["position"] for row in told["rows"]] == [28, 29]
    assert told["rows"][0]["why"] == desk.rows[28]["why"]
    assert client.get("/api/suspects", params={"start": 30}).json()["rows"] == []


def test_nobody_is_told_which_suspects_are_audits(client: httpx.Client, desk: FakeDesk):
    assert {row["audit"] for row in desk.rows} == {True, False}  # the desk knows
    for path in ("/api/suspects", "/api/next?position=4", f"/api/suspects/{desk.rows[4]['index']}", "/api/review"):
        assert "audit" not in client.get(path).text


def test_suspects_are_filtered_by_state_and_by_pair(client: httpx.Client, desk: FakeDesk):
    first, second = desk.rows[0]["index"], desk.rows[3]["index"]
    decide(client, index=first)
    decide(client, index=second, decision="skip")

    def positions(**asked: Any) -> list[int]:
        return [row["position"] for row in client.get("/api/suspects", params=asked).json()["rows"]]

    assert positions(which="open") == [at for at in range(30) if at not in (0, 3)]
    assert positions(which="skipped") == [3]
    pair = {"given": 3, "predicted": 5}
    assert positions(**pair) == [row["position"] for row in desk.rows if (row["given"], row["predicted"]) == (3, 5)]
    assert positions(**pair, which="open")[:2] == [6, 9]
    assert client.get("/api/pairs").json()["pairs"][0] == {"given": 3, "predicted": 5, "open": 8, "total": 10}


def test_the_next_one_is_found_wherever_it_is(client: httpx.Client, desk: FakeDesk):
    for at in (0, 1, 2):
        decide(client, index=desk.rows[at]["index"])
    told = client.get("/api/next", params={"position": 0, "which": "open"}).json()
    assert (told["rank"], told["row"]["position"]) == (0, 3)
    told = client.get("/api/next", params={"position": 1, "given": 3, "predicted": 5}).json()
    assert (told["rank"], told["row"]["position"]) == (1, 3)
    assert client.get("/api/next", params={"position": 30}).json() == {"rank": 30, "row": None}


def test_one_suspect_is_told_with_its_losses_and_neighbours(client: httpx.Client, desk: FakeDesk):
    index = desk.rows[2]["index"]
    told = client.get(f"/api/suspects/{index}").json()
    known = desk.suspect(index)
    assert known is not None
    assert told == {name: value for name, value in known.items() if name != "audit"}
    assert len(told["losses"]) == len(told["median"]) == 12
    assert None in told["losses"]


def test_pictures_are_those_of_any_example_and_are_kept_by_the_browser(client: httpx.Client, desk: FakeDesk):
    answer = client.get(f"/api/pictures/{desk.rows[2]['index']}")
    assert answer.content == drawn(desk.rows[2]["predicted"], desk.rows[2]["index"])
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "private, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get(f"/api/pictures/{SIZE - 1}").status_code == 200


def test_a_picture_that_cannot_be_read_is_told_by_name(client: httpx.Client):
    answer = client.get(f"/api/pictures/{BROKEN}")
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    assert error_of(answer).startswith(f"training image {BROKEN} cannot be decoded")


def test_what_is_no_picture_is_not_served_as_a_file(client: httpx.Client, desk: FakeDesk):
    desk.picture = lambda index: (b"<script>alert(1)</script>", "text/html")
    answer = client.get("/api/pictures/6")
    assert (answer.status_code, error_of(answer)) == (415, "example 6 is text/html: only images are shown")


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/api/suspects/7", 404, "example 7 is no suspect of this review"),
        ("/api/suspects/-1", 422, "index: input should be greater than or equal to 0"),
        ("/api/suspects/none", 422, "index: input should be a valid integer"),
        (f"/api/suspects/{10**30}", 422, "index"),
        (f"/api/pictures/{SIZE}", 400, f"index {SIZE} is outside the data set"),
        ("/api/pictures/-1", 422, "index"),
        ("/api/suspects?start=-1", 422, "start"),
        ("/api/suspects?count=0", 422, "count"),
        ("/api/suspects?count=501", 422, "count"),
        ("/api/suspects?which=mine", 422, "which: input should be 'all', 'open' or 'skipped'"),
        ("/api/suspects?given=3", 400, "a pair needs both classes"),
        ("/api/suspects?given=3&predicted=10", 400, "class 10 is outside the data set: must be 0 to 9"),
        ("/api/next", 422, "position"),
        ("/api/changes", 422, "since"),
        ("/api/changes?since=-1", 422, "since"),
        ("/api/nothing", 404, "Not Found"),
        ("/review/../app.py", 404, "Not Found"),
        ("/review/%2e%2e/app.py", 404, "Not Found"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_line(client: httpx.Client, path: str, status: int, told: str):
    answer = client.get(path)
    assert answer.status_code == status
    assert told in error_of(answer)


def test_a_decision_is_stored_at_once_and_told_to_others(client: httpx.Client, desk: FakeDesk):
    index = desk.rows[0]["index"]
    stored = decide(client, index=index, decision="relabel", label=5).json()
    assert stored == {"settled": {"decision": "relabel", "label": 5, "by": "tab-1", "number": 1}}
    assert desk.log == [("relabel", index, 5, "tab-1")]
    assert client.get("/api/suspects").json()["rows"][0]["settled"] == stored["settled"]
    told = client.get("/api/changes", params={"since": 0}).json()
    assert told == {"changes": [{"index": index, **stored}], "progress": desk.progress()}
    assert (told["progress"]["number"], told["progress"]["relabelled"]) == (1, 1)
    assert client.get("/api/changes", params={"since": 1}).json()["changes"] == []


def test_of_two_tabs_that_saw_the_same_the_second_is_refused_and_told_what_stands(client: httpx.Client, desk: FakeDesk):
    index = desk.rows[0]["index"]
    decide(client, index=index)
    second = decide(client, index=index, decision="remove", by="tab-2")
    assert second.status_code == 409
    assert error_of(second) == f"example {index} was decided anew meanwhile: look at it again"
    assert second.json()["settled"] == {"decision": "keep", "label": None, "by": "tab-1", "number": 1}
    assert desk.settled(0) == second.json()["settled"]
    again = decide(client, index=index, decision="remove", by="tab-2", expected=1)
    assert again.json()["settled"]["number"] == 2
    assert decide(client, index=index, expected=1).status_code == 409


def test_a_pair_is_decided_and_undone_as_one(client: httpx.Client, desk: FakeDesk):
    first = desk.rows[0]["index"]
    decide(client, index=first, by="tab-2")
    pair = {"given": 3, "predicted": 5, "decision": "relabel", "label": 5, "by": "tab-1"}
    assert client.post("/api/decisions/pair", json=pair).json() == {"decided": 9}
    assert desk.progress()["relabelled"] == 9
    undone = client.post("/api/undo", json={"by": "tab-1"}).json()["undone"]
    assert undone == [row["index"] for row in desk.rows[1:] if (row["given"], row["predicted"]) == (3, 5)]
    assert client.post("/api/undo", json={"by": "tab-1"}).json() == {"undone": []}
    assert desk.settled(0) is not None  # the other tab's
    assert client.get("/api/changes", params={"since": 10}).json()["changes"][0] == {
        "index": undone[0],
        "settled": None,
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"index": 6, "decision": "shrug"}, "decision is 'shrug': must be 'keep', 'relabel', 'remove' or 'skip'"),
        ({"index": 6, "decision": "relabel"}, "relabel needs a label"),
        ({"index": 6, "decision": "relabel", "label": 10}, "class 10 is outside the data set: must be 0 to 9"),
        ({"index": 6, "decision": "relabel", "label": -1}, "label is -1: must be at least 0"),
        ({"index": 6, "decision": "relabel", "label": 1.5}, "label is 1.5: must be a whole number"),
        ({"index": 6, "decision": "relabel", "label": 3}, "label 3 is the one that example 6 is given"),
        ({"index": 6, "label": 3}, "keep takes no label and was given 3"),
        ({"index": 7}, "example 7 is no suspect"),
        ({"index": -1}, "index is -1: must be at least 0"),
        ({"index": 10**30}, "index is 1000"),
        ({"index": "6"}, "index is '6': must be a whole number"),
        ({}, "index is missing"),
        ({"index": 6, "by": " "}, "by is ' ': must be printable text"),
        ({"index": 6, "by": "x" * 65}, "64"),
        ({"index": 6, "expected": -1}, "expected is -1: must be at least 0"),
        ({"index": 6, "lable": 5, "decision": "relabel"}, "did you mean 'label'?"),
    ],
)
def test_a_decision_that_is_none_is_refused_in_one_line(
    client: httpx.Client, desk: FakeDesk, values: dict[str, Any], told: str
):
    answer = decide(client, **values)
    assert (answer.status_code, told in error_of(answer)) == (400, True), answer.text
    assert desk.log == []


@pytest.mark.parametrize(
    ("path", "values", "told"),
    [
        ("/api/decisions/pair", {"given": 3, "decision": "keep", "by": "t"}, "predicted is missing"),
        ("/api/decisions/pair", {"given": 3, "predicted": 99, "decision": "keep", "by": "t"}, "class 99 is outside"),
        ("/api/decisions/pair", {"given": 3, "predicted": 5, "decision": "relabel", "by": "t"}, "needs a label"),
        ("/api/undo", {}, "by is missing"),
    ],
)
def test_an_order_that_is_none_is_refused_in_one_line(
    client: httpx.Client, desk: FakeDesk, path: str, values: dict[str, Any], told: str
):
    answer = client.post(path, json=values)
    assert (answer.status_code, told in error_of(answer)) == (400, True), answer.text
    assert desk.log == []


@pytest.mark.parametrize("content", [b"[1]", b"{", b""])
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, desk: FakeDesk, content: bytes):
    answer = client.post("/api/decisions", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, "one JSON object" in error_of(answer)) == (422, True)
    assert desk.log == []


def test_what_cannot_be_stored_now_may_be_tried_again(client: httpx.Client, desk: FakeDesk):
    desk.failing = "store decisions.db cannot be written: disk full;\nis the disk full?"
    for answer in (
        decide(client, index=6),
        client.post("/api/undo", json={"by": "tab-1"}),
        client.post("/api/decisions/pair", json={"given": 3, "predicted": 5, "decision": "keep", "by": "tab-1"}),
    ):
        assert (answer.status_code, "cannot be written" in error_of(answer)) == (503, True)
    desk.failing = None
    assert decide(client, index=6).status_code == 200


def test_a_page_of_another_review_is_sent_away(client: httpx.Client, desk: FakeDesk):
    answer = decide(client, index=6)
    assert answer.status_code == 200
    for answer in (
        client.post("/api/decisions?of=other", json={"index": 13, "decision": "keep", "by": "tab-1"}),
        client.post("/api/undo?of=other", json={"by": "tab-1"}),
        client.get("/api/changes?since=0&of=other"),
        client.get("/api/pictures/6?of=other"),
    ):
        assert (answer.status_code, "another review" in error_of(answer)) == (410, True)
    assert desk.log == [("keep", 6, None, "tab-1")]
    assert client.get("/api/changes?since=0&of=k1").status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/review", "/api/suspects", "/review/main.js", "/static/dom.js"])
def test_every_answer_tells_the_browser_to_be_careful(client: httpx.Client, path: str):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == ("no-cache" if path == "/" else "no-store")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
@pytest.mark.parametrize("path", ["/api/decisions", "/api/decisions/pair", "/api/undo"])
def test_another_site_decides_nothing(client: httpx.Client, desk: FakeDesk, path: str, origin: str):
    values = {"index": 6, "given": 3, "predicted": 5, "decision": "keep", "by": "tab-1"}
    answer = client.post(path, json=values, headers={"origin": origin})
    assert (answer.status_code, "another site" in error_of(answer)) == (403, True)
    assert desk.log == []


def test_a_foreign_host_is_refused(client: httpx.Client):
    assert client.get("/api/review", headers={"host": "evil.example"}).status_code == 421


def test_with_a_token_nothing_is_told_or_stored_without_it(stage: Stage, desk: FakeDesk):
    with (
        serve(cast("ReviewDesk", stage), port=0, token=TOKEN) as server,
        httpx.Client(base_url=server.address) as client,
    ):
        for path in (
            "/",
            "/review/main.js",
            "/api/review",
            "/api/suspects",
            "/api/pictures/6",
            "/api/changes?since=0",
        ):
            assert client.get(path).status_code == 401, path
        assert decide(client, index=6).status_code == 401
        assert desk.log == []
        client.get("/", params={"token": TOKEN})
        assert decide(client, index=6).status_code == 200


def test_a_failure_of_the_desk_is_told_without_its_inner_life(client: httpx.Client, desk: FakeDesk):
    def broken() -> list[dict[str, int]]:
        raise OSError("secret path")

    desk.pairs = broken
    answer = client.get("/api/pairs")
    assert (answer.status_code, error_of(answer)) == (500, "the review could not answer: its log says why")


def test_the_review_is_served_like_the_node(desk: FakeDesk):
    with review.serve(desk, port=0) as server:
        assert isinstance(server, Server)
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {server.port}"):
            review.serve(desk, port=server.port)
    with pytest.raises(SettingsError, match="port is -1"):
        review.serve(desk, port=-1)

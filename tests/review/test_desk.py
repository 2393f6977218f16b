"""A review as its page sees it: over a real list, a real store and real pictures."""

import inspect
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rheostat.augment.decisions import Decisions
from rheostat.console.review import ReviewDesk, make_app
from rheostat.errors import DataError, SettingsError
from rheostat.review import Desk, SeenRun, find_neighbours, make_suspects
from tests.review.toys import DAMAGED


@pytest.fixture
def store(digits: SeenRun) -> Iterator[Decisions]:
    with digits.open_store() as store:
        yield store


@pytest.fixture
def desk(digits: SeenRun, store: Decisions) -> Desk:
    return Desk(digits, make_suspects(digits, 0.2), store)


def rows(desk: Desk, **asked: Any) -> list[dict[str, Any]]:
    return desk.suspects(0, 10_000, **asked)["rows"]


def test_it_has_every_method_that_the_console_asks_for():
    asked = {name: method for name, method in vars(ReviewDesk).items() if inspect.isfunction(method) and name[0] != "_"}

    assert len(asked) == 11
    for name, method in asked.items():
        own = inspect.signature(getattr(Desk, name)).parameters
        assert {n: p.kind for n, p in own.items()} == {
            n: p.kind for n, p in inspect.signature(method).parameters.items()
        }


def test_the_list_is_shown_in_its_order(desk: Desk, digits: SeenRun):
    listed = make_suspects(digits, 0.2)
    first = desk.suspects(3, 4)

    assert first["total"] == len(listed.suspects) == desk.summary()["count"]
    for row, suspect in zip(first["rows"], listed.suspects[3:7], strict=True):
        assert "audit" not in row
        assert "ranked" not in row
        for name in ("position", "index", "given", "predicted", "p_given", "p_predicted", "score", "round", "why"):
            assert row[name] == getattr(suspect, name)
        assert row["settled"] is None
    assert desk.suspects(len(listed.suspects), 5)["rows"] == []


def test_a_pair_and_the_open_ones_can_be_asked_for(desk: Desk):
    pair = next((row["given"], row["predicted"]) for row in rows(desk) if row["given"] != row["predicted"])
    of_pair = [row for row in rows(desk) if (row["given"], row["predicted"]) == pair]
    desk.decide(of_pair[0]["index"], "skip", None, by="a", expected=None)

    assert [row["index"] for row in rows(desk, pair=pair)] == [row["index"] for row in of_pair]
    assert [row["index"] for row in rows(desk, pair=pair, which="open")] == [row["index"] for row in of_pair[1:]]
    assert [row["index"] for row in rows(desk, which="skipped")] == [of_pair[0]["index"]]
    assert desk.rank(of_pair[1]["position"], pair=pair) == 1
    assert desk.rank(of_pair[1]["position"], pair=pair, which="open") == 0
    assert desk.rank(10**6) == len(rows(desk))


def test_pairs_are_counted(desk: Desk):
    desk.decide(rows(desk)[0]["index"], "keep", None, by="a", expected=None)

    pairs = desk.pairs()

    for pair in pairs:
        own = [row for row in rows(desk) if (row["given"], row["predicted"]) == (pair["given"], pair["predicted"])]
        assert pair["total"] == len(own)
        assert pair["open"] == sum(row["settled"] is None for row in own)
    assert sum(pair["total"] for pair in pairs) == sum(row["predicted"] is not None for row in rows(desk))
    assert [pair["open"] for pair in pairs] == sorted((pair["open"] for pair in pairs), reverse=True)


def test_a_decision_is_stored_and_told(desk: Desk, store: Decisions):
    row = rows(desk)[5]
    told = desk.decide(row["index"], "relabel", (row["given"] + 1) % 10, by="a", expected=None)

    assert told["stored"]
    assert told["settled"]["decision"] == "relabel"
    assert rows(desk)[5]["settled"] == told["settled"]
    assert store.current()[row["index"]].given == row["given"]
    progress = desk.progress()
    assert {name: progress[name] for name in ("reviewed", "kept", "relabelled", "removed", "skipped")} == {
        "reviewed": 1, "kept": 0, "relabelled": 1, "removed": 0, "skipped": 0,
    }  # fmt: skip


def test_the_slower_of_two_tabs_is_told_what_stands(desk: Desk):
    index = rows(desk)[0]["index"]
    first = desk.decide(index, "keep", None, by="a", expected=None)

    late = desk.decide(index, "remove", None, by="b", expected=None)

    assert late == {"stored": False, "settled": first["settled"]}
    assert desk.decide(index, "remove", None, by="b", expected=first["settled"]["number"])["stored"]


def test_what_another_process_decides_is_seen(desk: Desk, digits: SeenRun):
    row = rows(desk)[0]
    number = desk.progress()["number"]
    with Decisions(digits.store, data=digits.identity) as other:
        other.decide(row["index"], "keep", given=row["given"], by="b", expected=None)

    assert desk.changes(number) == [{"index": row["index"], "settled": rows(desk)[0]["settled"]}]
    assert rows(desk)[0]["settled"]["by"] == "b"
    assert desk.progress()["number"] > number
    assert desk.changes(desk.progress()["number"]) == []


def test_a_pair_is_decided_and_undone_as_one(desk: Desk):
    pair = desk.pairs()[0]
    of_pair = [row["index"] for row in rows(desk, pair=(pair["given"], pair["predicted"]))]
    desk.decide(of_pair[1], "keep", None, by="b", expected=None)

    number = desk.decide_pair(pair["given"], pair["predicted"], "relabel", pair["predicted"], by="a")

    others = [of_pair[0], *of_pair[2:]]
    assert number == len(others)
    assert rows(desk, pair=(pair["given"], pair["predicted"]), which="open") == []
    assert desk.undo("a") == others  # in the order of review
    assert desk.undo("a") == []
    assert [row["index"] for row in rows(desk, pair=(pair["given"], pair["predicted"]), which="open")] == others
    assert {change["index"]: change["settled"] for change in desk.changes(0)}[others[0]] is None


def test_what_is_no_suspect_or_no_label_is_refused(desk: Desk, digits: SeenRun):
    listed = {row["index"] for row in rows(desk)}
    outside = next(index for index in range(digits.identity.size) if index not in listed)
    row = rows(desk)[0]

    with pytest.raises(SettingsError, match=f"example {outside} is no suspect"):
        desk.decide(outside, "keep", None, by="a", expected=None)
    for label in (10, row["given"]):
        with pytest.raises(SettingsError):
            desk.decide(row["index"], "relabel", label, by="a", expected=None)
    assert desk.suspect(outside) is None
    assert desk.progress()["number"] == 0


def test_estimates_are_none_until_they_are_known_and_those_of_the_list(desk: Desk, digits: SeenRun):
    names = ("noise_rate", "noise_interval", "precision", "precision_interval")
    assert [desk.progress()[name] for name in names] == [None] * 4
    for row in rows(desk):
        label = (row["given"] + 1) % 10 if row["index"] % 7 == 0 else None
        desk.decide(row["index"], "keep" if label is None else "relabel", label, by="a", expected=None)

    told = desk.progress()

    found = make_suspects(digits, 0.2).estimate(digits.decided())
    assert told["noise_rate"] == found.noise_rate
    assert told["noise_interval"] == list(found.noise_interval)
    assert told["precision"] == found.precision
    assert told["precision_interval"] == list(found.precision_interval)


def test_one_suspect_is_told_in_full(digits: SeenRun, store: Decisions):
    listed = make_suspects(digits, 0.05)
    beside = find_neighbours(digits, listed)
    desk = Desk(digits, listed, store, beside)
    suspect = next(suspect for suspect in listed.suspects if suspect.given != suspect.predicted)

    told = desk.suspect(suspect.index)

    assert told is not None
    assert told["name"] == f"example {suspect.index}"
    assert told["losses"] == list(suspect.losses)
    assert told["median"] == list(listed.medians[suspect.given])
    assert told["given_like"] == beside.given_like[suspect.position].tolist()
    assert told["predicted_like"] == beside.predicted_like[suspect.position].tolist()
    labels = digits.data.train.labels.tolist()
    assert [labels[at] for at in told["given_like"]] == [suspect.given] * 4
    assert [labels[at] for at in told["predicted_like"]] == [suspect.predicted] * 4


def test_without_neighbours_there_are_none(desk: Desk):
    told = desk.suspect(rows(desk)[0]["index"])

    assert told is not None
    assert (told["given_like"], told["predicted_like"]) == ([], [])


def test_pictures_and_names_are_those_of_the_files(damaged: SeenRun):
    with damaged.open_store() as store:
        desk = Desk(damaged, make_suspects(damaged, 1.0), store)

        content, media_type = desk.picture(0)
        assert media_type == "image/png"
        assert damaged.data.files is not None
        assert content == damaged.data.files.content(0)
        told = desk.suspect(0)
        assert told is not None
        assert told["name"] == "cat/000.png"
        with pytest.raises(DataError, match=r"005\.png"):
            desk.picture(DAMAGED)
        with pytest.raises(DataError, match="index 42 is outside"):
            desk.picture(42)


def test_a_review_has_a_key_of_its_own(digits: SeenRun, store: Decisions):
    one, other = (Desk(digits, make_suspects(digits, budget), store).summary()["key"] for budget in (0.1, 0.2))

    assert one != other
    assert one == Desk(digits, make_suspects(digits, 0.1), store).summary()["key"]


def test_many_threads_lose_nothing(desk: Desk, store: Decisions):
    found = [row["index"] for row in rows(desk)]
    failed: list[Exception] = []

    def review(number: int) -> None:
        try:
            for index in found[number::4]:
                assert desk.decide(index, "keep", None, by=f"tab {number}", expected=None)["stored"]
                desk.progress()
                desk.suspects(0, 20, which="open")
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=review, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert desk.progress()["kept"] == len(found) == len(store.current())


def test_the_console_serves_it(desk: Desk):
    from starlette.testclient import TestClient

    client = TestClient(make_app(desk, token=None), base_url="http://127.0.0.1")
    row = rows(desk)[0]

    assert client.get("/api/review").json()["count"] == len(rows(desk))
    assert client.get(f"/api/suspects/{row['index']}").json()["why"] == row["why"]
    assert client.get(f"/api/pictures/{row['index']}").headers["content-type"] == "image/png"
    sent = {"index": row["index"], "decision": "keep", "by": "a"}
    assert client.post("/api/decisions", json=sent).json()["settled"]["decision"] == "keep"
    assert client.get("/api/suspects?which=open").json()["total"] == len(rows(desk)) - 1

"""The store of decisions, alone and written by several at once, and the files that decisions come and go in."""

import dataclasses
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.augment import decisions as decisions_module
from rheostat.augment.decision import ConflictError, DataIdentity, Decision, check_identity, labels_after
from rheostat.augment.decisions import Decisions, read_decisions
from rheostat.errors import DataError, SettingsError, StateError

DATA = DataIdentity("12e3", 1000, ("cat", "dog", "horse"))


def opened(path: Path, **options: Any) -> Decisions:
    return Decisions(path, data=DATA, clock=lambda: 1234.5, **options)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Decisions]:
    with opened(tmp_path / "decisions.db") as store:
        yield store


def decide(store: Decisions, index: int, decision: str = "keep", label: int | None = None, by: str = "a") -> Decision:
    """Decide on an example, labelled 0, whatever stands."""
    now = store.current().get(index)
    expected = None if now is None else now.number
    return store.decide(index, decision, given=0, label=label, by=by, expected=expected)


def standing(store: Decisions) -> dict[int, tuple[str, int | None]]:
    return {index: (one.decision, one.label) for index, one in store.current().items()}


# ---- one at a time


def test_a_decision_is_kept_as_it_was_made(store: Decisions, tmp_path: Path) -> None:
    made = store.decide(17, "relabel", given=0, label=2, by="tab", expected=None)
    assert made == Decision(17, 0, "relabel", 2, at=1234.5, by="tab", number=1)
    assert store.current() == {17: made}
    store.close()
    with opened(tmp_path / "decisions.db") as again:
        assert again.current() == {17: made}
        assert again.number == 1


def test_a_later_decision_stands_and_the_history_has_both(store: Decisions) -> None:
    first = decide(store, 5, "keep")
    second = decide(store, 5, "relabel", 1, by="b")
    assert store.current() == {5: second}
    assert store.history() == [first, second]
    assert store.since(first.number) == [second]
    assert store.since(second.number) == []


def test_verdicts_say_which_labels_are_wrong(store: Decisions) -> None:
    for index, decision in enumerate(("skip", "remove", "keep")):
        decide(store, index, decision)
    decide(store, 3, "relabel", 1)
    assert store.verdicts() == {1: True, 2: False, 3: True}
    assert store.skipped() == {0}
    assert list(store.current()) == [0, 1, 2, 3]


def test_a_decision_on_what_another_has_decided_is_refused_and_told(store: Decisions) -> None:
    first = store.decide(5, "keep", given=0, by="a", expected=None)
    with pytest.raises(ConflictError, match="example 5 has in the meantime been decided by a: keep") as caught:
        store.decide(5, "remove", given=0, by="b", expected=None)
    assert caught.value.current == first
    second = store.decide(5, "remove", given=0, by="b", expected=first.number)
    with pytest.raises(ConflictError):
        store.decide(5, "skip", given=0, by="a", expected=first.number)
    store.undo("b")
    store.undo("a")
    with pytest.raises(ConflictError, match="been taken back") as caught:
        store.decide(5, "skip", given=0, by="a", expected=second.number)
    assert caught.value.current is None
    assert store.current() == {}
    assert store.decide(5, "skip", given=0, by="a", expected=None).decision == "skip"


def test_many_are_decided_and_undone_as_one_and_what_was_decided_is_left(store: Decisions) -> None:
    mine = decide(store, 3, "skip", by="b")
    made = store.decide_many(dict.fromkeys((1, 2, 3, 4), 0), "relabel", label=1, by="a")
    assert [one.index for one in made] == [1, 2, 4]
    assert store.current()[3] == mine
    assert [one.number for one in made] == [2, 3, 4]
    decide(store, 2, "keep", by="b")
    assert [(one.index, one.decision) for one in store.undo("a")] == [(1, "undecided"), (4, "undecided")]
    assert standing(store) == {2: ("keep", None), 3: ("skip", None)}
    assert store.undo("a") == []
    assert store.decide_many({3: 0}, "keep", by="a") == []
    assert store.decide_many({1: 0}, "keep", by="a")[0].index == 1  # undecided again, so free


def test_many_or_none(store: Decisions) -> None:
    with pytest.raises(SettingsError, match="example 2 is to be relabelled as 1"):
        store.decide_many({1: 0, 2: 1}, "relabel", label=1, by="a")
    assert store.history() == []


# ---- undo


def test_undo_restores_what_stood_before_and_is_itself_recorded(store: Decisions) -> None:
    decide(store, 5, "keep")
    decide(store, 5, "relabel", 2)
    (back,) = store.undo("a")
    assert (back.index, back.decision, back.label, back.by) == (5, "keep", None, "a")
    assert store.current() == {5: back}
    (gone,) = store.undo("a")
    assert (gone.index, gone.decision) == (5, "undecided")
    assert store.current() == {}
    assert store.verdicts() == {}
    assert store.undo("a") == []
    assert [one.decision for one in store.history()] == ["keep", "relabel", "keep", "undecided"]
    assert store.since(3) == [gone]


def test_undo_leaves_what_others_decided(store: Decisions) -> None:
    decide(store, 1, "keep", by="a")
    decide(store, 2, "keep", by="a")
    decide(store, 2, "remove", by="b")
    assert [one.index for one in store.undo("a")] == [1]
    assert standing(store) == {2: ("remove", None)}
    assert store.undo("a") == []
    store.undo("b")  # now a's decision stands again, and a may take it back
    assert standing(store) == {2: ("keep", None)}
    assert [one.decision for one in store.undo("a")] == ["undecided"]


class Model:
    """The store written out: a stack of decisions per example, and acts in their order."""

    def __init__(self) -> None:
        self.stacks: dict[int, list[tuple[int, str, str]]] = {}  # act, who, what
        self.act = 0

    def decide(self, index: int, what: str, who: str) -> None:
        self.act += 1
        self.stacks.setdefault(index, []).append((self.act, who, what))

    def decide_many(self, indices: list[int], what: str, who: str) -> None:
        self.act += 1
        for index in indices:
            if not self.stacks.get(index):
                self.stacks[index] = [(self.act, who, what)]

    def undo(self, who: str) -> None:
        tops = [stack[-1] for stack in self.stacks.values() if stack and stack[-1][1] == who]
        if tops:
            last = max(act for act, _, _ in tops)
            for stack in self.stacks.values():
                if stack and stack[-1][0] == last:
                    stack.pop()

    def current(self) -> dict[int, str]:
        return {index: stack[-1][2] for index, stack in sorted(self.stacks.items()) if stack}


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_decisions_and_undos_gives_what_stacks_give(store: Decisions, seed: int) -> None:
    rng, model = random.Random(seed), Model()
    for _ in range(150):
        who, what, index = rng.choice("abc"), rng.choice(("keep", "remove", "skip")), rng.randrange(5)
        match rng.choice(("decide", "many", "undo", "undo")):
            case "decide":
                decide(store, index, what, by=who)
                model.decide(index, what, who)
            case "many":
                some = rng.sample(range(5), 3)
                store.decide_many(dict.fromkeys(some, 0), what, by=who)
                model.decide_many(some, what, who)
            case _:
                store.undo(who)
                model.undo(who)
        assert {index: one.decision for index, one in store.current().items()} == model.current()
    numbers = [one.number for one in store.history()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_store_that_was_removed_without_its_log_does_not_come_back_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    wal = path.with_name("decisions.db-wal")
    with opened(path) as store:
        decide(store, 9, "keep")
        left = wal.read_bytes()  # as a kill leaves it
    assert left
    path.unlink()
    wal.write_bytes(left)
    with opened(path) as store:
        assert store.history() == []
        decide(store, 2, "keep")
    with opened(path) as store:
        assert [one.index for one in store.history()] == [2]


# ---- several at once

_HAMMER = """
import sys
from pathlib import Path
from rheostat.augment.decision import ConflictError, DataIdentity
from rheostat.augment.decisions import Decisions
data = DataIdentity("12e3", 1000, ("cat", "dog", "horse"))
with Decisions(Path(sys.argv[1]), data=data) as store:
    print("open", flush=True)
    sys.stdin.readline()
    for turn in range(int(sys.argv[4])):
        index = turn * 2 + int(sys.argv[3])
        store.decide(index % 1000, "keep", given=0, by=sys.argv[2], expected=None)
        print(index, flush=True)
        try:
            store.decide(999, "skip", given=0, by=sys.argv[2], expected=None)
        except ConflictError:
            pass
assert "torch" not in sys.modules
"""


def hammer(path: Path, name: str, offset: int, times: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _HAMMER, str(path), name, str(offset), str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_that_make_and_write_a_store_at_once_lose_nothing(tmp_path: Path) -> None:
    path, times = tmp_path / "decisions.db", 60
    both = [hammer(path, name, offset, times) for offset, name in enumerate("ab")]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with opened(path) as store:
        assert {index: one.by for index, one in store.current().items() if index != 999} == {
            turn * 2 + offset: name for turn in range(times) for offset, name in enumerate("ab")
        }
        assert [one.index for one in store.history()].count(999) == 1  # one of them was first, all others were told
        assert len(store.history()) == 2 * times + 1


def test_a_kill_in_the_middle_loses_no_decision_that_was_told(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    process = hammer(path, "a", 0, 100_000)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    process.stdin.write("\n")
    process.stdin.flush()
    told = [int(process.stdout.readline()) for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    told += [int(line) for line in process.communicate()[0].split("\n")[:-1]]
    with opened(path) as store:
        assert set(told) <= set(store.current())
        assert decide(store, 998).number == store.number
    integrity = sqlite3.connect(path)
    assert integrity.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    integrity.close()


def test_two_connections_and_their_threads_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with opened(path) as one, opened(path) as other:

        def work(store: Decisions, offset: int) -> None:
            for turn in range(25):
                store.decide(turn * 4 + offset, "keep", given=0, by=str(offset), expected=None)

        threads = [threading.Thread(target=work, args=((one, other)[k % 2], k)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(one.current()) == list(other.current()) == list(range(100))
        first = decide(one, 200)
        assert other.since(first.number - 1) == [first]


def test_a_reader_sees_what_is_written_and_writes_nothing(store: Decisions, tmp_path: Path) -> None:
    with opened(tmp_path / "decisions.db", readonly=True) as reader:
        made = decide(store, 3)
        assert reader.current() == {3: made}
        with pytest.raises(StateError, match="readonly"):
            decide(reader, 4)
    with pytest.raises(StateError, match="there is no store"):
        opened(tmp_path / "other.db", readonly=True)


def test_a_store_is_there_with_its_data_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "decisions.db", []
    migrate = decisions_module.migrate

    def watched(connection: sqlite3.Connection, name: Path, scripts: Any) -> None:
        seen.append(path.exists())
        migrate(connection, name, scripts)

    monkeypatch.setattr(decisions_module, "migrate", watched)
    (tmp_path / "decisions.db.new").write_text("what a process that died here left behind")
    opened(path).close()
    assert seen == [False, True]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["decisions.db", "decisions.db.lock"]


# ---- what is refused


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"fingerprint": "ff"}, r"12e3 \(1,000 examples; 3 classes: cat, dog, horse\) and the present data are ff"),
        ({"size": 999}, r"are 12e3 \(999 examples"),
        ({"classes": ("cat", "dog", "cow")}, "present data are .* cat, dog, cow"),
    ],
)
def test_decisions_about_other_data_are_refused(
    store: Decisions, tmp_path: Path, other: dict[str, Any], told: str
) -> None:
    data = dataclasses.replace(DATA, **other)
    with pytest.raises(StateError, match=told):
        Decisions(tmp_path / "decisions.db", data=data)
    with pytest.raises(StateError, match=told):
        check_identity(DATA, data, "labels.csv")


def test_what_a_file_does_not_tell_is_not_compared() -> None:
    check_identity(DataIdentity("12e3", 0), DATA, "labels.csv")
    check_identity(DATA, DATA, "labels.csv")
    with pytest.raises(StateError, match=r"labels\.csv is about data 13 and the present data"):
        check_identity(DataIdentity("13", 0), DATA, "labels.csv")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"index": 1000}, "index is 1000: the data set has 1000 examples, 0 to 999"),
        ({"index": -1}, "index is -1"),
        ({"decision": "kepe"}, "decision of example 5 is 'kepe': it must be one of keep, relabel, remove, skip"),
        ({"decision": "undecided"}, "is 'undecided'"),
        ({"given": 3}, "given label of example 5 is 3: a class index is in 0 to 2"),
        ({"decision": "relabel", "label": 3}, "label of example 5 is 3"),
        ({"decision": "relabel", "label": -1}, "label of example 5 is -1"),
        ({"decision": "relabel"}, "example 5 is to be relabelled without a label"),
        ({"decision": "relabel", "label": 0}, "example 5 is to be relabelled as 0, its given label: use keep"),
        ({"decision": "keep", "label": 1}, "example 5 is decided as keep with label 1: only relabel takes"),
    ],
)
def test_what_cannot_be_decided_is_refused(store: Decisions, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        store.decide(**{"index": 5, "decision": "keep", "given": 0, "by": "a", "expected": None, **arguments})
    assert store.history() == []


def test_what_is_no_store_of_decisions_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, although it is long enough to be taken for one" * 20)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE events (number INTEGER)")
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    for name, told in (("text.db", "cannot be used"), ("other.db", "is no store of decisions")):
        with pytest.raises(StateError, match=told):
            opened(tmp_path / name)
        with pytest.raises(StateError, match=told):
            read_decisions(tmp_path / name)
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_later_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decisions.db"
    scripts = decisions_module._SCRIPTS
    monkeypatch.setattr(decisions_module, "_SCRIPTS", (*scripts, "ALTER TABLE data ADD COLUMN extra TEXT"))
    opened(path).close()
    monkeypatch.setattr(decisions_module, "_SCRIPTS", scripts)
    for readonly in (False, True):
        with pytest.raises(StateError, match="is of version 2, and this Rheostat knows 1"):
            opened(path, readonly=readonly)


# ---- files


def some_decisions(store: Decisions) -> list[Decision]:
    decide(store, 9, "keep")
    decide(store, 2, "relabel", 1, by='tab "b", second')
    decide(store, 700, "remove")
    decide(store, 4, "skip")
    decide(store, 5, "keep")
    store.undo("a")
    return list(store.current().values())


def test_decisions_come_back_from_every_kind_of_file(store: Decisions, tmp_path: Path) -> None:
    made = some_decisions(store)
    assert [one.index for one in made] == [2, 4, 9, 700]
    store.to_csv(tmp_path / "out.csv")
    store.to_jsonl(tmp_path / "out.jsonl")
    assert read_decisions(tmp_path / "out.jsonl") == (DATA, made)
    assert read_decisions(tmp_path / "out.csv") == (dataclasses.replace(DATA, classes=()), made)
    assert read_decisions(tmp_path / "decisions.db") == (DATA, made)
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["fingerprint"] == "12e3"


def test_a_csv_that_a_spreadsheet_has_sorted_and_saved_is_still_read(store: Decisions, tmp_path: Path) -> None:
    made = some_decisions(store)
    path = tmp_path / "out.csv"
    store.to_csv(path)
    header, *rows = path.read_text().splitlines()
    mangled = [header, *reversed([row for row in rows if '"' not in row]), ",,,,,,,,"]
    text = "\r\n".join(mangled).replace(",", ";").replace("700;0", "700.0;0.0").replace("1234.5", "01.01.1970 00:20")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    identity, found = read_decisions(path)
    assert identity == DataIdentity("12e3", 1000)
    plain = [dataclasses.replace(one, at=0.0) for one in made if one.index != 2]
    assert found == plain[::-1]


def test_labels_of_ones_own_are_read_from_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("name,label,index\nfirst,2,17\nsecond,0,3\n\n")
    assert read_decisions(path) == (None, [Decision(17, None, "relabel", 2), Decision(3, None, "relabel", 0)])
    path.write_text("index,decision,label\n1,,\n2,keep,\n3,relabel,1\n")  # as the list of suspects is exported
    assert read_decisions(path) == (None, [Decision(2, None, "keep"), Decision(3, None, "relabel", 1)])
    (tmp_path / "labels.jsonl").write_text('{"index": 4, "label": 1}\n')
    assert read_decisions(tmp_path / "labels.jsonl") == (None, [Decision(4, None, "relabel", 1)])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "no column index and none label"),
        ("a.csv", b"index,class\n1,2\n", "has no column label"),
        ("a.csv", b"index,label\n1,2\nx,2\n", "line 3 has index 'x': it must be a whole number"),
        ("a.csv", b"index,label\n1,2.5\n", "line 2 has label '2.5'"),
        ("a.csv", b"index,label\n1,-1\n", "line 2 has label '-1'"),
        ("a.csv", b"index,label\n1,inf\n", "line 2 has label 'inf'"),
        ("a.csv", b"index,label\n,1\n", "line 2 has no index"),
        ("a.csv", b"index,label\n1,\n", "line 2 is relabel without a label"),
        ("a.csv", b"index,label,decision\n1,2,keep\n", "line 2 is keep with a label"),
        ("a.csv", b"index,label,decision\n1,,hold\n", "line 2 has decision 'hold': it must be one of keep, relabel"),
        ("a.csv", b"index,given,label\n1,0,2\n4,,1\n", "has a given label in some rows and none in others"),
        ("a.csv", b"index,label\n1,2\n4,1\n1,0\n", "decides example 1 more than once"),
        ("a.csv", b"index,label,fingerprint\n1,2,a\n2,2,b\n", r"more than one data set \(a and b\)"),
        ("a.csv", b"index,label\n\xff,2\n", "is not text in UTF-8"),
        ("a.jsonl", b'{"index": 1, "label": 2}\n{"index": 2,', "line 2 is not JSON"),
        ("a.jsonl", b"[1, 2]\n", "line 1 is no object"),
        ("a.jsonl", b'{"rheostat": "decisions", "schema": 9}\n', "schema 9 and this version reads"),
        ("a.txt", b"", r"a.txt is no file of decisions: give a .db, .csv or .jsonl file"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        read_decisions(tmp_path / name)
    assert name in str(caught.value)


# ---- labels


def test_labels_after_decisions() -> None:
    labels = np.array([0, 1, 2, 0, 1])
    after, removed = labels_after(
        labels,
        [
            Decision(0, 0, "keep"),
            Decision(1, 1, "relabel", 2),
            Decision(3, 0, "remove"),
            Decision(4, None, "relabel", 0),
        ],
        classes=3,
    )
    assert after.tolist() == [0, 2, 2, 0, 0]
    assert removed.tolist() == [False, False, False, True, False]
    assert labels.tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (Decision(5, 0, "keep"), "row 5 and the data set has 5 examples"),
        (Decision(-1, 0, "keep"), "row -1 and"),
        (Decision(2, 1, "keep"), "row 2 was labelled 1 when it was decided and is 2 now"),
        (Decision(2, 2, "relabel", 3), "row 2 is relabelled as 3: a class index is in 0 to 2"),
    ],
)
def test_decisions_that_do_not_fit_the_labels_are_refused(decision: Decision, told: str) -> None:
    with pytest.raises(DataError, match=told):
        labels_after(np.array([0, 1, 2, 0, 1]), [decision], classes=3)

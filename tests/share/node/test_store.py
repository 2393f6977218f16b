import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheostat.errors import StateError
from rheostat.share.node import store as store_module
from rheostat.share.node import tables
from rheostat.share.node.events import Run, Sample
from rheostat.share.node.store import Event, Store, StoreReader


def run(first: float = 10.0, last: float = 12.0, *, peak: float = 0.9, hits: int = 3) -> Run:
    return Run(first, last, Sample(last, int(10 * last), peak), hits)


def start(store: Store, app: str = "train") -> Event:
    return store.start(app, run(), seen=12.0, source="clip.mp4", plan="abc")


def start_many(store: Store) -> None:
    for _ in range(200):
        start(store)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db", clock=lambda: 1000.0) as store:
        yield store


def test_an_event_is_kept_from_start_to_end(store: Store) -> None:
    event = start(store)
    assert store.event(event.id) == event
    assert (event.state, event.start, event.end, event.started_at, event.ended_at) == ("open", 10, 12, 998, 1000)
    store.update(event.id, run(last=15.0, peak=0.95, hits=7))
    going = store.event(event.id)
    assert (going.state, going.end, going.ended_at, going.peak, going.peak_slot, going.hits) == (
        "open",
        15.0,
        1003.0,
        0.95,
        150,
        7,
    )
    closed = store.finish(event.id, run(last=16.0, hits=8))
    assert (closed.state, closed.end, closed.hits, closed.peak) == ("closed", 16.0, 8, 0.9)
    assert closed == store.event(event.id)
    store.update(event.id, run(last=99.0))
    assert store.event(event.id).end == 16.0  # what is closed stays


def test_events_are_found_by_app_and_time_the_latest_first(tmp_path: Path) -> None:
    now = [0.0]
    with Store(tmp_path / "node.db", clock=lambda: now[0]) as store:
        ids = []
        for now[0], app in zip((0.0, 100.0, 200.0, 300.0), ("train", "bus", "train", "car"), strict=True):
            ids.append(start(store, app).id)
        assert [event.id for event in store.events()] == ids[::-1]
        assert [event.id for event in store.events(app="train")] == [ids[2], ids[0]]
        assert [event.id for event in store.events(since=200.0)] == [ids[3], ids[2]]
        assert [event.id for event in store.events(app="train", since=100.0)] == [ids[2]]
        assert [event.id for event in store.events(app="train", before=ids[2])] == [ids[0]]
        assert store.events(before="no such event") == []
        assert [event.id for event in store.events(limit=1)] == [ids[3]]


def test_files_of_evidence_are_noted_and_forgotten(store: Store) -> None:
    store.outbox.register("x")
    event = start(store)
    store.attach(event.id, snapshot="a.jpg")
    store.attach(event.id, note="no clip: disk full", last=True)
    assert (store.event(event.id).snapshot, store.event(event.id).note) == ("a.jpg", "no clip: disk full")
    store.without_files(["a.jpg"])
    gone = store.event(event.id)
    assert (gone.snapshot, gone.note) == (None, "no clip: disk full; snapshot no longer kept")
    kinds = []
    while message := store.outbox.next("x"):
        kinds.append(message.kind)
        store.outbox.told("x", message)
    assert kinds == ["started", "evidence"]  # once, when all is there


def test_an_unknown_event_is_an_error(store: Store) -> None:
    with pytest.raises(StateError, match="no event 'nothing'"):
        store.event("nothing")


def test_a_second_store_names_the_process_that_has_it(store: Store, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rheostat.share.node.store import Store; Store(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "node.db")], capture_output=True, text=True)
    assert f"StateError: store {tmp_path / 'node.db'} is in use by process {os.getpid()}:" in done.stderr
    with pytest.raises(StateError, match=f"in use by process {os.getpid()}"):
        Store(tmp_path / "node.db")


def test_a_closed_store_may_be_opened_again(tmp_path: Path) -> None:
    for expected in (0, 1):
        with Store(tmp_path / "deep" / "node.db") as store:
            assert len(store.events()) == expected
            event = start(store)
            store.finish(event.id, run())


def test_others_may_read_while_a_node_writes(store: Store, tmp_path: Path) -> None:
    event = start(store)
    with StoreReader(tmp_path / "node.db") as reader:
        assert reader.events() == [event]
        store.finish(event.id, run())
        assert reader.event(event.id).state == "closed"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._database.connection.execute("DELETE FROM events")


def test_a_store_is_there_with_its_tables_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.db"
    made_before, seen = store_module.migrate, []

    def migrate(connection: sqlite3.Connection, name: Path) -> None:
        seen.append((name, path.exists()))
        made_before(connection, name)

    monkeypatch.setattr(store_module, "migrate", migrate)
    (tmp_path / "node.db.new").write_text("what a process that died here left behind")
    with Store(path), StoreReader(path) as reader:
        assert reader.events() == []
    assert seen == [(path, False), (path, True)]  # made aside, then only checked
    assert sorted(file.name for file in tmp_path.iterdir()) == ["node.db", "node.db.lock"]


def test_a_reader_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no store"):
        StoreReader(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("not a database, but long enough to look at " * 9)
    with pytest.raises(StateError, match=r"text\.db cannot be used"):
        StoreReader(tmp_path / "text.db")
    with pytest.raises(StateError, match=r"text\.db cannot be used"):
        Store(tmp_path / "text.db")


KILLED = """
import sys, time
from pathlib import Path
from rheostat.share.node.events import Run, Sample
from rheostat.share.node.store import Store

store = Store(Path(sys.argv[1]))
store.outbox.register("sink")
run = lambda last: Run(0.0, last, Sample(last, 0, 0.9), 1)
number = 0
while True:
    event = store.start("app", run(0.0), seen=0.0, source="s", plan="p")
    for last in range(1, 4):
        store.update(event.id, run(float(last)))
    if number == 5:
        print("open", event.id, flush=True)  # and it goes on, to be killed anywhere
    store.finish(event.id, run(4.0))
    print(event.id, flush=True)
    number += 1
"""


def test_a_kill_loses_no_finished_event_and_an_open_one_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        finished = []
        for line in child.stdout:
            if not line.startswith("open"):
                finished.append(line.strip())
            if len(finished) == 20:
                child.send_signal(signal.SIGKILL)
                break
        finished += [line.strip() for line in child.stdout if not line.startswith("open")]
    with Store(path) as store:
        kept = {event.id: event for event in store.events(limit=10_000)}
        assert set(finished) <= set(kept)
        assert all(kept[event].state == "closed" and kept[event].end == 4.0 for event in finished)
        assert {event.state for event in kept.values()} <= {"closed", "interrupted"}
        messages = []
        while message := store.outbox.next("sink"):
            messages.append((message.event, message.kind))
            store.outbox.told("sink", message)
        assert {event for event, kind in messages if kind == "finished"} == set(kept)  # each told with its event


def test_an_event_open_at_a_kill_is_closed_as_interrupted_at_its_last_hit(tmp_path: Path) -> None:
    program = KILLED.replace(
        "    store.finish", "    if number == 2: import os, signal; os.kill(os.getpid(), 9)\n    store.finish"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "node.db")], capture_output=True, check=False)
    with Store(tmp_path / "node.db") as store:
        (event,) = store.interrupted
        assert (event.state, event.end) == ("interrupted", 3.0)
        assert [kept.state for kept in store.events()] == ["interrupted", "closed", "closed"]
        while message := store.outbox.next("sink"):
            store.outbox.told("sink", message)
            last = message
        assert (last.event, last.kind) == (event.id, "finished")
        assert '"interrupted"' in last.content
    with Store(tmp_path / "node.db") as store:
        assert store.interrupted == ()


def test_a_later_version_is_refused_and_an_earlier_one_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "node.db"
    with Store(path) as store:
        event = start(store)
    known = tables.MIGRATIONS
    monkeypatch.setattr(tables, "MIGRATIONS", (*known, "ALTER TABLE events ADD COLUMN extra TEXT"))
    with Store(path) as store:
        assert store.event(event.id).state == "interrupted"
        assert store._database.rows("SELECT extra FROM events")[0]["extra"] is None
    monkeypatch.setattr(tables, "MIGRATIONS", known)
    with pytest.raises(StateError, match="is of version 3, and this Rheostat knows 2"):
        Store(path)
    monkeypatch.setattr(tables, "MIGRATIONS", (*known, "ALTER TABLE events ADD COLUMN extra TEXT"))
    Store(path).close()  # the refusal left no lock behind


def test_what_is_looked_for_often_is_found_by_an_index(store: Store) -> None:
    asked, connection = [], store._database.connection
    connection.set_trace_callback(asked.append)
    store.without_files(["a.jpg"])
    store.events(app="train", since=5.0, before="x")
    store.events(app="train")
    connection.set_trace_callback(None)
    plans = [
        "; ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
        for statement in asked
        if "events" in statement
    ]
    named = ("events_by_snapshot", "events_by_clip", "events_by_app", "events_by_app")
    assert len(plans) == len(named)
    for plan, index in zip(plans, named, strict=True):
        assert f"SEARCH events USING INDEX {index} (" in plan
        assert "SCAN" not in plan


def test_a_store_that_cannot_be_opened_to_the_end_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Store) -> tuple[Event, ...]:
        raise StateError("store cannot be written: disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_close_interrupted", full)
        with pytest.raises(StateError, match="disk is full"):
            Store(tmp_path / "node.db")
    Store(tmp_path / "node.db").close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.db"
    Store(path).close()
    known = tables.MIGRATIONS
    broken = "ALTER TABLE events ADD COLUMN extra TEXT; SELECT nothing FROM nowhere"
    monkeypatch.setattr(tables, "MIGRATIONS", (*known, broken))
    with pytest.raises(StateError, match=f"cannot be brought to version {len(known) + 1}: near"):
        Store(path)
    monkeypatch.setattr(tables, "MIGRATIONS", known)
    with Store(path) as store:
        assert "extra" not in store._database.rows("SELECT * FROM pragma_table_info('events')")[-1]["name"]


def test_an_event_and_its_message_are_kept_both_or_neither(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def post(*_: object) -> None:
        raise StateError("no")

    monkeypatch.setattr(store.outbox, "post", post)
    with pytest.raises(StateError, match="no"):
        start(store)
    monkeypatch.undo()
    assert store.events() == []
    event = start(store)
    assert store.events() == [event]


def test_a_full_disk_is_told_and_leaves_the_store_usable(store: Store) -> None:
    event = start(store)
    connection = store._database.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to a full disk
    with pytest.raises(StateError, match=r"cannot be written: database or disk is full"):
        start_many(store)
    connection.execute("PRAGMA max_page_count = 100000")
    assert store.finish(event.id, run()).state == "closed"


def test_what_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written: File exists"):
        Store(tmp_path / "file" / "node.db")


def test_threads_may_share_a_store(store: Store) -> None:
    def work() -> None:
        for _ in range(10):
            store.finish(start(store).id, run())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.state for event in store.events(limit=1000)] == ["closed"] * 40


def test_a_store_that_is_closed_says_so_in_the_same_way_as_one_that_cannot_be_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "events.db")
    store.close()
    with pytest.raises(StateError, match=r"events\.db cannot be written"):
        store.attach("e", note="late")

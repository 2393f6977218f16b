import json
from pathlib import Path

from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks import Later, SinkWorker, Told
from rheostat.share.node.sinks.jsonl import JsonlSink
from rheostat.share.node.store import Store
from tests.share.node.sinks.conftest import post, wait_until_told
from tests.share.node.test_store import run


def message(number: int) -> Message:
    return Message(number, f"e{number}", "started", json.dumps({"id": f"e{number}"}))


def test_every_event_is_a_line(store: Store, tmp_path: Path) -> None:
    worker = SinkWorker(JsonlSink(tmp_path / "deep" / "events.jsonl"), store.outbox)
    events = post(store, 3)
    store.finish(events[0], run())
    wait_until_told(store)
    worker.close()
    lines = [json.loads(line) for line in (tmp_path / "deep" / "events.jsonl").read_text().splitlines()]
    assert [(line["id"], line["kind"]) for line in lines] == [
        *[(event, "started") for event in events],
        (events[0], "finished"),
    ]
    assert lines[0]["app"] == "train"


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonlSink(path)
    assert sink.tell(message(1)) == Told()
    with path.open("ab") as file:
        file.write(b'{"id": "torn')
    assert sink.tell(message(2)) == Told()
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["e1", "e2"]
    path.write_bytes(b'{"id": "only')
    assert sink.tell(message(3)) == Told()
    assert path.read_text() == '{"id": "e3"}\n'


def test_a_file_that_cannot_be_written_waits(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    outcome = JsonlSink(tmp_path / "events.jsonl").tell(message(1))
    assert isinstance(outcome, Later)
    assert "Is a directory" in outcome.reason

"""`rheostat suspects` and `rheostat review`, as a data owner meets them."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rheostat.records import read_json, write_json
from rheostat.review import make_suspects, open_run, read_suspects
from tests.cli.shown import Call
from tests.review.toys import pets, run_folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run on 898 digits, one in seven of them at odds with its label."""
    return run_folder(tmp_path / "run")


def decide(run: Path, *decisions: tuple[int, str]) -> None:
    seen = open_run(run)
    with seen.open_store() as store:
        for index, decision in decisions:
            given = int(seen.data.train.labels[index])
            label = (given + 1) % 10 if decision == "relabel" else None
            store.decide(index, decision, given=given, label=label, by="me", expected=None)


@contextmanager
def served(run: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`rheostat review` in a process of its own, and the address of its page."""
    running = subprocess.Popen(
        [sys.executable, "-m", "rheostat", "review", str(run), "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    try:
        assert running.stderr is not None
        line = ""
        while "review page:" not in line:
            line = running.stderr.readline()
            assert line, "it ended before it served anything"
        found = re.search(r"http://\S+", line)
        assert found is not None
        yield running, found.group().rstrip("/")
    finally:
        running.kill()
        running.communicate()


def ask(address: str, path: str, sent: dict[str, Any] | None = None) -> dict[str, Any]:
    body = None if sent is None else json.dumps(sent).encode()
    request = urllib.request.Request(f"{address}{path}", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@pytest.mark.parametrize("command", ["suspects", "review"])
def test_the_help_has_an_example(call: Call, command: str):
    assert f"Example: rheostat {command} runs/" in " ".join(call(command, "--help").out.split())


def test_suspects_are_counted_listed_and_written(call: Call, run: Path):
    shown = call("suspects", run, "--budget", "0.1", "--export", "csv,jsonl,label-studio,fiftyone")

    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0] == "899 examples, 1 of them never looked at; 90 to review, 9 drawn at random"
    top = make_suspects(open_run(run), 0.1).pairs()[0]
    assert lines[2].split() == [str(number) for number in top]
    assert "how many of them are wrong is unknown until some are reviewed" in lines
    assert lines[-1] == f"review them: rheostat review {run}"
    assert {path.name for path in (run / "suspects").iterdir()} == {
        "list.json", "suspects.html", "suspects.csv", "suspects.jsonl", "label-studio", "fiftyone",
    }  # fmt: skip
    for name in ("suspects.html", "suspects.csv", "suspects.jsonl", "label-studio", "fiftyone"):
        assert f"written: {run / 'suspects' / name}" in lines


def test_once_some_are_reviewed_the_estimates_are_told(call: Call, run: Path):
    listed = make_suspects(open_run(run), 0.1)
    decide(run, *((one.index, "keep" if one.index % 7 else "relabel") for one in listed.suspects))

    shown = call("suspects", run, "--budget", "0.1")
    told = json.loads(call("suspects", run, "--budget", "0.1", "--json").out)

    wrong = sum(one.index % 7 == 0 for one in listed.suspects)
    assert f"decided: {90 - wrong} kept, {wrong} relabelled" in shown.out
    assert re.search(r"suspects with a wrong label: 100\.0% \(\d+\.\d% to 100\.0% at 95% confidence\)", shown.out)
    assert re.search(r"all examples with a wrong label: \d+\.\d% \(\d+\.\d% to \d+\.\d% at 95%", shown.out)
    low, high = told["estimate"]["noise_rate"]["interval"]
    assert low <= told["estimate"]["noise_rate"]["estimate"] <= high
    assert told["decided"]["kept"] + told["decided"]["relabelled"] == 90


def test_json_is_one_object_and_nothing_else(call: Call, run: Path):
    shown = call("suspects", run, "--json", "--score", "forgetting", "--rounds", "2", "--audits", "0.2")

    told = json.loads(shown.out)
    assert shown.err == ""
    assert (told["examples"], told["seen"], told["listed"], told["audits"]) == (899, 898, 45, 9)
    assert (told["score"], told["budget"], told["estimate"]) == ("forgetting", 0.05, None)
    assert sum(pair["suspects"] for pair in told["pairs"]) <= 45
    assert Path(told["files"]["sheet"]).is_file()


def test_images_that_cannot_be_decoded_are_named_and_counted(call: Call, tmp_path: Path):
    run = run_folder(tmp_path / "run", str(pets(tmp_path / "pets", damaged=True)))

    shown = call("suspects", run, "--budget", "1", "--export", "fiftyone")

    assert shown.code == 0
    assert re.search(r"1 of the images cannot be decoded, and have no picture: image 5 \(.*005\.png\)", shown.out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["suspects", "nowhere"], "is this the folder of a run?"),
        (["suspects", "RUN", "--budget", "0"], "budget is 0"),
        (["suspects", "RUN", "--budget", "1.2"], "budget is 1.2"),
        (["suspects", "RUN", "--audits", "1"], "audits is 1"),
        (["suspects", "RUN", "--rounds", "0"], "rounds is 0"),
        (["suspects", "RUN", "--score", "disagrement"], "did you mean disagreement"),
        (["suspects", "RUN", "--export", "csv,labelstudio"], "did you mean label-studio"),
        (["suspects"], "Missing argument 'run'"),
        (["review", "nowhere"], "is this the folder of a run?"),
        (["review", "RUN", "--budget", "0"], "budget is 0"),
        (["review", "RUN", "--port", "70000"], "port is 70000"),
        (["review", "RUN", "--export", "decisions.xml"], "decisions are written as .csv or .jsonl"),
        (["review", "RUN", "--export", "decisions.csv"], "nothing has been decided"),
        (["review", "nowhere", "--export", "decisions.csv"], "nothing has been decided"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    call: Call, run: Path, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    shown = call(*(str(run) if argument == "RUN" else argument for argument in arguments))

    assert shown.code == 2
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert not (run / "suspects" / "suspects.html").exists()


def test_a_page_that_cannot_be_served_is_told_before_the_work(call: Call, run: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("rheostat.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr("rheostat.review.open_run", None)

    shown = call("review", run)

    assert (shown.code, "uvicorn is missing" in shown.err) == (2, True)


def test_a_run_that_looked_at_nothing_says_what_to_do(call: Call, tmp_path: Path):
    run = run_folder(tmp_path / "run", looks=False)

    for command in ("suspects", "review"):
        shown = call(command, run)
        assert (shown.code, shown.err.count("\n")) == (2, 1)
        assert "--augment none" in shown.err


def test_decisions_of_other_data_are_refused_and_stay(call: Call, run: Path, tmp_path: Path):
    other = run_folder(tmp_path / "other", str(pets(tmp_path / "pets")))
    decide(other, (1, "keep"))
    shutil.copy(other / "decisions.db", run / "decisions.db")
    before = (run / "decisions.db").read_bytes()

    for command in ("suspects", "review"):
        shown = call(command, run)
        assert (shown.code, shown.err.count("\n")) == (2, 1)
        assert "is about data" in shown.err
    assert (run / "decisions.db").read_bytes() == before


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_decisions_are_written_without_serving_or_loading_anything(call: Call, run: Path, tmp_path: Path, suffix: str):
    decide(run, (7, "relabel"), (8, "keep"), (9, "skip"))
    write_json(run / "settings.json", read_json(run / "settings.json") | {"data": "./gone"})

    shown = call("review", run, "--export", tmp_path / f"d.{suffix}")

    assert shown == (0, f"3 decisions written: {tmp_path / f'd.{suffix}'}\n", "")
    text = (tmp_path / f"d.{suffix}").read_text()
    if suffix == "csv":
        assert [row["decision"] for row in csv.DictReader(text.splitlines())] == ["relabel", "keep", "skip"]
    else:
        assert [json.loads(line)["decision"] for line in text.splitlines()[1:]] == ["relabel", "keep", "skip"]
    assert json.loads(call("review", run, "--export", tmp_path / "x.csv", "--json").out)["decisions"] == 3


def test_a_review_is_served_until_it_is_ended_and_a_kill_loses_nothing(run: Path):
    with served(run, "--budget", "0.1") as (running, address):
        assert ask(address, "/api/review")["count"] == 90  # the list was made
        rows = ask(address, "/api/suspects")["rows"][:3]
        assert len(ask(address, f"/api/suspects/{rows[0]['index']}")["given_like"]) == 4
        for row in rows:
            ask(address, "/api/decisions", {"index": row["index"], "decision": "keep", "by": "a"})
        running.kill()
        running.wait()

    with served(run) as (running, address):
        again = ask(address, "/api/suspects")["rows"][:3]
        assert [row["index"] for row in again] == [row["index"] for row in rows]
        assert all(row["settled"]["decision"] == "keep" for row in again)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)

    assert running.returncode == 0, err
    assert "decided: 3 kept" in out
    assert f"rheostat train --config {run / 'settings.json'} --labels {run / 'decisions.db'}" in out


@pytest.fixture
def ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes as soon as the page is served."""

    @contextmanager
    def at_once(stop: threading.Event) -> Iterator[None]:
        stop.set()
        yield

    monkeypatch.setattr("rheostat.cli.review.ended_by_signals", at_once)


def test_a_review_goes_without_neighbours_where_the_model_cannot_be_had(call: Call, run: Path, ended_at_once: None):
    write_json(run / "settings.json", read_json(run / "settings.json") | {"model": "my-own"})

    shown = call("review", run, "--port", "0")

    assert shown.code == 0
    assert "without nearest examples: the model of" in shown.err
    assert "review page: http://127.0.0.1:" in shown.err


def test_a_list_that_is_there_is_reviewed_as_it_is(call: Call, run: Path, ended_at_once: None):
    listed = make_suspects(open_run(run), 0.03, rounds=2, audits=0.3, score="aum", seed=0)

    told = json.loads(call("review", run, "--port", "0", "--json").out)

    assert (told["listed"], told["score"], told["budget"]) == (len(listed.suspects), "aum", 0.03)
    assert read_suspects(run) == listed
    assert json.loads(call("review", run, "--port", "0", "--budget", "0.06", "--json").out)["listed"] == 54

"""The example in the help of every command works as it is typed.

Each is run where a user would type it: in a folder with what the example names. Stand-ins are small, and where an
example takes longer than a test may, it is followed by flags that leave less to do. What is too long even so is parsed
by the real command, and said so in `PARSED_ONLY`.
"""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.main import get_command

from rheostat.cli import app
from rheostat.cli import review as review_module
from rheostat.records import read_json
from rheostat.review import open_run
from rheostat.share import stem
from rheostat.share.package import read_package
from rheostat.share.placement import read_placement
from rheostat.share.plan import Deployment, write
from tests.cli.shown import Call, Shown
from tests.review.toys import run_folder
from tests.share.node.toys import ample, colour_fleet, video_of
from tests.share.trainer.toys import clip, network

ROOT = Path(__file__).resolve().parents[2]
PARSED_ONLY = {
    "demo": "it takes minutes; tests/bench and `make demo` run it",
    "reproduce": "its records take minutes; tests/cli/test_reproduce.py runs smaller ones",
}
LESS = {
    "train": "--epochs 1 --image-size 16 --device cpu --track none",
    "bench select": "--epochs 1 --seeds 1 --jobs 1 --image-size 16 --device cpu",
    "bench overhead": "--turns 1",
    "package": "--epochs 1 --batch-size 8 --lr 0.01 --device cpu --branch-points 3",
    "review": "--port 0",
}


def every_command(command: Any, typed: str = "") -> Iterator[tuple[str, Any]]:
    """What can be typed, groups included: `""`, `train`, `bench`, `bench select`."""
    yield typed, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, f"{typed} {name}".strip())


COMMANDS = dict(every_command(get_command(app)))


def examples_of(typed: str) -> list[list[str]]:
    """The examples in a help text, split as a shell splits them, without the word `rheostat`."""
    told = COMMANDS[typed].epilog or ""
    assert told.startswith("Example"), f"rheostat {typed} --help has no example"
    words = [shlex.split(example) for example in told.partition(": ")[2].split("; then ")]
    assert all(example[0] == "rheostat" for example in words)
    return [example[1:] for example in words]


def parsed(words: list[str]) -> str:
    """Parse what is typed after `rheostat` with the real commands, and name the command."""
    command, typed, words = get_command(app), "", list(words)
    while (inner := getattr(command, "commands", {})) and words and words[0] in inner:
        typed, command = f"{typed} {words[0]}".strip(), inner[words.pop(0)]
    command.make_context(typed or "rheostat", words)
    return typed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples are typed: the top of a checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.parametrize("typed", COMMANDS)
def test_the_help_shows_examples_that_parse(typed: str, call: Call):
    for words in examples_of(typed):
        assert parsed(words).startswith(typed)
        assert shlex.join(["rheostat", *words]) in " ".join(call(*typed.split(), "--help").out.split())


def typed_in(call: Call, words: list[str]) -> Shown:
    """Run an example with what leaves less to do."""
    command = parsed(words)
    less = [] if {"--inspect", "--export"} & {*words} and command != "suspects" else LESS.get(command, "").split()
    shown = call(*words, *less)
    assert shown.code == 0, shown.err
    return shown


def test_every_command_is_run_here_or_said_not_to_be():
    run_here = {name.removeprefix("test_example_of_").replace("_", " ") for name in globals() if "example_of" in name}

    assert run_here | {*PARSED_ONLY} == {
        typed for typed, command in COMMANDS.items() if not getattr(command, "commands", None)
    }


def test_example_of_train(call: Call, place: Path):
    (words,) = examples_of("train")
    typed_in(call, words)

    told = read_json(place / "runs/digits/summary.json")
    assert (told["settings"]["floor"], told["settings"]["data"]) == (0.1, "sklearn-digits")
    assert 0 < told["final"]["backwards"] <= told["final"]["candidates"] == 899


def test_example_of_bench_select(call: Call, place: Path):
    (words,) = examples_of("bench select")
    shown = typed_in(call, words)

    assert {"plain", "selective-backprop", "matched-random"} <= {
        *read_json(place / "runs/bench-select/record.json")["arms"]
    }
    assert "report: runs/bench-select/report.html" in shown.out


def test_example_of_bench_overhead(call: Call, place: Path):
    (words,) = examples_of("bench overhead")
    typed_in(call, words)

    assert read_json(place / "overhead.json")["ratios"]["selective"]["median"] > 0


def test_example_of_suspects(call: Call, place: Path):
    run_folder(place / "runs/digits")
    (words,) = examples_of("suspects")
    shown = typed_in(call, words)

    assert "45 to review" in shown.out  # 5 % of 899
    assert (place / "runs/digits/suspects/suspects.csv").read_text().count("\n") == 1 + 45
    assert len(json.loads((place / "runs/digits/suspects/label-studio/tasks.json").read_text())) == 45


def test_example_of_review(call: Call, place: Path, monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def at_once(stop: Any) -> Iterator[list[int]]:
        """Ctrl-C as soon as the page is served."""
        stop.set()
        yield []

    monkeypatch.setattr(review_module, "ended_by_signals", at_once)
    serves, exports = examples_of("review")
    folder = run_folder(place / "runs/digits")

    assert "review page: http://127.0.0.1:" in typed_in(call, serves).err
    seen = open_run(folder)
    with seen.open_store() as store:
        store.decide(7, "keep", given=int(seen.data.train.labels[7]), by="me", expected=None)
    assert "1 decisions written: decisions.csv" in typed_in(call, exports).out
    assert (place / "decisions.csv").read_text().splitlines()[1].startswith("7,")


def test_example_of_package(call: Call, place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stem, "load_base", lambda name, **_: network())
    clip(place, "gate", label="vehicle")
    makes, inspects = examples_of("package")

    typed_in(call, makes)
    shown = typed_in(call, inspects)

    assert read_package(place / "apps/vehicle").document.positive == "vehicle"
    assert "vehicle: looks for 'vehicle'" in shown.out
    assert ElementTree.parse(place / "vehicle.svg").getroot().tag.endswith("svg")


def test_example_of_plan(call: Call, place: Path):
    (words,) = examples_of("plan")
    rows = [line.split() for line in typed_in(call, words).out.splitlines()]

    assert rows[0][:3] == ["budget", "cost", "mean"]
    assert [row[0] for row in rows[1:6]] == ["10", "20", "30", "40", "50"]
    assert all("proven" in row for row in rows[1:6])


def test_example_of_place(call: Call, place: Path):
    (words,) = examples_of("place")
    shown = typed_in(call, words)

    told = read_placement(place / "fleet-plans")
    assert {node.name for node in told.nodes} == {"shed", "gatehouse", "hall"}
    assert sorted(one.camera for node in told.nodes for one in node.cameras)[:2] == ["dock 1", "dock 2"]
    assert "written: fleet-plans" in shown.out


def test_example_of_run(call: Call, place: Path):
    fleet = colour_fleet(place, ["red", "green"], fps=(10,))
    where = Deployment(base="base", packages={name: name for name in fleet.packages}, stream_fps=10.0, fps=(10.0,))
    write(place / "plan.json", ample(fleet).model_copy(update={"deployment": where, "budget": 1000.0}))
    video_of(place / "gate.mp4", ("grey", 1), ("red", 1), ("grey", 1))
    (words,) = examples_of("run")
    shown = typed_in(call, words)

    assert "1 events in rheostat-node" in shown.out
    told = [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]
    assert {"red"} == {one["event"]["app"] if "event" in one else one["app"] for one in told}

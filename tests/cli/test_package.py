"""`rheostat package`, as the owner of some clips meets it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rheostat.cli.package import TRAINING
from rheostat.settings import HEAD_TRAINING
from rheostat.share import stem
from rheostat.share.package import read_package
from tests.cli.shown import Call
from tests.share.trainer.toys import LABEL, clip, network

QUICK = ("--epochs", "4", "--batch-size", "8", "--lr", "0.01", "--device", "cpu", "--branch-points", "1,3")


@pytest.fixture(autouse=True)
def toy_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--base toy` and `timm:toy` are of a few small layers; a name that does not exist is refused as ever."""
    real, toys = stem.load_base, ("toy", "timm:toy")
    monkeypatch.setattr(stem, "load_base", lambda name, **given: network() if name in toys else real(name, **given))


@pytest.fixture
def made(call: Call, tmp_path: Path) -> Path:
    video = clip(tmp_path)
    shown = call(
        "package", "--base", "toy", "--data", video, "--name", "desk lamp", "--label", LABEL, *QUICK,
        "--out", tmp_path / "apps/lamp", "--svg", tmp_path / "lamp.svg",
    )  # fmt: skip
    assert (shown.code, shown.err) == (0, "")
    assert "desk lamp: looks for 'lamp' on toy" in shown.out
    assert shown.out.splitlines()[-1] == f"plan it, with others beside it: rheostat plan {tmp_path / 'apps'}"
    assert f"written: {tmp_path / 'lamp.svg'}" in shown.out
    return tmp_path / "apps/lamp"


def test_a_package_is_made_beside_its_base(made: Path) -> None:
    package = read_package(made)
    assert (package.name, package.document.positive, package.document.votes) == ("desk lamp", LABEL, (1, 2, 3))
    assert [variant.frozen for variant in package.document.branch_points] == [1, 3]
    assert (made.parent / "toy/base.json").exists()
    assert ElementTree.parse(made.parent.parent / "lamp.svg").getroot().tag.endswith("svg")


def test_it_is_shown_again_and_to_machines(call: Call, made: Path) -> None:
    shown = call("package", "--inspect", made)
    assert shown.code == 0
    assert [line.split()[0] for line in shown.out.splitlines()[-2:]] == ["1", "3"]
    told = json.loads(call("package", "--inspect", made, "--json").out)
    assert (told["name"], told["folder"]) == ("desk lamp", str(made))
    assert [variant["frozen"] for variant in told["branch_points"]] == [1, 3]


def test_a_second_app_takes_the_base_that_is_there(call: Call, made: Path) -> None:
    before = (made.parent / "toy/base.json").stat().st_mtime_ns
    video = made.parent.parent / "long.mp4"
    shown = call("package", "--base", "toy", "--data", video, "--name", LABEL, *QUICK, "--out", made.parent / "two")
    assert shown.code == 0
    assert (made.parent / "toy/base.json").stat().st_mtime_ns == before


def test_a_base_beside_other_packages_is_named_by_its_folder(call: Call, made: Path) -> None:
    base = (made.parent / "toy").rename(made.parent / "toy-8")
    described = json.loads((base / "base.json").read_text())
    side = described["preprocessing"]["height"]
    asked = ("--data", made.parent.parent / "long.mp4", "--name", LABEL, *QUICK)

    shown = call("package", "--base", base, *asked, "--out", made.parent / "two")
    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert "is the export of the run 'toy', which nothing learns on: name the folder of that run" in shown.err

    (base / "base.json").write_text(json.dumps({**described, "name": "timm:toy"}))
    shown = call("package", "--base", base, *asked, "--size", side + 1, "--out", made.parent / "two")
    assert f"takes pictures of {side} pixels; leave --size out, or give --base timm:toy" in shown.err
    shown = call("package", "--base", base, *asked, "--out", made.parent / "two")
    assert (shown.code, shown.err) == (0, "")
    assert read_package(made.parent / "two").document.base.hash == read_package(made).document.base.hash
    assert {path.name for path in made.parent.iterdir()} == {"toy-8", "lamp", "two"}
    call("package", "--base", base, *asked, "--out", made.parent.parent / "others/three")
    assert {path.name for path in (made.parent.parent / "others").iterdir()} == {"toy-8", "three"}


def test_the_help_names_what_heads_are_trained_with(call: Call) -> None:
    shown = " ".join(call("package", "--help").out.replace("\u2502", " ").split())
    assert "--max-backwards" not in shown
    assert "epochs of candidates (default: 60)" in shown
    for name in set(TRAINING).intersection(HEAD_TRAINING):
        flag, default = f"--{name.replace('_', '-')} ", HEAD_TRAINING[name]
        _, _, said = shown.partition(f" {flag}")
        assert f"(default: {default})" in said.partition(" --")[0], flag
    train = " ".join(call("train", "--help").out.replace("\u2502", " ").split())
    assert "epochs of candidates; left out: 16, or with max_backwards as many as it takes" in train


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--data, --out, --name missing: give --data, --out and --name, or --inspect a package"),
        (["--data", "long.mp4", "--out", "x", "--name", "lamp", "--base", "nothing"], "unknown base 'nothing'"),
        (["--data", "nowhere.mp4", "--out", "x", "--name", "lamp", "--base", "toy"], "nowhere"),
        (["--data", "long.mp4", "--out", "x", "--name", "cat", "--base", "toy"], "cat"),
        (["--data", "long.mp4", "--out", "x", "--name", "lamp", "--votes", "two"], "votes is 'two'"),
        (
            ["--data", "long.mp4", "--out", "x", "--name", "lamp", "--votes", "2,2"],
            "must be different counts from 1 to",
        ),
        (["--data", "long.mp4", "--out", "x", "--name", "lamp", "--size", "0"], "size is 0: must be 1 to 4096 pixels"),
        (["--data", "long.mp4", "--out", "x", "--name", "lamp", "--train-fps", "0"], "train_fps is 0"),
        (["--inspect", "."], "package.json does not exist"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    clip(tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = call("package", *arguments)
    assert shown.code == 2
    assert told in shown.err
    assert len(shown.err.strip().splitlines()) == 1, shown.err

"""The commands that train, as a user meets them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import rheostat
from rheostat.settings import TrainSettings
from tests.cli.shown import Call, Shown

SMALL = ["--data", "sklearn-digits", "--image-size", "16", "--epochs", "1", "--device", "cpu"]
DIGITS = [*SMALL, "--track", "none"]


def test_version_and_help(call: Call):
    assert call("--version") == Shown(0, f"{rheostat.__version__}\n", "")
    assert "train" in call("--help").out


@pytest.mark.parametrize("command", [["train"], ["bench", "select"], ["bench", "overhead"], ["demo"], ["plan"]])
def test_the_help_of_every_command_has_an_example(call: Call, command: list[str]):
    shown = call(*command, "--help")

    assert shown.code == 0
    assert f"Example: rheostat {' '.join(command)}" in " ".join(shown.out.split())


def test_every_setting_is_a_flag_with_its_description(call: Call):
    text = " ".join(call("train", "--help").out.replace("│", " ").split())

    for name, field in TrainSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert (field.description or "").split(",")[0] in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--data", "./nowhere"], "data path ./nowhere does not exist"),
        (["train"], "data is missing: give --data"),
        (["train", *DIGITS, "--policy", "selective-bakprop"], "did you mean selective-backprop"),
        (["train", *DIGITS, "--floor", "1.5"], r"floor is 1.5: the smallest probability of keeping must lie in [0, 1]"),
        (["train", *DIGITS, "--batch-size", "0"], "batch_size is 0"),
        (
            ["train", *DIGITS, "--policy", "top-k", "--floor", "0.1"],
            "policy 'top-k' has no option 'floor': it takes keep",
        ),
        (["train", *DIGITS, "--model", "lennet"], "did you mean lenet"),
        (["train", *DIGITS, "--score", "entropi"], "did you mean entropy"),
        (["train", *DIGITS, "--milestones", "1,x"], "milestones is '1,x'"),
        (["train", *DIGITS, "--lr", "fast"], "--lr"),
        (["train", *DIGITS, "--speed", "9"], "--speed"),
        (["train", "--resume", "nowhere"], "is this the folder of a run?"),
        (["train", *DIGITS, "--out", "a", "--resume", "b"], "exclude each other"),
        (["train", "--config", "a.toml", "--resume", "b"], "--config and --resume exclude each other"),
        (["train", "--config", "none.toml"], "none.toml does not exist"),
        (["bench", "select", *SMALL, "--share", "2"], "share is 2.0"),
        (["bench", "select", *SMALL, "--policies", "nonsense"], "unknown policy 'nonsense'"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    call: Call, arguments: list[str], said: str, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    shown = call(*arguments)

    assert shown.code == 2
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_a_run_says_what_it_did_and_where_it_is(call: Call, tmp_path: Path):
    shown = call("train", *DIGITS, "--out", tmp_path / "run")

    assert shown.code == 0
    assert "backwards of 899 candidates" in shown.out
    assert str(tmp_path / "run") in shown.out
    assert "data: a fixed half is the test split" in shown.out
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "settings.json", "epochs.jsonl", "checkpoint.pt", "summary.json",
    }  # fmt: skip


def test_a_governed_run_says_and_draws_what_it_chose(call: Call, tmp_path: Path):
    shown = call("train", *DIGITS, "--epochs", "4", "--govern", "--out", str(tmp_path / "run"))

    assert shown.code == 0
    assert "selection: off throughout" in shown.out  # nothing is learned in four epochs of these
    assert (tmp_path / "run" / "selection.svg").read_text().lstrip().startswith("<?xml")
    final = json.loads((tmp_path / "run" / "summary.json").read_text())["final"]
    assert sum(final["modes"].values()) == final["candidates"]
    assert final["selection"]["t_step"] > 0


def test_a_run_says_what_selection_has_saved(call: Call, tmp_path: Path):
    asked = ["--policy", "percentile", "--beta", "3", "--source", "training", "--out", str(tmp_path / "run")]
    shown = call("train", *DIGITS, "--epochs", "2", *asked)

    told = re.search(r"selection: (\d+\.\d\d) x the speed of the plain loop", " ".join(shown.out.split()))
    assert told is not None
    assert float(told[1]) > 0
    assert "scores from: training 100%" in " ".join(shown.out.split())


def test_a_run_that_selects_nothing_says_nothing_of_selection(call: Call, tmp_path: Path):
    shown = call("train", *DIGITS, "--policy", "uniform", "--out", str(tmp_path / "run"))

    assert shown.code == 0
    assert "selection:" not in shown.out
    assert not (tmp_path / "run" / "selection.svg").exists()


def test_a_run_without_a_name_gets_a_new_folder(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    call("train", *DIGITS)
    call("train", *DIGITS)

    name = "sklearn-digits-lenet-selective-backprop-s0"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [name, f"{name}-2"]


def test_json_is_one_object_and_nothing_else(call: Call, tmp_path: Path):
    shown = call("train", *DIGITS, "--out", tmp_path / "run", "--json")

    summary = json.loads(shown.out)
    assert summary["final"]["candidates"] == 899
    assert summary["folder"] == str(tmp_path / "run")
    assert shown.err == ""


def test_flags_stand_over_the_settings_file(call: Call, tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_text('data = "sklearn-digits"\nimage_size = 16\nepochs = 3\nlr = 0.2\ntrack = "none"\n')

    shown = call("train", "--config", file, "--epochs", "1", "--out", tmp_path / "run", "--json")

    settings = json.loads(shown.out)["settings"]
    assert (settings["epochs"], settings["lr"], settings["policy"]) == (1, 0.2, "selective-backprop")


def test_a_finished_run_goes_on_for_more_epochs(call: Call, tmp_path: Path):
    folder = tmp_path / "run"
    call("train", *DIGITS, "--out", folder)

    longer = json.loads(call("train", "--resume", folder, "--epochs", "2", "--json").out)
    at_once = json.loads(call("train", *DIGITS, "--epochs", "2", "--out", tmp_path / "other", "--json").out)

    assert [e["test_loss"] for e in longer["epochs"]] == [e["test_loss"] for e in at_once["epochs"]]


def test_an_interrupted_run_tells_how_to_go_on(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rheostat.training.loop._Run._epoch", interrupted)

    shown = call("train", *DIGITS, "--out", tmp_path / "run")

    assert shown.code == 130
    assert f"rheostat train --resume {tmp_path / 'run'}" in shown.err


def test_a_comparison_ends_in_a_table_findings_a_record_and_a_page(call: Call, tmp_path: Path):
    arguments = ["--policies", "selective-backprop", "--share", "0.5", "--seeds", "1", "--jobs", "1"]

    shown = call("bench", "select", *SMALL, *arguments, "--out", tmp_path / "c", "--record", tmp_path / "r.json")

    assert shown.code == 0
    assert "plain-decayed" in shown.out
    assert max(len(line.rstrip()) for line in shown.out.splitlines()[:5]) <= 80, "a table fits a narrow terminal"
    assert "lower than plain in" in shown.out
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads((tmp_path / "c" / "record.json").read_text())
    assert "<svg" in (tmp_path / "c" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policies", "top-k", "--floor", "0.2"], "no policy among top-k has an option 'floor'"),
        (["--policies", "top-k,top-k"], "policy 'top-k' is named twice"),
        (["--policies", "top-k", "--keep", "3"], "keep is 3.0"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_before_it_begins(
    call: Call, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    shown = call("bench", "select", *SMALL, *arguments)

    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert said in shown.err
    assert list(tmp_path.iterdir()) == []


def test_every_policy_is_compared_with_its_own_options(call: Call, tmp_path: Path):
    options = ["--policies", "top-k,percentile", "--keep", "0.3", "--beta", "2", "--share", "0.3"]

    shown = call("bench", "select", *SMALL, *options, "--seeds", "1", "--jobs", "1", "--out", tmp_path, "--json")

    arms = json.loads(shown.out)["arms"]
    assert (arms["top-k"]["settings"]["keep"], arms["top-k"]["settings"]["beta"]) == (0.3, None)
    assert (arms["percentile"]["settings"]["keep"], arms["percentile"]["settings"]["beta"]) == (None, 2)


def test_a_file_in_the_place_of_a_folder_is_one_line(call: Call, tmp_path: Path):
    (tmp_path / "file").write_text("mine")

    for flag in ("--out", "--resume"):
        shown = call("train", *DIGITS, flag, tmp_path / "file")
        assert (shown.code, shown.err.count("\n")) == (2, 1)
        assert "give a path that can be" in shown.err
    assert (tmp_path / "file").read_text() == "mine"

"""A run that was interrupted goes on as if it had not been; one that cannot is refused and left as it is."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from rheostat.errors import StateError
from rheostat.training import ImageData, RunFolder, prepare, train
from tests.training.toys import (
    TRAIN,
    bars,
    checkpoint,
    damaged,
    left_behind,
    run,
    settings,
    train_and_be_killed,
    weights,
    without_times,
)

EVERY_STEP = {"checkpoint_minutes": 0}


def interrupted_after(
    steps: int, folder: Path, *, resume: bool = False, data: ImageData | None = None, **values: Any
) -> None:
    """Train and press Ctrl-C after so many steps."""
    made = 0

    def press(share: float, line: str) -> None:
        nonlocal made
        made += 1
        if made == steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(prepare(settings(**values), folder, data or bars()), resume=resume, progress=press)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a run that is over."""
    run(tmp_path / "finished")
    return tmp_path / "finished"


# --- going on


@pytest.mark.parametrize(
    "values",
    [
        {"momentum": 0.9, "augment": "crop,flip,cutout"},
        {"policy": "percentile", "history": 50, "optimizer": "adamw", "lr": 0.002, "precision": "bf16", "warmup": 1},
        {"policy": "uniform", "schedule": "step", "milestones": (0.5, 1.5), "max_backwards": 180},
        {"policy": "uniform", "lr": 0.4, "patience": 1},
    ],
    ids=["selective", "percentile", "uniform", "patience"],
)
def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path, values: dict[str, Any]) -> None:
    of = settings(epochs=3, **EVERY_STEP, **values)
    moments = random.Random(str(values)).sample(range(1, 30), 6)
    killed = [train_and_be_killed(tmp_path / "killed", of, moment) for moment in moments]
    assert killed.count(True) > 3
    train(prepare(of, tmp_path / "killed", bars()), resume=True)
    run(tmp_path / "whole", epochs=3, **EVERY_STEP, **values)
    assert left_behind(tmp_path / "killed") == left_behind(tmp_path / "whole")


def test_a_run_stopped_in_an_epoch_that_has_found_damaged_images_goes_on_in_the_order_of_that_epoch(
    tmp_path: Path,
) -> None:
    values: dict[str, Any] = {"policy": "uniform", "schedule": "linear", "augment": "crop", **EVERY_STEP}
    interrupted_after(4, tmp_path / "stopped", data=damaged(), **values)
    skipped = checkpoint(tmp_path / "stopped")["data"]["skipped"]
    assert any(one["split"] == "train" for one in skipped)
    interrupted_after(2, tmp_path / "stopped", resume=True, data=damaged(), **values)
    run(tmp_path / "stopped", resume=True, data=damaged(), **values)
    run(tmp_path / "whole", data=damaged(), **values)
    assert left_behind(tmp_path / "stopped") == left_behind(tmp_path / "whole")


def test_a_checkpoint_of_before_the_examples_left_out_were_saved_is_read(tmp_path: Path) -> None:
    values: dict[str, Any] = {"policy": "uniform", **EVERY_STEP}
    interrupted_after(3, tmp_path / "stopped", **values)
    state = checkpoint(tmp_path / "stopped")
    assert len(state["loader"]["candidates"]["order"]["loader"].pop("left_out")) == 0
    torch.save(state, tmp_path / "stopped" / "checkpoint.pt")
    run(tmp_path / "stopped", resume=True, **values)
    run(tmp_path / "whole", **values)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")


@pytest.mark.parametrize("minutes", [0.0, 10.0])
def test_ctrl_c_leaves_a_run_that_can_be_gone_on_with(tmp_path: Path, minutes: float) -> None:
    values = {"epochs": 3, "policy": "uniform", "checkpoint_minutes": minutes}
    interrupted_after(8, tmp_path / "interrupted", **values)
    assert not (tmp_path / "interrupted" / "summary.json").exists()
    run(tmp_path / "interrupted", resume=True, **values)
    run(tmp_path / "whole", **values)
    assert left_behind(tmp_path / "interrupted") == left_behind(tmp_path / "whole")


@pytest.mark.parametrize("policy", ["uniform", "selective-backprop"])
def test_a_finished_run_can_be_made_longer(tmp_path: Path, policy: str) -> None:
    run(tmp_path / "longer", epochs=1, policy=policy)
    run(tmp_path / "longer", epochs=3, policy=policy, resume=True)
    run(tmp_path / "whole", epochs=3, policy=policy)
    assert left_behind(tmp_path / "longer") == left_behind(tmp_path / "whole")
    assert RunFolder(tmp_path / "longer").settings().epochs == 3


def test_a_finished_run_resumed_as_it_is_stays_as_it_is(finished: Path) -> None:
    before = left_behind(finished)
    run(finished, resume=True)
    assert left_behind(finished) == before


def test_a_run_that_is_gone_on_with_has_no_summary_until_it_is_over_again(finished: Path) -> None:
    interrupted_after(2, finished, resume=True, epochs=3)
    assert not (finished / "summary.json").exists()


def test_seconds_go_on_from_those_before_the_interruption(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    state = checkpoint(tmp_path)
    for meters in (state["meters"], state["loader"]["meters"]):
        for unit in ("seconds", "cpu_seconds"):
            meters[unit] = dict.fromkeys(meters[unit], 1000.0)
    torch.save(state, tmp_path / "checkpoint.pt")
    final = run(tmp_path, epochs=2, resume=True)["final"]
    for unit in ("seconds", "cpu_seconds"):
        assert all(1000 < seconds < 1060 for seconds in final[unit].values())


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    before = contents(finished)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        RunFolder(finished).save({"model": {}})
    assert contents(finished) == before


def test_a_checkpoint_remembers_how_often_every_example_was_scored_and_trained_on(tmp_path: Path) -> None:
    final = run(tmp_path, epochs=3, warmup=1)["final"]
    log = checkpoint(tmp_path)["log"]
    assert log["scored"].tolist() == [2] * TRAIN
    assert log["kept"].sum() == final["backwards"]


def test_a_kill_between_a_record_and_its_checkpoint_leaves_no_record_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RunFolder.save

    def killed_after_second_record(self: RunFolder, state: dict[str, Any]) -> None:
        if len(self.epochs.read()) == 2:
            raise KeyboardInterrupt
        save(self, state)

    monkeypatch.setattr(RunFolder, "save", killed_after_second_record)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, epochs=3, **EVERY_STEP)
    assert [record["epoch"] for record in RunFolder(tmp_path).epochs.read()] == [1, 2]
    monkeypatch.setattr(RunFolder, "save", save)
    run(tmp_path, epochs=3, resume=True, **EVERY_STEP)
    assert [record["epoch"] for record in RunFolder(tmp_path).epochs.read()] == [1, 2, 3]


def test_a_run_that_never_came_to_a_checkpoint_starts_again(tmp_path: Path) -> None:
    interrupted_after(2, tmp_path / "interrupted")
    assert not (tmp_path / "interrupted" / "checkpoint.pt").exists()
    (tmp_path / "interrupted" / "epochs.jsonl").write_text('{"epoch": 1}\n{"epo')
    run(tmp_path / "interrupted", resume=True)
    run(tmp_path / "whole")
    assert left_behind(tmp_path / "interrupted") == left_behind(tmp_path / "whole")


def test_what_a_kill_left_half_written_is_removed(finished: Path) -> None:
    (finished / "checkpoint.pt.4711.tmp").write_bytes(b"half a che")
    run(finished, resume=True)
    assert not list(finished.glob("*.tmp"))


def test_checkpoints_within_an_epoch_come_after_the_minutes_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    saved: list[float] = []

    def a_minute_passes(share: float, line: str) -> None:
        nonlocal now
        now += 60

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(RunFolder, "save", lambda *_: saved.append(now / 60))
    plan = prepare(settings(policy="uniform", epochs=1, checkpoint_minutes=2), tmp_path, bars())
    train(plan, progress=a_minute_passes)
    assert saved[:2] == [2, 4]


# --- refusing


def refusal(folder: Path, *, resume: bool = True, **values: Any) -> str:
    """The message of the StateError, after a check that the folder is left as it was."""
    before = contents(folder)
    with pytest.raises(StateError) as caught:
        run(folder, resume=resume, **values)
    assert contents(folder) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_is_not_started_where_there_is_one_already(finished: Path) -> None:
    message = refusal(finished, resume=False)
    assert f"{finished} holds a run already: resume it with --resume" in message


def test_a_folder_without_a_run_is_not_resumed(tmp_path: Path) -> None:
    assert "is this the folder of a run?" in refusal(tmp_path)


@pytest.mark.parametrize(("name", "value", "was"), [("lr", 0.25, 0.05), ("policy", "uniform", "selective-backprop")])
def test_a_run_is_not_resumed_with_other_settings(finished: Path, name: str, value: Any, was: Any) -> None:
    assert f"started with {name}={was} and not {value}" in refusal(finished, epochs=5, **{name: value})


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda _: b"",
        lambda _: b"not a checkpoint at all",
    ],
    ids=["half", "all but one byte", "empty", "text"],
)
def test_a_damaged_checkpoint_is_refused(finished: Path, damage: Any) -> None:
    path = finished / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    message = refusal(finished, epochs=5)
    assert f"{path} cannot be read" in message
    assert message.endswith("start a new run")


def test_a_checkpoint_of_another_version_is_refused(finished: Path) -> None:
    torch.save(checkpoint(finished) | {"schema": 99}, finished / "checkpoint.pt")
    assert "has schema 99 and this version reads 1" in refusal(finished, epochs=5)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (bars(train=71), "the saved log is of 72 examples and this data set has 71"),
        (bars(classes=4), "the saved model does not fit these data"),
    ],
    ids=["size", "classes"],
)
def test_other_data_are_refused(finished: Path, data: Any, told: str) -> None:
    message = refusal(finished, epochs=5, data=data)
    assert told in message
    assert "resume with the data that the run was started with" in message


def test_records_do_not_depend_on_how_often_a_checkpoint_is_written(tmp_path: Path) -> None:
    often = run(tmp_path / "often", epochs=3, **EVERY_STEP)
    never = run(epochs=3)
    assert without_times(often["epochs"]) == without_times(never["epochs"])

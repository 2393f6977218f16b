"""Opening a run for its review, and what has been decided about it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from rheostat.augment.decisions import Decisions
from rheostat.errors import DataError, StateError
from rheostat.records import read_json, write_json
from rheostat.review import SeenRun, make_suspects, open_run
from rheostat.training import RunFolder
from tests.review.toys import pets, run_folder


def with_labels(folder: Path, labels: Path) -> SeenRun:
    """The run as one that was trained with decisions."""
    settings = read_json(folder / "settings.json")
    write_json(folder / "settings.json", settings | {"labels": str(labels)})
    return open_run(folder)


def test_a_run_is_opened_with_its_log_and_its_data(digits: SeenRun):
    assert digits.identity.size == len(digits.data.train.labels) == digits.log.size
    assert digits.identity.classes == tuple("0123456789")
    assert digits.mean == digits.data.mean
    assert digits.decided() == {}
    assert not digits.store.exists()  # looking leaves nothing behind


def test_a_folder_without_a_run_is_told(tmp_path: Path):
    with pytest.raises(StateError, match="is this the folder of a run"):
        open_run(tmp_path)


def test_a_run_without_a_checkpoint_is_told(tmp_path: Path):
    run_folder(tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()

    with pytest.raises(StateError, match="resume the run until it has one"):
        open_run(tmp_path / "run")


def test_a_run_that_looked_at_nothing_says_what_to_do(tmp_path: Path):
    run_folder(tmp_path / "run", looks=False)

    with pytest.raises(StateError, match=r"looked at no example.*: train it again with .*\(--rate uniform\), or with"):
        open_run(tmp_path / "run")


def test_a_run_of_a_version_without_a_log_says_what_to_do(tmp_path: Path):
    folder = run_folder(tmp_path / "run")
    state = RunFolder(folder).checkpoint(RunFolder(folder).settings())
    assert state is not None
    old: dict[str, Any] = {name: state["log"][name] for name in ("score", "epoch", "scored", "kept")}
    RunFolder(folder).save(state | {"log": old})

    with pytest.raises(StateError, match=r"of a version without a log.*: train it again"):
        open_run(folder)


def test_other_images_under_the_same_name_are_noticed(tmp_path: Path):
    folder = run_folder(tmp_path / "run", str(pets(tmp_path / "pets")))
    first = next((tmp_path / "pets" / "train").rglob("*.png"))
    shutil.copy(next((tmp_path / "pets" / "test").rglob("*.png")), first)

    with pytest.raises(StateError, match=r"the images of data .*pets.* are not those"):
        open_run(folder)


def test_other_labels_of_the_same_images_are_noticed(tmp_path: Path):
    folder = run_folder(tmp_path / "run", str(pets(tmp_path / "pets")))
    home = tmp_path / "pets" / "train"
    (home / "cat" / "013.png").rename(home / "dog & son" / "013.png")  # stands where it stood

    with pytest.raises(StateError, match=r"the labels of data .*pets.* are not those"):
        open_run(folder)


def test_data_that_are_gone_are_told(tmp_path: Path):
    folder = run_folder(tmp_path / "run", str(pets(tmp_path / "pets")))
    shutil.rmtree(tmp_path / "pets")

    with pytest.raises(DataError, match="does not exist"):
        open_run(folder)


def test_decisions_that_a_run_was_trained_with_are_settled_in_its_review(tmp_path: Path, digits: SeenRun):
    before = tmp_path / "before.db"
    labels = digits.data.train.labels.tolist()
    with Decisions(before, data=digits.identity) as store:
        store.decide(7, "relabel", given=labels[7], label=(labels[7] + 1) % 10, by="ann", expected=None)
        store.decide(14, "keep", given=labels[14], by="ann", expected=None)
        store.decide(21, "skip", given=labels[21], by="ann", expected=None)

    run = with_labels(digits.folder, before)

    assert {index: one.decision for index, one in run.decided().items()} == {7: "relabel", 14: "keep"}
    listed = {suspect.index for suspect in make_suspects(run, 0.2).suspects}
    assert not {7, 14} & listed
    assert 21 in listed  # nobody could tell
    with run.open_store() as store:
        assert {index: (one.given, one.label, one.by) for index, one in store.current().items()} == {
            7: (labels[7], (labels[7] + 1) % 10, "before:ann"),
            14: (labels[14], None, "before:ann"),
        }
        assert store.undo("ann") == []  # what was decided before the run is nobody's to take back
        store.decide(28, "remove", given=labels[28], by="me", expected=None)
        current = store.current()
        store.decide(14, "remove", given=labels[14], by="me", expected=current[14].number)
    assert {index: one.decision for index, one in run.decided().items()} == {7: "relabel", 14: "remove", 28: "remove"}
    with run.open_store() as store:  # once more: what stands is not overwritten
        assert store.current()[14].decision == "remove"


def test_a_review_may_have_gone_on_since_the_run(tmp_path: Path, digits: SeenRun):
    before = tmp_path / "before.db"
    label = int(digits.data.train.labels[7])
    with Decisions(before, data=digits.identity) as store:
        store.decide(7, "relabel", given=label, label=(label + 1) % 10, by="ann", expected=None)

    # the checkpoint tells the labels from before it
    assert int(with_labels(digits.folder, before).data.train.labels[7]) == (label + 1) % 10

"""What a person decided is what a run trains with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rheostat.augment import Decisions
from rheostat.errors import DataError, StateError
from rheostat.signals import ExampleLog
from rheostat.training import ImageData, RunFolder
from rheostat.training.labels import data_of, identity_of, label_files, with_decisions
from tests.training.toys import TRAIN, bars, checkpoint, run, settings


def decided(path: Path, data: ImageData, *decisions: tuple[int, str, int | None]) -> Path:
    """A store of decisions."""
    with Decisions(path, data=identity_of(data)) as store:
        for index, decision, label in decisions:
            given = int(data.train.labels[index])
            store.decide(index, decision, given=given, label=label, by="test", expected=None)
    return path


def other(data: ImageData, index: int) -> int:
    return (int(data.train.labels[index]) + 1) % 3


@pytest.mark.parametrize("form", ["db", "csv", "jsonl"])
def test_decisions_relabel_remove_and_keep(tmp_path: Path, form: str) -> None:
    data = bars()
    right = other(data, 3)
    said = ((3, "relabel", right), (5, "remove", None), (7, "keep", None), (9, "skip", None))
    store = decided(tmp_path / "decisions.db", data, *said)
    if form != "db":
        with Decisions(store, data=identity_of(data)) as kept:
            getattr(kept, f"to_{form}")(tmp_path / f"decisions.{form}")
    after = with_decisions(data, tmp_path / f"decisions.{form}")
    expected = data.train.labels.clone()
    expected[3] = right
    assert torch.equal(after.train.labels, expected)
    assert after.in_use("train").tolist() == [at for at in range(TRAIN) if at != 5]
    assert after.reviewed == {3, 5, 7}
    assert torch.equal(data.train.labels, bars().train.labels)  # what came in is as it was


def test_a_table_of_labels_leaves_them_open_to_doubt(tmp_path: Path) -> None:
    data = bars()
    table = tmp_path / "labels.csv"
    table.write_text("index,label\n" + "".join(f"{at},{other(data, at)}\n" for at in range(TRAIN)))
    after = with_decisions(data, table)
    assert torch.equal(after.train.labels, (data.train.labels + 1) % 3)
    assert after.reviewed == frozenset()


def test_decisions_on_other_data_are_refused(tmp_path: Path) -> None:
    store = decided(tmp_path / "decisions.db", bars(), (3, "remove", None))
    with pytest.raises(StateError, match=r"decisions\.db is about data .* and the present data are"):
        with_decisions(bars(train=48), store)


def test_decisions_on_other_labels_are_refused_with_the_row(tmp_path: Path) -> None:
    data = bars()
    store = decided(tmp_path / "decisions.db", data, (3, "remove", None))
    moved = data.relabelled((data.train.labels + 1) % 3, torch.zeros(TRAIN, dtype=torch.bool))
    with pytest.raises(DataError, match="row 3 was labelled"):
        with_decisions(moved, store)


@pytest.mark.parametrize(("line", "told"), [("400,1", "row 400"), ("4,7", "row 4 is relabelled as 7")])
def test_an_index_or_a_label_out_of_range_is_refused(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "labels.csv").write_text(f"index,label\n{line}\n")
    with pytest.raises(DataError, match=told):
        with_decisions(bars(), tmp_path / "labels.csv")


def test_a_run_loads_the_decisions_that_its_settings_name(tmp_path: Path) -> None:
    digits = settings(data="sklearn-digits", image_size=8)
    data = data_of(digits)
    store = decided(tmp_path / "decisions.db", data, (3, "remove", None))
    named = data_of(digits.model_copy(update={"labels": str(store)}))
    assert 3 not in named.in_use("train").tolist()
    assert 3 in data_of(digits.model_copy(update={"labels": str(store)}), decided=False).in_use("train").tolist()


def test_files_of_labels_are_followed_in_turn(tmp_path: Path) -> None:
    digits = settings(data="sklearn-digits", image_size=8)
    data = data_of(digits)
    table = tmp_path / "labels.csv"
    table.write_text(f"index,label\n3,{(int(data.train.labels[3]) + 1) % 10}\n")
    tabled = with_decisions(data, table)
    right = int(data.train.labels[3])
    store = tmp_path / "decisions.db"
    with Decisions(store, data=identity_of(tabled)) as kept:
        kept.decide(3, "relabel", given=int(tabled.train.labels[3]), label=right, by="test", expected=None)
        kept.decide(4, "remove", given=int(tabled.train.labels[4]), by="test", expected=None)
    after = data_of(digits.model_copy(update={"labels": f"{table},{store}"}))
    assert torch.equal(after.train.labels, data.train.labels)
    assert after.reviewed == {3, 4}
    assert 4 not in after.in_use("train").tolist()
    with pytest.raises(DataError, match="row 3 was labelled"):
        data_of(digits.model_copy(update={"labels": str(store)}))


def test_removed_examples_are_not_trained_on_and_the_others_keep_their_row_of_the_log(tmp_path: Path) -> None:
    data = bars()
    after = with_decisions(data, decided(tmp_path / "d.db", data, (0, "remove", None), (70, "remove", None)))
    run(tmp_path / "run", data=after, policy="uniform")
    log = ExampleLog(TRAIN)
    log.load_state_dict(checkpoint(tmp_path / "run")["log"])
    assert log.looks.tolist() == [0 if at in (0, 70) else 2 for at in range(TRAIN)]


def test_a_run_is_not_resumed_with_other_labels_or_images(tmp_path: Path) -> None:
    data = bars()
    run(tmp_path / "run", data=data, epochs=1)
    after = with_decisions(data, decided(tmp_path / "d.db", data, (0, "relabel", other(data, 0))))
    with pytest.raises(StateError, match="the training labels are not those"):
        run(tmp_path / "run", data=after, epochs=2, resume=True)
    darker = replace(data, train=type(data.train)(data.train.images // 2, data.train.labels))  # type: ignore[attr-defined, call-arg]
    with pytest.raises(StateError, match="the training images are not those"):
        run(tmp_path / "run", data=darker, epochs=2, resume=True)
    assert len(RunFolder(tmp_path / "run").epochs.read()) == 1  # nothing is lost


def test_a_run_is_not_resumed_after_other_decisions(tmp_path: Path) -> None:
    data = bars()
    store = decided(tmp_path / "d.db", data, (0, "keep", None))
    run(tmp_path / "run", data=with_decisions(data, store), epochs=1)
    decided(store, data, (1, "remove", None))
    with pytest.raises(StateError, match="the decisions on the labels are not those"):
        run(tmp_path / "run", data=with_decisions(data, store), epochs=2, resume=True)


def test_decisions_that_leave_no_example_are_refused(tmp_path: Path) -> None:
    data = bars()
    store = tmp_path / "d.db"
    with Decisions(store, data=identity_of(data)) as kept:
        kept.decide_many(dict(enumerate(data.train.labels.tolist())), "remove", by="test")
    with pytest.raises(DataError, match="leaves no training example"):
        with_decisions(data, store)


def test_a_file_with_a_comma_in_its_name_is_one_file(tmp_path: Path) -> None:
    table = tmp_path / "a,b.csv"
    table.write_text("index,label\n")
    assert label_files(settings(labels=str(table))) == [table]
    assert label_files(settings(labels="a.csv, b.db")) == [Path("a.csv"), Path("b.db")]

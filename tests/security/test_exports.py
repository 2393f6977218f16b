"""Stores of decisions from a stranger, and names from a stranger in what is exported."""

import csv
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from rheostat.augment.decision import DataIdentity, Decision
from rheostat.augment.decision_files import as_cell, read_csv, write_csv
from rheostat.augment.decisions import Decisions, read_decisions
from rheostat.errors import StateError
from rheostat.review import export, make_suspects, open_run
from tests.review.conftest import cache_of_the_test  # noqa: F401 - a fixture
from tests.review.toys import pets, run_folder

IDENTITY = DataIdentity("f" * 64, 10, ("a", "b"))
FORMULA = "=cmd|' C calc'!A0"
STARTS = ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize("start", STARTS)
def test_a_text_that_begins_like_a_formula_is_marked_as_text(start: str) -> None:
    assert as_cell(f"{start}1+1") == f"'{start}1+1"
    assert as_cell(f"1{start}1") == f"1{start}1"


def test_no_cell_of_an_export_is_a_formula(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    for split in folder.iterdir():
        if split.is_dir():
            next(iter(sorted(path for path in split.iterdir() if path.is_dir()))).rename(split / FORMULA)
    seen = open_run(run_folder(tmp_path / "run", str(folder)))
    files, _ = export(["csv"], seen, make_suspects(seen, 1.0), {})
    with files["csv"].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert f"'{FORMULA}" in {row["given_name"] for row in rows}
    texts = [row[name] for row in rows for name in ("file", "given_name", "predicted_name", "why", "decision")]
    assert [text for text in texts if text.startswith(STARTS)] == []
    assert any(float(row["score"]) < 0 for row in rows)  # a number stays one, though it begins like a formula


def test_who_decided_is_no_formula_and_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    made = [
        Decision(at, 0, "keep", None, at=1.0, by=by, number=at) for at, by in enumerate((FORMULA, "'quoted", "me"), 1)
    ]
    write_csv(path, IDENTITY, made)
    with path.open(newline="") as lines:
        assert [row["by"] for row in csv.DictReader(lines)] == [f"'{FORMULA}", "'quoted", "me"]
    assert read_csv(path)[1] == [replace(one) for one in made]


def test_a_store_of_decisions_brings_no_program_with_it(tmp_path: Path) -> None:
    """A trigger of the file is code that SQLite would run as soon as a review writes."""
    path = tmp_path / "decisions.db"
    with Decisions(path, data=IDENTITY) as store:
        store.decide(1, "keep", given=0, by="me", expected=None)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TRIGGER evil AFTER INSERT ON history BEGIN DELETE FROM history; END")
    connection.commit()
    connection.close()
    for attempt in (lambda: read_decisions(path), lambda: Decisions(path, data=IDENTITY)):
        with pytest.raises(StateError, match="has the trigger 'evil'"):
            attempt()


def test_a_store_of_decisions_that_never_ends_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with Decisions(path, data=IDENTITY):
        pass
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE data")
    endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x AS fingerprint FROM r"
    connection.execute(f"CREATE VIEW data AS {endless}")
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match="has the view 'data'"):
        read_decisions(path)

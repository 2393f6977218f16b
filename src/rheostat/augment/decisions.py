"""Where decisions are kept: one SQLite file that any number of tabs and processes write. Needs no torch.

Nothing in it is ever changed or removed: a later decision on the same example is a further row, and so is an undo,
which says what stands again. What stands is the last row of each example.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rheostat.augment.decision import (
    ConflictError,
    DataIdentity,
    Decision,
    check_decision,
    check_identity,
    verdicts_of,
)
from rheostat.augment.decision_files import read_csv, read_jsonl, write_csv, write_jsonl
from rheostat.database import Database, make_whole, migrate, take_lock, version_of
from rheostat.errors import DataError, StateError

_MADE_BY = 0x52684465  # application_id of the file: "RhDe"
_SCRIPTS = (
    f"""
    PRAGMA application_id = {_MADE_BY};
    CREATE TABLE data (fingerprint TEXT NOT NULL, size INTEGER NOT NULL, classes TEXT NOT NULL);
    CREATE TABLE history (
        number INTEGER PRIMARY KEY,
        example INTEGER NOT NULL,
        given INTEGER NOT NULL,
        decision TEXT NOT NULL CHECK (decision IN ('keep', 'relabel', 'remove', 'skip', 'undecided')),
        label INTEGER,
        at REAL NOT NULL,
        who TEXT NOT NULL,
        act INTEGER NOT NULL, -- number of the first row that was written with this one
        undoes INTEGER, -- number of the decision that this row takes back
        stands INTEGER -- number of the decision that stands from here on: this one, or the one that an undo restores
    );
    CREATE INDEX history_by_example ON history (example, number);
    CREATE INDEX history_by_who ON history (who, number);
    """,
)
_COLUMNS = 'example AS "index", given, decision, label, at, who AS "by", number'
_LAST = "SELECT * FROM history WHERE example = ? ORDER BY number DESC LIMIT 1"
_INSERT = """INSERT INTO history (number, example, given, decision, label, at, who, act, undoes, stands)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_STILL_STANDS = """undoes IS NULL AND number = (
    SELECT last.stands FROM history last WHERE last.example = history.example ORDER BY last.number DESC LIMIT 1)"""


class Decisions:
    """The decisions about one data set; every method may be called from any thread.

    A decision is on the disk when the method that makes it returns. Several of these, also of several processes, may
    be open on one file at the same time.

    Args:
        path: The file; it and its folder are made if need be.
        data: The data set. What is kept of another is refused.
        readonly: Whether it is only read; it must exist then.
        clock: Wall clock in seconds.

    Raises:
        StateError: The file holds decisions about another data set, or something else; it is not there and only to be
            read; or it cannot be opened.
    """

    def __init__(
        self, path: Path, *, data: DataIdentity, readonly: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.data = data
        self._clock = clock
        self._database = _opened(path) if readonly else _opened_for_writing(path, data)
        try:
            check_identity(_identity(self._database), data, f"store {path}")
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Decisions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def number(self) -> int:
        """Number of the last row of the history; 0 if there is none."""
        return self._database.rows("SELECT COALESCE(MAX(number), 0) AS number FROM history")[0]["number"]

    def decide(
        self, index: int, decision: str, *, given: int, label: int | None = None, by: str, expected: int | None
    ) -> Decision:
        """Decide on one example.

        Args:
            index: Of the example, in [0, size).
            decision: `keep`, `relabel`, `remove` or `skip`.
            given: Its label, in [0, classes).
            label: The right label if it is relabelled: another one.
            by: Who decides: a name, or the tab of a browser. `undo` is by this.
            expected: Number of the decision that stood when it was looked at; None = there was none.

        Returns:
            The decision as it is kept.

        Raises:
            ConflictError: Another decision stands than the one that was expected; nothing has changed.
            SettingsError: An argument is outside its range.
            StateError: It cannot be written, e.g. because the disk is full; so for all methods that write.
        """
        self._check(index, decision, given, label)
        with self._database.writing(durable=True) as connection:
            current = _standing(connection.execute(_LAST, (index,)).fetchone())
            if (None if current is None else current.number) != expected:
                now = "taken back" if current is None else f"decided by {current.by}: {current.decision}"
                raise ConflictError(
                    f"example {index} has in the meantime been {now}; look at it again", current=current
                )
            (row,) = self._add(connection, [(index, given)], decision, label, by)
        return row

    def decide_many(
        self, given: Mapping[int, int], decision: str, *, label: int | None = None, by: str
    ) -> list[Decision]:
        """Decide alike on those of some examples that have no decision yet: all of it or nothing, and undone as one.

        Args:
            given: The label of each example, by index.
            decision: As for `decide`.
            label: As for `decide`.
            by: As for `decide`.

        Returns:
            The decisions as they are kept, without those examples on which somebody has decided.

        Raises:
            SettingsError: An argument is outside its range; nothing has changed.
        """
        for index, its in given.items():
            self._check(index, decision, its, label)
        with self._database.writing(durable=True) as connection:
            free = [
                (index, its)
                for index, its in given.items()
                if _standing(connection.execute(_LAST, (index,)).fetchone()) is None
            ]
            return self._add(connection, free, decision, label, by)

    def undo(self, by: str) -> list[Decision]:
        """Take back the last thing that `by` decided and that still stands; what stood before stands again.

        What somebody else has decided anew since is not touched, and what has been taken back is not taken back again.

        Returns:
            What stands now of each example concerned, `undecided` where nothing stood before; empty if nothing is left
            to be taken back.
        """
        with self._database.writing(durable=True) as connection:
            last = connection.execute(
                f"SELECT act FROM history WHERE who = ? AND {_STILL_STANDS} ORDER BY number DESC LIMIT 1",  # noqa: S608
                (by,),
            ).fetchone()
            if last is None:
                return []
            undone = connection.execute(
                f"SELECT * FROM history WHERE number >= :act AND act = :act AND {_STILL_STANDS} "  # noqa: S608
                "ORDER BY number",
                {"act": last["act"]},
            ).fetchall()
            first = _next_number(connection)
            for number, row in enumerate(undone, first):
                before = connection.execute(
                    "SELECT * FROM history WHERE example = ? AND number < ? ORDER BY number DESC LIMIT 1",
                    (row["example"], row["number"]),
                ).fetchone()
                names = ("given", "decision", "label", "stands")
                given, what, label, stands = (
                    (row["given"], "undecided", None, None) if before is None else (before[name] for name in names)
                )
                values = (number, row["example"], given, what, label, self._clock(), by, first, row["number"], stands)
                connection.execute(_INSERT, values)
            return [_decision(row) for row in _since(connection, first - 1)]

    def current(self) -> dict[int, Decision]:
        """What stands, by index, in its order; what is undecided is absent."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM history "  # noqa: S608 - own names
            "WHERE number IN (SELECT MAX(number) FROM history GROUP BY example) AND decision != 'undecided' "
            "ORDER BY example"
        )
        return {row["index"]: _decision(row) for row in rows}

    def verdicts(self) -> dict[int, bool]:
        """Whether the given label is wrong, by index; undecided and skipped examples are absent."""
        return verdicts_of(self.current().values())

    def skipped(self) -> frozenset[int]:
        """Indices of the examples that were skipped."""
        return frozenset(index for index, one in self.current().items() if one.decision == "skip")

    def since(self, number: int) -> list[Decision]:
        """All rows of the history after that of a number, in their order, `undecided` ones among them."""
        return [_decision(row) for row in _since(self._database, number)]

    def history(self) -> list[Decision]:
        """All rows, in their order."""
        return self.since(0)

    def to_csv(self, path: Path) -> None:
        """Write what stands as CSV, see `decision_files`."""
        write_csv(path, self.data, self.current().values())

    def to_jsonl(self, path: Path) -> None:
        """Write what stands as JSONL, see `decision_files`."""
        write_jsonl(path, self.data, self.current().values())

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _check(self, index: int, decision: str, given: int, label: int | None) -> None:
        check_decision(
            decision,
            index=index,
            given=given,
            label=label,
            size=self.data.size,
            classes=len(self.data.classes) or None,
        )

    def _add(
        self,
        connection: sqlite3.Connection,
        examples: Sequence[tuple[int, int]],
        decision: str,
        label: int | None,
        by: str,
    ) -> list[Decision]:
        first, now = _next_number(connection), self._clock()
        for number, (index, given) in enumerate(examples, first):
            connection.execute(_INSERT, (number, index, given, decision, label, now, by, first, None, number))
        return [_decision(row) for row in _since(connection, first - 1)]


def read_decisions(path: Path) -> tuple[DataIdentity | None, list[Decision]]:
    """The decisions in a file: a store (``.db``), or what was exported or written by hand (``.csv``, ``.jsonl``).

    Returns:
        The data set that they are about, as far as the file tells, or None; and the decisions, at most one per example.

    Raises:
        DataError: The file is of another kind, or cannot be read.
        StateError: It should be a store and is none.
    """
    if path.suffix == ".csv":
        return read_csv(path)
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix != ".db":
        raise DataError(f"{path} is no file of decisions: give a .db, .csv or .jsonl file")
    database = _opened(path)
    try:
        data = _identity(database)
    finally:
        database.close()
    with Decisions(path, data=data, readonly=True) as store:
        return data, list(store.current().values())


def _opened(path: Path) -> Database:
    """A store that is there, opened to be read."""
    if not path.exists():
        raise StateError(f"there is no store {path}: give the path of one that a review has written")
    database = Database(path, readonly=True)
    try:
        _must_be_ours(database)
    except BaseException:
        database.close()
        raise
    return database


def _opened_for_writing(path: Path, data: DataIdentity) -> Database:
    """A store, made if need be, opened to be written; only one process at a time comes through here."""

    def make(beside: Path) -> Database:
        database = Database(beside)
        migrate(database.connection, path, _SCRIPTS)
        with database.writing(durable=True) as connection:
            connection.execute(
                "INSERT INTO data (fingerprint, size, classes) VALUES (?, ?, ?)",
                (data.fingerprint, data.size, json.dumps(data.classes)),
            )
        return database

    lock = take_lock(path, wait=True)
    try:
        if not path.exists():
            make_whole(path, make)
        _opened(path).close()  # before a file that is something else is written to
        database = Database(path)
        try:
            migrate(database.connection, path, _SCRIPTS)
        except BaseException:
            database.close()
            raise
        return database
    finally:
        os.close(lock)


def _must_be_ours(database: Database) -> None:
    if database.rows("PRAGMA application_id")[0][0] != _MADE_BY:
        raise StateError(f"{database.path} is no store of decisions: give the path of one that a review has written")
    for kind, name in database.rows("SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"):
        # SQLite would run it; no review makes one
        raise StateError(
            f"{database.path} has the {kind} {name[:60]!r}: give the path of a store that a review has written"
        )
    version_of(database.connection, database.path, _SCRIPTS)


def _identity(database: Database) -> DataIdentity:
    row = database.rows("SELECT * FROM data")[0]
    return DataIdentity(row["fingerprint"], row["size"], tuple(json.loads(row["classes"])))


def _next_number(connection: sqlite3.Connection) -> int:
    return connection.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM history").fetchone()[0]


def _since(source: Database | sqlite3.Connection, number: int) -> list[Any]:
    query = f"SELECT {_COLUMNS} FROM history WHERE number > ? ORDER BY number"  # noqa: S608 - own names
    if isinstance(source, Database):
        return source.rows(query, (number,))
    return source.execute(query, (number,)).fetchall()


def _standing(row: sqlite3.Row | None) -> Decision | None:
    """The last row of an example as the decision that stands, None if it is undecided."""
    if row is None or row["decision"] == "undecided":
        return None
    return Decision(
        row["example"], row["given"], row["decision"], row["label"], at=row["at"], by=row["who"], number=row["number"]
    )


def _decision(row: sqlite3.Row) -> Decision:
    return Decision(**row)

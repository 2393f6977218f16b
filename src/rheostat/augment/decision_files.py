"""Decisions as files that people and other tools read: CSV and JSONL. Needs no torch.

A JSONL file begins with an object that names the data set, and goes on with one per decision. A CSV file names the data
set in two columns of every row, so that sorting and saving it in a spreadsheet loses nothing that is needed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rheostat.augment.decision import DECISIONS, DataIdentity, Decision
from rheostat.errors import DataError
from rheostat.records import write_bytes

SCHEMA = 1
COLUMNS: tuple[str, ...] = ("index", "given", "decision", "label", "at", "by", "number", "fingerprint", "examples")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # beginnings that a spreadsheet computes, names of files and people or not
_MARK = "data:"  # keeps a spreadsheet from reading 12e3, a hash, as 12000


def as_cell(text: str | None) -> str | None:
    """A text as a cell of a CSV file: with a `'` before what a spreadsheet would take for a formula, and run."""
    return f"'{text}" if text is not None and text.startswith(_FORMULA) else text


def write_csv(path: Path, data: DataIdentity, decisions: Iterable[Decision]) -> None:
    """Write a row per decision, under the names of `COLUMNS`; whole or not at all."""
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for one in decisions:
        rows.writerow(
            {**one.as_json(), "by": as_cell(one.by), "fingerprint": _MARK + data.fingerprint, "examples": data.size}
        )
    write_bytes(path, text.getvalue().encode())


def write_jsonl(path: Path, data: DataIdentity, decisions: Iterable[Decision]) -> None:
    """Write a line that names the data set, and a line per decision; whole or not at all."""
    head = {
        "rheostat": "decisions",
        "schema": SCHEMA,
        "fingerprint": data.fingerprint,
        "size": data.size,
        "classes": list(data.classes),
    }
    lines = [json.dumps(line) for line in (head, *(one.as_json() for one in decisions))]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def read_csv(path: Path) -> tuple[DataIdentity | None, list[Decision]]:
    """Decisions in a CSV file, be it of `write_csv` and saved by a spreadsheet, or of columns of one's own.

    It must have the columns `index` and `label`; others of `COLUMNS` are read if they are there, further ones are not
    looked at. Without a column `decision` every row is a label to be given; with it, rows where it is empty are not
    decided. Commas, semicolons and tabs separate.

    Returns:
        The data set that the decisions are about, its classes not told, or None if the file does not tell; and the
        decisions, in the order of the file.

    Raises:
        DataError: The file cannot be read so; the message has the line.
    """
    text = _text(path)
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    missing = {"index", "label"} - set(rows.fieldnames or ())
    if missing:
        raise DataError(
            f"{path} has no column {' and none '.join(sorted(missing))}: decisions need at least index and label in "
            "the first line"
        )
    decides = "decision" in (rows.fieldnames or ())
    told: set[tuple[str, int]] = set()
    found: list[Decision] = []
    for row in _rows(rows, path):
        where = f"{path}, line {rows.line_num}"
        if not any(row.values()) or (decides and not row["decision"]):
            continue
        found.append(_decision(row if decides else {**row, "decision": "relabel"}, where))
        if row.get("fingerprint"):
            told.add((row["fingerprint"].removeprefix(_MARK), _number(row, "examples", where) or 0))
    if len(told) > 1:
        (one, _), (other, _), *_rest = sorted(told)
        raise DataError(f"{path} holds decisions about more than one data set ({one} and {other}): split it")
    _must_be_single(path, found)
    return DataIdentity(*told.pop()) if told else None, found


def read_jsonl(path: Path) -> tuple[DataIdentity | None, list[Decision]]:
    """Decisions in a JSONL file of `write_jsonl`; without its first line the data set is not told.

    Raises:
        DataError: The file cannot be read so; the message has the line.
    """
    identity = None
    found: list[Decision] = []
    for number, row in _objects(path):
        where = f"{path}, line {number}"
        if number == 1 and "rheostat" in row:
            if row["rheostat"] != "decisions" or row.get("schema") != SCHEMA:
                raise DataError(
                    f"{path} holds {row['rheostat']} of schema {row.get('schema')} and this version reads decisions of "
                    f"schema {SCHEMA}: export them again"
                )
            if not {"fingerprint", "size", "classes"} <= row.keys():
                raise DataError(f"{where} does not name the data set: restore the line, or export the decisions again")
            identity = DataIdentity(row["fingerprint"], row["size"], tuple(row["classes"]))
        elif row.get("decision", "relabel"):
            found.append(_decision(row if "decision" in row else {**row, "decision": "relabel"}, where))
    _must_be_single(path, found)
    return identity, found


def _rows(rows: csv.DictReader[str], path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from rows
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num} is no CSV ({error}): restore the file") from None


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number} is not JSON ({error.msg}): restore the file") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is no object: each line is one decision")
        yield number, row


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give a file of decisions") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8: save it as CSV in UTF-8, or export it again") from None


def _decision(row: Mapping[str, Any], where: str) -> Decision:
    index, label = _number(row, "index", where), _number(row, "label", where)
    decision = row["decision"]
    if index is None:
        raise DataError(f"{where} has no index: say which example it is about")
    if decision not in DECISIONS:
        raise DataError(f"{where} has decision {decision!r}: it must be one of {', '.join(DECISIONS)}")
    if (label is None) == (decision == "relabel"):
        raise DataError(f"{where} is {decision} {'without' if label is None else 'with'} a label: only relabel has one")
    return Decision(
        index,
        _number(row, "given", where),
        decision,
        label,
        at=_seconds(row.get("at")),
        by=_text_of(str(row.get("by") or "")),
        number=_number(row, "number", where) or 0,
    )


def _text_of(cell: str) -> str:
    """The text of a cell that `as_cell` has made."""
    return cell[1:] if cell.startswith(tuple(f"'{start}" for start in _FORMULA)) else cell


def _number(row: Mapping[str, Any], name: str, where: str) -> int | None:
    """A whole number, also as a spreadsheet may write it (17.0); None if there is none."""
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        number, whole = 0.5, 0
    if number != whole or whole < 0:
        raise DataError(f"{where} has {name} {value!r}: it must be a whole number, at least 0")
    return whole


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0  # a spreadsheet has made a date of it: it decides nothing


def _must_be_single(path: Path, found: Sequence[Decision]) -> None:
    if len({one.given is None for one in found}) > 1:
        raise DataError(
            f"{path} has a given label in some rows and none in others: fill the column given, or leave it out"
        )
    seen: set[int] = set()
    for one in found:
        if one.index in seen:
            raise DataError(f"{path} decides example {one.index} more than once: leave one row of it")
        seen.add(one.index)

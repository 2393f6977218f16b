"""JSON documents that people write by hand: read, checked, and every problem told in words, at its place."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from rheostat.errors import SettingsError

SCHEMA = 1
_LARGEST = 2**53  # of a count: up to here floats are exact, and a count can be computed with
_TOLD = 5  # problems named in one message; of the others only their number
_NOTES = {"note", "notes"}  # near to "votes", but what people call a note
_TAGS = {"<number>", "<table>"}  # the forms that a value may have (see `form`); never shown
_MUST = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "string_pattern_mismatch": "must match {pattern}",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "too_long": "must have at most {max_length} entries",
    "dict_type": "must be an object",
    "literal_error": "must be {expected}",
    "model_type": "must be an object",
}
# what the documents of the command line are told apart by, and which command takes each
_KINDS = {
    "workload": ({"apps", "layer_cost"}, "rheostat plan"),
    "plan": ({"apps", "optimal"}, "rheostat run"),
    "fleet": ({"nodes", "cameras"}, "rheostat place"),
    "placement": ({"nodes", "left_out"}, "rheostat place --previous"),
}
_Document = TypeVar("_Document", bound="Entry")


class _Slip(str):
    """Stands where the value of an unknown key stood, and says which key was meant."""

    __slots__ = ()


class Entry(BaseModel):
    """An object of a document: a key that is near to a known one is a slip, any other is a note of the file's owner."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_notes_out(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        known = [field.alias or name for name, field in cls.model_fields.items()]
        slips = {key: _Slip(meant) for key in values if key not in known for meant in _meant(key, known)}
        return {key: value for key, value in values.items() if key in known} | slips


def form(value: Any) -> str:
    """Tell whether a value is one number or a table, and a list by its first entry, for a pydantic discriminator."""
    first = value[0] if isinstance(value, list | tuple) and value else value
    return "<table>" if isinstance(first, Mapping | BaseModel | list | tuple) else "<number>"


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _whole(value: Any) -> Any:
    value = _plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _printable(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("must be printable text on one line, and not blank")
    return name


from_numpy, whole = BeforeValidator(_plain), BeforeValidator(_whole)
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1), from_numpy]
ShareAboveZero = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1), from_numpy]
AtLeastZero = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0), from_numpy]
AboveZero = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0), from_numpy]
Count = Annotated[int, Field(strict=True, ge=0, le=_LARGEST), whole]
CountAboveZero = Annotated[int, Field(strict=True, ge=1, le=_LARGEST), whole]
Name = Annotated[str, Field(strict=True), AfterValidator(_printable)]


def disorder(name: str, values: Sequence[float]) -> Iterator[str]:
    """Name the first place where `values` do not increase strictly."""
    for before, after in pairwise(values):
        if not before < after:
            yield f"{name} has {after:g} after {before:g}: must increase from entry to entry"
            return


def refuse(lines: Iterable[str]) -> None:
    """Raise what is wrong with an object as a whole, for pydantic to collect; nothing if there are no lines."""
    if told := tuple(lines):
        raise PydanticCustomError("lines", "{said}", {"said": "; ".join(told), "lines": told})


def read_document(
    kind: type[_Document], source: Path | str | Mapping[str, Any], noun: str, *, versioned: bool = True
) -> _Document:
    """Read a document from a file, or check a mapping.

    Args:
        kind: The model of the document.
        source: Path of a JSON file, or the content of one.
        noun: What the document is, for messages.
        versioned: Whether it names its schema; a form that others defined does not.

    Raises:
        SettingsError: One line that names what is wrong, where, and what would be right; of many problems the first.
    """
    if isinstance(source, Mapping):
        place, values = noun, source
    else:
        place = f"{noun} file {source}"
        values = _parsed(Path(source), place)
    if versioned:
        _of_this_version(values, place)
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        for other, (keys, command) in _KINDS.items() if noun in _KINDS else ():
            if noun != other and keys <= values.keys():
                raise SettingsError(f"{place}: it is a {other}, which `{command}` takes") from None
        lines = list(_in_words(error, values))
        more = [f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
        raise SettingsError(f"{place}: {'; '.join(lines[:_TOLD] + more)}") from None


def _of_this_version(values: Mapping[str, Any], place: str) -> None:
    if "schema" not in values:
        raise SettingsError(f'{place}: schema is missing: write "schema": {SCHEMA}')
    if values["schema"] != SCHEMA or values["schema"] is True:
        raise SettingsError(
            f"{place}: schema is {shown(values['schema'])}: this version reads schema {SCHEMA}; "
            "a later version of Rheostat may read it"
        )


def _parsed(path: Path, place: str) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"{place} does not exist") from None
    except json.JSONDecodeError as error:
        raise SettingsError(f"{place} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{place} cannot be read: {error}") from None
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else shown(values)
        raise SettingsError(f"{place} holds {kind}: it must be one object, {{...}}")
    return values


def _meant(key: Any, known: Sequence[str]) -> list[str]:
    """The known key that was probably meant; none if it is a note."""
    if not isinstance(key, str) or key in _NOTES:
        return []
    swapped = [name for name in known if sorted(name) == sorted(key.lower())]
    return swapped or difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.75)


def _in_words(error: ValidationError, document: Mapping[str, Any]) -> Iterator[str]:
    problems = error.errors(include_url=False)
    slips = {(*p["loc"][:-1], str(p["input"])) for p in problems if isinstance(p["input"], _Slip)}
    for problem in problems:
        if problem["type"] == "missing" and problem["loc"] in slips:
            continue  # it is there, under a wrong name
        if problem["type"] == "too_short" and len(problem["input"]) >= problem.get("ctx", {})["min_length"]:
            continue  # pydantic counts only the entries that are right
        words = _words(problem["loc"], document)
        if problem["type"] == "lines":
            yield from (": ".join([*words, line]) for line in problem.get("ctx", {})["lines"])
        else:
            yield ": ".join([*words[:-1], _told(words[-1] if words else "", problem)])


def _told(name: str, problem: ErrorDetails) -> str:
    if problem["type"] == "missing":
        return f"{name} is missing"
    if isinstance(problem["input"], _Slip):
        return f"unknown key {shown(name)}: did you mean {problem['input']!r}?"
    if problem["type"] == "too_short":
        least = problem.get("ctx", {})["min_length"]
        had = f"has {len(problem['input'])}" if problem["input"] else "is empty"
        return f"{name} {had}: must have at least {'one entry' if least == 1 else f'{least} entries'}"
    said = problem["msg"].removeprefix("Value error, ")
    form_of = _MUST.get(problem["type"])
    must = said[:1].lower() + said[1:] if form_of is None else form_of.format(**problem.get("ctx", {}))
    return f"{name} is {shown(problem['input'])}: {must}"


def _words(place: Sequence[int | str], document: Mapping[str, Any]) -> list[str]:
    """Say where a problem is, counting from 1, an app by its name."""
    words: list[str] = []
    for part in place:
        if isinstance(part, str):
            words += [] if part in _TAGS else [part]
        elif words == ["apps"]:  # those of a camera further in are names
            words[-1] = _app(document["apps"][part], part + 1)
        elif words[-1] == "branch_points":
            words[-1] = f"branch point {part + 1}"
        else:
            words.append(f"entry {part + 1}")
    return words


def _app(app: Any, number: int) -> str:
    name = app.get("name") if isinstance(app, Mapping) else getattr(app, "name", None)
    return f"app {shown(name)}" if isinstance(name, str) and name.strip() else f"app {number}"


def shown(value: Any) -> str:
    """A value as a message shows it: as in JSON, short, on one line."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping | BaseModel):
        return "an object"
    said = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return said if len(said) <= 60 else said[:57] + "..."

"""What a person said about one example, of which data set, and what the labels are after it. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rheostat.errors import DataError, SettingsError, StateError

DECISIONS = ("keep", "relabel", "remove", "skip")
WRONG = ("relabel", "remove")  # the given label is
_LISTED = 3  # classes in a message


@dataclass(frozen=True)
class Decision:
    """What a person said about the label of one example.

    Attributes:
        index: Of the example in the data set.
        given: Its label when it was decided, a class index; None if a file does not tell.
        decision: `keep`: the given label is right. `relabel`: it is wrong, `label` is right. `remove`: the example is
            no good under any label. `skip`: nobody can tell. `undecided` stands in a history where an undo has taken
            back the only decision.
        label: The right label if it is relabelled, otherwise None.
        at: Wall clock, in seconds.
        by: Who decided: a name, or the tab of a browser.
        number: Higher than that of every decision before; 0 if a file does not tell.
    """

    index: int
    given: int | None
    decision: Literal["keep", "relabel", "remove", "skip", "undecided"]
    label: int | None = None
    at: float = 0.0
    by: str = ""
    number: int = 0

    def as_json(self) -> dict[str, Any]:
        """As a JSON object with the attributes as keys."""
        return asdict(self)


class ConflictError(StateError):
    """An example was decided by somebody else in between.

    Attributes:
        current: The decision that stands; None = it was taken back.
    """

    def __init__(self, message: str, *, current: Decision | None) -> None:
        super().__init__(message)
        self.current = current


@dataclass(frozen=True)
class DataIdentity:
    """What tells a data set from every other.

    Attributes:
        fingerprint: Hash of its content.
        size: Number of examples; 0 if a file does not tell.
        classes: Their names, in the order of the labels; empty if a file does not tell.
    """

    fingerprint: str
    size: int
    classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = [f"{self.size:,} examples"] if self.size else []
        if self.classes:
            names = ", ".join(self.classes[:_LISTED]) + (", ..." if len(self.classes) > _LISTED else "")
            told.append(f"{len(self.classes)} classes: {names}")
        return f"{self.fingerprint} ({'; '.join(told)})" if told else self.fingerprint


def check_identity(found: DataIdentity, data: DataIdentity, what: str) -> None:
    """Refuse decisions about another data set; what a file does not tell is not compared.

    Args:
        found: Of the decisions.
        data: Of the present data.
        what: Where the decisions are, for the message.

    Raises:
        StateError: They are of another data set.
    """
    same = (
        found.fingerprint == data.fingerprint
        and found.size in (0, data.size)
        and (not found.classes or found.classes == data.classes)
    )
    if not same:
        raise StateError(
            f"{what} is about data {found} and the present data are {data}: give the decisions that were made on this "
            "data set"
        )


def check_decision(
    decision: str, *, index: int, given: int | None, label: int | None, size: int, classes: int | None
) -> None:
    """Refuse what cannot be decided.

    Args:
        decision: One of `DECISIONS`.
        index: In [0, size).
        given: In [0, classes), or None if unknown.
        label: In [0, classes) and not `given` for `relabel`, otherwise None.
        size: Number of examples.
        classes: Number of classes, or None if unknown.

    Raises:
        SettingsError: One of them is not so.
    """
    if not 0 <= index < size:
        raise SettingsError(f"index is {index}: the data set has {size} examples, 0 to {size - 1}")
    if decision not in DECISIONS:
        raise SettingsError(f"decision of example {index} is {decision!r}: it must be one of {', '.join(DECISIONS)}")
    for name, value in (("given label", given), ("label", label)):
        if value is not None and (value < 0 or (classes is not None and value >= classes)):
            allowed = "at least 0" if classes is None else f"in 0 to {classes - 1}"
            raise SettingsError(f"{name} of example {index} is {value}: a class index is {allowed}")
    if decision != "relabel" and label is not None:
        raise SettingsError(f"example {index} is decided as {decision} with label {label}: only relabel takes a label")
    if decision == "relabel" and label is None:
        raise SettingsError(f"example {index} is to be relabelled without a label: say which class it is")
    if decision == "relabel" and label == given:
        raise SettingsError(f"example {index} is to be relabelled as {label}, its given label: use keep")


def verdicts_of(decisions: Iterable[Decision]) -> dict[int, bool]:
    """Whether the given label is wrong (relabel, remove) or right (keep), by index; skipped ones are absent."""
    return {one.index: one.decision in WRONG for one in decisions if one.decision in ("keep", *WRONG)}


def labels_after(
    labels: NDArray[np.integer[Any]], decisions: Iterable[Decision], *, classes: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What the labels are once the decisions are followed.

    Args:
        labels: `[N]`, the given labels.
        decisions: At most one per example.
        classes: Number of classes, if labels shall be held to it.

    Returns:
        The labels `[N]` int64, and `[N]` bool: True = removed.

    Raises:
        DataError: A decision is about an example that is not there or had another label, or gives a label that is not
            there.
    """
    after, removed = np.array(labels, np.int64), np.zeros(len(labels), bool)
    for one in decisions:
        if not 0 <= one.index < len(after):
            raise DataError(
                f"a decision is about row {one.index} and the data set has {len(after)} examples, 0 to "
                f"{len(after) - 1}: give the decisions that were made on this data set"
            )
        given = int(labels[one.index])
        if one.given is not None and one.given != given:
            raise DataError(
                f"row {one.index} was labelled {one.given} when it was decided and is {given} now: give the decisions "
                "that were made on these labels"
            )
        if one.decision == "relabel":
            if one.label is None or one.label < 0 or (classes is not None and one.label >= classes):
                allowed = "at least 0" if classes is None else f"in 0 to {classes - 1}"
                raise DataError(f"row {one.index} is relabelled as {one.label}: a class index is {allowed}")
            after[one.index] = one.label
        removed[one.index] = one.decision == "remove"
    return after, removed

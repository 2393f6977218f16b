"""A review as its page in a browser shows it: the list, the pictures, and what has been decided until now."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rheostat.augment.decision import ConflictError, Decision
from rheostat.augment.decisions import Decisions
from rheostat.errors import SettingsError
from rheostat.review.listing import Suspect, SuspectList
from rheostat.review.neighbours import Neighbours
from rheostat.review.pictures import picture_of
from rheostat.review.run import SeenRun

Answer = Literal["keep", "relabel", "remove", "skip"]
Which = Literal["all", "open", "skipped"]

_DONE = {"keep": "kept", "relabel": "relabelled", "remove": "removed", "skip": "skipped"}
_CODE = {"undecided": 0, "keep": 1, "relabel": 2, "remove": 3, "skip": 4}
_NEVER = -1  # in place of a predicted class


class Desk:
    """Implements the protocol `ReviewDesk` of the console, which says what the methods give.

    Args:
        run: The run that is reviewed.
        listed: Its suspects.
        decisions: Where decisions are kept; others may write there at the same time.
        neighbours: What stands beside the suspects; None = nothing.
    """

    def __init__(
        self, run: SeenRun, listed: SuspectList, decisions: Decisions, neighbours: Neighbours | None = None
    ) -> None:
        self._run = run
        self._listed = listed
        self._decisions = decisions
        self._neighbours = neighbours
        self._position = {suspect.index: suspect.position for suspect in listed.suspects}
        self._given = np.array([suspect.given for suspect in listed.suspects], np.int64)
        predicted = [_NEVER if suspect.predicted is None else suspect.predicted for suspect in listed.suspects]
        self._predicted = np.array(predicted, np.int64)
        self._lock = threading.RLock()  # guards what follows
        self._number = 0  # of the last row of the store that has been taken in
        self._settled: dict[int, Decision] = {}
        self._code = np.zeros(len(listed.suspects), np.int8)
        self._estimated: tuple[int, dict[str, Any]] = (-1, {})

    def summary(self) -> dict[str, Any]:
        """What is reviewed."""
        told = [self._listed.data.fingerprint, *(suspect.index for suspect in self._listed.suspects)]
        return {
            "key": hashlib.sha256(repr([str(self._decisions.path.resolve()), *told]).encode()).hexdigest()[:16],
            "title": f"{self._run.folder.resolve().name}: {PurePath(self._run.settings.data).name}",
            "classes": list(self._listed.classes),
            "size": self._listed.size,
            "budget": len(self._listed.suspects),
            "count": len(self._listed.suspects),
        }

    def progress(self) -> dict[str, Any]:
        """What is done, and what it says about the labels."""
        with self._lock:
            self._take_in()
            if self._estimated[0] != self._number:
                self._estimated = self._number, self._estimate()
            told = {name: int((self._code == _CODE[decision]).sum()) for decision, name in _DONE.items()}
            reviewed = sum(told.values()) - told["skipped"]
            return {"number": self._number, "reviewed": reviewed, **told, **self._estimated[1]}

    def suspects(
        self, start: int, count: int, *, which: Which = "all", pair: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        """Some of the suspects, in the order of review."""
        with self._lock:
            found = self._asked(which, pair)
            rows = [self._row(self._listed.suspects[at]) for at in found[start : start + count].tolist()]
            return {"total": len(found), "rows": rows}

    def rank(self, position: int, *, which: Which = "all", pair: tuple[int, int] | None = None) -> int:
        """How many of those asked for stand before `position`."""
        with self._lock:
            return int(np.searchsorted(self._asked(which, pair), position))

    def suspect(self, index: int) -> dict[str, Any] | None:
        """All about one suspect."""
        position = self._position.get(index)
        if position is None:
            return None
        suspect = self._listed.suspects[position]
        with self._lock:
            self._take_in()
            told = self._row(suspect)
        beside = self._neighbours
        return told | {
            "name": self._name(index),
            "losses": list(suspect.losses),
            "median": list(self._listed.medians[suspect.given]),
            "given_like": [] if beside is None else _known(beside.given_like[position]),
            "predicted_like": [] if beside is None else _known(beside.predicted_like[position]),
        }

    def picture(self, index: int) -> tuple[bytes, str]:
        """The image of any training example.

        Raises:
            DataError: There is no such example, or its image cannot be decoded.
        """
        found = picture_of(self._run.data, index)
        return found.content, found.media_type

    def pairs(self) -> list[dict[str, int]]:
        """All pairs of given and predicted class, those with the most open suspects first."""
        with self._lock:
            self._take_in()
            looked_at = self._predicted != _NEVER
            both = self._given[looked_at] * len(self._listed.classes) + self._predicted[looked_at]
            found, place, total = np.unique(both, return_inverse=True, return_counts=True)
            is_open = np.bincount(place, weights=self._code[looked_at] == 0, minlength=len(found)).astype(np.int64)
        rows = [
            {"given": pair // len(self._listed.classes), "predicted": pair % len(self._listed.classes),
             "open": left, "total": number}
            for pair, left, number in zip(found.tolist(), is_open.tolist(), total.tolist(), strict=True)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (-row["open"], -row["total"]))

    def decide(
        self, index: int, decision: Answer, label: int | None, *, by: str, expected: int | None
    ) -> dict[str, Any]:
        """Store a decision, if the present one is the one that was expected.

        Raises:
            SettingsError: The example is no suspect, or the label is none that it can be given.
            StateError: It cannot be stored.
        """
        if index not in self._position:
            number = len(self._listed.suspects)
            raise SettingsError(f"example {index} is no suspect: decide about one of the {number:,} that are listed")
        given = self._listed.suspects[self._position[index]].given
        try:
            stored = self._decisions.decide(index, decision, given=given, label=label, by=by, expected=expected)
        except ConflictError as error:
            return {"stored": False, "settled": _told(error.current)}
        return {"stored": True, "settled": _told(stored)}

    def decide_pair(self, given: int, predicted: int, decision: Answer, label: int | None, *, by: str) -> int:
        """Store one decision for every open suspect of a pair, all or none; raises as `decide`."""
        with self._lock:
            found = self._asked("open", (given, predicted)).tolist()
        of = {self._listed.suspects[at].index: given for at in found}
        return len(self._decisions.decide_many(of, decision, label=label, by=by))

    def undo(self, by: str) -> list[int]:
        """Undo what this tab decided last, and give the examples that stand otherwise now.

        Raises:
            StateError: It cannot be stored.
        """
        return self._in_order(row.index for row in self._decisions.undo(by))

    def changes(self, since: int) -> list[dict[str, Any]]:
        """What has changed since `progress` told the number `since`."""
        with self._lock:
            self._take_in()
            changed = self._in_order({row.index for row in self._decisions.since(since)})
            return [{"index": index, "settled": _told(self._settled.get(index))} for index in changed]

    # ---- the rest

    def _take_in(self) -> None:
        """What has been written to the store meanwhile, by whomever."""
        for row in self._decisions.since(self._number):
            self._number = row.number
            if row.decision == "undecided":
                self._settled.pop(row.index, None)
            else:
                self._settled[row.index] = row
            if (position := self._position.get(row.index)) is not None:
                self._code[position] = _CODE[row.decision]

    def _estimate(self) -> dict[str, Any]:
        told = self._listed.estimate(self._settled)
        known = not math.isnan(told.noise_rate), not math.isnan(told.precision)
        return {
            "noise_rate": told.noise_rate if known[0] else None,
            "noise_interval": list(told.noise_interval) if known[0] else None,
            "precision": told.precision if known[1] else None,
            "precision_interval": list(told.precision_interval) if known[1] else None,
        }

    def _asked(self, which: Which, pair: tuple[int, int] | None) -> NDArray[np.int64]:
        """Positions, ascending."""
        self._take_in()
        wanted = np.ones(len(self._code), np.bool_)
        if which != "all":
            wanted = self._code == _CODE["undecided" if which == "open" else "skip"]
        if pair is not None:
            wanted = wanted & (self._given == pair[0]) & (self._predicted == pair[1])
        return np.flatnonzero(wanted)

    def _row(self, suspect: Suspect) -> dict[str, Any]:
        return {
            "position": suspect.position,
            "index": suspect.index,
            "given": suspect.given,
            "predicted": suspect.predicted,
            "p_given": suspect.p_given,
            "p_predicted": suspect.p_predicted,
            "score": suspect.score,
            "round": suspect.round,
            "why": suspect.why,
            "settled": _told(self._settled.get(suspect.index)),
        }

    def _name(self, index: int) -> str:
        files = self._run.data.files
        name = None if files is None else files.name(index)
        return f"example {index}" if name is None else "/".join(PurePath(name).parts[-2:])

    def _in_order(self, found: Iterable[int]) -> list[int]:
        return sorted((index for index in found if index in self._position), key=self._position.__getitem__)


def _told(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None or decision.decision == "undecided":
        return None
    return {"decision": decision.decision, "label": decision.label, "by": decision.by, "number": decision.number}


def _known(indices: NDArray[np.int64]) -> list[int]:
    return indices[indices >= 0].tolist()

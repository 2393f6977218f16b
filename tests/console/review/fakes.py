"""A review without a run: suspects and pictures made up, decisions in memory."""

from __future__ import annotations

import functools
import io
import random
import threading
from bisect import bisect_left
from typing import Any

from PIL import Image, ImageDraw

from rheostat.console.review.desk import Answer, Which
from rheostat.errors import DataError, SettingsError, StateError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
EPOCHS = 12
SIZE = 400_000  # examples in the data set
BROKEN = 41  # the index of an example whose file is damaged


@functools.cache
def drawn(label: int, kind: int) -> bytes:
    """A small picture: the colour tells the class, the place of the disc the example."""
    colours = (
        "#4e79a7",
        "#f28e2b",
        "#e15759",
        "#76b7b2",
        "#59a14f",
        "#edc948",
        "#b07aa1",
        "#ff9da7",
        "#9c755f",
        "#888",
    )
    picture = Image.new("RGB", (32, 32), colours[label % 10])
    pen = ImageDraw.Draw(picture)
    left, top = 3 * (kind % 7), 3 * (kind // 7 % 7)
    pen.ellipse((left, top, left + 11, top + 11), fill="#ffffff")
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


class FakeDesk:
    """Implements `ReviewDesk`; a test looks at `log`, and sets `failing` to a line with which storing fails."""

    def __init__(
        self, count: int = 30, *, classes: tuple[str, ...] = CLASSES, budget: int = 25, key: str = "k1"
    ) -> None:
        self._lock = threading.RLock()
        self.classes, self.key, self.budget = classes, key, budget
        chance = random.Random(3)
        self.rows = [self._suspect(position, chance) for position in range(count)]
        self._by_index = {row["index"]: row for row in self.rows}
        self.log: list[tuple[Any, ...]] = []  # what was asked for, in order
        self.number = 0
        self.failing: str | None = None
        self._settled: dict[int, dict[str, Any]] = {}
        self._touched: dict[int, int] = {}  # number of the newest change of each example
        self._done: list[tuple[str, dict[int, tuple[dict[str, Any] | None, int]]]] = []  # by, {index: (before, number)}
        self.asked_for: list[tuple[int, int]] = []  # start and count of the rows asked for

    def _suspect(self, position: int, chance: random.Random) -> dict[str, Any]:
        index = 7 * position + 6
        given, predicted = chance.sample(range(min(len(self.classes), 10)), 2) if position % 3 else (3, 5)
        given, predicted = (5, 3) if position % 3 and (given, predicted) == (3, 5) else (given, predicted)
        share = 0.97 - 0.4 * position / 60_000 - 0.1 * chance.random()
        row: dict[str, Any] = {"position": position, "index": index, "given": given, "predicted": predicted}
        row |= {
            "p_given": (1 - share) * 0.4,
            "p_predicted": share,
            "score": 9 - position / 10_000,
            "round": position % 5,
        }
        names = (self.classes[given], self.classes[predicted])
        row["why"] = f"at odds with {names[0]} in all 12 looks, last taken for {names[1]} (margin -{3 + share:.1f})"
        row["audit"] = position % 10 == 4  # a desk that tells too much: the page must not pass it on
        return row

    # ---- what the console calls

    def summary(self) -> dict[str, Any]:
        told: dict[str, Any] = {"key": self.key, "title": "runs/cifar10-noisy", "classes": list(self.classes)}
        return told | {"size": SIZE, "budget": self.budget, "count": len(self.rows)}

    def progress(self) -> dict[str, Any]:
        with self._lock:
            made = [settled["decision"] for settled in self._settled.values()]
            names = {"keep": "kept", "relabel": "relabelled", "remove": "removed", "skip": "skipped"}
            told: dict[str, Any] = {name: made.count(decision) for decision, name in names.items()}
            wrong, reviewed = told["relabelled"] + told["removed"], len(made) - told["skipped"]
            told |= {"number": self.number, "reviewed": reviewed, "noise_rate": None, "noise_interval": None}
            told |= {"precision": None, "precision_interval": None}
            if reviewed >= 3:
                share = wrong / reviewed
                told |= {"noise_rate": 0.1 * share, "noise_interval": [0.06 * share, 0.15 * share]}
                told |= {"precision": share, "precision_interval": [0.8 * share, min(1.0, 1.1 * share)]}
            return told

    def suspects(
        self, start: int, count: int, *, which: Which = "all", pair: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        with self._lock:
            self.asked_for.append((start, count))
            found = self._asked(which, pair)
            rows = [self._now(self.rows[at]) for at in found[start : start + count]]
            return {"total": len(found), "rows": rows}

    def rank(self, position: int, *, which: Which = "all", pair: tuple[int, int] | None = None) -> int:
        with self._lock:
            return bisect_left(self._asked(which, pair), position)

    def suspect(self, index: int) -> dict[str, Any] | None:
        with self._lock:
            if (row := self._by_index.get(index)) is None:
                return None
            losses: list[float | None] = [
                2.5 + 2.5 * epoch / EPOCHS + (index * epoch % 7) / 9 for epoch in range(EPOCHS)
            ]
            losses[4] = None
            told = self._now(row) | {"name": f"train/{index:05d}.png", "losses": losses}
            told["median"] = [2.3 * 0.72**epoch for epoch in range(EPOCHS)]
            told["given_like"] = [10 * (index % 90) + 600 + near for near in range(4)]
            told["predicted_like"] = [10 * (index % 90) + 2600 + near for near in range(4)]
            return told

    def picture(self, index: int) -> tuple[bytes, str]:
        if not 0 <= index < SIZE:
            raise DataError(f"index {index} is outside the data set: must be 0 to {SIZE - 1}")
        if index == BROKEN:
            raise DataError(f"training image {index} cannot be decoded (broken data stream): replace the file")
        row = self._by_index.get(index)
        return drawn(row["predicted"] if row else 5 if index % 10_000 >= 2600 else 3, index), "image/png"

    def pairs(self) -> list[dict[str, int]]:
        with self._lock:
            found: dict[tuple[int, int], dict[str, int]] = {}
            for row in self.rows:
                both = {"given": row["given"], "predicted": row["predicted"]}
                pair = found.setdefault((row["given"], row["predicted"]), both | {"open": 0, "total": 0})
                pair["total"] += 1
                pair["open"] += row["index"] not in self._settled
            return sorted(found.values(), key=lambda pair: -pair["open"])

    def decide(
        self, index: int, decision: Answer, label: int | None, *, by: str, expected: int | None
    ) -> dict[str, Any]:
        with self._lock:
            self._must_work()
            if (row := self._by_index.get(index)) is None:
                raise SettingsError(f"example {index} is no suspect: decide about the {len(self.rows)} that are listed")
            if label == row["given"]:
                raise SettingsError(f"label {label} is the one that example {index} is given: keep it instead")
            present = self._settled.get(index)
            if expected != (present["number"] if present else None):
                return {"stored": False, "settled": present}
            self._store(by, [index], decision, label)
            self.log.append((decision, index, label, by))
            return {"stored": True, "settled": self._settled[index]}

    def decide_pair(self, given: int, predicted: int, decision: Answer, label: int | None, *, by: str) -> int:
        with self._lock:
            self._must_work()
            found = [self.rows[at]["index"] for at in self._asked("open", (given, predicted))]
            if found:
                self._store(by, found, decision, label)
            self.log.append(("pair", given, predicted, decision, label, by))
            return len(found)

    def undo(self, by: str) -> list[int]:
        with self._lock:
            self._must_work()
            at = max((at for at, (tab, _) in enumerate(self._done) if tab == by), default=None)
            self.log.append(("undo", by))
            if at is None:
                return []
            undone = []
            for index, (before, number) in self._done.pop(at)[1].items():
                if (self._settled.get(index) or {}).get("number") != number:
                    continue  # decided again since
                self.number += 1
                self._touched[index] = self.number
                if before is None:
                    del self._settled[index]
                else:
                    self._settled[index] = before | {"number": self.number}
                undone.append(index)
            return undone

    def changes(self, since: int) -> list[dict[str, Any]]:
        with self._lock:
            changed = [index for index, number in self._touched.items() if number > since]
            return [{"index": index, "settled": self._settled.get(index)} for index in changed]

    # ---- the rest

    def settled(self, position: int) -> dict[str, Any] | None:
        with self._lock:
            return self._settled.get(self.rows[position]["index"])

    def _must_work(self) -> None:
        if self.failing is not None:
            raise StateError(self.failing)

    def _now(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"settled": self._settled.get(row["index"])}

    def _asked(self, which: Which, pair: tuple[int, int] | None) -> list[int]:
        wanted = {
            "all": lambda _: True,
            "open": lambda s: s is None,
            "skipped": lambda s: s and s["decision"] == "skip",
        }
        return [
            row["position"]
            for row in self.rows
            if pair in (None, (row["given"], row["predicted"])) and wanted[which](self._settled.get(row["index"]))
        ]

    def _store(self, by: str, found: list[int], decision: Answer, label: int | None) -> None:
        before = {}
        for index in found:
            self.number += 1
            before[index] = (self._settled.get(index), self.number)
            self._touched[index] = self.number
            self._settled[index] = {"decision": decision, "label": label, "by": by, "number": self.number}
        self._done.append((by, before))

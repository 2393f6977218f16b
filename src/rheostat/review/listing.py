"""The list of suspects of a run, out of what the run saw while it trained: no image goes through a model for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from rheostat.augment.decision import DataIdentity, Decision, check_identity, verdicts_of
from rheostat.augment.estimates import Estimate, estimate
from rheostat.augment.sampling import Suspects
from rheostat.augment.scores import suspect_score_named
from rheostat.augment.suspicion import suspects
from rheostat.errors import StateError
from rheostat.records import write_bytes
from rheostat.review.run import SeenRun

SCHEMA = 1
FOLDER = "suspects"
_FILE = "list.json"


@dataclass(frozen=True, slots=True)
class Suspect:
    """An example whose given label is likely wrong, or an audit: one that was drawn at random.

    Attributes:
        position: In the order of review, from 0.
        index: In the training split.
        given: The label in the data, a class index.
        predicted: What the model said at the last look; None = it never looked.
        p_given, p_predicted: Softmax of both at the last look, in [0, 1].
        score: By the score of the list; higher = more suspect. None = the model never looked.
        looks: Number of looks.
        round: In which it is shown, from 0.
        ranked: The round that its score puts it into; -1 = it is here as an audit only.
        audit: Whether it was drawn at random.
        losses: Cross-entropy in nats at the last look of each epoch; None = not looked at in it.
        why: What speaks against the given label, or for it, in one plain line.
    """

    position: int
    index: int
    given: int
    predicted: int | None
    p_given: float | None
    p_predicted: float | None
    score: float | None
    looks: int
    round: int
    ranked: int
    audit: bool
    losses: tuple[float | None, ...]
    why: str


@dataclass(frozen=True)
class SuspectList:
    """The suspects of a run, and how they were found.

    Attributes:
        data: What the run's data are known by.
        budget: Share of the data to review, in (0, 1].
        score, rounds, audits, seed: As `make_suspects` was given them.
        seen: Number of examples that the run looked at.
        reviewed: Indices of examples that had been decided before the list was made, ascending. Those of them that
            stood on the list before stand on it still, ahead of the others.
        medians: Of each class, the median of the losses of the examples that are given it, in each epoch; None = none
            of them was looked at in it.
        suspects: In the order of review.
        schema: Of the file.
    """

    data: DataIdentity
    budget: float
    score: str
    rounds: int
    audits: float
    seed: int
    seen: int
    reviewed: tuple[int, ...]
    medians: tuple[tuple[float | None, ...], ...]
    suspects: tuple[Suspect, ...]
    schema: int = SCHEMA

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each class, in the order of the labels."""
        return self.data.classes

    @property
    def size(self) -> int:
        """Number of training examples."""
        return self.data.size

    def pairs(self) -> list[tuple[int, int, int]]:
        """Triples `(given, predicted, number of suspects)` where the two differ, the most frequent first."""
        found = Counter(
            (suspect.given, suspect.predicted)
            for suspect in self.suspects
            if suspect.predicted is not None and suspect.predicted != suspect.given
        )
        return [(given, predicted, number) for (given, predicted), number in _by_number(found)]

    def estimate(self, settled: Mapping[int, Decision]) -> Estimate:
        """What decisions, by index, say about the labels of the whole data set."""
        skipped = [index for index, one in settled.items() if one.decision == "skip"]
        return estimate(self.chosen, verdicts_of(settled.values()), skipped=skipped)

    @cached_property
    def chosen(self) -> Suspects:
        """What was chosen, as `rheostat.augment.suspicion.suspects` gave it: without what had been decided before."""
        before = set(self.reviewed)
        told = [suspect for suspect in self.suspects if suspect.index not in before]
        return Suspects(
            index=np.array([suspect.index for suspect in told], np.int64),
            score=np.array([math.nan if suspect.score is None else suspect.score for suspect in told], np.float64),
            round=np.array([suspect.round for suspect in told], np.int64),
            audit=np.array([suspect.audit for suspect in told], np.bool_),
            ranked=np.array([suspect.ranked for suspect in told], np.int64),
            reviewed=np.array(self.reviewed, np.int64),
            size=self.size,
            budget=self.budget,
        )

    def write(self, run: Path) -> Path:
        """Write it into a run folder, whole or not at all, and give the file."""
        path = run / FOLDER / _FILE
        write_bytes(path, _FORM.dump_json(self))
        return path


_FORM = TypeAdapter(SuspectList)


def read_suspects(run: Path) -> SuspectList | None:
    """The list in a run folder, as `SuspectList.write` left it; None if there is none.

    Raises:
        StateError: It cannot be read.
    """
    path = run / FOLDER / _FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = _FORM.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "as a whole"
        raise StateError(
            f"{path} cannot be read ({place}: {first['msg']}): make it again with `rheostat suspects {run}`"
        ) from None
    if found.schema != SCHEMA:
        raise StateError(
            f"{path} has schema {found.schema} and this version reads {SCHEMA}: make it again with "
            f"`rheostat suspects {run}`"
        )
    return found


def make_suspects(
    run: SeenRun,
    budget: float = 0.05,
    *,
    rounds: int = 5,
    audits: float = 0.1,
    score: str = "disagreement",
    seed: int = 0,
) -> SuspectList:
    """List the examples of a run whose labels are likely wrong, and write the list into the run folder.

    As long as the run and the arguments stay the same the list does, whatever has been decided since. Where it changes,
    what has been decided stays on it: at the front, spent from the budget, and not ranked again.

    Args:
        run: The run.
        budget: Share of the data to review, in (0, 1].
        rounds: Number of rounds, >= 1.
        audits: Share of each round that is drawn at random, in [0, 1).
        score: A name of `rheostat.augment.scores.SUSPECT_SCORES`.
        seed: Seed of the audits and of the order within rounds.

    Raises:
        SettingsError: An argument is outside its range.
        StateError: The run folder holds a list or decisions of another data set.
    """
    given = run.data.train.labels.cpu()
    ranks = suspect_score_named(score)(run.log, given)
    earlier = read_suspects(run.folder)

    def made(reviewed: Collection[int]) -> SuspectList:
        found = suspects(ranks, budget, rounds=rounds, audits=audits, reviewed=reviewed, seed=seed)
        rows = _kept(earlier, reviewed)
        rows += [
            _Row(*row)
            for row in zip(
                *(part.tolist() for part in (found.index, found.round, found.ranked, found.audit)), strict=True
            )
        ]
        return SuspectList(
            data=run.identity,
            budget=budget,
            score=score,
            rounds=rounds,
            audits=audits,
            seed=seed,
            seen=int(run.log.seen.sum()),
            reviewed=tuple(found.reviewed.tolist()),
            medians=_medians(run, given),
            suspects=_told(run, rows, ranks, score),
        )

    if earlier is not None:
        check_identity(earlier.data, run.identity, f"the list in {run.folder / FOLDER}")
        if made(earlier.reviewed) == earlier:
            return earlier
    listed = made(run.decided().keys())
    listed.write(run.folder)
    return listed


@dataclass(frozen=True, slots=True)
class _Row:
    """A place on the list."""

    index: int
    round: int
    ranked: int
    audit: bool


def _kept(earlier: SuspectList | None, reviewed: Collection[int]) -> list[_Row]:
    """What stood on the earlier list and has been decided."""
    listed, before = () if earlier is None else earlier.suspects, set(reviewed)
    return [_Row(one.index, one.round, one.ranked, one.audit) for one in listed if one.index in before]


def _told(run: SeenRun, rows: list[_Row], ranks: Float[Tensor, " n"], score: str) -> tuple[Suspect, ...]:
    log, classes = run.log, run.data.classes
    index = torch.tensor([row.index for row in rows], dtype=torch.int64)
    labels = run.data.train.labels.cpu()[index].tolist()
    names = ("prediction", "p_given", "p_predicted", "looks", "correct", "margin")
    seen = {name: getattr(log, name).cpu()[index].tolist() for name in names}
    losses = log.history.cpu()[:, index].float().T.tolist()
    top, scores = _top_share(ranks)[index].tolist(), ranks[index].tolist()
    told = []
    for position, row in enumerate(rows):
        saw = {name: values[position] for name, values in seen.items()}
        given, predicted = labels[position], saw["prediction"] if saw["looks"] else None
        why = _why(
            classes[given],
            None if predicted is None else classes[predicted],
            saw["looks"],
            saw["correct"],
            saw["margin"],
            top[position],
        )
        told.append(
            Suspect(
                position=position,
                index=row.index,
                given=given,
                predicted=predicted,
                p_given=_plain(saw["p_given"]),
                p_predicted=_plain(saw["p_predicted"]),
                score=_plain(scores[position]),
                looks=saw["looks"],
                round=row.round,
                ranked=row.ranked,
                audit=row.audit,
                losses=tuple(_plain(loss) for loss in losses[position]),
                why=why if score == "disagreement" else f"{why}, by {score}",
            )
        )
    return tuple(told)


def _medians(run: SeenRun, labels: Int[Tensor, " n"]) -> tuple[tuple[float | None, ...], ...]:
    history = run.log.history.float()
    of_classes = (history[:, labels == label] for label in range(len(run.data.classes)))
    return tuple(
        tuple(_plain(loss) for loss in losses.nanmedian(dim=1).values.tolist())
        if losses.shape[1]
        else (None,) * len(history)
        for losses in of_classes
    )


def _top_share(score: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Share of the scored examples that are as suspect as each or more, in (0, 1]; NaN = never scored."""
    known = ~score.isnan()
    ordered = score[known].double().sort().values
    below = torch.searchsorted(ordered, score.double().nan_to_num(0.0))  # those that are less suspect
    return torch.where(known, 1 - below / max(len(ordered), 1), math.nan)


def _why(given: str, predicted: str | None, looks: int, correct: int, margin: float, top: float) -> str:
    """For example: at odds with cat in all 12 looks, last taken for dog (margin -4.1, in the top 0.3 %)."""
    if predicted is None:
        return f"given {given}, and never looked at"
    wrong = looks - correct
    total = "its only look" if looks == 1 else f"{looks} looks"
    if wrong == 0:
        against = f"never at odds with {given} in {total}"
    elif wrong == looks:
        against = f"at odds with {given} in {total if looks == 1 else f'all {total}'}"
    else:
        against = f"at odds with {given} in {wrong} of {total}"
    last = f"last taken for {predicted}" if predicted != given else "not in the last one" if wrong else ""
    percent = math.ceil(1000 * top) / 10
    share = f"{percent:.0f}" if percent >= 10 else f"{percent:.1f}"
    return f"{against}{f', {last}' if last else ''} (margin {margin:.1f}, in the top {share} %)"


def _plain(value: float) -> float | None:
    """With four digits, which is more than the model knows; None = not a finite number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _by_number(found: Counter[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

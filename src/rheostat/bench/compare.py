"""Policies side by side: same data, same model, same seeds, and the baselines that a claim needs.

Arms of a comparison:
    plain           every example, the learning rate as given, the full number of epochs; the line to beat
    POLICY          one arm per policy, stopped at `share` of plain's backwards
    plain-decayed   every example, the learning rate falling to zero over just that many backwards
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rheostat.bench.workers import workers
from rheostat.errors import SettingsError, StateError
from rheostat.records import environment, read_json
from rheostat.select import Policy, build_policy, option_names
from rheostat.settings import LAST_EPOCHS, POLICY_OPTIONS, TrainSettings

SCHEMA = 1
PLAIN = "plain"
DECAYED = "plain-decayed"
CONTROL = "matched-random"
_UNSCORED: dict[str, Any] = {  # what is said of scores, as it is for an arm whose policy looks at none
    "govern": False,
    "score": None,
    "source": None,
    "reuse": 0,
    "scoring_batch": None,
    "scoring_precision": "no",
    "scoring_scale": 1.0,
}

OnRun = Callable[[int, int, str], None]
"""runs finished, runs in all, name of the last one."""


@dataclass(frozen=True)
class Arm:
    """One line of a comparison.

    Attributes:
        name: What tables and plots call it.
        settings: The settings of its runs, but for the seed.
    """

    name: str
    settings: TrainSettings


def arms_of(base: TrainSettings, policies: Sequence[str], *, examples: int, share: float) -> list[Arm]:
    """Plan the arms of a comparison.

    Args:
        base: Settings that all arms have in common; its epochs are plain's.
        policies: Names of the policies to compare.
        examples: Size of the training split.
        share: Backwards of every other arm as a share of plain's, in (0, 1].

    Raises:
        SettingsError: `share` is outside (0, 1] or too small for one training step, a policy is unknown or named twice,
            an option is outside its range or no policy takes it, a policy would end with epochs of everything, which a
            run that ends by its backwards cannot know, or `base` has `max_backwards`.
    """
    if base.max_backwards is not None:
        raise SettingsError(
            "max_backwards is set by the comparison: give the plain loop's epochs and the policies' share"
        )
    twice = [name for name in policies if list(policies).count(name) > 1]
    if twice:
        raise SettingsError(f"policy {twice[0]!r} is named twice: name each once")
    for name in policies:
        _check_ends(name, base)
    taken_by_some = {option for name in policies for option in option_names(name)}
    for option in base.policy_options:
        if option not in taken_by_some:
            raise SettingsError(f"no policy among {', '.join(policies)} has an option {option!r}")
    if not 0 < share <= 1:
        raise SettingsError(f"share is {share}: backwards as a share of the plain loop's must lie in (0, 1]")
    assert base.end_epoch is not None, "without max_backwards there is an end in epochs"
    limit = int(share * base.end_epoch * examples) // base.batch_size * base.batch_size
    if limit == 0:
        raise SettingsError(f"share is {share}: that is less than one training batch of {base.batch_size}")

    def variant(policy: str, **changes: Any) -> TrainSettings:
        taken = option_names(policy)
        foreign = {name: None for name in POLICY_OPTIONS if name not in taken}
        options = {name: value for name, value in base.policy_options.items() if name in taken}
        scored = _built(policy, options).traits.needs_score  # finds an option outside its range before anything runs
        unscored = {} if scored else _UNSCORED
        return TrainSettings.checked(base.model_dump() | foreign | unscored | {"policy": policy} | changes)

    limited: dict[str, Any] = {"epochs": None, "max_backwards": limit}
    if base.schedule in ("linear", "cosine"):  # it ends where the arm ends
        limited["schedule_by"] = "backwards"
    plain = variant("uniform", epochs=base.end_epoch)
    to_zero = {"schedule": "linear", "schedule_by": "backwards", "milestones": ()}
    decayed = variant("uniform", **limited | to_zero)
    selected = [Arm(name, variant(name, **limited)) for name in policies]
    return [Arm(PLAIN, plain), *selected, Arm(DECAYED, decayed)]


def _built(name: str, options: dict[str, Any]) -> Policy:
    """The policy, to look at; the holdout losses of a run's folder, which cost a forward of all data, are made up."""
    holdout = options.get("holdout")
    by_run = holdout is not None and Path(holdout).is_dir()
    made_up: dict[str, Any] = {"holdout": torch.zeros(1)} if by_run else {}
    return build_policy(name, **options | made_up)


def _check_ends(name: str, base: TrainSettings) -> None:
    """Refuse a policy whose last epochs keep everything: an arm ends by its backwards, and no epoch is its last."""
    of_another = "reference" in option_names(name)
    policy = base.policy_options.get("reference") if of_another else name
    option = LAST_EPOCHS.get(policy) if policy is not None else None
    if option is not None and base.policy_options.get(option) != 0:
        raise SettingsError(
            f"policy {policy!r} ends with epochs of everything, and an arm that is stopped at a share of plain's "
            f"backwards does not know which epochs are its last: give {option}=0 to compare it without them, or train "
            "with them by rheostat train --epochs; rheostat reproduce selective-backprop rivals has it beside the "
            "others in whole epochs"
        )


def compare(
    arms: Sequence[Arm], seeds: Sequence[int], folder: Path, *, jobs: int = 1, on_run: OnRun | None = None
) -> dict[str, Any]:
    """Run every arm with every seed and return the record of the comparison.

    Every run has a folder of its own under `folder`; an interrupted comparison goes on where it stood when it is
    started again with the same arms.

    Args:
        arms: What to compare.
        seeds: Seeds of every arm.
        folder: Where the run folders go.
        jobs: Processes that run side by side, each with one thread. 1 runs in this process.
        on_run: Told after every finished run.

    Raises:
        StateError: `folder` holds a run of the same name with other settings, or made by other versions.

    Returns:
        The record, see `benchmarks/README.md`: `arms` has per arm the settings and per seed the columns of its epochs.
    """
    tasks = [(arm, seed, folder / f"{arm.name}-s{seed}") for seed in seeds for arm in arms]
    here = environment()
    for _, _, path in tasks:
        _check_made_here(path, here)
    with workers(jobs) as team:
        team.all(_run, tasks, on_run and (lambda done, name: on_run(done, len(tasks), name)))
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "bench": "select",
        "environment": here,
        "seeds": list(seeds),
        "jobs": jobs,
        "arms": {},
    }
    for arm in arms:
        summaries = [read_json(path / "summary.json") for member, _, path in tasks if member is arm]
        record["data"] = {"name": arm.settings.data, **summaries[0]["data"]}
        record["arms"][arm.name] = {
            "settings": arm.settings.model_dump(mode="json", exclude={"seed", "data", "track"}),
            "runs": [_columns(seed, summary) for seed, summary in zip(seeds, summaries, strict=True)],
        }
    return record


def _check_made_here(path: Path, here: dict[str, Any]) -> None:
    """Refuse a finished run of other versions: one record must not mix them."""
    if not (path / "summary.json").exists():
        return
    there = read_json(path / "summary.json")["environment"]
    for what in ("commit", "packages", "python"):
        if there[what] != here[what]:
            raise StateError(
                f"{path} was run with {what} {there[what]} and not {here[what]}: "
                "name another folder, or remove this one"
            )


_loaded: dict[tuple[Any, ...], Any] = {}  # the data of this process, decoded once for all its runs


def _run(arm: Arm, seed: int, path: Path) -> str:
    from rheostat.training import prepare, train

    settings = TrainSettings.checked(arm.settings.model_dump() | {"seed": seed, "track": "none"})
    begun = (path / "settings.json").exists()
    if begun and TrainSettings.checked(read_json(path / "settings.json")) != settings:
        raise StateError(f"{path} holds a run with other settings: name another folder, or remove this one")
    if not (path / "summary.json").exists():
        key = (settings.data, settings.labels, settings.label_column, settings.image_size, settings.device)
        plan = prepare(settings, path, _loaded.get(key))
        _loaded[key] = plan.data
        train(plan, resume=begun)
    return path.name


def _columns(seed: int, summary: dict[str, Any]) -> dict[str, Any]:
    """The epochs of one run as columns, with the seconds of each kind rounded to a millisecond."""
    epochs = summary["epochs"]
    columns: dict[str, Any] = {"seed": seed}
    for name in ("candidates", "backwards", "kept_share", "train_loss", "test_loss", "test_error"):
        columns[name] = [epoch[name] for epoch in epochs]
    columns["scoring_forwards"] = [epoch["forwards"]["scoring"] for epoch in epochs]
    for unit in ("seconds", "cpu_seconds"):
        for kind in ("data", "scoring", "training", "evaluation"):
            columns[f"{kind}_{unit}"] = [round(epoch[unit][kind], 3) for epoch in epochs]
    return columns


@dataclass(frozen=True)
class Curve:
    """Test error of one arm along some axis, over its seeds.

    Attributes:
        x: `[P]`, ascending.
        error: `[S, P]` in [0, 1], interpolated between the evaluations of each seed.
    """

    x: np.ndarray
    error: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """`[P]`, mean over seeds."""
        return self.error.mean(axis=0)


def curve_of(record: dict[str, Any], arm: str, axis: str) -> Curve:
    """Curve of an arm along ``backwards``, or along the ``cpu_seconds`` that its seeds needed for them on average.

    Its points are at equal backwards for every seed, wherever one of them was evaluated and all had got so far.
    """
    runs = record["arms"][arm]["runs"]
    backwards = [np.array(run["backwards"], dtype=float) for run in runs]
    start, end = max(b[0] for b in backwards), min(b[-1] for b in backwards)
    grid = np.unique(np.concatenate([b[(b >= start) & (b <= end)] for b in backwards]))

    def at_grid(values: Sequence[Any]) -> np.ndarray:
        return np.stack([np.interp(grid, b, value) for b, value in zip(backwards, values, strict=True)])

    error = at_grid([run["test_error"] for run in runs])
    x = grid if axis == "backwards" else at_grid([cpu_seconds(run) for run in runs]).mean(axis=0)
    return Curve(x, error)


def cpu_seconds(run: dict[str, Any]) -> np.ndarray:
    """Processor seconds of a run at each evaluation, the evaluations themselves left out."""
    return np.sum([run[f"{kind}_cpu_seconds"] for kind in ("data", "scoring", "training")], axis=0)


def reaches(curve: Curve, target: float) -> float | None:
    """Where the mean curve first is at or below `target`; None if it never is."""
    below = np.flatnonzero(curve.mean <= target + 1e-12)
    return float(curve.x[below[0]]) if len(below) else None

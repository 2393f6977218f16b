"""Which runs each table and figure needs. Runs are shared: all that is asked for is a view of one record per scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reproductions.running import Cell, Figure
from reproductions.selective_backprop.runs import row
from reproductions.selective_backprop.workloads import (
    ARMS,
    CONTROL,
    DECAYED,
    KATH18,
    PLAIN,
    SELECTIVE,
    THESIS,
    WORKLOADS,
)
from rheostat.records import read_json

MAIN = (SELECTIVE, CONTROL)
FORMS = (KATH18, "kath18-biased", "kath18-uniform")
RIVALS = (
    *("stale", "reweighted", "percentile", "top-k", "random"),
    *FORMS,
    *("reducible-loss", "prune-and-rescale", "progressive-dropout"),
)


@dataclass(frozen=True)
class Scale:
    """How large the runs are.

    Attributes:
        name: Of the record.
        what: One line.
        seeds: Repetitions, unless told otherwise.
        main: The workload on which all arms are compared.
        others: The workloads on which the main arms and Kath18 are.
        noisy: The workload with wrong labels.
        lengths: Of the plain runs with a decayed learning rate, as shares of the longest: the baseline is a curve.
        share: Backwards of all other arms with a decayed learning rate, on the main workload.
        others_share: The same on the others.
        thesis_share: Backwards of all arms but plain with the thesis's learning rate.
        noise_share: Backwards of all arms but plain where labels are wrong.
        rates: Shares of wrong labels at which all arms are run.
        small_rates: Those at which the main arms are run besides.
    """

    name: str
    what: str
    seeds: int
    main: str
    others: tuple[str, ...]
    noisy: str
    lengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    share: float = 0.25
    others_share: float = 0.5
    thesis_share: float = 0.4
    noise_share: float = 0.5
    rates: tuple[float, ...] = (0.1, 0.2)
    small_rates: tuple[float, ...] = (0.0, 0.01)

    def share_on(self, name: str) -> float:
        """Backwards of all arms but plain with a decayed learning rate, as a share of the longest plain run's."""
        return self.share if name == self.main else self.others_share


SCALES: dict[str, Scale] = {
    "small": Scale(
        "small",
        "MNIST in full, and parts of MNIST, CIFAR-10 and CIFAR-100 with small networks",
        seeds=2,
        main="mnist",
        others=("cifar10-part", "cifar100-part"),
        noisy="mnist-part",
    ),
    "full": Scale(
        "full",
        "the data sets and networks of the thesis",
        seeds=3,
        main="cifar10",
        others=("cifar10-mobile", "cifar100", "svhn"),
        noisy="cifar10",
        thesis_share=1.0,
    ),
    "quick": Scale(
        "quick",
        "digits, to see that it runs",
        seeds=1,
        main="digits",
        others=(),
        noisy="digits",
        lengths=(0.5, 1.0),
        share=0.5,
        rates=(0.2,),
        small_rates=(),
    ),
}


def thesis_cells(scale: Scale, names: Sequence[str], arms: Iterable[str], seeds: int) -> list[Cell]:
    """Plain in full length and other arms, with the learning rate of the thesis."""
    return [
        cell
        for seed in range(seeds)
        for name in names
        for cell in (
            _cell(name, PLAIN, THESIS, 1.0, 0.0, seed),
            *(_cell(name, arm, THESIS, scale.thesis_share, 0.0, seed) for arm in arms),
        )
    ]


def decayed_cells(scale: Scale, names: Sequence[str], arms: Iterable[str], seeds: int) -> list[Cell]:
    """Plain in all lengths and other arms at one share, with the learning rate decayed to zero in each run."""
    return [
        cell
        for seed in range(seeds)
        for name in names
        for cell in (
            *(_cell(name, PLAIN, DECAYED, share, 0.0, seed) for share in scale.lengths),
            *(_cell(name, arm, DECAYED, scale.share_on(name), 0.0, seed) for arm in arms),
        )
    ]


def noise_cells(scale: Scale, seeds: int, rates: Sequence[float], arms: Sequence[str]) -> list[Cell]:
    """Plain and other arms at one share, and plain in full length, with the learning rate decayed to zero."""
    return [
        cell
        for seed in range(seeds)
        for rate in rates
        for cell in (
            _cell(scale.noisy, PLAIN, DECAYED, 1.0, rate, seed),
            *(_cell(scale.noisy, arm, DECAYED, scale.noise_share, rate, seed) for arm in (PLAIN, *arms)),
        )
    ]


def cells_of(target: str, scale: Scale, seeds: int) -> list[Cell]:
    """The runs that a table or a figure needs."""
    every, main = (scale.main, *scale.others), (scale.main,)
    curves = thesis_cells(scale, every, (*MAIN, KATH18), seeds)
    level = decayed_cells(scale, every, (*MAIN, KATH18), seeds)
    rivals = decayed_cells(scale, main, (*MAIN, *RIVALS), seeds)
    small = noise_cells(scale, seeds, scale.small_rates, MAIN)
    noise = noise_cells(scale, seeds, scale.rates, (*MAIN, *RIVALS))
    return {
        "table2": [*curves, *level],
        "table3": [*curves, *level],
        "fig5": thesis_cells(scale, every, MAIN, seeds),
        "fig6": curves,
        "fig7": curves,
        "fig8": [*decayed_cells(scale, main, (*MAIN, *FORMS), seeds), *level],
        "fig9": [*curves, *level],
        "rivals": rivals,
        "noise": [*small, *noise],
        "claims": [*curves, *level, *rivals, *small, *noise],
    }[target]


TARGETS = ("table2", "table3", "fig5", "fig6", "fig7", "fig8", "fig9", "rivals", "noise", "claims")


def figure_of(targets: Sequence[str], scale: Scale, out: Path, *, fresh: bool = False) -> Figure:
    """The runs of some targets, beside those that the record in `out` has already."""
    path = out / f"{scale.name}.json"
    there: list[Cell] = [row["cell"] for row in read_json(path)["rows"]] if path.exists() and not fresh else []

    def cells(seeds: int) -> list[Cell]:
        found: list[Cell] = []
        for cell in (*there, *(cell for target in targets for cell in cells_of(target, scale, seeds))):
            if cell not in found:
                found.append(cell)
        return found

    used = (scale.main, *scale.others, scale.noisy)
    return Figure(
        name=scale.name,
        what=f"Selective-Backprop and its rivals: {scale.what}",
        claimed=(),
        cells=cells,
        row=row,
        setting={"workloads": {name: asdict(WORKLOADS[name]) for name in used}, "arms": ARMS, "scale": asdict(scale)},
    )


def _cell(data: str, arm: str, course: str, share: float, noise: float, seed: int) -> dict[str, Any]:
    return {"data": data, "arm": arm, "course": course, "share": share, "noise": noise, "seed": seed}

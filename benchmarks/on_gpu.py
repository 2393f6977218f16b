"""Selection on a GPU: what it costs there, what it saves, and the fastest known recipe with and without it.

    overhead   the loader beside the forwards and backwards that selection cannot avoid, and how often the host waits
    networks   CIFAR-10 with ResNet-18 and MobileNetV2, a shortened schedule: error against seconds and backwards
    airbench   the fastest published recipe for 96 %, plain and with every kind of selection

One call does all of it, one seed of everything first, and begins nothing that cannot end in time::

    rheostat reproduce selective-augment pack              once, here: CIFAR-10 in one file, to be carried along
    python benchmarks/on_gpu.py --out OUT --minutes 9           there; with the records in OUT it goes on where it was
    python benchmarks/on_gpu.py --out OUT --quick               does it run? Made-up images, tiny networks, any machine

Everything is compiled before it is timed; compilation and evaluation are recorded beside the seconds, not in them.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # where reproductions and benchmarks are

from benchmarks import gpu_airbench, gpu_networks  # noqa: E402
from benchmarks.gpu_loop import Place  # noqa: E402
from benchmarks.gpu_tables import pieces, plots  # noqa: E402
from reproductions.running import Cell, Figure, Row, produce  # noqa: E402
from rheostat.records import read_json  # noqa: E402

SEEDS = 5
STUDIES = ("overhead", "networks", "airbench")


__all__ = ["main", "pieces", "plots"]


class OutOfTimeError(Exception):
    """What would be next cannot end in time."""


@dataclass
class Budget:
    """Lets begin what can end in time, as far as can be told from what has been.

    Attributes:
        minutes: For everything, from now.
        unknown: Seconds that the first cell of a study is taken to need, compilation included.
        took: Seconds of a cell of each kind.
        began: When.
    """

    minutes: float
    unknown: float = 0.0
    took: dict[tuple[str, ...], float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def guarded(self, study: str, row: Callable[[Cell], Row]) -> Callable[[Cell], Row]:
        """A row that raises OutOfTimeError in place of beginning too late, and tells what it took."""

        def guarded(cell: Cell) -> Row:
            left = 60 * self.minutes - (time.monotonic() - self.began)
            if self.expected(study, cell) > left:
                raise OutOfTimeError(f"{study}: {left:.0f} s are left, too few for {cell}")
            started = time.monotonic()
            found = row(cell)
            self.note(study, cell, time.monotonic() - started)
            return {**found, "cell_seconds": time.monotonic() - started}

        return guarded

    def note(self, study: str, cell: Cell, seconds: float) -> None:
        """Remember what a cell took."""
        self.took[_kind(study, cell)] = seconds

    def expected(self, study: str, cell: Cell) -> float:
        """Seconds, a tenth added: those of its kind, else of the longest of its study."""
        of_study = [seconds for kind, seconds in self.took.items() if kind[0] == study]
        return 1.1 * self.took.get(_kind(study, cell), max(of_study, default=self.unknown))


def _kind(study: str, cell: Cell) -> tuple[str, ...]:
    return (study, *(str(value) for name, value in cell.items() if name != "seed"))


def figures(studies: tuple[str, ...], place: Place, budget: Budget) -> list[Figure]:
    """The studies, as records that grow cell by cell."""
    sizes = gpu_networks.QUICK if place.quick else gpu_networks.FULL
    big = gpu_airbench.QUICK if place.quick else gpu_airbench.FULL

    def network_cells(seeds: int) -> list[Cell]:
        return [
            {"network": name, "arm": arm, "epochs": epochs, "seed": seed}
            for seed in range(seeds)
            for name in gpu_networks.NETWORKS
            for arm in gpu_networks.ARMS
            for epochs in (sizes.plain if gpu_networks.ARMS[arm].policy is None else (sizes.selective,))
        ]

    def airbench_cells(seeds: int) -> list[Cell]:
        return [
            {"arm": arm, "epochs": big.plain if gpu_airbench.ARMS[arm].policy is None else big.selective, "seed": seed}
            for seed in range(seeds)
            for arm in gpu_airbench.ARMS
        ]

    def overhead_cells(seeds: int) -> list[Cell]:
        return [{"network": name, "seed": seed} for seed in range(seeds) for name in gpu_networks.NETWORKS]

    known = {
        "overhead": (
            "What the loader adds to the forwards and backwards of selection",
            overhead_cells,
            gpu_networks.overhead_row,
            {"batch": sizes.batch, "round": sizes.round, "candidates": sizes.round * sizes.rounds, "bar": 1.02},
        ),
        "networks": (
            "Error against seconds and backwards on CIFAR-10",
            network_cells,
            gpu_networks.network_row,
            {
                "batch": sizes.batch,
                "round": sizes.round,
                "precision": "bf16",
                "floor": gpu_networks.FLOOR,
                "schedule": gpu_networks.SCHEDULE,
            },
        ),
        "airbench": (
            "The fastest known recipe for 96 % on CIFAR-10",
            airbench_cells,
            gpu_airbench.row,
            {"batch": big.batch, "widths": big.widths, "proxy": big.proxy},
        ),
    }
    made = []
    for study in studies:
        what, cells, row, setting = known[study]
        made.append(
            Figure(
                name=f"on-gpu-{study}",
                what=what,
                claimed=(),
                cells=cells,
                row=budget.guarded(study, functools.partial(row, place=place)),
                setting={
                    **setting,
                    "device": place.name,
                    "quick": place.quick,
                    "examples": len(place.data.train.labels),
                },
                bench="on-gpu",
            )
        )
    return made


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", help=f"any of {', '.join(STUDIES)}; default: all")
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--quick", action="store_true", help="see that it runs: seconds, on any machine")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="at most")
    given = parser.parse_args(arguments)
    unknown = set(given.studies) - set(STUDIES)
    if unknown or given.seeds < 1 or given.minutes <= 0:
        parser.error(f"studies are {', '.join(STUDIES)}; there is at least 1 seed, and some time")
    budget = Budget(given.minutes, unknown=0.0 if given.quick else 100.0)
    try:
        place = Place.found(quick=given.quick)
    except RuntimeError as error:
        parser.error(str(error))
    made = figures(tuple(given.studies) or STUDIES, place, budget)
    for figure in made:
        path = given.out / f"{figure.name}.json"
        for row in read_json(path)["rows"] if path.exists() else ():
            budget.note(figure.name.removeprefix("on-gpu-"), row["cell"], row["cell_seconds"])
    say = functools.partial(print, flush=True)
    for seeds in range(1, given.seeds + 1):
        for figure in made:
            try:
                produce(figure, given.out, workers=1, workloads=seeds, fresh=False, say=say)
            except OutOfTimeError as error:
                say(str(error))


if __name__ == "__main__":
    main()

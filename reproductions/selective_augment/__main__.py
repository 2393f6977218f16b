"""The command: `rheostat reproduce selective-augment`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.command import at_least_one, ended, one_of, parser, say
from reproductions.images import DATA, PACKED
from reproductions.packed import pack
from reproductions.running import Figure, produce
from reproductions.selective_augment import augmenting, mislabels

RESULTS = Path(__file__).parent / "results"
ON_GPU = "gpu"
STUDIES: dict[str, tuple[Figure, ...]] = {
    "mislabels": (mislabels.FIGURE, mislabels.LONG),
    "how-often": (augmenting.HOW_OFTEN,),
    "what-kind": (augmenting.WHAT_KIND,),
    ON_GPU: (augmenting.GPU,),
}
QUICK: dict[str, tuple[Figure, ...]] = {
    "mislabels": (mislabels.QUICK,),
    "how-often": (augmenting.QUICK_RATES,),
    "what-kind": (augmenting.QUICK_KINDS,),
    ON_GPU: (augmenting.QUICK_RATES, augmenting.QUICK_KINDS),
}
PACK = "pack"
_EXAMPLE = """\
example: does it run here? One seed on made-up data, into a folder of your own

  rheostat reproduce selective-augment mislabels --quick --seeds 1 --out runs/quick

The data are looked for beside the checkout, in ../shared/data. Features of the pretrained base are computed once (some
twelve minutes on one core) and kept in runs/selective-augment. Records are kept cell by cell: after Ctrl-C the same
command goes on where it was.

on a machine with a GPU and without `datasets`: pack CIFAR-10 here, carry runs/packed there, and run

  rheostat reproduce selective-augment pack
  rheostat reproduce selective-augment gpu --out OUT
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Produce the records asked for; return the exit code."""
    asked = _parser().parse_args(arguments)

    def work() -> None:
        if asked.studies == [PACK]:
            pack(DATA / "cifar10", PACKED / "cifar10.npz")
            return
        studies = QUICK if asked.quick else STUDIES
        names = [name for name in asked.studies if name != PACK] or [name for name in studies if name != ON_GPU]
        for figure in [figure for name in names for figure in studies[name]]:
            # one process, because processor time is part of the record
            produce(figure, asked.out, workers=1, workloads=asked.seeds, fresh=asked.fresh, say=say)

    return ended(work)


def _parser() -> argparse.ArgumentParser:
    made = parser("selective_augment", "Judge Selective-Augment: one JSON record per study.", _EXAMPLE, RESULTS)
    made.add_argument(
        "studies",
        nargs="*",
        metavar="STUDY",
        type=one_of((*STUDIES, PACK), "study"),
        help=f"any of {', '.join(STUDIES)}; default: all but {ON_GPU}",
    )
    made.add_argument("--quick", action="store_true", help="on made-up data that need no download, in seconds")
    made.add_argument("--seeds", type=at_least_one, default=mislabels.SEEDS, help="repetitions of every cell")
    return made


if __name__ == "__main__":
    sys.exit(main())

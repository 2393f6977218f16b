"""The command: `python -m reproductions.selective_augment`, from the root of the checkout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.running import Figure, produce
from reproductions.selective_augment import augmenting, mislabels
from reproductions.selective_augment.packed import pack
from rheostat.errors import RheostatError

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

  python -m reproductions.selective_augment mislabels --quick --seeds 1 --out runs/quick

The data are looked for beside the checkout, in ../shared/data. Features of the pretrained base are computed once (some
twelve minutes on one core) and kept in runs/selective-augment. Records are kept cell by cell: after Ctrl-C the same
command goes on where it was.

on a machine with a GPU and without `datasets`: pack CIFAR-10 here, carry runs/packed there, and run

  python -m reproductions.selective_augment pack
  python -m reproductions.selective_augment gpu --out OUT
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Produce the records asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.studies == [PACK]:
            pack(mislabels.DATA / "cifar10", mislabels.CHECKOUT / "runs" / "packed" / "cifar10.npz")
            return 0
        studies = QUICK if asked.quick else STUDIES
        names = asked.studies or [name for name in studies if name != ON_GPU]
        for figure in [figure for name in names for figure in studies[name]]:
            produce(
                figure,
                asked.out,
                workers=1,  # processor time is part of the record
                workloads=asked.seeds,
                fresh=asked.fresh,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except RheostatError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: all finished cells are kept, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.selective_augment",
        description="Judge Selective-Augment: one JSON record per study.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = f"any of {', '.join(STUDIES)}; default: all but {ON_GPU}"
    parser.add_argument("studies", nargs="*", metavar="STUDY", type=_study, help=known)
    parser.add_argument("--quick", action="store_true", help="on made-up data that need no download, in seconds")
    parser.add_argument("--seeds", type=_at_least_one, default=mislabels.SEEDS, help="repetitions of every cell")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the records (default: those in git)")
    parser.add_argument("--fresh", action="store_true", help="compute again what is there already")
    return parser


def _study(text: str) -> str:
    if text not in (*STUDIES, PACK):
        raise argparse.ArgumentTypeError(f"there is no study {text!r}: take one of {', '.join(STUDIES)}")
    return text


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

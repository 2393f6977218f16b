"""The command: `python -m reproductions.mainstream`, from the root of the checkout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.mainstream.figures import ALSO_CALLED, FIGURES
from reproductions.mainstream.published import WORKLOADS
from reproductions.running import produce

RESULTS = Path(__file__).parent / "results"
_EXAMPLE = """\
example: the records of Fig. 6 to 8 on 10 workloads of each kind, into a folder of your own

  python -m reproductions.mainstream fig6-8 --workloads 10 --out runs/mainstream

Records are kept cell by cell: after Ctrl-C the same command goes on where it was.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Produce the records asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    names = dict.fromkeys(ALSO_CALLED.get(name, name) for name in asked.figures or FIGURES)
    try:
        for name in names:
            produce(
                FIGURES[name],
                asked.out,
                workers=asked.workers,
                workloads=asked.workloads,
                fresh=asked.fresh,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except KeyboardInterrupt:
        print("interrupted: all finished cells are kept, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.mainstream",
        description="Produce the published figures of Mainstream again: one JSON record per figure.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = [*FIGURES, *ALSO_CALLED]
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE", type=_one_of(known), help=f"any of {', '.join(known)}; default: all"
    )
    parser.add_argument("--workers", type=_at_least_one, default=2, help="processes side by side (default: 2)")
    parser.add_argument(
        "--workloads",
        type=_at_least_one,
        default=WORKLOADS,
        help=f"workloads of each kind, at most {WORKLOADS}; with fewer, means are not compared with published ones",
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the records (default: those in git)")
    parser.add_argument("--fresh", action="store_true", help="compute again what is there already")
    return parser


def _one_of(known: Sequence[str]):
    def figure(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"there is no figure {text!r}: take one of {', '.join(known)}")
        return text

    return figure


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

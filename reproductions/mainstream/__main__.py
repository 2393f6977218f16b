"""The command: `rheostat reproduce mainstream`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.command import at_least_one, ended, one_of, parser, say
from reproductions.mainstream.figures import ALSO_CALLED, FIGURES
from reproductions.mainstream.published import WORKLOADS
from reproductions.running import produce

RESULTS = Path(__file__).parent / "results"
_EXAMPLE = """\
example: the records of Fig. 6 to 8 on 10 workloads of each kind, into a folder of your own

  rheostat reproduce mainstream fig6-8 --workloads 10 --out runs/mainstream

Records are kept cell by cell: after Ctrl-C the same command goes on where it was.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Produce the records asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    names = dict.fromkeys(ALSO_CALLED.get(name, name) for name in asked.figures or FIGURES)

    def work() -> None:
        for name in names:
            produce(
                FIGURES[name],
                asked.out,
                workers=asked.workers,
                workloads=asked.workloads,
                fresh=asked.fresh,
                say=say,
            )

    return ended(work)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "mainstream",
        "Produce the published figures of Mainstream again: one JSON record per figure.",
        _EXAMPLE,
        RESULTS,
    )
    known = [*FIGURES, *ALSO_CALLED]
    made.add_argument(
        "figures",
        nargs="*",
        metavar="FIGURE",
        type=one_of(known, "figure"),
        help=f"any of {', '.join(known)}; default: all",
    )
    made.add_argument("--workers", type=at_least_one, default=2, help="processes side by side (default: 2)")
    made.add_argument(
        "--workloads",
        type=at_least_one,
        default=WORKLOADS,
        help=f"workloads of each kind, at most {WORKLOADS}; with fewer, means are not compared with published ones",
    )
    return made


if __name__ == "__main__":
    sys.exit(main())

"""The command: `rheostat reproduce selective-backprop`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.command import at_least_one, ended, one_of, parser, say
from reproductions.running import produce
from reproductions.selective_backprop.pages import write_report
from reproductions.selective_backprop.plan import SCALES, TARGETS, figure_of
from rheostat.records import read_json

RESULTS = Path(__file__).parent / "results"
REPORT = "report"
_EXAMPLE = """\
example: does it run here? One seed on scikit-learn's digits, into a folder of your own

  rheostat reproduce selective-backprop --quick --out runs/quick
  rheostat reproduce selective-backprop report --quick --out runs/quick

The data of --scale small are looked for beside the checkout, in ../shared/data, and else on the hub; --scale full is
the setting of the thesis and asks for a GPU and days. All tables and figures of a scale are views of one record: what
another target has run is not run again, and after Ctrl-C the same command goes on where it was.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Produce the runs asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    scale = SCALES["quick" if asked.quick else asked.scale]

    def work() -> None:
        targets = [name for name in asked.targets if name != REPORT] or ([] if asked.targets else list(TARGETS))
        if targets:
            # one process, because processor time is part of the record
            produce(
                figure_of(targets, scale, asked.out, fresh=asked.fresh),
                asked.out,
                workers=1,
                workloads=asked.seeds or scale.seeds,
                fresh=asked.fresh,
                say=say,
            )
        if REPORT in asked.targets or not asked.targets:
            say(f"{write_report(read_json(asked.out / f'{scale.name}.json'), asked.report or asked.out)}")

    return ended(work)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "selective_backprop",
        "Produce the tables and figures of the thesis's section 4 again: one JSON record per scale.",
        _EXAMPLE,
        RESULTS,
    )
    made.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        type=one_of((*TARGETS, REPORT), "target"),
        help=f"any of {', '.join(TARGETS)}, and {REPORT}, which writes a page from the record; default: everything",
    )
    made.add_argument("--scale", choices=("small", "full"), default="small", help="how large (default: small)")
    made.add_argument("--quick", action="store_true", help="on digits that need no download, in seconds")
    made.add_argument("--seeds", type=at_least_one, help="repetitions of every run (default: those of the scale)")
    made.add_argument("--report", type=Path, help="folder of the page (default: that of the record)")
    return made


if __name__ == "__main__":
    sys.exit(main())

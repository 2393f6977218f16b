"""What the commands of all reproductions have in common: flags, arguments, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from rheostat.errors import RheostatError


def parser(name: str, description: str, example: str, results: Path) -> argparse.ArgumentParser:
    """A parser with what every reproduction takes: where the records go, and whether to begin anew.

    Args:
        name: Of the package within `reproductions`.
        description: What it makes.
        example: Shown at the end of the help.
        results: Folder of the records in git.
    """
    made = argparse.ArgumentParser(
        prog=f"rheostat reproduce {name.replace('_', '-')}",
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--out", type=Path, default=results, help="folder of the records (default: those in git)")
    made.add_argument("--fresh", action="store_true", help="compute again what is there already")
    return made


def one_of(known: Iterable[str], what: str) -> Callable[[str], str]:
    """Checks that an argument is one of the known names of `what`."""
    names = list(known)

    def checked(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"there is no {what} {text!r}: take one of {', '.join(names)}")
        return text

    return checked


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def say(line: str) -> None:
    """Tell how far it is, at once and beside what is asked for."""
    print(line, file=sys.stderr, flush=True)


def ended(work: Callable[[], None]) -> int:
    """Do the work; return the exit code, after one line on what went wrong."""
    try:
        work()
    except RheostatError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("interrupted: all finished cells are kept, the same command goes on from there")
        return 130
    return 0

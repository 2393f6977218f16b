"""The command that makes published results again: it finds a checkout, because a wheel carries none, and hands over."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

import rheostat
from rheostat.cli.terminal import out
from rheostat.errors import SettingsError, unknown_name

commands = typer.Typer()

_ROOM = "reproductions"


@commands.command(
    epilog="Example: rheostat reproduce mainstream fig6-8 --workloads 2 --out runs/mainstream",
    # what follows NAME is the reproduction's own, its --help too
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def reproduce(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which one; without it, they are listed.")] = None,
) -> None:
    """Make the published tables and figures of a method again, and set them beside what was claimed."""
    folder = _folder()
    known = {path.parent.name.replace("_", "-"): path.parent for path in sorted(folder.glob("*/__main__.py"))}
    if name is None:
        for one, package in known.items():
            out.print(f"{one}: {_line(package)}", highlight=False, markup=False)
        out.print("\nrheostat reproduce NAME --help says what each takes", highlight=False, markup=False)
        return
    if name.replace("_", "-") not in known:
        raise unknown_name("reproduction", name, known)
    if str(folder.parent) not in sys.path:
        sys.path.insert(0, str(folder.parent))  # worker processes inherit it
    made = importlib.import_module(f"{_ROOM}.{name.replace('-', '_')}.__main__")
    raise typer.Exit(made.main(context.args))


def _folder() -> Path:
    """The reproductions of the checkout that this code is from, else of the one that the command was typed in."""
    here = Path.cwd()
    for root in (Path(rheostat.__file__).resolve().parents[2], here, *here.parents):
        if (root / _ROOM / "command.py").is_file():
            return root / _ROOM
    raise SettingsError(
        f"no folder {_ROOM} around {here}: reproductions carry their data and records and come with a clone of the "
        "repository, not with the wheel; change to a clone"
    )


def _line(package: Path) -> str:
    """The first line of a reproduction's docstring."""
    return (package / "__init__.py").read_text(encoding="utf-8").split("\n", 1)[0].strip('"')

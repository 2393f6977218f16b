"""The command line: parse, call, print. Nothing is decided here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rheostat import __version__
from rheostat.cli import plan, train
from rheostat.cli.terminal import WRONG_INPUT, err, out
from rheostat.errors import RheostatError

__all__ = ["app", "main"]

_EXTRA_PACKAGES = ("torch", "jaxtyping", "accelerate", "matplotlib", "jinja2")

app = typer.Typer(
    help="Settings of deep learning that are usually fixed before a run, moved while it runs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for commands in (train.commands, plan.commands):
    app.add_typer(commands)


def main() -> None:
    """Run the command line; a user's mistake becomes one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except (RheostatError, typer.TyperException) as error:
        said = getattr(error, "format_message", error.__str__)()  # names the flag, where typer found the mistake
        if said:  # a bare `rheostat` has shown its help already
            err.print(f"rheostat: {said}", style="red", markup=False, highlight=False)
        sys.exit(WRONG_INPUT)
    except OSError as error:
        err.print(f"rheostat: {error}", style="red", markup=False, highlight=False)
        sys.exit(WRONG_INPUT)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA_PACKAGES:
            raise
        said = f"rheostat: this needs {error.name}: pip install 'rheostat[train]'"
        err.print(said, style="red", markup=False, highlight=False)
        sys.exit(WRONG_INPUT)
    sys.exit(code)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        out.print(__version__, highlight=False)
        raise typer.Exit

"""The command line: parse, call, print. Nothing is decided here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rheostat import __version__
from rheostat.cli import demo, package, place, plan, reproduce, review, run, train
from rheostat.cli.terminal import WRONG_INPUT, err, out, processes, speaks
from rheostat.errors import DataError, RheostatError, ScoreError, SettingsError

__all__ = ["app", "main"]

_EXTRA_OF = {
    **dict.fromkeys(
        ("torch", "jaxtyping", "accelerate", "matplotlib", "jinja2", "timm", "torchvision", "onnxscript"), "train"
    ),
    **dict.fromkeys(("prometheus_client", "paho", "httpx"), "edge"),
    **dict.fromkeys(("fastapi", "uvicorn"), "console"),
}

_ON_A_NODE_TOO = ("av", "onnx", "onnxruntime", "PIL")  # come with `edge`, and with `train` for all other commands
_OF_A_NODE = ("plan", "run")

app = typer.Typer(
    help="Settings of deep learning that are usually fixed before a run, moved while it runs.",
    epilog="Example: rheostat plan examples/six_detectors.json --tree",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for room in (demo, train, review, package, plan, place, run, reproduce):
    app.add_typer(room.commands)


def main() -> None:
    """Run the command line; a user's mistake becomes one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except (RheostatError, typer.TyperException) as error:
        said = getattr(error, "format_message", error.__str__)()  # names the flag, where typer found the mistake
        if said and _must_tell(error):  # a bare `rheostat` has shown its help already
            err.print(f"rheostat: {said}", style="red", markup=False, highlight=False)
        sys.exit(WRONG_INPUT)
    except OSError as error:
        err.print(f"rheostat: {_told_of_file(error)}", style="red", markup=False, highlight=False)
        sys.exit(WRONG_INPUT)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = _EXTRA_OF.get(package)
        if package in _ON_A_NODE_TOO:
            extra = "edge" if sys.argv[1] in _OF_A_NODE else "train"
        if extra is None:
            raise
        said = f"rheostat: this needs {package}: pip install 'rheostat[{extra}]'"
        err.print(said, style="red", markup=False, highlight=False)
        sys.exit(WRONG_INPUT)
    sys.exit(code)


def _told_of_file(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{error.filename} cannot be read or written ({error.strerror}): give a path that can be"


def _must_tell(error: Exception) -> bool:
    """Whether this process prints an error: of several the main one does, and whoever alone has met bad data."""
    return speaks() or isinstance(error, DataError | ScoreError)


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        out.print(__version__, highlight=False)
        raise typer.Exit
    if processes() > 1 and context.invoked_subcommand not in (None, "train"):
        raise SettingsError(
            f"WORLD_SIZE is {processes()} and rheostat {context.invoked_subcommand} runs in one process: start it "
            "without torchrun or accelerate launch"
        )

"""The command line: every command with its arguments and options, from the program itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from rheostat.cli import app

_HELP = "--help"


def commands() -> dict[str, Any]:
    """Every command that does something, by what is typed: `train`, `bench select`."""
    return dict(_below(get_command(app), ""))


def examples(command: Any) -> list[str]:
    """The examples in the help of a command, as typed."""
    told: str = command.epilog or ""
    return told.partition(": ")[2].split("; then ")


def piece(name: str) -> str:
    """The options of one command, its name with _ for a space; or `index`, a line for each."""
    if name == "index":
        lines = ["| command | what it does |", "|---|---|"]
        for typed, one in commands().items():
            lines.append(f"| [`rheostat {typed}`](#rheostat-{typed.replace(' ', '-')}) | {_said(one)} |")
        return "\n".join(lines)
    command = commands()[name.replace("_", " ")]
    shown = "\n".join(examples(command))
    table = "\n".join(["| option | meaning |", "|---|---|", *_rows(command)])
    return f"{_said(command)}\n\n```sh\n{shown}\n```\n\n{table}"


def _below(command: Any, typed: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield typed, command
        return
    for name, one in inner.items():
        yield from _below(one, f"{typed} {name}".strip())


def _said(command: Any) -> str:
    return " ".join((command.help or "").split())


def _rows(command: Any) -> Iterator[str]:
    for one in command.params:
        if _HELP in getattr(one, "opts", ()):
            continue
        yield f"| {_typed(one)} | {_cell(getattr(one, 'help', None) or '')}{_default(one)} |"


def _typed(one: Any) -> str:
    if one.param_type_name == "argument":
        return f"`{_cell(one.metavar or one.name.upper())}`"
    names = ", ".join([*one.opts, *one.secondary_opts])
    return f"`{names}`" if one.is_flag else f"`{names} {(one.metavar or one.name.rpartition('_')[2]).upper()}`"


def _default(one: Any) -> str:
    """Of the settings of a schema the description has it already."""
    if one.param_type_name == "argument" or one.is_flag or one.default in (None, ()) or one.show_default is False:
        return ""
    return f" (default: {one.default})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

"""Flags of a command from the schema of settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from rheostat.errors import SettingsError
from rheostat.settings import TrainSettings, read_settings_file


def with_settings(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag per field of `TrainSettings`; those that were given reach it as the mapping `given`."""
    fields = [name for name in TrainSettings.model_fields if name not in without]
    return lambda command: _flagged(command, fields)


def _flagged(command: Callable[..., None], fields: list[str]) -> Callable[..., None]:
    own = [p for name, p in inspect.signature(command, eval_str=True).parameters.items() if name != "given"]

    def called(**values: Any) -> None:
        flags = {name: values.pop(name) for name in fields}
        command(given={name: value for name, value in flags.items() if value is not None}, **values)

    called.__doc__, called.__name__ = command.__doc__, command.__name__
    called.__signature__ = inspect.Signature([*own, *map(_flag, fields)])
    return called


def _flag(name: str) -> inspect.Parameter:
    field = TrainSettings.model_fields[name]
    choices = f": {', '.join(get_args(field.annotation))}" if get_origin(field.annotation) is Literal else ""
    note = "" if field.is_required() or field.default in (None, ()) else f" (default: {field.default})"
    option = typer.Option(f"--{name.replace('_', '-')}", help=f"{field.description}{choices}{note}", show_default=False)
    annotation = Annotated[_plain_type(field.annotation) | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain_type(annotation: Any) -> type:
    """What the shell can give for a field: its number type, else text; pydantic checks the rest."""
    for kind in (int, float):
        if annotation is kind or annotation == kind | None:
            return kind
    return str


def checked(given: dict[str, Any], config: Path | None = None) -> TrainSettings:
    """Flags over the settings file over the schema's defaults."""
    if isinstance(given.get("milestones"), str):
        try:
            given["milestones"] = tuple(float(part) for part in given["milestones"].split(","))
        except ValueError:
            raise SettingsError(
                f"milestones is {given['milestones']!r}: it must be numbers joined by commas, e.g. 60,120,160"
            ) from None
    return TrainSettings.checked((read_settings_file(config) if config is not None else {}) | given)

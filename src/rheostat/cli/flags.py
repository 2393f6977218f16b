"""Flags of a command from the schema of settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from rheostat.errors import SettingsError
from rheostat.settings import Settings, TrainSettings, read_settings_file

_LEFT_OUT = "; left out: "  # from here on a description says what stands for no value


def with_settings(
    schema: type[Settings] = TrainSettings,
    *,
    without: tuple[str, ...] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag per field of a schema; those that were given reach it as the mapping `given`.

    Args:
        schema: The settings.
        without: Fields that are no flags of this command.
        defaults: What the command takes where a flag is left out, if that is not the schema's default; for the help.
    """
    fields = {name: field for name, field in schema.model_fields.items() if name not in without}
    return lambda command: _flagged(command, fields, defaults or {})


def _flagged(
    command: Callable[..., None], fields: dict[str, FieldInfo], defaults: Mapping[str, Any]
) -> Callable[..., None]:
    own = [p for name, p in inspect.signature(command, eval_str=True).parameters.items() if name != "given"]

    def called(**values: Any) -> None:
        flags = {name: values.pop(name) for name in fields}
        command(given={name: value for name, value in flags.items() if value is not None}, **values)

    called.__doc__, called.__name__ = command.__doc__, command.__name__
    flags = (_flag(name, field, defaults) for name, field in fields.items())
    called.__signature__ = inspect.Signature([*own, *flags])
    return called


def _flag(name: str, field: FieldInfo, defaults: Mapping[str, Any]) -> inspect.Parameter:
    kind, default, said = _plain_type(field.annotation), field.default, field.description or ""
    if name in defaults:
        default, said = defaults[name], said.partition(_LEFT_OUT)[0]
    choices = f": {', '.join(_choices(field.annotation))}" if _choices(field.annotation) else ""
    note = "" if field.is_required() or default in (None, (), False) else f" (default: {default})"
    flag = name.replace("_", "-")
    names = f"--{flag}/--no-{flag}" if kind == bool | None else f"--{flag}"
    option = typer.Option(names, help=f"{said}{choices}{note}", show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def _choices(annotation: Any) -> tuple[str, ...]:
    """What a field of a few words takes, whether it may be left out or not."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((found for part in get_args(annotation) if (found := _choices(part))), ())


def _plain_type(annotation: Any) -> Any:
    """What the shell can give for a field: its own plain type, several texts for a tuple of them, else one text."""
    for kind in (bool, int, float):
        if annotation is kind or annotation == kind | None:
            return kind | None
    return list[str] | None if annotation == tuple[str, ...] else str | None


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

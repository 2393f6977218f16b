"""What kind of augmentation each example gets, and the names of the kinds for the command line."""

from __future__ import annotations

import dataclasses
from typing import Any

from rheostat.augment.kinds.autoaugment import AutoAugment
from rheostat.augment.kinds.bandit import Bandit
from rheostat.augment.kinds.kind import Choice, Kind, LearningKind
from rheostat.augment.kinds.published import BaseOnly, RandAugment, TrivialAugment
from rheostat.augment.kinds.searches import Evolution, RandomSearch
from rheostat.errors import check_options, unknown_name

__all__ = [
    "AutoAugment",
    "Bandit",
    "BaseOnly",
    "Choice",
    "Evolution",
    "Kind",
    "LearningKind",
    "RandAugment",
    "RandomSearch",
    "TrivialAugment",
    "build_kind",
    "kind_names",
    "kind_option_names",
]

_KINDS: dict[str, Any] = {
    "base-only": BaseOnly,
    "trivial": TrivialAugment,
    "rand": RandAugment,
    "autoaugment": AutoAugment,
    "bandit": Bandit,
    "random-search": RandomSearch,
    "evolution": Evolution,
}


def kind_names() -> tuple[str, ...]:
    """The names that `build_kind` takes."""
    return tuple(_KINDS)


def kind_option_names(name: str) -> tuple[str, ...]:
    """The options that the kind called `name` takes.

    Raises:
        SettingsError: The name is unknown (the nearest are given).
    """
    if name not in _KINDS:
        raise unknown_name("kind of augmentation", name, _KINDS)
    return tuple(field.name for field in dataclasses.fields(_KINDS[name]) if field.init)


def build_kind(name: str, **options: Any) -> Kind:
    """Build a kind from its name and its options.

    Args:
        name: One of `kind_names()`.
        options: Constructor arguments of the kind.

    Raises:
        SettingsError: The name is unknown (the nearest are given), the kind has no such option, or an option is
            outside its range.
    """
    known = kind_option_names(name)
    check_options("kind", name, options, known)
    return _KINDS[name](**options)

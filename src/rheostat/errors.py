"""What can go wrong, as one family.

Every message names the value, the range that is allowed and the remedy::

    RheostatError                 anything that Rheostat itself raises
    ├── SettingsError (ValueError)    a setting is outside its range, or two settings disagree
    ├── DataError (ValueError)        the data or a batch cannot be used as it is
    ├── ScoreError (ValueError)       a score is NaN, infinite, or not one number per example
    ├── InfeasibleError (ValueError)  no plan fits the budget; `least` is the smallest that one does
    ├── StateError (RuntimeError)     a saved state or a run folder does not fit the present object
    ├── DivergedError (ArithmeticError)   training has left the finite numbers
    └── MissingExtraError (ImportError)   an optional dependency is not installed

Special kinds of these, e.g. `UndecodableError`, `ConflictError` and `PeerError`, lie beside what raises them.

The command line turns each into one line on standard error and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class RheostatError(Exception):
    """Base of every error that Rheostat raises on purpose."""


class SettingsError(RheostatError, ValueError):
    """A setting is outside its range, or two settings disagree."""


class DataError(RheostatError, ValueError):
    """The data, or one batch of it, cannot be used as it is."""


class ScoreError(RheostatError, ValueError):
    """A score is NaN or infinite, or there is not exactly one per example."""


class InfeasibleError(RheostatError, ValueError):
    """No plan fits the budget.

    Attributes:
        least: Smallest budget that would do.
    """

    def __init__(self, message: str, *, least: float) -> None:
        super().__init__(message)
        self.least = least


class StateError(RheostatError, RuntimeError):
    """A saved state or a run folder does not fit the object that should take it."""


class DivergedError(RheostatError, ArithmeticError):
    """Training has left the finite numbers; what was saved before is kept."""


class MissingExtraError(RheostatError, ImportError):
    """An optional dependency is missing; the message gives the install command."""


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, also: Iterable[str] = (), note: str = ""
) -> SettingsError:
    """Build the error for a name that is not known, with the nearest names that are.

    Args:
        kind: What the name should have named, e.g. ``"policy"``.
        name: What was given.
        known: All names that would have been taken.
        also: Further names that would have been taken, too many to list: only near ones are shown.
        note: What those are, in the list of known names, e.g. ``"any name of timm"``.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, {*known, *also}, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    listed = ", ".join([*known, note] if note else known)
    return SettingsError(f"unknown {kind} {name!r}: {hint}known are {listed}")


def check_options(kind: str, name: str, options: Iterable[str], known: Collection[str]) -> None:
    """Refuse an option that something named does not take.

    Args:
        kind: What is named, e.g. ``"policy"``.
        name: Its name.
        options: What was given.
        known: What it takes.

    Raises:
        SettingsError: The first option that is not among them; the message lists those that are.
    """
    for option in options:
        if option not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no option"
            raise SettingsError(f"{kind} {name!r} has no option {option!r}: it {takes}")

"""What has a state that a resumed run must take over."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from rheostat.errors import StateError


@runtime_checkable
class Stateful(Protocol):
    """Has a state that a resumed run must take over."""

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` saved."""
        ...


def named_state(thing: object) -> dict[str, Any]:
    """The class of something exchangeable (a policy, a kind) and what it remembers, if it remembers anything."""
    state = thing.state_dict() if isinstance(thing, Stateful) else {}
    return {"kind": type(thing).__name__, "state": state}


def load_named_state(thing: object, saved: dict[str, Any], what: str) -> None:
    """Give something what `named_state` saved.

    Args:
        thing: Of the class that was saved.
        saved: Its state.
        what: What it is, for the message, e.g. ``policy``.

    Raises:
        StateError: It was saved of another class.
    """
    name = type(thing).__name__
    if saved["kind"] != name:
        raise StateError(
            f"the saved {what} is {saved['kind']} and this one {name}: resume with the {what} that the run was started "
            "with"
        )
    if isinstance(thing, Stateful):
        thing.load_state_dict(saved["state"])

"""What a command leaves behind."""

from collections.abc import Callable
from typing import NamedTuple


class Shown(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Shown]

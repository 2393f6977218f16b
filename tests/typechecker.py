"""The checker that enforces annotations under test."""

from collections.abc import Iterator
from contextlib import contextmanager

from beartype import BeartypeConf, beartype
from jaxtyping import config

# an int will do where a float is annotated, as PEP 484 says
check = beartype(conf=BeartypeConf(is_pep484_tower=True))


@contextmanager
def not_enforced() -> Iterator[None]:
    """Let a block run as it does for a user, whose annotations nobody enforces."""
    config.update("jaxtyping_disable", True)  # noqa: FBT003 - the signature is jaxtyping's
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)  # noqa: FBT003

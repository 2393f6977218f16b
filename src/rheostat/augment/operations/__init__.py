"""Sixteen operations on images, batched: an operation and a magnitude of its own for every example."""

from rheostat.augment.operations.dispatch import apply
from rheostat.augment.operations.table import HAS_MAGNITUDE, IS_SIGNED, OPERATIONS, magnitude_at

__all__ = ["HAS_MAGNITUDE", "IS_SIGNED", "OPERATIONS", "apply", "magnitude_at"]

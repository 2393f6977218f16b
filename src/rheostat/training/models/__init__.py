"""Models that a run can name: five of our own for small images, and every name of timm.

The names below load on first use, so that the list of models can be had without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheostat.lazy import lazily

if TYPE_CHECKING:
    from rheostat.training.models.build import build_model
    from rheostat.training.models.names import model_names

__all__ = ["build_model", "model_names"]

__getattr__ = lazily(
    __name__,
    {
        "build_model": "build",
        "model_names": "names",
    },
)

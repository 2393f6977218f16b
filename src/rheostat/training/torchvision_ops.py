"""torchvision beside a torch that its wheel was not built for.

A torchvision wheel built for CUDA cannot load its compiled operators beside a CPU-only torch, and its
import then fails with "operator torchvision::nms does not exist": it describes two operators whose
schemas only the compiled part declares. With the schemas declared the import succeeds, and all that is
plain Python or torch (models, transforms, data sets) works; the operators themselves stay absent.
"""

from __future__ import annotations

import functools
import sys
from importlib import import_module

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def ensure_torchvision_imports() -> None:
    """Make `import torchvision` succeed from here on, also beside a CPU-only torch.

    Where torchvision imports by itself this imports it and does nothing else.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
    """
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        _declare_schemas()
        _forget_partial_import()
        import_module("torchvision")


@functools.cache  # a declaration lasts as long as its Library object, so the cache keeps that alive
def _declare_schemas() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)
    return library


def _forget_partial_import() -> None:
    """Drop the submodules that a failed import left behind: they hold on to the package that failed."""
    for name in [name for name in sys.modules if name.startswith("torchvision.")]:
        del sys.modules[name]

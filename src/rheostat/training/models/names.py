"""The models of our own, by name; no torch is needed to list them."""

from __future__ import annotations

SMALLEST_IMAGE = {"lenet": 16, "resnet18": 8, "mobilenetv2": 8, "densenet": 8, "wideresnet": 4}
"""Model -> least height and width in pixels: what its strides reduce to a 1x1 feature map."""


def model_names() -> tuple[str, ...]:
    """Names of the models of our own; `build_model` takes any name of timm as well."""
    return tuple(SMALLEST_IMAGE)

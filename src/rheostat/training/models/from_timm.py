"""Models of timm, by name: the only file that imports it, and not before a name of it is asked for."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor, nn

from rheostat.errors import MissingExtraError, SettingsError, unknown_name
from rheostat.training.models.names import model_names
from rheostat.training.torchvision_ops import ensure_torchvision_imports

_PREFIX = "timm:"


def timm_model(name: str, *, classes: int, channels: int, image_size: int) -> nn.Module:
    """Build a model of timm without pretrained weights, and see one blank image through it.

    A model that timm builds for one image size (a vision transformer) is built for `image_size`.

    Args:
        name: A name of timm, plain or as `timm:NAME`.
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.
        image_size: Height and width of the images in pixels, >= 1.

    Returns:
        A module in training mode, images `[B, C, H, W]` -> logits `[B, classes]`.

    Raises:
        SettingsError: timm does not know the name, or cannot build that model with these numbers.
        MissingExtraError: timm is not installed.
    """
    timm = _import_timm(name)
    bare = name.removeprefix(_PREFIX)
    if not timm.is_model(bare):
        if name.startswith(_PREFIX):
            raise unknown_name("timm model", bare, (), also=timm.list_models(), note="those of timm.list_models()")
        raise unknown_name("model", name, model_names(), also=timm.list_models(), note="any name of timm")

    own_size = 224
    try:
        published = timm.get_pretrained_cfg(bare)
        fixed = {}
        if published is not None:
            own_size = published.input_size[-1]
            # timm's own sign that a model takes `img_size` and then images of that size alone
            fixed = {"img_size": image_size} if published.fixed_input_size else {}
        model = timm.create_model(bare, pretrained=False, num_classes=classes, in_chans=channels, **fixed)
        logits = _logits_of_blank(model, channels, image_size)
    except Exception as error:  # a foreign factory: asserts, divisions by zero, kernels too large
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingsError(
            f"timm cannot build {bare!r} with classes={classes}, channels={channels}, "
            f"image_size={image_size} ({reason}): "
            f"change the image_size, its own is {own_size}, or choose another model"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, classes):
        raise SettingsError(
            f"timm's {bare!r} does not give one row of {classes} logits per image: choose a model that classifies"
        )
    return model


def _import_timm(name: str) -> ModuleType:
    try:
        ensure_torchvision_imports()  # timm imports torchvision
        import timm
    except ModuleNotFoundError as error:
        if error.name not in {"timm", "torchvision"}:
            raise
        raise MissingExtraError(
            f"model {name!r} is not one of ours ({', '.join(model_names())}), and to look it up in timm "
            f"{error.name} must be installed: pip install 'rheostat[train]'"
        ) from error
    return timm


def _logits_of_blank(model: nn.Module, channels: int, image_size: int) -> object:
    """What `model` gives for one blank image; nothing of it (buffers, mode) is changed."""
    model.eval()
    with torch.no_grad():
        logits = model(torch.zeros(1, channels, image_size, image_size))
    model.train()
    return logits

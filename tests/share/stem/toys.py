"""A network with all that may go wrong when it is cut, and what runs its ONNX."""

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from rheostat.share.base import Preprocessing
from rheostat.share.stem import Network, cut

SIDE = 16
COLOURS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.5)}
PREPROCESSING = Preprocessing(height=SIDE, width=SIDE, **COLOURS)


class Residual(nn.Module):
    """Changes in place what it is given, as most networks do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        out += x
        return self.act(out)


def model(classes: int = 5) -> nn.Sequential:
    """Drawn from the global generator; its BatchNorm has statistics that say something."""
    found = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        Residual(8),
        nn.MaxPool2d(2),
        Residual(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8, classes),
    )
    return with_statistics(found)


def with_statistics(found: nn.Sequential) -> nn.Sequential:
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return found


def network(points: int | None = None) -> Network:
    return cut(model(), name="toy", preprocessing=PREPROCESSING, points=points)


def whole(found: Network) -> nn.Module:
    return found.stem(len(found.layers))


def given(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return module(x)


def run(content: bytes, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return torch.from_numpy(np.asarray(session.run(["y"], {"x": x.numpy()})[0]))


def error(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())

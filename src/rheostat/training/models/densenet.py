"""DenseNet-BC for 32x32 images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_GROWTH = 12
_BLOCKS = (6, 12, 24, 16)


class DenseNet(nn.Module):
    """DenseNet-BC with blocks of 6, 12, 24 and 16 layers, growth 12, compression 0.5 and a 3x3 stem.

    1,000,618 parameters for 10 classes of colour images (`densenet_cifar` of kuangliu/pytorch-cifar).

    Args:
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.

    Source:
        Huang et al., "Densely Connected Convolutional Networks", arXiv:1608.06993, table 1 (the blocks
        of DenseNet-121) and section 3 (bottleneck and compression).
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        width = 2 * _GROWTH
        self.conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        body: list[nn.Module] = []
        for place, depth in enumerate(_BLOCKS):
            if place > 0:
                body.append(_Transition(width, width // 2))
                width //= 2
            for _ in range(depth):
                body.append(_DenseLayer(width))
                width += _GROWTH
        self.body = nn.Sequential(*body)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images `[B, C, H, W]` -> logits `[B, classes]`."""
        x = F.relu(self.norm(self.body(self.conv(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class _DenseLayer(nn.Module):
    """A bottleneck whose output stands beside its input; Huang et al., section 3, DenseNet-B."""

    def __init__(self, width_in: int) -> None:
        super().__init__()
        inner = 4 * _GROWTH
        self.norm1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, _GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h w"]:
        new = self.conv1(F.relu(self.norm1(x)))
        new = self.conv2(F.relu(self.norm2(new)))
        return torch.cat([new, x], dim=1)


class _Transition(nn.Module):
    """Fewer channels, then half the height and width; Huang et al., section 3, compression."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width_in)
        self.conv = nn.Conv2d(width_in, width_out, 1, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)

"""MobileNetV2 for 32x32 images."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_STAGES = (  # expansion, width, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 1),  # stride 2 in the paper, as is the stem
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(nn.Module):
    """MobileNetV2 with stem and second stage at stride 1, so that 32x32 images end as 4x4 maps.

    It differs from the paper as kuangliu/pytorch-cifar does: ReLU in place of ReLU6, no dropout, and a
    1x1 convolution as the shortcut where a block of stride 1 changes the width (the paper has none there).
    2,296,922 parameters for 10 classes of colour images.

    Args:
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.

    Source:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381,
        table 2.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(32)
        blocks = []
        width_in = 32
        for expansion, width, depth, stride in _STAGES:
            for place in range(depth):
                step = stride if place == 0 else 1
                blocks.append(_InvertedResidual(width_in, width, expansion=expansion, stride=step))
                width_in = width
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = nn.Conv2d(width_in, 1280, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(1280)
        self.head = nn.Linear(1280, classes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images `[B, C, H, W]` -> logits `[B, classes]`."""
        x = self.blocks(F.relu(self.norm1(self.conv1(x))))
        x = F.relu(self.norm2(self.conv2(x)))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class _InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow without activation; Sandler et al., table 1."""

    def __init__(self, width_in: int, width_out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * width_in
        self.widen = nn.Conv2d(width_in, inner, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.depthwise = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.narrow = nn.Conv2d(inner, width_out, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(width_out)
        self.shortcut = nn.Sequential() if stride == 1 else None
        if stride == 1 and width_in != width_out:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width_out, 1, bias=False), nn.BatchNorm2d(width_out))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        out = F.relu(self.norm1(self.widen(x)))
        out = F.relu(self.norm2(self.depthwise(out)))
        out = self.norm3(self.narrow(out))
        return out if self.shortcut is None else out + self.shortcut(x)

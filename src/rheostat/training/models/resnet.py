"""ResNet-18 for 32x32 images."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ResNet18(nn.Module):
    """ResNet-18 with a 3x3 stem of stride 1 and no max-pool, so that 32x32 images end as 4x4 maps.

    11,173,962 parameters for 10 classes of colour images.

    Args:
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.

    Source:
        He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385, table 1 (18-layer);
        the stem for small images as in kuangliu/pytorch-cifar.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(64)
        self.blocks = nn.Sequential(
            _BasicBlock(64, 64, stride=1),
            _BasicBlock(64, 64, stride=1),
            _BasicBlock(64, 128, stride=2),
            _BasicBlock(128, 128, stride=1),
            _BasicBlock(128, 256, stride=2),
            _BasicBlock(256, 256, stride=1),
            _BasicBlock(256, 512, stride=2),
            _BasicBlock(512, 512, stride=1),
        )
        self.head = nn.Linear(512, classes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images `[B, C, H, W]` -> logits `[B, classes]`."""
        x = self.blocks(F.relu(self.norm(self.conv(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; He et al., figure 5, left."""

    def __init__(self, width_in: int, width_out: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width_out)
        self.shortcut = nn.Sequential()  # the identity, where the shapes agree
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width_out, 1, stride=stride, bias=False),
                nn.BatchNorm2d(width_out),
            )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        out = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(out)) + self.shortcut(x))

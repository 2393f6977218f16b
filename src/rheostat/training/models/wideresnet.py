"""Wide residual networks for 32x32 images."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rheostat.errors import SettingsError


class WideResNet(nn.Module):
    """WRN-`depth`-`widen` of pre-activated basic blocks, without dropout; 32x32 images end as 8x8 maps.

    WRN-28-10 has 36,479,194 parameters for 10 classes of colour images.

    Args:
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.
        depth: 6n + 4, where each of the three stages has n >= 1 blocks.
        widen: Factor on the widths 16, 32 and 64 of the stages, >= 1.

    Raises:
        SettingsError: `depth` or `widen` is outside its range.

    Source:
        Zagoruyko and Komodakis, "Wide Residual Networks", arXiv:1605.07146, table 1.
    """

    def __init__(self, classes: int, channels: int, *, depth: int = 28, widen: int = 10) -> None:
        super().__init__()
        per_stage, rest = divmod(depth - 4, 6)
        if per_stage < 1 or rest != 0:
            raise SettingsError(f"depth is {depth}: give 10, 16, 22, 28, ... (6n + 4, n >= 1)")
        if widen < 1:
            raise SettingsError(f"widen is {widen}: give at least 1; 10 is usual")
        self.conv = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        blocks = []
        width_in = 16
        for width, stride in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
            for place in range(per_stage):
                blocks.append(_WideBlock(width_in, width, stride=stride if place == 0 else 1))
                width_in = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(width_in)
        self.head = nn.Linear(width_in, classes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images `[B, C, H, W]` -> logits `[B, classes]`."""
        x = F.relu(self.norm(self.blocks(self.conv(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class _WideBlock(nn.Module):
    """Norm, ReLU, convolution, twice; a block that changes the shape projects what is activated."""

    def __init__(self, width_in: int, width_out: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.shortcut = None
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Conv2d(width_in, width_out, 1, stride=stride, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        active = F.relu(self.norm1(x))
        out = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))

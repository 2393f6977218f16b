"""LeNet: two convolutions, two linear layers."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LeNet(nn.Module):
    """The network of PyTorch's basic MNIST example in its 2017 form, without the log-softmax.

    21,840 parameters for 10 classes of 1x28x28 images.

    Args:
        classes: Number of logits per example, >= 2.
        channels: Channels of the images, >= 1.
        image_size: Height and width of the images in pixels, >= 16.

    Source:
        `mnist/main.py` of pytorch/examples as of 2017, the MNIST network of Jiang's thesis; after
        LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """

    def __init__(self, classes: int, channels: int, image_size: int) -> None:
        super().__init__()
        side = ((image_size - 4) // 2 - 4) // 2  # 5x5 without padding, halve, twice
        self.conv1 = nn.Conv2d(channels, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d(0.5)
        self.fc1 = nn.Linear(20 * side * side, 50)
        self.fc1_drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(50, classes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Images `[B, C, H, W]` -> logits `[B, classes]`."""
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.fc1_drop(x))

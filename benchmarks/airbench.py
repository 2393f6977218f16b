"""The fastest published recipe for 96 % on CIFAR-10: network, augmentation, optimiser and schedule of cifar10-airbench.

Facts and numbers are those of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498, sections 3
and 4, and of the descriptions in its public repository; the code is our own. A whitening layer that is computed from
patches and not trained, three blocks of convolutions that begin as the identity, biases that learn 64 times as fast,
Nesterov momentum with a rate that rises and falls on straight lines, weights that look ahead, images that are mirrored
in turns, shifted and partly covered, and six views of each test image.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM = 0.85
SMOOTHING = 0.2
STEP = 1024 * (1 + 1 / (1 - MOMENTUM))  # examples times what Nesterov momentum makes of a constant gradient
RATE = 9.0 / STEP  # of the loss summed over a batch
BIAS_RATE = 64 * RATE
DECAY = 0.012 * 1024 / STEP  # of the weights per step, whatever the rate


def smoothed_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """`[B]` cross-entropy with smoothed labels, in nats; the loss of the recipe, and its score."""
    return F.cross_entropy(logits.float(), targets, label_smoothing=SMOOTHING, reduction="none")


def network(widths: tuple[int, int, int], depth: int) -> nn.Sequential:
    """The network of the recipe.

    Args:
        widths: Channels of the three blocks.
        depth: Convolutions in each; with 3 the last two are passed by.
    """
    before = (24, *widths[:2])
    return nn.Sequential(
        _Whitening(3, 24, 2),
        nn.GELU(),
        *(_Block(a, b, depth) for a, b in zip(before, widths, strict=True)),
        nn.MaxPool2d(3),
        nn.Flatten(),
        _Scaled(widths[-1]),
    )


class _Whitening(nn.Conv2d):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        assert self.bias is not None
        nn.init.zeros_(self.bias)
        self.weight.requires_grad = False


class _Scaled(nn.Linear):
    def __init__(self, width: int) -> None:
        super().__init__(width, 10, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as its base names it
        return super().forward(input) / 9


class _Block(nn.Module):
    def __init__(self, before: int, after: int, depth: int) -> None:
        super().__init__()
        sizes = (before, *[after] * depth)
        self.convolutions = nn.ModuleList(_identity(a, b) for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm2d(after, eps=1e-12) for _ in range(depth))
        for norm in self.norms:
            norm.get_parameter("weight").requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        first, *middle = zip(self.convolutions, self.norms, strict=True)
        x = past = F.gelu(first[1](F.max_pool2d(first[0](x), 2)))
        for at, (convolution, norm) in enumerate(middle):
            x = norm(convolution(x))
            x = F.gelu(x + past if at == 1 else x)
        return x


def _identity(before: int, after: int) -> nn.Conv2d:
    """A convolution whose first channels out are those that come in."""
    convolution = nn.Conv2d(before, after, 3, padding="same", bias=False)
    nn.init.dirac_(convolution.weight.data[:before])
    return convolution


def whitening_filters(images: Tensor, ridge: float = 5e-4) -> Tensor:
    """`[24, 3, 2, 2]`: the principal patches of images `[B, 3, H, W]`, scaled to unit variance, and their opposites."""
    patches = images.float().unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    variance, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (axes / (variance + ridge).sqrt()).T.reshape(12, 3, 2, 2)
    return torch.cat((filters, -filters))


def whiten(net: Any, images: Tensor) -> None:
    """Give the first layer of a network the filters of these images."""
    net[0].weight.copy_(whitening_filters(images))


def train_bias(net: Any, *, on: bool) -> None:
    """Train the bias of the first layer of a network, or leave it as it is."""
    net[0].bias.requires_grad_(requires_grad=on)


def rate_factor(progress: float) -> float:
    """Of the learning rate: 0.2 at the start, 1 after a tenth of the run, 0 at its end; progress in [0, 1]."""
    return 0.2 + 8 * progress if progress < 0.1 else (1 - min(progress, 1)) / 0.9


class Views:
    """Epochs of augmented batches `(index, (images, labels))`; what is less than a batch at the end is left out.

    Every image is mirrored or not at random for the first epoch, and then in turns (the paper's section 3.6).

    Args:
        images: `[N, 3, H, W]` normalised.
        labels: `[N]`.
        size: Examples per batch.
        seed: Of mirroring, shifts, covered squares and order.
        shift: Pixels that an image is moved by at most; what comes into view is its reflection.
        covered: Side of the square that is covered, in pixels.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, size: int, seed: int, *, shift: int = 4, covered: int = 12
    ) -> None:
        rng = torch.Generator(images.device).manual_seed(2 * seed)
        mirrored = torch.rand(len(images), generator=rng, device=images.device) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        self._padded = F.pad(images, [shift] * 4, "reflect")
        self._labels, self._size, self._side = labels, size, images.shape[-1]
        self._shift, self._covered = shift, covered
        self._generator = torch.Generator(images.device).manual_seed(2 * seed + 1)
        self.epoch = 0

    def indexed(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        """Yield `(index [B], (images, labels))` of the next epoch."""
        examples, device = len(self._labels), self._labels.device
        odd, self.epoch = self.epoch % 2, self.epoch + 1
        order = torch.randperm(examples, generator=self._generator, device=device)
        for index in order[: examples - examples % self._size].split(self._size):
            images = self._seen(self._padded.index_select(0, index))
            yield index, (images.flip(3) if odd else images, self._labels.index_select(0, index))

    def _seen(self, padded: Tensor) -> Tensor:
        every, side = torch.arange(len(padded), device=padded.device), self._side
        top, left = self._drawn(2 * self._shift + 1, len(padded))
        images = padded.unfold(2, side, 1).unfold(3, side, 1)[every, :, top, left]
        y, x = self._drawn(side - self._covered + 1, len(padded))[..., None]
        along = torch.arange(side, device=padded.device)
        rows, columns = ((along >= start) & (along < start + self._covered) for start in (y, x))
        return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)

    def _drawn(self, below: int, number: int) -> Tensor:
        return torch.randint(0, below, (2, number), generator=self._generator, device=self._padded.device)


class Lookahead:
    """A slow copy of a network, which the network is set back to every fifth step (the paper's section 3.4).

    Args:
        module: The network.
    """

    def __init__(self, module: nn.Module) -> None:
        self._fast = [value for value in module.state_dict().values() if value.is_floating_point()]
        self._slow = [value.clone() for value in self._fast]
        self._steps = 0

    def step(self, progress: float) -> None:
        """After each step; the copy is the slower, the further the run has come: progress in [0, 1]."""
        self._steps += 1
        if self._steps % 5 == 0:
            self._pull(1 - 0.95**5 * progress**3)

    def finish(self) -> None:
        """Leave the slow copy in the network."""
        self._pull(0.0)

    @torch.no_grad()
    def _pull(self, share: float) -> None:
        if share:
            torch._foreach_lerp_(self._slow, self._fast, share)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_copy_(self._fast, self._slow)  # pyright: ignore[reportPrivateImportUsage]


class Learner:
    """A network with its optimiser and its course; `learn` makes one step of the summed loss.

    Args:
        model: Of `network`.
        module: The same, not compiled.
    """

    def __init__(self, model: nn.Module, module: nn.Module) -> None:
        self.model = model
        biases = [p for name, p in module.named_parameters() if "norms" in name and name.endswith("bias")]
        others = [p for name, p in module.named_parameters() if "norms" not in name and name != "0.weight"]
        self._rates = (BIAS_RATE, RATE)
        groups = [
            {"params": parameters, "lr": rate, "weight_decay": DECAY / rate}
            for parameters, rate in zip((biases, others), self._rates, strict=True)
        ]
        self._optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)

    def learn(self, images: Tensor, labels: Tensor, progress: float) -> None:
        """One step, when the run has come so far: progress in [0, 1]."""
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * rate_factor(progress)
        smoothed_loss(self.model(images), labels).sum().backward()
        self._optimizer.step()
        self._optimizer.zero_grad()


@torch.no_grad()
def logits_of_views(model: nn.Module, images: Tensor) -> Tensor:
    """`[B, classes]`: the mean over an image and its mirror, half of it from two views that are moved by a pixel."""

    def both(part: Tensor) -> Tensor:
        return (model(part).float() + model(part.flip(3)).float()) / 2

    side, padded = images.shape[-1], F.pad(images, [1] * 4, "reflect")
    moved = both(padded[..., :side, :side]) + both(padded[..., 2 : side + 2, 2 : side + 2])
    return both(images) / 2 + moved / 4


def in_precision(net: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
    """Weights of a type, and those of the normalisation in full."""
    net.to(dtype)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.float()
    return net

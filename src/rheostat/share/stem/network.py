"""A base that is cut into layers: stems that stay as they are, and heads that learn."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, fx, nn

from rheostat.errors import SettingsError
from rheostat.share.base import Preprocessing


class Chain(nn.Sequential):
    """Layers one after another; none of them gives its input as it is."""


class Stem(Chain):
    """Layers that do not learn, whatever mode they are asked into."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        del mode
        return super().train(mode=False)


@dataclass(frozen=True)
class Network:
    """A base, cut at points where a single tensor crosses.

    A layer is a graph of plain operations: BatchNorm uses the statistics that it holds, whichever mode it is in, and
    dropout is gone.

    Attributes:
        name: Of the base.
        preprocessing: From a picture to what the first layer takes.
        layers: From the picture inwards; the last one gives the logits. They do not learn.
        names: Of the last node of each layer, for people.
        shapes: Of what each layer gives for one picture.
        classifier: Names of weight and bias (or None) of the last layer's linear layer, and None if the logits come
            from anything else.
    """

    name: str
    preprocessing: Preprocessing
    layers: tuple[fx.GraphModule, ...]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    classifier: tuple[str, str | None] | None

    @property
    def head_start(self) -> int:
        """Layers before the head, the part that every fine-tuning replaces."""
        return len(self.layers) - 1

    def shape_at(self, frozen: int) -> tuple[int, ...]:
        """Shape of the tensor at a branch point, for one picture: what layer `frozen` takes."""
        self._check(frozen, len(self.layers))
        return self.shapes[frozen - 1] if frozen else (3, self.preprocessing.height, self.preprocessing.width)

    def stem(self, frozen: int) -> Stem:
        """The first `frozen` layers themselves, in [0, layers]; of none, the identity; of all, the whole base."""
        self._check(frozen, len(self.layers))
        return Stem(*self.layers[:frozen])

    def head(self, frozen: int, classes: int, *, generator: torch.Generator) -> Chain:
        """A copy of all layers from a branch point on that learns, with a fresh linear layer at its end.

        Args:
            frozen: Layers before the branch point, in [0, layers - 1].
            classes: Logits per picture, at least 2.
            generator: The fresh weights are drawn from it, like those of `nn.Linear`.

        Raises:
            SettingsError: A number is outside its range, or the base does not end in a linear layer.
        """
        self._check(frozen, len(self.layers) - 1)
        if classes < 2:
            raise SettingsError(f"classes is {classes}: a head needs at least 2, e.g. with and without")
        if self.classifier is None:
            raise SettingsError(
                f"{self.name} does not end in a linear layer, which a head would replace: choose another base"
            )
        head = Chain(*copy.deepcopy(self.layers[frozen:]))
        head.requires_grad_(requires_grad=True)
        _renew(head[-1], *self.classifier, classes, generator)
        return head

    def stem_fingerprint(self, frozen: int) -> str:
        """SHA-256 over all that the first `frozen` layers compute with: their operations, parameters and buffers."""
        self._check(frozen, len(self.layers))
        found = hashlib.sha256()
        for layer in self.layers[:frozen]:
            found.update(layer.code.encode())
            for name, state in layer.state_dict().items():
                found.update(f"{name} {state.dtype} {list(state.shape)}".encode())
                found.update(state.detach().contiguous().numpy().tobytes())
        return found.hexdigest()

    def _check(self, frozen: int, most: int) -> None:
        if not 0 <= frozen <= most:
            raise SettingsError(
                f"frozen is {frozen}: {self.name} has {len(self.layers)} layers, give one in [0, {most}]"
            )


def _renew(layer: nn.Module, weight: str, bias: str | None, classes: int, generator: torch.Generator) -> None:
    """Replace a linear layer's parameters, both uniform within 1 / sqrt(inputs) (`nn.Linear.reset_parameters`)."""
    inputs = layer.get_parameter(weight).shape[1]
    bound = 1 / math.sqrt(inputs)
    shapes: Sequence[tuple[str | None, tuple[int, ...]]] = ((weight, (classes, inputs)), (bias, (classes,)))
    for name, shape in shapes:
        if name is not None:
            owner, _, last = name.rpartition(".")
            fresh = torch.empty(shape).uniform_(-bound, bound, generator=generator)
            setattr(layer.get_submodule(owner), last, nn.Parameter(fresh))


def as_layer(states: dict[str, Tensor], graph: fx.Graph) -> fx.GraphModule:
    """A graph with those parameters and buffers that it uses, which do not learn."""
    used = {node.target for node in graph.nodes if node.op == "get_attr"}
    layer = fx.GraphModule({name: state for name, state in states.items() if name in used}, graph, "Layer")
    return layer.requires_grad_(requires_grad=False).eval()

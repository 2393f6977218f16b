"""Where a graph can be cut, and where it should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from rheostat.share.stem.trace import Trace, holds_picture

_ACTIVATIONS = frozenset(
    """celu clamp clamp_min elu gelu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish prelu relu relu6 selu
    sigmoid silu softplus tanh""".split()  # noqa: SIM905 - a list literal would be one word a line
)
_JOINS = frozenset(["add", "div", "mul", "sub"])
_NORMS = frozenset(["_native_batch_norm_legit_no_training", "batch_norm"])
_PRODUCTS = frozenset(["addmm", "conv1d", "conv2d", "conv3d", "convolution", "linear", "matmul", "mm"])
_REARRANGED = frozenset(
    """_to_copy _unsafe_view alias clone contiguous detach expand flatten movedim permute reshape roll squeeze swapaxes
    t to transpose unflatten unsqueeze view""".split()  # noqa: SIM905
)
_TRAFFIC = 0.05  # of a cut as large as the picture, beside 1 for the work of all layers


@dataclass(frozen=True)
class Point:
    """A place where one tensor crosses.

    Attributes:
        node: What gives that tensor.
        work: Operations for one picture up to there.
        numbers: Elements of the tensor, for one picture.
    """

    node: fx.Node
    work: float
    numbers: int


def points_of(trace: Trace) -> list[Point]:
    """All points where a graph can be cut, from the picture inwards.

    After such a node its tensor is the only one alive that depends on the picture, besides the batch size; its first
    dimension is the batch, the others are fixed; and no kernel of a runtime would take it and its successor as one
    (convolution, normalisation and activation, or a sum and its activation).
    """
    nodes = list(trace.graph.nodes)
    place = {node: at for at, node in enumerate(nodes)}
    crossing = holds_picture(trace.graph)
    rest = _rearranged_from(trace.result)
    points, alive, work = [], {}, 0.0
    for at, node in enumerate(nodes):
        work += _work(node) if node in crossing else 0.0
        if node in crossing and node.users:
            alive[node] = max(place[user] for user in node.users)
        alive = {one: last for one, last in alive.items() if last > at}
        if list(alive) == [node] and node.op == "call_function" and node not in rest and _may_end_a_layer(node, trace):
            points.append(Point(node, work, math.prod(shape_of(node))))
    return points


def chosen(points: Sequence[Point], work: float, layers: int, picture: int) -> list[Point]:
    """Choose points that make `layers` layers of about the same work, at small tensors; the last point is always one.

    Minimises layers * sum of squared shares of the work + `_TRAFFIC` * sum of the sizes of the cuts, in pictures.

    Args:
        points: All points, in order, at least one.
        work: Of the whole model.
        layers: How many layers, at least 2; with too few points each is chosen.
        picture: Elements of a picture.
    """
    if layers > len(points):
        return list(points)
    done = np.array([point.work for point in points]) / work
    traffic = _TRAFFIC * np.array([point.numbers for point in points]) / picture
    least = layers * done**2 + traffic  # of the layers up to each point, the last cut being there
    before = []
    for _ in range(layers - 2):
        share = done[None, :] - done[:, None]
        total = least[:, None] + np.where(np.triu(np.ones_like(share), 1) > 0, layers * share**2, np.inf)
        before.append(total.argmin(0))
        least = total.min(0) + traffic
    at = len(points) - 1
    places = [at]
    for origin in reversed(before):
        at = int(origin[at])
        places.append(at)
    return [points[place] for place in reversed(places)]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape that a node gives for one picture."""
    return tuple(int(size) for size in node.meta["val"].shape[1:])


def operation(node: fx.Node) -> str:
    """Name of what a node computes, without overload; that of the first result of several is their operation's."""
    if node.op != "call_function":
        return node.op
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.name.partition("::")[2]
    several = node.args[0] if node.args else None
    return operation(several) if isinstance(several, fx.Node) and node.args[1:] == (0,) else node.name


def whole_work(trace: Trace) -> float:
    """Operations of all nodes for one picture."""
    crossing = holds_picture(trace.graph)
    return sum(_work(node) for node in trace.graph.nodes if node in crossing)


def producer(node: fx.Node) -> fx.Node:
    """The node that computes what another one gives in another shape."""
    return _rearranged_from(node)[-1]


def _may_end_a_layer(node: fx.Node, trace: Trace) -> bool:
    value = node.meta["val"]
    batch = trace.picture.meta["val"].shape[0]
    if not isinstance(value, Tensor) or value.dim() < 2 or not value.is_floating_point():
        return False
    first: Any = value.shape[0]
    if not isinstance(first, torch.SymInt) or first.node.expr != batch.node.expr:
        return False
    if any(isinstance(size, torch.SymInt) for size in value.shape[1:]):
        return False
    if operation(node) == "slice" and value.shape == node.all_input_nodes[0].meta["val"].shape:
        return False  # of all there is
    return operation(node) not in _REARRANGED | {"constant_pad_nd", "pad"} and not _goes_on(node)


def _goes_on(node: fx.Node) -> bool:
    """Whether a runtime would take a node and what follows it as one."""
    users = list(node.users)
    if len(users) == 1:
        fused = _ACTIVATIONS | _JOINS | (_NORMS if operation(node) in _PRODUCTS else frozenset())
        return operation(users[0]) in fused
    gates = [user for user in users if operation(user) in _ACTIVATIONS]  # x * sigmoid(x)
    return any(other in gate.users for gate in gates for other in users)


def _rearranged_from(node: fx.Node) -> list[fx.Node]:
    """A node, then those before it that hold the same numbers in another shape."""
    found = [node]
    while operation(found[-1]) in _REARRANGED:
        found.append(found[-1].all_input_nodes[0])
    return found


def _work(node: fx.Node) -> float:
    """Multiplications and additions of a node for one picture, and one for every number it gives."""
    value = node.meta.get("val")
    if node.op != "call_function" or not isinstance(value, Tensor):
        return 0.0
    given = _numbers(value)
    operands = [one.meta["val"] for one in node.all_input_nodes if isinstance(one.meta.get("val"), Tensor)]
    match operation(node):
        case "conv1d" | "conv2d" | "conv3d" | "convolution":
            inner = _numbers(operands[1]) / int(operands[1].shape[0])
        case "linear" | "matmul" | "mm" | "bmm":
            inner = int(operands[0].shape[-1])
        case "addmm" | "baddbmm":
            inner = int(operands[1].shape[-1])
        case "scaled_dot_product_attention":
            inner = 2 * int(operands[1].shape[-2])
        case _:
            inner = 0
    return given * (1 + 2 * inner)


def _numbers(value: Tensor) -> float:
    """Elements; what varies with the batch counts as in the example that was traced."""
    sizes: list[Any] = list(value.shape)
    return float(math.prod(size.node.hint if isinstance(size, torch.SymInt) else size for size in sizes))

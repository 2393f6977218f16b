"""From a model to a base: cut where a single tensor crosses, every piece a module of its own."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx, nn

from rheostat.errors import SettingsError
from rheostat.share.base import Preprocessing
from rheostat.share.stem.network import Network, as_layer
from rheostat.share.stem.points import chosen, operation, points_of, producer, shape_of, whole_work
from rheostat.share.stem.trace import Trace, is_batch_size, trace

LAYERS = 16


def cut(model: nn.Module, *, name: str, preprocessing: Preprocessing, points: int | None = LAYERS) -> Network:
    """Cut a model into layers; one after the other they give what the model gives in evaluation mode.

    The model stays as it is, and shares nothing with what it was cut into.

    Args:
        model: Pictures `[B, 3, H, W]` float32 -> logits `[B, classes]`; `torch.export` must take it.
        name: Of the base.
        preprocessing: From a picture to what the model takes.
        points: Branch points to offer, the picture itself included, and so the most layers to make, at least 2; of
            about the same work, at small tensors. None cuts wherever it can be done.

    Raises:
        SettingsError: `torch.export` does not take the model, or it can be cut nowhere.
    """
    if points is not None and points < 2:
        raise SettingsError(f"points is {points}: give at least 2, the picture and the classifier")
    shape = (3, preprocessing.height, preprocessing.width)
    traced = trace(model, shape, name)
    places = points_of(traced)
    if not places:
        raise SettingsError(f"{name} cannot be cut: nowhere in it does a single tensor cross")
    if points is not None:
        places = chosen(places, whole_work(traced), points, math.prod(shape))
    ends = [*(place.node for place in places), traced.result]
    starts = [traced.picture, *ends[:-1]]
    return Network(
        name,
        preprocessing,
        tuple(_piece(traced, start, end) for start, end in zip(starts, ends, strict=True)),
        tuple(_name(end) for end in ends),
        tuple(shape_of(end) for end in ends),
        _classifier(traced),
    )


def _piece(traced: Trace, start: fx.Node, end: fx.Node) -> fx.GraphModule:
    """Copy the nodes that lead from one tensor to another.

    What depends on neither (a table of positions, the size of the batch) is computed in every piece that uses it.
    """
    needed, ahead = {start}, [end]
    while ahead:
        node = ahead.pop()
        if node not in needed:
            needed.add(node)
            ahead += [] if is_batch_size(node) else node.all_input_nodes
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {start: graph.placeholder("x")}
    for node in traced.graph.nodes:
        if node in needed and node is not start:
            copies[node] = graph.node_copy(node, lambda one: copies[one]) if not is_batch_size(node) else _size(graph)
            copies[node].meta = {}
    graph.output(copies[end])
    return as_layer(traced.states, graph)


def _size(graph: fx.Graph) -> fx.Node:
    picture = next(iter(graph.nodes))
    return graph.call_function(torch.ops.aten.sym_size.int, (picture, 0))


def _name(node: fx.Node) -> str:
    """The module that a node came from, and what it does."""
    modules: dict[str, Any] = node.meta.get("nn_module_stack", {})
    path = [where for where, _ in modules.values()][-1:]
    return ".".join([*(one for one in path if one), node.name])


def _classifier(traced: Trace) -> tuple[str, str | None] | None:
    """Names of the parameters of the last linear layer."""
    linear = producer(traced.result)
    if operation(linear) != "linear":
        return None
    states = [str(one.target) for one in linear.args[1:] if isinstance(one, fx.Node) and one.op == "get_attr"]
    computed = len(states) < len([one for one in linear.args[1:] if one is not None])
    return None if computed else (states[0], states[1] if len(states) > 1 else None)

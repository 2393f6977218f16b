"""Layers and heads as ONNX: the same bytes for the same layers, and nothing in them but the network.

::

    layers  ->  those whose structure is new, side by side in one graph  ->  torch.onnx, once
            ->  a skeleton per layer: its nodes, with holes for parameters and buffers
    skeletons + parameters and buffers of each layer  ->  one network from "x" to "y"

torch's exporter takes a third of a second for itself and more for every layer, which a package of many heads would pay
again and again for layers that differ only in their numbers. A skeleton has no numbers of a layer in it: these are
inputs of the graph that is exported, so no optimisation can have folded them into something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, fx, nn
from torch.export import Dim
from torch.fx.node import map_arg

from rheostat.errors import SettingsError
from rheostat.share.stem.network import Chain
from rheostat.share.stem.trace import quiet

OPSET = 18
_IR_VERSION = 10  # of the file format, as the exporter writes with this opset
Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Skeleton:
    """A layer without its numbers: from "x" and the states "s0", "s1", ... to "y".

    Attributes:
        nodes: In an order in which they can be computed.
        constants: What the nodes take besides.
        given: Shape of "y", without the batch.
    """

    nodes: tuple[onnx.NodeProto, ...]
    constants: tuple[onnx.TensorProto, ...]
    given: Shape


_known: dict[str, _Skeleton] = {}  # by structure: small, dear to make, and the same whoever asks


def to_onnx(module: nn.Module, shape: Shape) -> bytes:
    """Write a layer, a stem or a head as ONNX.

    The network takes "x" `[B, *shape]` and gives "y", both float32, for every batch size B. The same module gives the
    same bytes, in every process.

    Args:
        module: A layer of a `Network`, or several in a `Chain` (a stem, a head).
        shape: Of what it takes, for one picture.

    Raises:
        SettingsError: There is no layer, or one with an operation that ONNX does not have.
    """
    layers = _layers(module)
    return _joined(layers, _skeletons(layers, shape), shape)


def each_to_onnx(module: Chain, shape: Shape) -> Iterator[bytes]:
    """Write the layers of a chain as one network each, faster than one by one; see `to_onnx`."""
    layers = _layers(module)
    for layer, skeleton in zip(layers, _skeletons(layers, shape), strict=True):
        yield _joined([layer], [skeleton], shape)
        shape = skeleton.given


def _layers(module: nn.Module) -> list[fx.GraphModule]:
    found = [
        layer for layer in (module if isinstance(module, Chain) else [module]) if isinstance(layer, fx.GraphModule)
    ]
    if not found or (isinstance(module, Chain) and len(found) < len(module)):
        raise SettingsError(f"a {type(module).__name__} is no network of ours: give a layer of a base, or several")
    return found


def _skeletons(layers: Sequence[fx.GraphModule], shape: Shape) -> list[_Skeleton]:
    """Skeletons of layers that follow each other; those not known yet are exported."""
    keys: list[str] = []
    new: dict[str, tuple[fx.GraphModule, Tensor]] = {}
    flowing = torch.zeros(2, *shape)
    with torch.no_grad():
        for layer in layers:
            keys.append(_structure(layer, flowing))
            if keys[-1] not in _known:
                new.setdefault(keys[-1], (layer, flowing))
            flowing = layer(flowing)
    if new:
        _known.update(zip(new, _exported(list(new.values())), strict=True))
    return [_known[key] for key in keys]


def _structure(layer: fx.GraphModule, taken: Tensor) -> str:
    """All of a layer but its numbers and names, as text."""
    place = {node: f"%{at}" for at, node in enumerate(layer.graph.nodes)}
    lines = [str(taken.shape)]
    for node in layer.graph.nodes:
        if node.op == "get_attr":
            state = _state(layer, node)
            lines.append(f"state {state.dtype} {tuple(state.shape)}")
        else:
            arguments = map_arg((node.args, node.kwargs), place.__getitem__)
            lines.append(f"{node.target if node.op == 'call_function' else node.op} {arguments}")
    return "\n".join(lines)


def _states(layer: fx.GraphModule) -> list[tuple[str, Tensor]]:
    """Parameters and buffers by name, in the order of the graph."""
    return [(str(node.target), _state(layer, node)) for node in layer.graph.nodes if node.op == "get_attr"]


def _state(layer: fx.GraphModule, node: fx.Node) -> Tensor:
    owner, _, last = str(node.target).rpartition(".")
    return getattr(layer.get_submodule(owner), last).detach()


def _exported(layers: Sequence[tuple[fx.GraphModule, Tensor]]) -> list[_Skeleton]:
    """Send layers through torch's exporter, side by side in one graph, as none depends on another."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    example: list[Tensor] = []
    sizes: list[dict[int, Dim] | None] = []
    inputs: list[str] = []
    for at, (layer, taken) in enumerate(layers):
        states = 0
        for node in layer.graph.nodes:
            if node.op == "placeholder":
                inputs.append(f"x {at}")
                example.append(taken)
                sizes.append({0: Dim(f"batch{at}")})
            elif node.op == "get_attr":
                inputs.append(f"s{states} {at}")
                example.append(_state(layer, node))
                sizes.append(None)
                states += 1
            else:
                continue
            copies[node] = graph.placeholder(f"input_{len(inputs)}")
    for layer, _ in layers:
        for node in layer.graph.nodes:
            if node.op == "call_function":
                copies[node] = graph.node_copy(node, copies.__getitem__)
    results = [layer.graph.output_node().args[0] for layer, _ in layers]
    graph.output(tuple(copies[result] for result in results if isinstance(result, fx.Node)))
    outputs = [f"y {at}" for at in range(len(layers))]
    model = _through_torch(fx.GraphModule({}, graph).eval(), example, sizes, inputs, outputs)
    return [_extracted(model.graph, at) for at in range(len(layers))]


def _through_torch(
    module: fx.GraphModule,
    example: Sequence[Tensor],
    sizes: Sequence[dict[int, Dim] | None],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                tuple(example),
                dynamo=True,
                dynamic_shapes=tuple(sizes),
                input_names=inputs,
                output_names=outputs,
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingsError(f"the base cannot be written as ONNX ({reason}): choose another one") from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    domains = {node.domain for node in model.graph.node} - {""}
    nested = [node.op_type for node in model.graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    if model.functions or domains or nested:
        raise SettingsError(
            f"the base cannot be written as plain ONNX (it needs {', '.join([*domains, *nested])}): choose another one"
        )
    return model


def _extracted(graph: onnx.GraphProto, at: int) -> _Skeleton:
    """The part of a graph that one output rests on, with names that the other parts have no say in."""
    needed, part = {f"y {at}"}, []
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            part.append(node)
    constants = [constant for constant in graph.initializer if constant.name in needed]
    names = {name: name.partition(" ")[0] for name in needed if name.endswith(f" {at}")} | {"": ""}
    names |= {constant.name: f"c{number}" for number, constant in enumerate(constants)}
    nodes = []
    for node in reversed(part):
        for name in node.output:
            names.setdefault(name, f"t{len(names)}")
        nodes.append(helper.make_node(node.op_type, *_renamed(node, names)))
        nodes[-1].attribute.extend(sorted(node.attribute, key=lambda attribute: attribute.name))
    given = next(output for output in graph.output if output.name == f"y {at}")
    return _Skeleton(
        tuple(nodes),
        tuple(numpy_helper.from_array(numpy_helper.to_array(one), names[one.name]) for one in constants),
        tuple(size.dim_value for size in given.type.tensor_type.shape.dim[1:]),
    )


def _joined(layers: Sequence[fx.GraphModule], skeletons: Sequence[_Skeleton], shape: Shape) -> bytes:
    """Give skeletons the numbers of their layers, and put them one after another."""
    nodes, initializers = [], []
    for at, (layer, skeleton) in enumerate(zip(layers, skeletons, strict=True)):
        names = {"": "", "x": f"{at - 1}.y" if at > 0 else "x", "y": f"{at}.y" if at < len(layers) - 1 else "y"}
        for number, (name, state) in enumerate(_states(layer)):
            names[f"s{number}"] = f"{at}.{name}"
            initializers.append(numpy_helper.from_array(state.contiguous().numpy(), f"{at}.{name}"))
        for constant in skeleton.constants:
            names[constant.name] = f"{at}.{constant.name}"
            initializers.append(numpy_helper.from_array(numpy_helper.to_array(constant), names[constant.name]))
        for node in skeleton.nodes:
            for name in node.output:
                names.setdefault(name, f"{at}.{name}")
            nodes.append(helper.make_node(node.op_type, *_renamed(node, names)))
            nodes[-1].attribute.extend(node.attribute)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "network",
        [_tensor("x", shape)],
        [_tensor("y", skeletons[-1].given)],
        [initializer for initializer in initializers if initializer.name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    return model.SerializeToString(deterministic=True)


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> tuple[list[str], list[str]]:
    return [names[name] for name in node.input], [names[name] for name in node.output]


def _tensor(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shape])

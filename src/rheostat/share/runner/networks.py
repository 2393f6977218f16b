"""Several consecutive layers as one ONNX network, so that nothing is handed over where no app leaves."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import reduce
from types import ModuleType
from typing import TYPE_CHECKING

from rheostat.errors import DataError
from rheostat.share.runner.plain import onnx_package, read_plain

if TYPE_CHECKING:
    import onnx

INPUT, OUTPUT = "x", "y"


def merged(contents: Sequence[bytes]) -> bytes:
    """Chain networks, each with the one input "x" and the one output "y", into one that has these again.

    Args:
        contents: ONNX files, in the order in which a picture goes through them; at least one.

    Raises:
        DataError: They do not fit together: other inputs or outputs, or other versions of ONNX; or one is not plain.
        MissingExtraError: onnx is not installed.
    """
    if len(contents) == 1:
        return contents[0]
    onnx = _onnx()
    parts = [read_plain(content) for content in contents]
    for number, part in enumerate(parts):
        _must_be_one_to_one(part, number)
    tidy = [onnx.compose.add_prefix(part, f"{number}/", inplace=True) for number, part in enumerate(parts)]
    try:
        whole = reduce(_joined, tidy)
    except ValueError as error:
        raise DataError(f"two layers do not fit together ({error}): export the base anew") from None
    _rename(whole.graph, whole.graph.input[0].name, INPUT)
    _rename(whole.graph, whole.graph.output[0].name, OUTPUT)
    return whole.SerializeToString()


def two_classes(content: bytes) -> bytes:
    """The last layer of a base with the first two of its classes: as large as that of an app.

    As it is, where its classes do not come from one product with constants.

    Raises:
        DataError: It is not plain ONNX.
        MissingExtraError: onnx is not installed.
    """
    onnx = _onnx()
    model = read_plain(content)
    weights = {weight.name: weight for weight in model.graph.initializer}
    axes = _class_axes(model.graph, weights)
    for name, axis in axes.items():
        kept = onnx.numpy_helper.to_array(weights[name]).take([0, 1], axis)
        weights[name].CopyFrom(onnx.numpy_helper.from_array(kept, name))
    if axes:
        model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value = 2
    return model.SerializeToString()


def _class_axes(graph: onnx.GraphProto, weights: Mapping[str, object]) -> dict[str, int]:
    """The constants that make the output, each with its axis of classes; empty where that is not clear."""
    makers = {name: node for node in graph.node for name in node.output}
    last, axes = makers[OUTPUT], {}
    if last.op_type == "Add":
        constant, product = sorted(last.input, key=lambda name: name not in weights)
        axes[constant], last = -1, makers.get(product, last)
    if last.op_type == "Gemm":
        transposed = any(attribute.name == "transB" and attribute.i for attribute in last.attribute)
        axes |= {last.input[1]: 0 if transposed else 1} | dict.fromkeys(last.input[2:], -1)
    elif last.op_type == "MatMul":
        axes[last.input[1]] = 1
    else:
        return {}
    return axes if axes.keys() <= weights.keys() else {}


def _onnx() -> ModuleType:
    onnx = onnx_package()
    for part in ("compose", "numpy_helper"):
        importlib.import_module(f"onnx.{part}")
    return onnx


def _must_be_one_to_one(part: onnx.ModelProto, number: int) -> None:
    inputs, outputs = ([value.name for value in values] for values in (part.graph.input, part.graph.output))
    if (inputs, outputs) != ([INPUT], [OUTPUT]):
        raise DataError(
            f"network {number} has the inputs {inputs} and the outputs {outputs}: must be ['{INPUT}'] and "
            f"['{OUTPUT}']: export the base anew"
        )


def _joined(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    io_map = [(first.graph.output[0].name, second.graph.input[0].name)]
    return _onnx().compose.merge_models(first, second, io_map=io_map)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a value of the graph; nothing else may have the name `new`."""
    for values in (graph.input, graph.output):
        for value in values:
            value.name = new if value.name == old else value.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]

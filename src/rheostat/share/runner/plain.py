"""Plain ONNX: a network that is all in its file, computes with ONNX's own operators, and ends.

It is what `rheostat package` writes (see `stem.onnx`), and all that is ever opened: a package may come from a stranger.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from rheostat.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import onnx

_ONNX_OWN = ("", "ai.onnx")  # two names of one domain of operators
_LONGEST = 60  # characters of a name in a message


def onnx_package() -> ModuleType:
    """The package `onnx`.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module("onnx")
    except ImportError:
        raise MissingExtraError("onnx is missing: pip install 'rheostat[edge]'") from None


def read_plain(content: bytes) -> onnx.ModelProto:
    """Read a network, and refuse what is more than plain ONNX.

    - All weights are in the file. Versions of onnxruntime differ in what they read for weights that are said to lie
      elsewhere, other files and even addresses in memory, and no hash covers those.
    - All operators are ONNX's own: none comes from a library.
    - There is no graph within the graph, and no function besides it: no loop, and so it ends.

    Raises:
        DataError: It is no ONNX file, or not a plain one.
        MissingExtraError: onnx is not installed.
    """
    onnx = onnx_package()
    broken = importlib.import_module("google.protobuf.message").DecodeError  # onnx has it with it
    try:
        model = onnx.load_model_from_string(content)
    except broken:
        raise DataError("a network is no ONNX file: export or make it anew") from None
    for problem in _beyond_plain(model):
        raise DataError(f"a network {problem}, which is not plain ONNX: export or make it anew")
    return model


def _beyond_plain(model: onnx.ModelProto) -> Iterator[str]:
    graph = model.graph
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    sparse = [*graph.sparse_initializer, *(one for a in attributes for one in (a.sparse_tensor, *a.sparse_tensors))]
    weights = [*graph.initializer, *(weight for one in sparse for weight in (one.values, one.indices))]
    weights += [weight for attribute in attributes for weight in (attribute.t, *attribute.tensors)]
    for weight in weights:
        if weight.data_location or weight.external_data:
            yield f"has weights outside of its file ({weight.name[:_LONGEST]!r})"
    for node in graph.node:
        if node.domain not in _ONNX_OWN:
            yield f"has an operator of another domain ({node.op_type[:_LONGEST]!r} of {node.domain[:_LONGEST]!r})"
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            yield f"has a graph within its graph ({node.op_type[:_LONGEST]!r})"
    if model.functions or model.training_info:
        yield "has functions besides its graph"

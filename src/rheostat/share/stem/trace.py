"""From a model to one graph of plain operations, in which nothing is changed in place.

`torch.export` gives the graph, with a batch size that is left open. What is done to it here: dropout goes (the model is
in evaluation mode), an operation that would overwrite its argument becomes the one that does not, and every mention of
the batch size becomes the size of the picture, so that a later cut can put the size of another tensor there.
"""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload
from torch.export import Dim, ExportedProgram

from rheostat.errors import SettingsError

_EXAMPLES = 2  # a batch of one would be taken for a size that never varies


@dataclass(frozen=True)
class Trace:
    """A model as one graph.

    Attributes:
        graph: One placeholder, the pictures; parameters and buffers by `get_attr`; one output. The value of a node for
            a batch of two is in `meta["val"]`, without content.
        states: Parameters and buffers by the names that `get_attr` uses.
        picture: The placeholder.
        result: What the output gives.
    """

    graph: fx.Graph
    states: dict[str, Tensor]
    picture: fx.Node
    result: fx.Node


def trace(model: nn.Module, shape: tuple[int, ...], name: str) -> Trace:
    """Trace a model in evaluation mode; the model itself stays as it is.

    Args:
        model: Pictures `[B, *shape]` float32 -> logits `[B, classes]`.
        shape: Of one picture.
        name: Of the model, for messages.

    Raises:
        SettingsError: `torch.export` does not take the model for a batch of any size, or it gives not one tensor.
    """
    own = copy.deepcopy(model).cpu().float().eval()
    try:
        with quiet():
            program = torch.export.export(
                own, (torch.zeros(_EXAMPLES, *shape),), dynamic_shapes=({0: Dim("batch")},), strict=False
            )
            found = _plain(program)
            if not _without_changes_in_place(found.graph):
                found = _plain(program.run_decompositions({}))
    except Exception as error:  # foreign: all that a model's own code may raise, and torch's many errors
        if isinstance(error, SettingsError):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingsError(
            f"torch.export cannot trace {name} for pictures of {list(shape)} ({reason}): choose another model or size"
        ) from error
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what torch's exporter says of torch's own code."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        yield


def holds_picture(graph: fx.Graph) -> set[fx.Node]:
    """The nodes whose values depend on more of the picture than the size of the batch."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        fed = any(given in found for given in node.all_input_nodes)
        if node.op == "placeholder" or (fed and not is_batch_size(node)):
            found.add(node)
    return found


def is_batch_size(node: fx.Node) -> bool:
    """Whether a node is the size of the batch, read from the picture."""
    return _is_size(node) and node.args[1:] == (0,) and node.all_input_nodes[0].op == "placeholder"


def _plain(program: ExportedProgram) -> Trace:
    """The program's graph with parameters and buffers as attributes, without dropout."""
    signature = program.graph_signature
    states = {**program.state_dict, **program.constants}
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    results: list[Any] = []
    for node in program.graph.nodes:
        if node.op == "output":
            results = list(node.args[0])
        elif node.op == "placeholder" and node.name in names:
            copies[node] = graph.create_node("get_attr", names[node.name], name=node.name)
            copies[node].meta = dict(node.meta)
        elif _is_dropout(node):
            copies[node] = copies[node.args[0]]
        else:
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    pictures = [node for node in graph.nodes if node.op == "placeholder"]
    if len(results) != 1 or len(pictures) != 1 or not isinstance(results[0], fx.Node):
        raise SettingsError(
            f"the model takes {len(pictures)} tensors and gives or changes {len(results)}: "
            "only a model that takes pictures, gives logits and stays as it is can be cut"
        )
    result = copies[results[0]]
    graph.output(result)
    _take_batch_size_from(pictures[0], graph)
    return Trace(graph, {name: states[name] for name in names.values()}, pictures[0], result)


def _is_dropout(node: fx.Node) -> bool:
    aten = torch.ops.aten
    dropouts = {aten.dropout.default, aten.dropout_.default, aten.feature_dropout.default, aten.alpha_dropout.default}
    return node.target in dropouts and node.args[2:] == (False,)


def _is_size(node: fx.Node) -> bool:
    return node.target is torch.ops.aten.sym_size.int


def _take_batch_size_from(picture: fx.Node, graph: fx.Graph) -> None:
    """Write every size that varies as a multiple of the batch size, and that as the size of the picture."""
    batch = picture.meta["val"].shape[0]
    sizes = [node for node in graph.nodes if _is_size(node) and isinstance(node.meta["val"], torch.SymInt)]
    if not isinstance(batch, torch.SymInt):
        raise SettingsError("the model only takes batches of one size")
    if not sizes:
        return
    with graph.inserting_after(picture):
        root = graph.call_function(torch.ops.aten.sym_size.int, (picture, 0))
        root.meta["val"] = batch
    for node in sizes:
        times = node.meta["val"].node.expr / batch.node.expr
        if not times.is_Integer:
            continue  # stays what it is, and its tensor crosses with it
        if times != 1:
            with graph.inserting_before(node):
                scaled = graph.call_function(operator.mul, (root, int(times)))
                scaled.meta["val"] = node.meta["val"]
        else:
            scaled = root
        node.replace_all_uses_with(scaled)
        graph.erase_node(node)


def _without_changes_in_place(graph: fx.Graph) -> bool:
    """Replace every operation that overwrites its argument by the one that does not; tell whether that could be done.

    It cannot where another view of the same memory is read afterwards, and would have seen the change.
    """
    place = {node: at for at, node in enumerate(graph.nodes)}
    owners: dict[fx.Node, fx.Node] = {}  # of a view, the tensor that owns its memory
    for node in graph.nodes:
        target, first = node.target, node.args[0] if node.args else None
        if not isinstance(first, fx.Node) or not (
            _gives_view(target) or (target is operator.getitem and first in owners)
        ):
            continue
        owners[node] = owner = owners.get(first, first)
        if not isinstance(target, OpOverload) or not target._schema.is_mutable:
            continue
        views = [owner, *(view for view, owned_by in owners.items() if owned_by is owner)]
        others = [view for view in views if view not in (first, node)]
        pure = _pure_form(target)
        if pure is None or owner.op == "get_attr":
            return False
        if any(place[user] > place[node] for view in others for user in view.users):
            return False
        node.target = pure
        first.replace_all_uses_with(node, lambda user, at=place[node]: place[user] > at)
    return True


def _gives_view(target: object) -> bool:
    return isinstance(target, OpOverload) and any(given.alias_info is not None for given in target._schema.returns)


def _pure_form(target: OpOverload) -> OpOverload | None:
    """`aten.relu` for `aten.relu_`."""
    packet = getattr(torch.ops.aten, target._schema.name.removeprefix("aten::").removesuffix("_"), None)
    if not target._schema.name.endswith("_") or packet is None:
        return None
    return getattr(packet, target._overloadname, None)

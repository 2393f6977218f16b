"""What is written computes what torch computes, in the same bytes every time, and tells nothing else."""

import hashlib
import subprocess
import sys

import onnx
import pytest
import torch
from torch import fx, nn

from rheostat.errors import SettingsError
from rheostat.share.stem import onnx as writer
from rheostat.share.stem import to_onnx
from rheostat.share.stem.onnx import each_to_onnx
from tests.share.stem.toys import SIDE, error, given, network, run, whole

TIGHT = 1e-5
PICTURE = (3, SIDE, SIDE)
IN_ANOTHER_PROCESS = """
import hashlib, torch
from rheostat.share.stem import to_onnx
from tests.share.stem.toys import network
torch.manual_seed(0)
print(hashlib.sha256(to_onnx(network().stem(3), (3, 16, 16))).hexdigest())
"""


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_known", {})


def test_layers_one_after_another_and_the_whole_give_what_torch_gives() -> None:
    found = network()
    layers = list(each_to_onnx(found.stem(6), PICTURE))
    entire = to_onnx(whole(found), PICTURE)
    for batch in (1, 3):
        x = torch.randn(batch, *PICTURE)
        flowing, in_torch = x, x
        for content, layer in zip(layers, found.layers, strict=True):
            flowing, in_torch = run(content, flowing), given(layer, in_torch)
            assert error(flowing, in_torch) < TIGHT
        assert error(flowing, run(entire, x)) < TIGHT


@pytest.mark.parametrize("frozen", [0, 3, 5])
def test_a_head_gives_what_torch_gives_with_the_numbers_it_has_learned(frozen: int) -> None:
    found = network()
    head = found.head(frozen, 2, generator=torch.Generator().manual_seed(0))
    x = torch.randn(3, *found.shape_at(frozen))
    fresh = to_onnx(head, found.shape_at(frozen))
    with torch.no_grad():
        for one in head.parameters():
            one.add_(torch.randn_like(one) / 5)
    learned = to_onnx(head, found.shape_at(frozen))
    assert error(run(learned, x), given(head, x)) < TIGHT
    assert error(run(fresh, x), run(learned, x)) > 1e-3


def test_the_same_layers_give_the_same_bytes_however_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = network()
    together = list(each_to_onnx(found.stem(6), PICTURE))
    assert list(each_to_onnx(found.stem(6), PICTURE)) == together
    for at in (0, 1, 4):
        monkeypatch.setattr(writer, "_known", {})
        assert to_onnx(found.layers[at], found.shape_at(at)) == together[at]


def test_another_process_gives_the_same_bytes() -> None:
    done = subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS], capture_output=True, text=True, check=True)
    torch.manual_seed(0)
    here = hashlib.sha256(to_onnx(network().stem(3), PICTURE)).hexdigest()
    assert done.stdout.split() == [here]


def test_layers_that_differ_in_their_numbers_alone_are_exported_once(
    nothing_known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, made = network(), []
    through_torch = writer._through_torch
    monkeypatch.setattr(writer, "_through_torch", lambda *given: made.append(1) or through_torch(*given))
    block = found.layers[1]
    first = to_onnx(block, (8, 8, 8))
    twin = network().layers[1]
    second = to_onnx(twin, (8, 8, 8))
    assert made == [1]
    assert first != second
    x = torch.randn(2, 8, 8, 8)
    assert error(run(second, x), given(twin, x)) < TIGHT
    assert error(run(to_onnx(block, (8, 6, 6)), x[:, :, :6, :6]), given(block, x[:, :, :6, :6])) < TIGHT
    assert made == [1, 1]  # of another size it is another network


def test_nothing_but_the_network_is_in_it() -> None:
    content = to_onnx(network().stem(3), PICTURE)
    found = onnx.load_model_from_string(content)
    onnx.checker.check_model(found, full_check=True)
    assert [(opset.domain, opset.version) for opset in found.opset_import] == [("", writer.OPSET)]
    assert not found.producer_name + found.producer_version + found.doc_string + found.domain
    assert not found.metadata_props
    assert not found.functions
    graph = found.graph
    shapes = [
        [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in (*graph.input, *graph.output)
    ]
    assert [one.name for one in (*graph.input, *graph.output)] == ["x", "y"]
    assert shapes == [["batch", *PICTURE], ["batch", 8, 4, 4]]
    parts = (*graph.node, *graph.initializer, *graph.input, *graph.output)
    assert not any(part.doc_string or part.metadata_props for part in parts)
    assert not graph.value_info
    for told in (b"torch", b"site-packages", b".py", b"/"):
        assert told not in b"".join(one.SerializeToString() for one in (*graph.node, *graph.input, *graph.output))


def test_the_graph_is_left_without_helpers() -> None:
    found = onnx.load_model_from_string(to_onnx(network().layers[1], (8, 8, 8)))
    kinds = [node.op_type for node in found.graph.node]
    assert kinds == ["Conv", "BatchNormalization", "Relu", "Conv", "BatchNormalization", "Add", "Relu"]


def test_what_is_no_layer_is_refused() -> None:
    for module in (nn.Sequential(nn.ReLU()), network().stem(0)):
        with pytest.raises(SettingsError, match="is no network of ours"):
            to_onnx(module, PICTURE)


def test_what_onnx_does_not_have_is_told(nothing_known: None) -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.call_function(torch.ops.aten.special_bessel_j0.default, (x,)))
    with pytest.raises(SettingsError, match="cannot be written as ONNX"):
        to_onnx(fx.GraphModule({}, graph), (3,))

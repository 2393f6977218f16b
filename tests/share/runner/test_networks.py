"""Chains of layers as one network, against the chain."""

import numpy as np
import onnx
import pytest

from rheostat.errors import DataError
from rheostat.share.base import Base
from rheostat.share.runner.networks import merged, two_classes
from tests.share.runner import toys


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1, 4), (0, toys.LAYERS)])
def test_one_network_gives_what_the_chain_gives(base: Base, start: int, end: int) -> None:
    contents = [base.content(layer) for layer in range(start, end)]
    channels = toys.BEFORE.get(start, toys.CHANNELS)
    value = np.random.default_rng(1).standard_normal((2, channels, toys.SIZE, toys.SIZE), dtype=np.float32)
    whole = merged(contents)
    np.testing.assert_allclose(toys.through([whole], value), toys.through(contents, value), atol=1e-5)
    graph = onnx.load_model_from_string(whole).graph
    assert ([v.name for v in graph.input], [v.name for v in graph.output]) == (["x"], ["y"])
    assert len(graph.node) == sum(len(onnx.load_model_from_string(content).graph.node) for content in contents)


def test_what_is_merged_can_be_merged_again_and_is_the_same_every_time(base: Base) -> None:
    layers = [base.content(layer) for layer in range(4)]
    value = np.random.default_rng(1).standard_normal((1, 3, toys.SIZE, toys.SIZE), dtype=np.float32)
    twice = merged([merged(layers[:2]), merged(layers[2:])])
    np.testing.assert_allclose(toys.through([twice], value), toys.through(layers, value), atol=1e-5)
    assert merged(layers) == merged(layers)


def test_one_layer_stays_as_it_is(base: Base) -> None:
    assert merged([base.content(2)]) == base.content(2)


def test_layers_that_do_not_fit_together_are_refused(base: Base) -> None:
    other = onnx.load_model_from_string(base.content(1))
    other.opset_import[0].version = 17
    with pytest.raises(DataError, match="do not fit together"):
        merged([base.content(0), other.SerializeToString()])
    other.graph.input[0].name = "picture"
    with pytest.raises(DataError, match=r"network 1 has the inputs \['picture'\].*must be \['x'\]"):
        merged([base.content(0), other.SerializeToString()])


def test_two_classes_are_the_first_two_of_all(base: Base) -> None:
    value = np.random.default_rng(2).standard_normal((3, toys.CHANNELS, toys.SIZE, toys.SIZE), dtype=np.float32)
    last = base.content(toys.LAYERS - 1)
    for content in (last, toys.with_bias(last), toys.as_gemm(transposed=True), toys.as_gemm(transposed=False)):
        expected = toys.through([content], value)
        assert expected.shape == (3, 10)
        np.testing.assert_allclose(toys.through([two_classes(content)], value), expected[:, :2], atol=1e-5)


def test_a_last_layer_that_is_no_product_stays_as_it_is(base: Base) -> None:
    assert two_classes(base.content(0)) == base.content(0)

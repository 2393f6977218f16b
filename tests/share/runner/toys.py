"""A base of a few small layers and packages for it, written without torch; and what they compute, by one network."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from rheostat.share.base import Base, BaseDocument, Layer, Preprocessing, base_hash, stem_hash, write_base
from rheostat.share.frames import Picture, prepared
from rheostat.share.package.document import Package, PackageDocument
from rheostat.share.plan import Plan, read_plan
from tests.share.workloads import app_plan, plan

LAYERS, SIZE, CHANNELS = 5, 8, 4
PREPROCESSING = Preprocessing(height=SIZE, width=SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
BEFORE = {0: 3}  # channels that a layer takes


def network(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, npt.NDArray[np.float32]],
    before: Sequence[int],
    after: Sequence[int],
    opset: int = 18,
) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *before])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", *after])
    held = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(list(nodes), "layer", [x], [y], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10).SerializeToString()


def convolution(layer: int, rng: np.random.Generator) -> bytes:
    before = BEFORE.get(layer, CHANNELS)
    weights = {
        "weight": rng.normal(0, 0.4, (CHANNELS, before, 3, 3)).astype(np.float32),
        "bias": rng.normal(0, 0.1, CHANNELS).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "weight", "bias"], ["sum"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["sum"], ["y"], name="relu"),
    ]
    return network(nodes, weights, [before, SIZE, SIZE], [CHANNELS, SIZE, SIZE])


def classifier(classes: int, rng: np.random.Generator, *, value: float | None = None) -> bytes:
    weights = {"weight": rng.normal(0, 1.0, (CHANNELS, classes)).astype(np.float32)}
    if value is not None:
        weights["weight"][:] = value
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "weight"], ["y"], name="classify"),
    ]
    return network(nodes, weights, [CHANNELS, SIZE, SIZE], [classes])


def with_bias(content: bytes) -> bytes:
    model = onnx.load_model_from_string(content)
    model.graph.node[-1].output[0] = "product"
    model.graph.node.append(helper.make_node("Add", ["product", "bias"], ["y"], name="add"))
    bias = np.arange(10, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(bias, "bias"))
    return model.SerializeToString()


def as_gemm(*, transposed: bool) -> bytes:
    rng = np.random.default_rng(5)
    shape = (10, CHANNELS) if transposed else (CHANNELS, 10)
    weights = {"weight": rng.normal(0, 1, shape).astype(np.float32), "bias": rng.normal(0, 1, 10).astype(np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"], name="classify", transB=int(transposed)),
    ]
    return network(nodes, weights, [CHANNELS, SIZE, SIZE], [10])


def layers(seed: int, classes: int = 10) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [*(convolution(layer, rng) for layer in range(LAYERS - 1)), classifier(classes, rng)]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_base(folder: Path, seed: int = 0) -> Base:
    folder.mkdir(parents=True, exist_ok=True)
    described = []
    for number, content in enumerate(layers(seed)):
        (folder / f"layer-{number:02}.onnx").write_bytes(content)
        output = (10,) if number == LAYERS - 1 else (CHANNELS, SIZE, SIZE)
        described.append(
            Layer(name=f"layer {number}", file=f"layer-{number:02}.onnx", sha256=sha256(content), output=output)
        )
    document = BaseDocument(
        schema=1,
        name="toy",
        hash=base_hash(PREPROCESSING, described),
        preprocessing=PREPROCESSING,
        layers=tuple(described),
        head=LAYERS - 1,
    )
    return write_base(folder, document)


def make_package(
    folder: Path, base: Base, name: str, seed: int, *, heads: dict[int, bytes] | None = None, classes: int = 2
) -> Package:
    """A package with a head at every branch point: its own layers from there on. The last class is the positive one."""
    from rheostat.share.runner.networks import merged

    folder.mkdir(parents=True, exist_ok=True)
    own, variants = layers(seed, classes), []
    for frozen in range(LAYERS):
        content = (heads or {}).get(frozen) or merged(own[frozen:])
        (folder / f"head-{frozen:02}.onnx").write_bytes(content)
        rates = {"hit": 0.9, "hit_interval": [0.8, 1.0], "false_positive": 0.1, "false_positive_interval": [0, 0.2]}
        held = {"frozen": frozen, "file": f"head-{frozen:02}.onnx", "sha256": sha256(content)}
        variants.append(held | rates | {"stem": stem_hash(base.document, frozen)})
    document = PackageDocument.model_validate(
        {
            "schema": 1,
            "name": name,
            "base": {"name": base.document.name, "hash": base.document.hash},
            "preprocessing": PREPROCESSING,
            "classes": [*(f"other-{number}" for number in range(classes - 1)), "event"],
            "positive": "event",
            "stream_fps": 10,
            "events": {
                "seconds": 2.0,
                "frequency": 0.2,
                "count": 3,
                "correlation": {"lag_seconds": [0.1, 1.0], "value": [0.8, 0.2]},
            },
            "held_out": {"frames": 100, "events": 3, "seconds": 10.0},
            "branch_points": variants,
        }
    )
    return Package(folder, document)


def make_plan(**apps: tuple[int, float]) -> Plan:
    """A plan of one app per keyword: its frozen layers and its rate."""
    return read_plan(plan(*(app_plan(name, frozen=frozen, fps=fps) for name, (frozen, fps) in apps.items())))


def picture(seed: int, height: int = SIZE, width: int = SIZE) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def through(contents: Sequence[bytes], value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One network after the other, each in a session with onnxruntime's own defaults."""
    for content in contents:
        (value,) = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(["y"], {"x": value})
    return value


def score(base: Base, package: Package, frozen: int, shown: Picture) -> float:
    """What an app should say of a picture."""
    contents = [*(base.content(layer) for layer in range(frozen)), package.content(frozen)]
    logits = through(contents, prepared(shown, base.document.preprocessing))[0].astype(float)
    return float(np.exp(logits[-1]) / np.exp(logits).sum())

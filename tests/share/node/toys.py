"""Apps that see a colour, on a base that passes pictures on as they are; and videos that show colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import helper

from rheostat.records import write_json
from rheostat.share.base import Base, BaseDocument, Layer, base_hash, stem_hash, write_base
from rheostat.share.clips import write_video
from rheostat.share.node.fleet import Fleet
from rheostat.share.node.settings import NodeSettings
from rheostat.share.package.document import PACKAGE_FILE, Package, read_package
from rheostat.share.plan import Plan
from tests.share.runner.toys import PREPROCESSING, SIZE, network, sha256

STREAM_FPS = 10.0
LAYER_COST = (2.0, 2.0, 1.0)
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "grey": (120, 120, 120)}
CHANNEL = {"red": 0, "green": 1, "blue": 2}


def pass_on() -> bytes:
    shape = [3, SIZE, SIZE]
    return network([helper.make_node("Identity", ["x"], ["y"], name="pass")], {}, shape, shape)


def sees(colour: str) -> bytes:
    """Probability near 1 where a picture is of the colour, near 0 where it is grey or of another."""
    weight = np.full((3, 2), [0.0, -1.5], dtype=np.float32)
    weight[CHANNEL[colour], 1] = 3.0
    weights = {"weight": weight, "bias": np.array([0.0, -3.0], dtype=np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "weight"], ["sum"], name="classify"),
        helper.make_node("Add", ["sum", "bias"], ["y"], name="shift"),
    ]
    return network(nodes, weights, [3, SIZE, SIZE], [2])


def colour_base(folder: Path, *, name: str = "colours", head: bytes | None = None) -> Base:
    """Two layers that pass on and one that classifies; another `head` gives another base."""
    folder.mkdir(parents=True)
    described = []
    for number, content in enumerate((pass_on(), pass_on(), head or sees("red"))):
        (folder / f"layer-{number:02}.onnx").write_bytes(content)
        output = (2,) if number == 2 else (3, SIZE, SIZE)
        described.append(
            Layer(name=f"layer {number}", file=f"layer-{number:02}.onnx", sha256=sha256(content), output=output)
        )
    document = BaseDocument(
        schema=1,
        name=name,
        hash=base_hash(PREPROCESSING, described),
        preprocessing=PREPROCESSING,
        layers=tuple(described),
        head=2,
    )
    return write_base(folder, document)


def colour_app(folder: Path, base: Base, colour: str, *, name: str | None = None) -> Package:
    """An app that sees one colour, with heads after one layer and after two."""
    from rheostat.share.runner.networks import merged

    variants = []
    folder.mkdir(parents=True, exist_ok=True)
    for frozen, content in ((1, merged([pass_on(), sees(colour)])), (2, sees(colour))):
        (folder / f"head-{frozen:02}.onnx").write_bytes(content)
        rates = {"hit": 0.9, "hit_interval": [0.8, 1.0], "false_positive": 0.0, "false_positive_interval": [0, 0.1]}
        held = {"frozen": frozen, "file": f"head-{frozen:02}.onnx", "sha256": sha256(content)}
        variants.append(held | rates | {"stem": stem_hash(base.document, frozen)})
    events = {"seconds": 1.0, "frequency": 0.2, "count": 3}
    write_json(
        folder / PACKAGE_FILE,
        {
            "schema": 1,
            "name": name or colour,
            "base": {"name": base.document.name, "hash": base.document.hash},
            "preprocessing": PREPROCESSING.model_dump(mode="json"),
            "classes": ["other", "event"],
            "positive": "event",
            "stream_fps": STREAM_FPS,
            "events": events | {"correlation": {"lag_seconds": [0.1], "value": [0.5]}},
            "held_out": {"frames": 100, "events": 3, "seconds": 10.0},
            "min_gap_seconds": 0.5,
            "branch_points": variants,
        },
    )
    return read_package(folder)


def colour_fleet(folder: Path, colours: Sequence[str], *, fps: Sequence[float] = (1, 2, 5, 10)) -> Fleet:
    base = colour_base(folder / "base")
    packages = {colour: colour_app(folder / colour, base, colour) for colour in colours}
    return Fleet(base, packages, LAYER_COST, 0.5, STREAM_FPS, tuple(fps))


def ample(fleet: Fleet) -> Plan:
    """A plan that looks as often as it likes."""
    return fleet.plan(1000.0)


def shows(*scenes: tuple[str, float]) -> npt.NDArray[np.uint8]:
    """The frames of a video that shows each colour for so many seconds."""
    frames = [COLOURS[colour] for colour, seconds in scenes for _ in range(round(seconds * STREAM_FPS))]
    return np.broadcast_to(np.array(frames, dtype=np.uint8)[:, None, None], (len(frames), 48, 64, 3))


def video_of(path: Path, *scenes: tuple[str, float]) -> Path:
    write_video(path, shows(*scenes), STREAM_FPS)
    return path


def settings_for(video: Path, folder: Path, **values: object) -> NodeSettings:
    return NodeSettings.checked({"source": str(video), "out": folder / "out", "cores": 1, **values})

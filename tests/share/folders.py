"""Folders of a base and of packages whose networks are placeholders: for all that only reads their descriptions."""

import hashlib
from pathlib import Path
from typing import Any

from rheostat.records import write_json
from rheostat.share.base import Base, BaseDocument, Layer, Preprocessing, base_hash, stem_hash, write_base
from rheostat.share.package.document import PACKAGE_FILE, Package, read_package
from rheostat.share.runner import profile
from rheostat.share.runner.profile import Profile

PREPROCESSING = Preprocessing(height=4, width=6, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))


def a_base(folder: Path, *, name: str = "toy", layers: int = 4, seed: str = "") -> Base:
    """A base of `layers` layers; another `seed` gives other layers, hence another hash."""
    folder.mkdir(parents=True, exist_ok=True)
    described = []
    for number in range(layers):
        content = f"layer {number} {seed}".encode()
        (folder / f"layer-{number:02}.onnx").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        described.append(Layer(name=f"block-{number}", file=f"layer-{number:02}.onnx", sha256=sha256, output=(2,)))
    found = BaseDocument(
        schema=1,
        name=name,
        hash=base_hash(PREPROCESSING, described),
        preprocessing=PREPROCESSING,
        layers=tuple(described),
        head=layers - 1,
    )
    return write_base(folder, found)


def measured(base: Base, processor: str | None = None) -> Profile:
    """What a measurement of the placeholder layers would have given here, or on another processor."""
    here, machine, version = profile._here()
    return Profile(
        schema=1,
        base=base.document.hash,
        processor=processor or here,
        machine=machine,
        onnxruntime=version,
        providers=("CPUExecutionProvider",),
        rounds=3,
        core_ms=(4.0, 3.0, 2.0, 1.0),
        before=(0, 4, 7, 9, 10),
        after=(10, 6, 3, 1, 0),
        spread=0.1,
        prepare_ms=0.5,
        prepare_small_ms=0.2,
    )


def a_variant(base: Base, frozen: int, **values: Any) -> dict[str, Any]:
    rates = {"hit": 0.9, "hit_interval": [0.7, 0.99], "false_positive": 0.1, "false_positive_interval": [0.02, 0.3]}
    content = hashlib.sha256(f"head {frozen}".encode()).hexdigest()
    stem = stem_hash(base.document, frozen)
    return {"frozen": frozen, "file": f"head-{frozen:02}.onnx", "sha256": content, "stem": stem, **rates, **values}


def package_values(base: Base, name: str = "vehicle", **values: Any) -> dict[str, Any]:
    document = base.document
    events = {
        "seconds": 4.0,
        "frequency": 0.25,
        "count": 3,
        "correlation": {"lag_seconds": [0.1, 1.0], "value": [0.8, 0.2]},
    }
    made = {
        "schema": 1,
        "name": name,
        "base": {"name": document.name, "hash": document.hash},
        "preprocessing": document.preprocessing.model_dump(mode="json"),
        "classes": ["background", name],
        "positive": name,
        "stream_fps": 12.5,
        "events": events,
        "held_out": {"frames": 100, "events": 2, "seconds": 8.0},
        "votes": [1, 2],
        "branch_points": [a_variant(base, frozen) for frozen in (1, 3)],
    }
    return made | values


def a_package(folder: Path, base: Base, name: str = "vehicle", **values: Any) -> Package:
    """A package at the branch points 1 and 3, unless `values` say otherwise."""
    write_json(folder / PACKAGE_FILE, package_values(base, name, **values))
    for frozen in (1, 3):
        (folder / f"head-{frozen:02}.onnx").write_bytes(f"head {frozen}".encode())
    return read_package(folder)

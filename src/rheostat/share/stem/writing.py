"""A network as the folder of a base (see `rheostat.share.base`), for nodes without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from rheostat.errors import StateError
from rheostat.records import write_bytes
from rheostat.share import base as on_disk
from rheostat.share.base import BASE_FILE, Base, BaseDocument, Layer, base_hash, read_base
from rheostat.share.stem.network import Network
from rheostat.share.stem.onnx import each_to_onnx

Progress = Callable[[float, str], None]
"""share of the work done, in [0, 1], and one line on how it goes."""


def write_base(network: Network, folder: Path | str, progress: Progress | None = None) -> Base:
    """Write the layers of a network as ONNX, and then the description that makes a base of them.

    A folder without that description is no base, so what was interrupted is simply done again.

    Args:
        network: The base.
        folder: Where to; it need not exist. If it holds this very base, that is written anew.
        progress: Called as the work goes on.

    Raises:
        StateError: The folder holds another base, which packages may have been made from.
        SettingsError: The network has an operation that ONNX does not have.
    """
    folder, tell = Path(folder), progress or _silent
    tell(0.0, f"writing {len(network.layers)} layers as ONNX")
    contents = list(each_to_onnx(network.stem(len(network.layers)), network.shape_at(0)))
    document = _document(network, contents)
    if (folder / BASE_FILE).exists() and read_base(folder).document.hash != document.hash:
        raise StateError(f"{folder} holds another base: name another folder, or remove it")
    for done, (layer, content) in enumerate(zip(document.layers, contents, strict=True)):
        write_bytes(folder / layer.file, content)
        tell((done + 1) / len(contents), f"{layer.file}: {layer.name}")
    return on_disk.write_base(folder, document)


def _document(network: Network, contents: list[bytes]) -> BaseDocument:
    layers = tuple(
        Layer(name=name, file=f"layer-{at:02d}.onnx", sha256=hashlib.sha256(content).hexdigest(), output=shape)
        for at, (name, shape, content) in enumerate(zip(network.names, network.shapes, contents, strict=True))
    )
    described = {
        "schema": on_disk.SCHEMA,
        "name": network.name,
        "hash": base_hash(network.preprocessing, layers),
        "preprocessing": network.preprocessing,
        "layers": layers,
        "head": network.head_start,
    }
    return BaseDocument.model_validate(described)


def _silent(share: float, line: str) -> None:
    del share, line

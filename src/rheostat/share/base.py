"""A base on the edge: the folder that its layers were exported to, read without torch.

::

    base.json            name, hash, preprocessing, the layers in order
    layer-00.onnx ...    one network each, from the tensor at one cut to the tensor at the next
    profile.json         what each layer costs on this node (see `runner.profile`), once it was measured

A layer here is what may not be cut further: the nodes between two neighbouring points where a single tensor crosses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field
from pydantic import model_validator as checked

from rheostat.records import write_json
from rheostat.share.checking import SCHEMA, AboveZero, CountAboveZero, Entry, Name, Share, read_document, refuse
from rheostat.share.files import FileName, checked_content, inside

BASE_FILE = "base.json"
LARGEST_SIDE = 4096  # pixels: beyond it a mistyped or malicious base would fill the memory before its first picture
Sha256 = Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")]
_Side = Annotated[CountAboveZero, Field(le=LARGEST_SIDE)]


class Preprocessing(Entry):
    """From a picture to what the base takes: squeezed to `height` x `width` pixels, then (pixel / 255 - mean) / std.

    Attributes:
        height, width: Of the base's input, in pixels, at most `LARGEST_SIDE`.
        mean, std: Per channel (red, green, blue), on the scale [0, 1].
    """

    height: _Side
    width: _Side
    mean: tuple[Share, Share, Share]
    std: tuple[AboveZero, AboveZero, AboveZero]


class Layer(Entry):
    """One layer.

    Attributes:
        name: Of the last node in it, for people.
        file: In the folder of the base.
        sha256: Of that file.
        output: Shape of what it gives for one picture, without the batch.
    """

    name: Name
    file: FileName
    sha256: Sha256
    output: tuple[CountAboveZero, ...]


class BaseDocument(Entry):
    """What `base.json` says.

    Attributes:
        hash: Of preprocessing and layers (see `base_hash`): two bases are the same if and only if it is.
        layers: From the input inwards; the last one gives the logits.
        head: Layers before the head, the part that every fine-tuning replaces.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    name: Name
    hash: Sha256
    preprocessing: Preprocessing
    layers: tuple[Layer, ...] = Field(min_length=2)
    head: CountAboveZero
    note: str = ""

    @checked(mode="after")
    def _agree(self) -> Self:
        lines = []
        if self.head >= len(self.layers):
            lines.append(f"head is {self.head}: must be below {len(self.layers)}, the number of layers")
        if self.hash != base_hash(self.preprocessing, self.layers):
            lines.append("hash is not that of the preprocessing and the layers: export the base anew")
        refuse(lines)
        return self


@dataclass(frozen=True)
class Base:
    """A base in its folder."""

    folder: Path
    document: BaseDocument

    @property
    def layers(self) -> tuple[Layer, ...]:
        """From the input inwards."""
        return self.document.layers

    def content(self, layer: int) -> bytes:
        """The network of one layer, as ONNX.

        Raises:
            StateError: The file is missing, or is not the one that the base was described with.
        """
        described = self.layers[layer]
        return checked_content(self.folder, described.file, described.sha256, "export the base anew")


def base_hash(preprocessing: Preprocessing, layers: Sequence[Layer]) -> str:
    """Hash of all that a base computes: the preprocessing and the content of every layer, in order."""
    told = [preprocessing.model_dump(mode="json"), [layer.sha256 for layer in layers]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def stem_hash(base: BaseDocument, frozen: int) -> str:
    """Hash of what the first `frozen` layers compute, the preprocessing included."""
    return base_hash(base.preprocessing, base.layers[:frozen])


def read_base(folder: Path | str) -> Base:
    """Read the description of a base; its layers are checked as they are loaded.

    Raises:
        SettingsError: The folder holds no base, or one that is described wrongly.
        StateError: The description is no plain file of the folder.
    """
    folder = Path(folder)
    return Base(folder, read_document(BaseDocument, inside(folder, BASE_FILE), "base"))


def write_base(folder: Path, document: BaseDocument) -> Base:
    """Write the description of a base whose layers are in `folder` already."""
    write_json(folder / BASE_FILE, document.model_dump(mode="json", by_alias=True))
    return Base(folder, document)

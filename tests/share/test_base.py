"""The folder of a base, as a node reads it."""

import json
from pathlib import Path

import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.share.base import BASE_FILE, base_hash, read_base, stem_hash
from tests.share.folders import PREPROCESSING, a_base


def test_a_base_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = a_base(tmp_path)
    read = read_base(tmp_path)
    assert read == written
    assert [read.content(at) for at in range(4)] == [f"layer {at} ".encode() for at in range(4)]


def test_the_hash_tells_bases_apart_by_what_they_compute(tmp_path: Path) -> None:
    one, other = a_base(tmp_path / "one").document, a_base(tmp_path / "other", seed="x").document
    renamed = a_base(tmp_path / "renamed", name="another").document
    squeezed = PREPROCESSING.model_copy(update={"height": 5})
    assert one.hash == renamed.hash
    assert len({one.hash, other.hash, base_hash(squeezed, one.layers), base_hash(PREPROCESSING, one.layers[::-1])}) == 4


def test_every_stem_has_a_hash_of_its_own(tmp_path: Path) -> None:
    document = a_base(tmp_path).document
    assert len({stem_hash(document, frozen) for frozen in range(5)}) == 5
    assert stem_hash(document, 4) == document.hash


def test_a_layer_that_was_changed_is_refused(tmp_path: Path) -> None:
    base = a_base(tmp_path)
    (tmp_path / "layer-02.onnx").write_bytes(b"another network")
    with pytest.raises(StateError, match=r"layer-02\.onnx has the hash \w{12} and should have \w{12}: export the base"):
        base.content(2)
    (tmp_path / "layer-02.onnx").unlink()
    with pytest.raises(StateError, match=r"layer-02\.onnx is missing: export the base anew"):
        base.content(2)


def test_a_description_that_was_changed_is_refused(tmp_path: Path) -> None:
    a_base(tmp_path)
    values = json.loads((tmp_path / BASE_FILE).read_text(encoding="utf-8"))
    for change, told in (
        ({"preprocessing": values["preprocessing"] | {"width": 7}}, "hash is not that of the preprocessing and the"),
        ({"head": 4}, "head is 4: must be below 4, the number of layers"),
        ({"schema": 2}, "schema is 2: this version reads schema 1"),
        ({"hash": "abc"}, r"hash is 'abc': must match \^\[0-9a-f\]\{64\}\$"),
    ):
        (tmp_path / BASE_FILE).write_text(json.dumps(values | change), encoding="utf-8")
        with pytest.raises(SettingsError, match=told):
            read_base(tmp_path)
    with pytest.raises(SettingsError, match="does not exist"):
        read_base(tmp_path / "nowhere")

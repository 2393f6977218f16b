"""The folder of a base: complete or no base at all."""

from pathlib import Path

import pytest
import torch

from rheostat.errors import SettingsError, StateError
from rheostat.share.base import read_base
from rheostat.share.stem import write_base, writing
from tests.share.stem.toys import PREPROCESSING, SIDE, error, given, network, run, whole


def test_a_base_on_disk_computes_what_the_network_does(tmp_path: Path) -> None:
    found = network()
    told: list[tuple[float, str]] = []
    write_base(found, tmp_path / "base", lambda share, line: told.append((share, line)))
    base = read_base(tmp_path / "base")
    assert base.document.preprocessing == PREPROCESSING
    assert (base.document.name, base.document.head) == ("toy", 5)
    assert [(layer.name, layer.output) for layer in base.layers] == list(zip(found.names, found.shapes, strict=True))
    x = torch.randn(2, 3, SIDE, SIDE)
    flowing = x
    for at in range(len(base.layers)):
        flowing = run(base.content(at), flowing)
    assert error(flowing, given(whole(found), x)) < 1e-5
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert told[-1][1] == "layer-05.onnx: 9.linear"


def test_what_was_interrupted_is_no_base_and_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, write = network(), writing.write_bytes

    def killed(path: Path, content: bytes) -> None:
        if path.name == "layer-03.onnx":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(writing, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        write_base(found, tmp_path)
    with pytest.raises(SettingsError, match="does not exist"):
        read_base(tmp_path)
    monkeypatch.undo()
    assert write_base(found, tmp_path).document.hash == write_base(found, tmp_path / "other").document.hash
    assert all(read_base(tmp_path).content(at) for at in range(6))


def test_another_base_is_not_written_over(tmp_path: Path) -> None:
    found = network()
    document = write_base(found, tmp_path).document
    (tmp_path / "layer-02.onnx").unlink()
    assert write_base(found, tmp_path).document == document  # the same one is repaired
    assert read_base(tmp_path).content(2)
    with pytest.raises(StateError, match="holds another base: name another folder"):
        write_base(network(), tmp_path)
    assert read_base(tmp_path).document == document

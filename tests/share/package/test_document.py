"""The folder of a package, as a node reads it."""

from pathlib import Path

import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.records import write_json
from rheostat.share.package.document import PACKAGE_FILE, PackageDocument, read_package
from tests.share.folders import a_base, a_package, a_variant, package_values


def test_a_package_is_read_as_it_was_written(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    package = a_package(tmp_path / "vehicle", base)
    assert package.document.model_dump(mode="json", by_alias=True) == {
        **PackageDocument.model_validate(package_values(base)).model_dump(mode="json", by_alias=True)
    }
    assert (package.name, package.positive) == ("vehicle", 1)
    assert package.content(3) == b"head 3"
    package.must_fit(base)


def test_a_package_of_another_base_is_refused_with_both_hashes(tmp_path: Path) -> None:
    base, other = a_base(tmp_path / "base"), a_base(tmp_path / "other", name="theirs", seed="x")
    package = a_package(tmp_path / "vehicle", base)
    with pytest.raises(StateError) as caught:
        package.must_fit(other)
    told = str(caught.value)
    assert base.document.hash[:12] in told
    assert other.document.hash[:12] in told
    assert "package 'vehicle' was trained on base 'toy'" in told
    assert "make the package anew" in told


@pytest.mark.parametrize(("frozen", "stem"), [(3, "0" * 64), (4, None), (9, None)])
def test_a_head_on_another_stem_is_refused(tmp_path: Path, frozen: int, stem: str | None) -> None:
    base = a_base(tmp_path / "base")
    variant = a_variant(base, min(frozen, 3)) | {"frozen": frozen} | ({"stem": stem} if stem else {})
    package = a_package(tmp_path / "vehicle", base, branch_points=[variant])
    with pytest.raises(StateError, match=f"the layers before branch point {frozen} are not those of base 'toy'"):
        package.must_fit(base)


def test_a_head_that_was_changed_or_is_not_there_is_refused(tmp_path: Path) -> None:
    package = a_package(tmp_path / "vehicle", a_base(tmp_path / "base"))
    (package.folder / "head-01.onnx").write_bytes(b"another network")
    with pytest.raises(StateError, match=r"head-01\.onnx has the hash .*: make the package anew"):
        package.content(1)
    with pytest.raises(StateError, match="package 'vehicle' has no branch point 2, only 1, 3: plan it anew"):
        package.content(2)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"positive": "car"}, "positive is 'car': must be one of the classes"),
        ({"threshold": 0.0}, "threshold is 0.0: must be above 0"),
        ({"classes": ["vehicle"]}, "classes has 1: must have at least 2 entries"),
        ({"branch_points": []}, "branch_points is empty: must have at least one entry"),
        ({"stream_fps": -1}, "stream_fps is -1: must be above 0"),
        ({"base": {"name": "toy", "hash": "abc"}}, "base: hash is 'abc': must match ^[0-9a-f]{64}$"),
        ({"votes": [2, 2]}, "votes has 2 twice: list each count once"),
        ({"votes": [1, 1001]}, "votes: entry 2 is 1001: must be at most 1000"),
    ],
)
def test_a_wrong_description_is_told_in_one_line(tmp_path: Path, values: dict, told: str) -> None:
    base = a_base(tmp_path / "base")
    write_json(tmp_path / "vehicle" / PACKAGE_FILE, package_values(base) | values)
    with pytest.raises(SettingsError) as caught:
        read_package(tmp_path / "vehicle")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_branch_points_must_rise(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    with pytest.raises(SettingsError, match="branch points out of order: frozen has 1 after 3"):
        a_package(tmp_path / "vehicle", base, branch_points=[a_variant(base, 3), a_variant(base, 1)])

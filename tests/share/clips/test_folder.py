"""A folder of pictures per class is listed and divided by order."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rheostat.errors import DataError
from rheostat.share.clips import numbers, read_folder, split_by_order


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shade, name in enumerate(names):
        Image.new("RGB", (6, 4), (shade, 0, 200)).save(folder / name)


def test_names_are_in_natural_order_and_classes_sorted(tmp_path: Path) -> None:
    fill(tmp_path / "train", "10.png", "2.png", "1.png", "\N{SUPERSCRIPT TWO}1.png")
    fill(tmp_path / "bus", "b.PNG", "a1.png", ".hidden.png")
    (tmp_path / "bus" / "notes.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    folder = read_folder(tmp_path)
    assert folder.classes == ("bus", "train")
    assert [file.name for file in folder.files] == [
        "a1.png",
        "b.PNG",
        "\N{SUPERSCRIPT TWO}1.png",
        "1.png",
        "2.png",
        "10.png",
    ]
    assert folder.labels.tolist() == [0, 0, 1, 1, 1, 1]


def test_a_picture_is_rgb_and_upright(tmp_path: Path) -> None:
    fill(tmp_path / "a", "1.png")
    (tmp_path / "b").mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    Image.new("L", (6, 4), 77).save(tmp_path / "b" / "1.png", exif=turned)
    folder = read_folder(tmp_path)
    assert np.array_equal(folder.picture(0), np.full((4, 6, 3), (0, 0, 200), dtype=np.uint8))
    assert np.array_equal(folder.picture(1), np.full((6, 4, 3), 77, dtype=np.uint8))


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "a", "1.png")
    fill(tmp_path / "b", "1.png")
    (tmp_path / "b" / "1.png").write_bytes(b"none")
    with pytest.raises(DataError, match=r"b.1.png cannot be read as a picture"):
        read_folder(tmp_path).picture(1)


def test_a_picture_that_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "a", "1.png")
    fill(tmp_path / "b", "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(DataError, match=r"a.1.png cannot be read as a picture: Image size \(24 pixels\) exceeds"):
        read_folder(tmp_path).picture(0)


def test_every_class_is_divided_by_its_order(tmp_path: Path) -> None:
    fill(tmp_path / "a", *(f"{n}.png" for n in range(10)))
    fill(tmp_path / "b", *(f"{n}.png" for n in range(20)))
    split = split_by_order(read_folder(tmp_path), shares=(0.5, 0.2, 0.3))
    assert numbers(split.train).tolist() == [*range(5), *range(10, 20)]
    assert numbers(split.validation).tolist() == [5, 6, *range(20, 24)]
    assert numbers(split.held_out).tolist() == [7, 8, 9, *range(24, 30)]
    assert split.apart


def test_pictures_of_one_event_stay_together(tmp_path: Path) -> None:
    for event, size in (("e1", 4), ("e2", 5), ("e10", 6)):
        fill(tmp_path / "a" / event, *(f"{n}.png" for n in range(size)))
    fill(tmp_path / "b", *(f"{n}.png" for n in range(10)))
    split = split_by_order(read_folder(tmp_path))
    assert {n for n in numbers(split.held_out).tolist() if n < 15} == set(range(9, 15))  # the whole of e10
    assert {n for n in numbers((*split.train, *split.validation)).tolist() if n < 15} == set(range(9))
    assert not split.apart


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ([], "has 0 sub-folders: it takes at least two"),
        (["a"], "has 1 sub-folders"),
        (["a", "empty"], "empty holds no picture: known are .bmp"),
    ],
)
def test_a_folder_that_is_no_data_is_told(tmp_path: Path, classes: list[str], told: str) -> None:
    for name in classes:
        fill(tmp_path / name, *(["1.png", "2.png"] if name != "empty" else []))
    with pytest.raises(DataError, match=told):
        read_folder(tmp_path)


def test_a_missing_folder_and_a_single_event_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder: give one with a sub-folder of pictures per class"):
        read_folder(tmp_path / "none")
    fill(tmp_path / "a", "1.png", "2.png")
    fill(tmp_path / "b" / "only", "1.png", "2.png")
    with pytest.raises(DataError, match="b has 1 event of 2 pictures: it takes at least 2"):
        split_by_order(read_folder(tmp_path))

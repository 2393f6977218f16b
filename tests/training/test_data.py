"""Data of the hub's form: what is written is what arrives, in step with its label and its index.

Every image carries its own number in its first pixel, so that an image that changed places is noticed.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from datasets import ClassLabel, Features, Value
from PIL import Image
from torch import Tensor

from rheostat.errors import DataError, SettingsError
from rheostat.training import ImageData, ImageLoader, evaluate, load_data
from rheostat.training.data import Images, ResidentImages, StreamedImages
from rheostat.training.decoding import Decode, UndecodableError
from tests.select.toys import global_randomness_untouched

HEIGHT, WIDTH = 4, 5
TRAIN, TEST = 23, 8
LABELS = {"train": [at * 7 % 3 for at in range(TRAIN)], "test": [at * 5 % 3 for at in range(TEST)]}
PETS = ["cat", "dog", "newt"]


@pytest.fixture(autouse=True)
def cache_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` keeps what it has parsed; here it keeps it with the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def picture(split: str, at: int, *, colour: bool = False, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Noise of the image's own, with its number in its first pixel."""
    generator = np.random.default_rng([at, split == "train"])
    pixels = generator.integers(0, 256, (*size, 3) if colour else size, dtype=np.uint8)
    pixels[0, 0] = at
    return pixels


def encoded(pixels: np.ndarray) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def pictures(split: str, **form: Any) -> list[dict[str, Any]]:
    return [encoded(picture(split, at, **form)) for at in range(len(LABELS[split]))]


def write_parquet(folder: Path, split: str, columns: Mapping[str, Sequence[Any]], **kinds: Any) -> None:
    """One file as the hub has them; `kinds` are the features of the columns."""
    folder.mkdir(exist_ok=True)
    rows = datasets.Dataset.from_dict(dict(columns), Features(kinds))
    rows.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def write_pets(folder: Path, *, colour: bool = False, **columns: Sequence[Any]) -> str:
    """Both splits, with `columns` in place of those of the training split."""
    for split, labels in LABELS.items():
        standard = {"image": pictures(split, colour=colour), "label": labels}
        changed = standard | columns if split == "train" else standard
        write_parquet(folder, split, changed, image=datasets.Image(), label=ClassLabel(names=PETS))
    return str(folder)


def write_image_folder(folder: Path, splits: Sequence[str]) -> str:
    """One folder of images per class; "" is the folder itself, without splits."""
    for split in splits:
        key = "test" if split == "test" else "train"
        for at, label in enumerate(LABELS[key]):
            home = folder / split / PETS[label]
            home.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(key, at)).save(home / f"{at:03}.png")
    return str(folder)


def as_tensor(pixels: np.ndarray) -> Tensor:
    """`[H, W]` or `[H, W, C]` -> `[C, H, W]`."""
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())


def written(split: str, **form: Any) -> Tensor:
    return torch.stack([as_tensor(picture(split, at, **form)) for at in range(len(LABELS[split]))])


def pixels_of(images: Images, order: Tensor | None = None) -> Tensor:
    """All pixels along `order`, after a check that the index that comes with them is that order."""
    order = torch.arange(len(images.labels)) if order is None else order
    index, pixels = zip(*images.batches(order, 4), strict=True)
    assert torch.cat(index).tolist() == order.tolist()
    assert all(len(batch) == 4 for batch in pixels[:-1])
    return torch.cat(pixels)


def as_loaded(images: Images) -> dict[int, tuple[bytes, int]]:
    """Number in the first pixel -> the pixels and the label, whatever the order of the rows."""
    pairs = zip(pixels_of(images), images.labels.tolist(), strict=True)
    return {int(pixels[0, 0, 0]): (pixels.numpy().tobytes(), label) for pixels, label in pairs}


def as_written(split: str) -> dict[int, tuple[bytes, int]]:
    return {at: (picture(split, at).tobytes(), label) for at, label in enumerate(LABELS[split])}


def refusal(source: Any, **options: Any) -> str:
    """The message of the DataError; one line, as all messages to a user are."""
    with pytest.raises(DataError) as caught:
        load_data(str(source), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the forms that data come in


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize(
    ("image", "label", "kind", "classes"),
    [
        ("image", "label", ClassLabel(names=PETS), PETS),  # mnist
        ("img", "label", Value("int64"), ["0", "1", "2"]),
        ("img", "labels", Value("string"), PETS),
        ("picture", "species", ClassLabel(names=PETS), PETS),  # found by their kind
    ],
)
def test_a_parquet_folder_arrives_as_it_was_written(
    tmp_path: Path, image: str, label: str, kind: Any, classes: list[str], *, colour: bool
) -> None:
    for split, labels in LABELS.items():
        values = [PETS[at] for at in labels] if kind == Value("string") else labels
        columns = {"number": range(len(labels)), label: values, image: pictures(split, colour=colour)}
        kinds = {"number": Value("int64"), label: kind, image: datasets.Image()}
        write_parquet(tmp_path / "pets", split, columns, **kinds)
    data = load_data(str(tmp_path / "pets"))

    for split, images in (("train", data.train), ("test", data.test)):
        assert torch.equal(pixels_of(images), written(split, colour=colour))
        assert images.labels.tolist() == LABELS[split]
    assert (data.classes, data.channels, data.image_size) == (tuple(classes), 3 if colour else 1, HEIGHT)
    assert data.note == ""


def test_images_stay_in_step_with_their_labels_when_there_are_more_than_are_read_at_a_time(tmp_path: Path) -> None:
    numbers = [at % 199 for at in range(1203)]
    few = [encoded(picture("train", at)) for at in range(199)]
    folder = write_pets(tmp_path / "pets", image=[few[at] for at in numbers], label=[at % 3 for at in numbers])
    images = load_data(folder).train
    assert pixels_of(images)[:, 0, 0, 0].tolist() == numbers
    assert images.labels.tolist() == [at % 3 for at in numbers]


def test_images_without_the_hubs_metadata_are_taken_by_the_name_of_their_column(tmp_path: Path) -> None:
    for split, labels in LABELS.items():
        table = pyarrow.table({"image": pictures(split), "label": labels})
        pyarrow.parquet.write_table(table, tmp_path / f"{split}.parquet")
    assert as_loaded(load_data(str(tmp_path)).train) == as_written("train")


def test_of_fine_and_coarse_labels_the_fine_ones_are_taken_unless_told_otherwise(tmp_path: Path) -> None:
    for split, labels in LABELS.items():  # cifar100
        columns = {"img": pictures(split), "coarse_label": [at // 2 for at in labels], "fine_label": labels}
        coarse, fine = ClassLabel(names=["furry", "wet"]), ClassLabel(names=PETS)
        write_parquet(tmp_path / "pets", split, columns, img=datasets.Image(), coarse_label=coarse, fine_label=fine)

    fine_data = load_data(str(tmp_path / "pets"))
    assert (fine_data.classes, fine_data.train.labels.tolist()) == (tuple(PETS), LABELS["train"])
    coarse_data = load_data(str(tmp_path / "pets"), label_column="coarse_label")
    assert coarse_data.classes == ("furry", "wet")
    assert coarse_data.train.labels.tolist() == [at // 2 for at in LABELS["train"]]


def test_a_folder_per_class_and_split_arrives_as_it_was_written(tmp_path: Path) -> None:
    data = load_data(write_image_folder(tmp_path / "pets", ["train", "test"]))
    assert (data.classes, data.note) == (tuple(PETS), "")
    assert as_loaded(data.train) == as_written("train")
    assert as_loaded(data.test) == as_written("test")


def test_a_validation_split_is_tested_on_and_that_is_noted(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    write_pets(folder)
    (folder / "test-00000-of-00001.parquet").rename(folder / "validation-00000-of-00001.parquet")
    data = load_data(str(folder))
    assert as_loaded(data.test) == as_written("test")
    assert "validation" in data.note


def test_without_a_test_split_a_fixed_tenth_is_held_out_and_that_is_noted(tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "pets", [""])
    data, again = load_data(folder), load_data(folder)
    train, held_out = as_loaded(data.train), as_loaded(data.test)
    assert len(held_out) == 3, "a tenth of 23, rounded up"
    assert train | held_out == as_written("train")
    assert len(train) + len(held_out) == TRAIN, "no image is in both"
    assert as_loaded(again.test) == held_out
    assert "held out" in data.note


def test_a_hub_name_is_handed_to_the_hub_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = datasets.load_dataset(write_pets(tmp_path / "pets"))
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda name: asked.append(name) or found)
    assert as_loaded(load_data("zoo/pets").train) == as_written("train")
    assert asked == ["zoo/pets"]


# --- sizes


def test_an_image_size_resizes_bilinearly_as_pillow_does(tmp_path: Path) -> None:
    data = load_data(write_pets(tmp_path / "pets", colour=True), image_size=7)
    originals = [Image.fromarray(picture("train", at, colour=True)) for at in range(TRAIN)]
    expected = [as_tensor(np.array(image.resize((7, 7), Image.Resampling.BILINEAR))) for image in originals]
    assert torch.equal(pixels_of(data.train), torch.stack(expected))
    assert data.image_size == 7


def test_images_of_other_sizes_are_refused_with_both_sizes_unless_they_are_resized(tmp_path: Path) -> None:
    images = pictures("train")
    images[20] = encoded(picture("train", 20, size=(6, 9)))
    folder = write_pets(tmp_path / "pets", image=images)
    message = refusal(folder)
    for part in ("image 20", "9x6", "5x4", "--image-size 4"):
        assert part in message
    assert pixels_of(load_data(folder, image_size=4).train).shape == (TRAIN, 1, 4, 4)


def test_the_first_image_decides_between_grey_and_colour(tmp_path: Path) -> None:
    images = pictures("train")
    images[3] = encoded(picture("train", 3, colour=True))
    data = load_data(write_pets(tmp_path / "pets", image=images))
    luminance = Image.fromarray(picture("train", 3, colour=True)).convert("L")
    assert torch.equal(pixels_of(data.train)[3, 0], torch.from_numpy(np.array(luminance)))


# --- what is refused


@pytest.mark.parametrize("name", ["/nowhere/pets", "./pets", "~/no such pets", "a/b/pets"])
def test_a_path_that_does_not_exist_is_not_looked_for_on_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", lambda _: pytest.fail("the hub was asked"))
    assert refusal(name).startswith(f"data path {name} does not exist")


def test_a_hub_name_that_cannot_be_had_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: str) -> None:
        raise ConnectionError("no route to the hub\nand a second line")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    message = refusal("zoo/pets")
    for part in ("zoo/pets", "from the hub", "no local path", "no route to the hub"):
        assert part in message


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("to be filled")
    message = refusal(tmp_path)
    assert "cannot be loaded as images or parquet files" in message
    assert message.endswith("; one of images has train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png alone")


@pytest.mark.parametrize(
    ("columns", "said"),
    [(None, "corrupted"), ({"photo": [1, 2], "label": [0, 1]}, "its files differ in their columns, .*photo.*image")],
    ids=["damaged", "other columns"],
)
def test_a_file_that_does_not_go_with_the_first_is_told(
    tmp_path: Path, columns: dict[str, list[int]] | None, said: str
) -> None:
    write_pets(tmp_path / "pets")
    second = tmp_path / "pets" / "train-00001-of-00002.parquet"
    if columns is None:
        second.write_bytes(b"PAR1 and nothing of the kind")
    else:
        datasets.Dataset.from_dict(columns).to_parquet(second)
    assert re.search(f"cannot be loaded as images or parquet files: .*{said}", refusal(tmp_path / "pets"))


def test_data_without_a_training_split_are_refused_with_the_splits_they_have(tmp_path: Path) -> None:
    write_pets(tmp_path / "pets")
    (tmp_path / "pets" / "train-00000-of-00001.parquet").unlink()
    message = refusal(tmp_path / "pets")
    assert "the splits test and needs one called 'train'" in message


@pytest.mark.parametrize(
    ("kinds", "options", "parts"),
    [
        ({"scan": Value("int64"), "label": Value("int64")}, {}, ["no image column", "scan, label"]),
        ({"image": Value("int64"), "label": Value("int64")}, {}, ["'image' holds no images"]),
        ({"image": datasets.Image(), "age": Value("int64")}, {}, ["no label column", "image, age", "--label-column"]),
        (
            {"image": datasets.Image(), "label": Value("int64")},
            {"label_column": "labbel"},
            ["no column 'labbel'", "image, label", "--label-column"],
        ),
        ({"image": datasets.Image(), "label": Value("float32")}, {}, ["'label' holds", "float32", "integer"]),
    ],
)
def test_a_column_that_is_missing_or_of_another_kind_is_told(
    tmp_path: Path, kinds: dict[str, Any], options: dict[str, Any], parts: list[str]
) -> None:
    for split, labels in LABELS.items():
        columns = {
            name: pictures(split) if isinstance(kind, datasets.Image) else labels for name, kind in kinds.items()
        }
        write_parquet(tmp_path / "pets", split, columns, **kinds)
    message = refusal(tmp_path / "pets", **options)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("kind", "row", "value", "told"),
    [
        (ClassLabel(names=PETS), 5, -1, "-1"),  # how the hub marks a split without labels
        (ClassLabel(names=PETS), 6, None, "None"),
        (Value("int64"), 4, -2, "-2"),
        (Value("string"), 0, None, "None"),
    ],
)
def test_a_label_outside_the_classes_is_refused_with_its_row(
    tmp_path: Path, kind: Any, row: int, value: Any, told: str
) -> None:
    for split, labels in LABELS.items():
        values: list[Any] = [PETS[at] for at in labels] if kind == Value("string") else list(labels)
        if split == "train":
            values[row] = value
        columns = {"image": pictures(split), "label": values}
        write_parquet(tmp_path / "pets", split, columns, image=datasets.Image(), label=kind)
    message = refusal(tmp_path / "pets")
    assert f"label {told} of row {row} is outside the 3 classes [0, 2]" in message


def test_a_class_that_only_the_test_split_has_is_refused_with_its_row(tmp_path: Path) -> None:
    for split, labels in LABELS.items():
        names = [PETS[at] for at in labels]
        if split == "test":
            names[2] = "owl"
        columns = {"image": pictures(split), "label": names}
        write_parquet(tmp_path / "pets", split, columns, image=datasets.Image(), label=Value("string"))
    assert "label 'owl' of row 2 is outside the 3 classes" in refusal(tmp_path / "pets")


def test_classes_of_folders_that_only_the_test_split_has_are_noted(tmp_path: Path) -> None:
    folder = Path(write_image_folder(tmp_path / "pets", ["train", "test"]))
    (folder / "test" / PETS[0]).rename(folder / "test" / "owls")
    data = load_data(str(folder))
    assert data.note == "only the test split has examples of owls"


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    for split, labels in LABELS.items():
        columns = {"image": pictures(split), "label": ["cat"] * len(labels)}
        write_parquet(tmp_path / "pets", split, columns, image=datasets.Image(), label=Value("string"))
    assert "column 'label' has 1 class: at least 2" in refusal(tmp_path / "pets")


def indices_of(data: ImageData, split: str) -> list[int]:
    batches = loader(data, split, among=lambda: data.in_use(split)).indexed()
    return sorted(at for index, _ in batches for at in index.tolist())


def test_what_is_no_image_is_told_by_its_row_and_not_by_the_memory_that_it_lies_in() -> None:
    decode = Decode("image", channels=3, height=8, width=8, resize=False)

    with pytest.raises(
        UndecodableError, match=r"image 5 cannot be decoded \(cannot identify image file\): replace the"
    ):
        decode({"bytes": b"no image", "path": None}, 5)


@pytest.mark.parametrize(("memory_limit", "workers"), [(4.0, 0), (0.0, 0), (0.0, 1)], ids=["held", "here", "worker"])
def test_a_damaged_image_is_named_and_left_out_and_the_others_keep_their_place(
    tmp_path: Path, memory_limit: float, workers: int
) -> None:
    whole = load_data(write_pets(tmp_path / "whole"))
    images: list[Any] = pictures("train")
    images[11] = {"bytes": images[11]["bytes"][:50], "path": None}
    images[7] = None
    data = load_data(write_pets(tmp_path / "pets", image=images), memory_limit=memory_limit, workers=workers)
    assert indices_of(data, "train") == [at for at in range(TRAIN) if at not in (7, 11)]
    said = {one.index: (one.split, one.reason) for one in data.skipped}
    assert set(said) == {7, 11}
    assert said[7] == ("train", "image 7 is missing: add it or remove the row")
    assert said[11][1].startswith("image 11 cannot be decoded (image file is truncated")
    assert data.in_use("train").tolist() == indices_of(data, "train")
    assert len(data.in_use("test")) == TEST
    (_, pixels), (_, expected) = (next(one.train.batches(torch.tensor([12, 3]), 2)) for one in (data, whole))
    assert torch.equal(pixels, expected)
    list(loader(data, "train").indexed())
    assert len(data.skipped) == 2  # streamed: met again, told once


def test_damaged_images_do_not_move_the_mean(tmp_path: Path) -> None:
    images: list[Any] = pictures("train")
    images[11] = {"bytes": b"no image at all", "path": None}
    data = load_data(write_pets(tmp_path / "pets", image=images))
    pixels = np.stack([picture("train", at) for at in range(TRAIN) if at != 11]) / 255
    assert data.mean == pytest.approx([pixels.mean()], rel=1e-12)


def test_a_damaged_file_is_named_by_its_path(tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "pets", ["train", "test"])
    broken = next((tmp_path / "pets" / "test" / "newt").iterdir())
    broken.write_bytes(broken.read_bytes()[:50])
    data = load_data(folder)
    (skipped,) = data.skipped
    assert skipped.split == "test"
    assert str(broken) in skipped.reason
    assert len(indices_of(data, "test")) == len(data.test.labels) - 1


def test_an_error_is_that_of_the_images_that_could_be_looked_at(tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "pets", ["train", "test"])
    for broken in sorted((tmp_path / "pets" / "test").rglob("*.png"))[:3]:
        broken.write_bytes(b"no image at all")
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(3))
    found = []
    for limit in (4.0, 0.0):
        data = load_data(folder, memory_limit=limit, workers=0)
        tested = loader(data, "test", among=lambda data=data: data.in_use("test"), shuffle=False)
        found.append(evaluate(model, tested))
        assert len(tested) == TEST - 3  # the streamed ones know it by now
    assert found[0].error == found[1].error
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-6)  # batches are cut elsewhere
    for broken in (tmp_path / "pets" / "test").rglob("*.png"):
        broken.write_bytes(b"no image at all")
    with pytest.raises(DataError, match="no image to evaluate on"):
        evaluate(model, loader(load_data(folder, memory_limit=0.0, workers=0), "test"))


def test_data_without_an_image_that_can_be_decoded_are_refused(tmp_path: Path) -> None:
    broken = [{"bytes": b"no image at all", "path": None}] * TRAIN
    assert f"none of the {TRAIN} images can be used, e.g. image 0" in refusal(write_pets(tmp_path / "a", image=broken))


# --- whose images they are


def test_the_fingerprint_is_of_the_images_and_not_of_their_labels_or_size(tmp_path: Path) -> None:
    data = load_data(write_pets(tmp_path / "a"))
    others = pictures("train")
    others[5] = others[6]
    assert load_data(write_pets(tmp_path / "b"), image_size=9).fingerprint == data.fingerprint
    assert load_data(write_pets(tmp_path / "c", image=others)).fingerprint != data.fingerprint
    labels = (data.train.labels + 1) % 3
    assert data.relabelled(labels, torch.zeros(TRAIN, dtype=torch.bool)).fingerprint == data.fingerprint
    digits = load_data("sklearn-digits")
    assert digits.fingerprint == load_data("sklearn-digits").fingerprint != data.fingerprint


def test_relabelled_images_have_the_labels_given_and_leave_out_what_is_removed(tmp_path: Path) -> None:
    data = load_data(write_pets(tmp_path / "pets"))
    labels = (data.train.labels + 1) % 3
    removed = torch.arange(TRAIN) < 4
    corrected = data.relabelled(labels, removed)
    assert corrected.note == f"training examples: {TRAIN} with another label, 4 left out"
    assert data.relabelled(data.train.labels, removed & False).note == ""
    assert indices_of(corrected, "train") == list(range(4, TRAIN))
    for index, (_, given) in loader(corrected, among=lambda: corrected.in_use("train")).indexed():
        assert torch.equal(given, labels[index])


def test_the_files_of_the_images_are_at_hand(tmp_path: Path) -> None:
    data = load_data(write_pets(tmp_path / "pets"))
    assert data.files is not None
    assert len(data.files) == TRAIN
    assert [data.files.content(at) for at in range(TRAIN)] == [image["bytes"] for image in pictures("train")]
    folder = load_data(write_image_folder(tmp_path / "folder", ["train", "test"]))
    assert folder.files is not None
    name = folder.files.name(0)
    assert name is not None
    assert Path(name).read_bytes() == folder.files.content(0)


# --- held or streamed


def test_images_are_held_just_as_long_as_they_fit_the_memory_limit(tmp_path: Path) -> None:
    folder = write_pets(tmp_path / "pets", colour=True)
    gigabytes = (TRAIN + TEST) * HEIGHT * WIDTH * 3 / 1e9
    assert isinstance(load_data(folder, memory_limit=gigabytes, workers=0).train, ResidentImages)
    assert isinstance(load_data(folder, memory_limit=0.999 * gigabytes, workers=0).train, StreamedImages)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")  # on a machine with one core
@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_images_come_in_the_same_batches_as_held_ones(tmp_path: Path, workers: int) -> None:
    folder = write_pets(tmp_path / "pets")
    held, streamed = load_data(folder), load_data(folder, memory_limit=0, workers=workers)
    assert isinstance(held.train, ResidentImages)
    assert isinstance(streamed.train, StreamedImages)
    assert streamed.mean == held.mean
    assert streamed.std == held.std
    for split in ("train", "test"):
        loaders = [loader(data, split, augmentations=("crop", "flip", "cutout")) for data in (held, streamed)]
        epochs = [[list(one.indexed()) for one in loaders] for _ in range(2)]
        for from_held, from_streamed in epochs:
            assert_same_batches(from_held, from_streamed)


# --- statistics


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_mean_and_deviation_are_those_of_the_training_pixels_per_channel(tmp_path: Path, *, colour: bool) -> None:
    data = load_data(write_pets(tmp_path / "pets", colour=colour))
    pixels = np.stack([picture("train", at, colour=colour) for at in range(TRAIN)]) / 255
    assert data.mean == pytest.approx(np.atleast_1d(pixels.mean(axis=(0, 1, 2))), rel=1e-12)
    assert data.std == pytest.approx(np.atleast_1d(pixels.std(axis=(0, 1, 2))), rel=1e-12)


def test_a_channel_that_never_varies_is_centred_and_not_scaled(tmp_path: Path) -> None:
    constant = [encoded(np.full((HEIGHT, WIDTH), 51, dtype=np.uint8))] * TRAIN
    data = load_data(write_pets(tmp_path / "pets", image=constant))
    assert (data.mean, data.std) == (pytest.approx([0.2]), (1.0,))
    images, _ = next(iter(loader(data)))
    assert images.abs().max() < 1e-6


# --- epochs


def held(count: int = 10) -> ImageData:
    """Numbered noise in memory, three channels."""
    generator = torch.Generator().manual_seed(8)
    pixels = torch.randint(0, 256, (count, 3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(count, dtype=torch.uint8)
    images = ResidentImages(pixels, torch.arange(count) % 3)
    return ImageData("noise", images, images, ("0", "1", "2"), 3, HEIGHT, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))


def loader(data: ImageData, split: str = "train", **options: Any) -> ImageLoader:
    return ImageLoader(getattr(data, split), data, **({"batch_size": 4} | options))


def assert_same_batches(some: list[Any], others: list[Any]) -> None:
    for (index, (images, labels)), (other_index, (other_images, other_labels)) in zip(some, others, strict=True):
        assert torch.equal(index, other_index)
        assert torch.equal(images, other_images)
        assert torch.equal(labels, other_labels)


def order_of(batches: Iterator[tuple[Tensor, Any]]) -> list[int]:
    return torch.cat([index for index, _ in batches]).tolist()


def test_a_batch_is_normalised_and_in_step_with_its_labels_and_index() -> None:
    data = held()
    seen = []
    for index, (images, labels) in loader(data).indexed():
        mean, std = (np.array(values)[:, None, None] for values in (data.mean, data.std))
        expected = (pixels_of(data.train, index).numpy() / 255 - mean) / std
        assert images.numpy() == pytest.approx(expected, abs=1e-5)
        assert images.dtype == torch.float32
        assert labels.tolist() == [at % 3 for at in index.tolist()]
        seen.append(len(index))
    assert seen == [4, 4, 2]


def test_every_epoch_is_a_permutation_of_its_own_and_the_seed_decides_on_all() -> None:
    def epochs(seed: int) -> list[list[int]]:
        one = loader(held(40), seed=seed)
        return [order_of(one.indexed()) for _ in range(3)]

    orders = epochs(0)
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert epochs(0) == orders
    assert epochs(1)[0] not in orders


def test_without_shuffling_the_order_is_that_of_the_rows() -> None:
    assert order_of(loader(held(), shuffle=False).indexed()) == list(range(10))


def test_augmentation_differs_between_epochs_and_follows_the_seed() -> None:
    def epochs(seed: int) -> list[Tensor]:
        one = loader(held(), shuffle=False, augmentations=("crop",), seed=seed)
        return [torch.cat([images for images, _ in one]) for _ in range(2)]

    first, second = epochs(0)
    assert not torch.equal(first, second)
    assert not torch.equal(first, epochs(1)[0])
    assert torch.equal(first, epochs(0)[0])


def test_cutout_fills_with_the_mean_and_a_crop_with_black() -> None:
    data = held(40)
    plain = torch.cat([images for images, _ in loader(data, shuffle=False)])
    cut = torch.cat([images for images, _ in loader(data, shuffle=False, augmentations=("cutout",))])
    assert (cut != plain).any()
    assert (cut[cut != plain] == 0).all()
    cropped = torch.cat([images for images, _ in loader(data, shuffle=False, augmentations=("crop",))])
    black = torch.tensor([-0.5 / 0.2, -0.4 / 0.25, -0.3 / 0.5])
    corners = torch.isclose(cropped[:, :, 0, 0], black).all(dim=1)
    assert corners.sum() > 10, "most crops bring a black corner into view"


def test_a_saved_loader_goes_on_with_the_same_next_epoch() -> None:
    options: dict[str, Any] = {"augmentations": ("crop", "flip", "cutout"), "seed": 3}
    original, resumed = (loader(held(), **options) for _ in range(2))
    list(original)
    resumed.load_state_dict(original.state_dict())
    assert_same_batches(list(original.indexed()), list(resumed.indexed()))


def test_what_was_found_damaged_since_is_left_out_of_the_batches_of_a_saved_epoch_and_moves_no_other() -> None:
    data, use = held(40), torch.arange(40)
    original, resumed = (loader(data, among=lambda: use, seed=3) for _ in range(2))
    state, whole = original.state_dict(), [index.tolist() for index, _ in original.indexed()]
    use = torch.arange(40)[~torch.isin(torch.arange(40), torch.tensor([7, *whole[2]]))]
    resumed.load_state_dict(state)
    assert resumed.state_dict()["left_out"].tolist() == [], "what the epoch to come leaves out"
    without = [[at for at in batch if at != 7] for at, batch in enumerate(whole) if at != 2]
    assert [index.tolist() for index, _ in resumed.indexed()] == [batch for batch in without if batch]
    assert sorted(order_of(resumed.indexed())) == use.tolist(), "the next epoch knows"


@pytest.mark.parametrize("memory_limit", [4.0, 0.0])
def test_loading_and_iterating_leave_the_global_random_state_alone(tmp_path: Path, memory_limit: float) -> None:
    folder = write_image_folder(tmp_path / "pets", [""])
    with global_randomness_untouched():
        data = load_data(folder, memory_limit=memory_limit, workers=1)
        list(loader(data, augmentations=("crop", "flip", "cutout")))


# --- the digits of scikit-learn


def test_sklearn_digits_are_all_there_in_two_fixed_halves() -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    data, again = (load_data("sklearn-digits", image_size=8) for _ in range(2))
    halves = [(pixels_of(images), images.labels) for images in (data.train, data.test)]
    assert [len(labels) for _, labels in halves] == [899, 898]
    pixels, labels = (torch.cat(parts) for parts in zip(*halves, strict=True))
    ours = [(image.numpy().tobytes(), int(label)) for image, label in zip(pixels, labels, strict=True)]
    sixteenths = np.rint(source.images.astype(np.float32) * (255 / 16)).astype(np.uint8)
    theirs = [(image.tobytes(), int(label)) for image, label in zip(sixteenths, source.target, strict=True)]
    assert sorted(ours) == sorted(theirs)
    assert torch.equal(pixels_of(again.train), halves[0][0])
    assert "half" in data.note


def test_sklearn_digits_are_enlarged_to_what_two_convolutions_need() -> None:
    data = load_data("sklearn-digits")
    assert pixels_of(data.test).shape == (898, 1, 16, 16)
    assert (data.channels, data.image_size, data.classes) == (1, 16, tuple("0123456789"))


def test_sklearn_digits_of_no_size_are_refused() -> None:
    with pytest.raises(SettingsError, match="image_size is 0: it must be at least 1"):
        load_data("sklearn-digits", image_size=0)

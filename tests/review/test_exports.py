"""Suspects as files of other tools, in the form that those tools document.

What is written here was read by Label Studio's own checks (label-studio-sdk 2.1.2: configuration, tasks, predictions)
and by FiftyOne's importer (1.22.1); neither is needed to test that the form stays.
"""

import base64
import csv
import io
import json
from xml.etree import ElementTree

import pytest
from PIL import Image

from rheostat.errors import SettingsError
from rheostat.review import SeenRun, export, make_suspects
from rheostat.review.exports import COLUMNS
from tests.review.test_listing import decide
from tests.review.toys import DAMAGED, PETS


def test_csv_has_a_row_per_suspect_under_the_documented_columns(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)
    decide(of_pets, _7="relabel", _14="keep")

    files, damaged = export(["csv"], of_pets, listed, of_pets.decided())

    with files["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert files["csv"] == of_pets.folder / "suspects" / "suspects.csv"
    assert damaged == {}
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == len(listed.suspects)
    for row, suspect in zip(rows, listed.suspects, strict=True):
        assert (int(row["index"]), int(row["given"]), row["given_name"]) == (
            suspect.index, suspect.given, PETS[suspect.given],
        )  # fmt: skip
        assert row["predicted"] == ("" if suspect.predicted is None else str(suspect.predicted))
        assert row["audit"] == str(int(suspect.audit))
        assert row["file"].endswith(f"/{suspect.index:03}.{('png', 'jpg', 'tif')[suspect.index % 3]}")
        assert row["why"] == suspect.why
    decisions = {int(row["index"]): (row["decision"], row["label"]) for row in rows if row["decision"]}
    assert decisions == {7: ("relabel", "1"), 14: ("keep", "")}


def test_jsonl_has_the_same_and_the_losses(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)

    files, _ = export(["jsonl"], of_pets, listed, {})

    rows = [json.loads(line) for line in files["jsonl"].read_text().splitlines()]
    assert [row.pop("losses") for row in rows] == [list(suspect.losses) for suspect in listed.suspects]
    assert all(list(row) == list(COLUMNS) for row in rows)
    assert [row["score"] for row in rows] == [suspect.score for suspect in listed.suspects]


def test_label_studio_gets_tasks_that_its_configuration_fits(of_pets: SeenRun):
    listed = make_suspects(of_pets, 1.0)

    folder = export(["label-studio"], of_pets, listed, {})[0]["label-studio"]

    configuration = ElementTree.fromstring((folder / "labelling.xml").read_text())
    image, choices = configuration.find("Image"), configuration.find("Choices")
    assert image is not None
    assert choices is not None
    assert choices.get("toName") == image.get("name")
    assert [choice.get("value") for choice in choices] == list(PETS)
    tasks = json.loads((folder / "tasks.json").read_text())
    assert [task["data"]["index"] for task in tasks] == [suspect.index for suspect in listed.suspects]
    wanted = {element.get("value", "")[1:] for element in (image, configuration.find("Text")) if element is not None}
    for task, suspect in zip(tasks, listed.suspects, strict=True):
        assert wanted | {"given"} <= set(task["data"])
        assert "audit" not in task["data"]
        head, _, body = task["data"][str(image.get("value"))[1:]].partition(",")
        assert head.startswith("data:image/")
        assert Image.open(io.BytesIO(base64.b64decode(body))).size == (16, 16)
        if suspect.predicted is None:
            assert "predictions" not in task
            continue
        [prediction] = task["predictions"]
        [result] = prediction["result"]
        assert prediction["score"] == suspect.p_predicted
        assert (result["from_name"], result["to_name"]) == (choices.get("name"), image.get("name"))
        assert (result["type"], result["value"]) == ("choices", {"choices": [PETS[suspect.predicted]]})


def test_fiftyone_gets_images_with_given_and_predicted_labels(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)

    folder = export(["fiftyone"], of_pets, listed, {})[0]["fiftyone"]

    given, predicted = (json.loads((folder / name).read_text()) for name in ("labels.json", "predicted.json"))
    images = {path.stem: path for path in (folder / "data").iterdir()}
    assert given["classes"] == predicted["classes"] == list(PETS)
    assert set(given["labels"]) == set(images)
    for suspect in listed.suspects:
        name = f"{suspect.index:02}"
        assert PETS[given["labels"][name]["label"]] == PETS[suspect.given]
        assert given["labels"][name]["attributes"]["why"] == suspect.why
        if suspect.predicted is not None:
            assert predicted["labels"][name] == {"label": suspect.predicted, "confidence": suspect.p_predicted}
        with Image.open(images[name]) as image:
            assert image.format == {".png": "PNG", ".jpg": "JPEG"}[images[name].suffix]


def test_no_image_of_an_earlier_list_stays(of_pets: SeenRun):
    export(["fiftyone"], of_pets, make_suspects(of_pets, 1.0), {})
    few = make_suspects(of_pets, 0.1)

    folder = export(["fiftyone"], of_pets, few, {})[0]["fiftyone"]

    assert len(list((folder / "data").iterdir())) == len(few.suspects) == 4


def test_images_that_cannot_be_decoded_are_named_and_left_out_of_what_holds_images(damaged: SeenRun):
    listed = make_suspects(damaged, 1.0)

    files, wrong = export(["csv", "label-studio", "fiftyone"], damaged, listed, {})

    assert list(wrong) == [DAMAGED]
    assert len(json.loads((files["label-studio"] / "tasks.json").read_text())) == 41
    assert len(json.loads((files["fiftyone"] / "labels.json").read_text())["labels"]) == 41
    assert files["csv"].read_text().count("\n") == 43  # it holds no images


def test_an_unknown_export_is_told_before_anything_is_written(of_pets: SeenRun):
    with pytest.raises(SettingsError, match="did you mean fiftyone"):
        export(["csv", "fiftyon"], of_pets, make_suspects(of_pets), {})
    assert not (of_pets.folder / "suspects" / "suspects.csv").exists()

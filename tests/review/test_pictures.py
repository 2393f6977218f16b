"""Images as files that browsers show."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from rheostat.errors import DataError
from rheostat.review import SeenRun
from rheostat.review.pictures import picture_of, thumbnail_of
from rheostat.training.decoding import UndecodableError
from tests.review.toys import DAMAGED, pet


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_file_that_browsers_show_is_given_as_it_is(of_pets: SeenRun):
    files = of_pets.data.files
    assert files is not None
    for index, (name, media_type) in enumerate([("PNG", "image/png"), ("JPEG", "image/jpeg")]):
        picture = picture_of(of_pets.data, index)
        assert picture.media_type == media_type
        assert Image.open(io.BytesIO(picture.content)).format == name
        assert picture.content == files.content(index)


def test_another_format_is_converted_without_loss(of_pets: SeenRun):
    picture = picture_of(of_pets.data, 2)  # TIFF

    assert picture.media_type == "image/png"
    np.testing.assert_array_equal(pixels(picture.content), pet(2))


def test_pixels_without_a_file_become_png(digits: SeenRun):
    picture = picture_of(digits.data, 5)

    _, images = next(digits.data.train.batches(torch.tensor([5]), 1))
    assert picture.media_type == "image/png"
    np.testing.assert_array_equal(pixels(picture.content), images[0, 0].numpy())


def test_a_thumbnail_fits_and_small_images_stay_as_they_are(of_pets: SeenRun):
    assert pixels(thumbnail_of(of_pets.data, 0, 64).content).shape == (16, 16, 3)
    np.testing.assert_array_equal(pixels(thumbnail_of(of_pets.data, 0, 64).content), pet(0))
    assert pixels(thumbnail_of(of_pets.data, 0, 8).content).shape == (8, 8, 3)


def test_a_large_thumbnail_is_a_photograph(of_pets: SeenRun, monkeypatch: pytest.MonkeyPatch):
    file = io.BytesIO()
    Image.effect_noise((400, 200), 80).save(file, "PNG")
    monkeypatch.setattr(type(of_pets.data.files), "content", lambda *_: file.getvalue())

    thumbnail = thumbnail_of(of_pets.data, 0, 160)

    assert thumbnail.media_type == "image/jpeg"
    assert pixels(thumbnail.content).shape == (80, 160)


def test_a_photograph_that_lies_on_its_side_is_turned_as_training_turned_it(
    of_pets: SeenRun, monkeypatch: pytest.MonkeyPatch
):
    file, turned = io.BytesIO(), Image.Exif()
    turned[0x0112] = 6  # the top of the picture is at the right
    Image.effect_noise((400, 200), 80).save(file, "JPEG", exif=turned)
    monkeypatch.setattr(type(of_pets.data.files), "content", lambda *_: file.getvalue())

    assert pixels(thumbnail_of(of_pets.data, 0, 160).content).shape == (160, 80)


def test_a_data_uri_holds_the_file(of_pets: SeenRun):
    picture = picture_of(of_pets.data, 1)
    head, _, body = picture.uri.partition(",")

    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(body) == picture.content


def test_a_damaged_file_is_named(damaged: SeenRun):
    for made in (picture_of, lambda data, at: thumbnail_of(data, at, 64)):
        with pytest.raises(UndecodableError, match=rf"image {DAMAGED} \(.*005\.png\) cannot be decoded"):
            made(damaged.data, DAMAGED)
        assert made(damaged.data, DAMAGED + 1).content


@pytest.mark.parametrize("index", [-1, 42])
def test_an_index_outside_the_data_is_told(of_pets: SeenRun, index: int):
    with pytest.raises(DataError, match=rf"index {index} is outside the training split: it must lie in \[0, 41\]"):
        picture_of(of_pets.data, index)

"""From a picture to what a base takes."""

import numpy as np
import pytest
import torch

from rheostat.errors import DataError
from rheostat.share.base import Preprocessing
from rheostat.share.frames import normalised, prepared, resized

SMALL = Preprocessing(height=24, width=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def a_picture(height: int = 120, width: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 9, 15)))
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    noisy = smooth[0].permute(1, 2, 0).numpy() + rng.normal(0, 20, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def test_resizing_is_that_of_torch_with_antialiasing() -> None:
    picture = a_picture()
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    expected = torch.nn.functional.interpolate(pixels, size=(24, 32), mode="bilinear", antialias=True)
    assert np.abs(resized(picture, SMALL) - expected[0].permute(1, 2, 0).numpy()).max() <= 1.0
    without = torch.nn.functional.interpolate(pixels, size=(24, 32), mode="bilinear")
    assert np.abs(resized(picture, SMALL) - without[0].permute(1, 2, 0).numpy()).max() > 10


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    picture = a_picture(24, 32)
    assert resized(picture, SMALL) is picture


def test_pixels_are_normalised_per_channel() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    expected = (pixels / 255 - np.array(SMALL.mean)) / np.array(SMALL.std)
    found = normalised(pixels, SMALL)
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float32, (2, 3, 24, 32), True)
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_one_picture_becomes_a_batch_of_one() -> None:
    picture = a_picture()
    np.testing.assert_array_equal(prepared(picture, SMALL), normalised(resized(picture, SMALL)[None], SMALL))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"a picture is \w+ \[.*\]: it must be uint8 \[height, width, 3\]"):
        prepared(wrong, SMALL)

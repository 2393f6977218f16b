"""Augmentation against brute force: what happened to an example is found by trying everything that may have."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rheostat.training.transforms import ON_NORMALISED, ON_PIXELS, cutout, random_crop, random_flip

HEIGHT, WIDTH = 6, 5


def noise(count: int, channels: int = 2, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Images without a black pixel, in which no two windows are alike."""
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randint(1, 256, (count, channels, HEIGHT, WIDTH), generator=generator)
    return pixels.to(dtype)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shifts_of(images: Tensor, cropped: Tensor, padding: int) -> list[tuple[int, int]]:
    """By how much (down, right) each image was shifted: the one window of the padded image that it is now."""
    found = []
    for image, result in zip(images, cropped, strict=True):
        padded = torch.zeros(len(image), HEIGHT + 2 * padding, WIDTH + 2 * padding, dtype=image.dtype)
        padded[:, padding : padding + HEIGHT, padding : padding + WIDTH] = image
        windows = {
            (padding - top, padding - left): padded[:, top : top + HEIGHT, left : left + WIDTH]
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
        }
        [shift] = [shift for shift, window in windows.items() if torch.equal(window, result)]
        found.append(shift)
    return found


def centres_of(images: Tensor, cut: Tensor, side: int) -> list[tuple[int, int]]:
    """The centre of the one square, clipped at the edges, that is 0 now; all else must be as it was."""
    height, width = images.shape[2:]
    found = []
    for image, result in zip(images, cut, strict=True):
        candidates = {}
        for y in range(height):
            for x in range(width):
                top, left = y - side // 2, x - side // 2
                with_hole = image.clone()
                with_hole[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
                candidates[y, x] = with_hole
        [centre] = [centre for centre, with_hole in candidates.items() if torch.equal(with_hole, result)]
        found.append(centre)
    return found


def assert_all_alike(counts: Counter, choices: int) -> None:
    """Every choice occurs, each within five standard deviations of its expected count."""
    expected = counts.total() / choices
    assert len(counts) == choices
    assert max(abs(count - expected) for count in counts.values()) < 5 * expected**0.5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_crop_shifts_each_image_whole_and_fills_with_black(dtype: torch.dtype) -> None:
    images = noise(30, dtype=dtype)
    cropped = random_crop(images, seeded(0), padding=2)
    assert cropped.dtype == dtype
    shifts = shifts_of(images, cropped, padding=2)  # raises unless every result is a window of its own image
    assert len(set(shifts)) > 10, "each example decides for itself"


def test_a_crop_goes_every_way_equally_often() -> None:
    images = noise(2000, channels=1)
    shifts = Counter(shifts_of(images, random_crop(images, seeded(1), padding=2), padding=2))
    assert_all_alike(shifts, choices=5 * 5)


def test_a_crop_reaches_four_pixels_as_for_cifar() -> None:
    images = noise(1, channels=1).expand(600, -1, -1, -1)
    shifts = shifts_of(images, random_crop(images, seeded(2)), padding=4)
    assert {down for down, _ in shifts} == {right for _, right in shifts} == set(range(-4, 5))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_flip_mirrors_about_half_of_the_images_left_to_right(dtype: torch.dtype) -> None:
    images = noise(2000, dtype=dtype)
    flipped = random_flip(images, seeded(3))
    mirrored = [torch.equal(result, image.flip(2)) for image, result in zip(images, flipped, strict=True)]
    untouched = [torch.equal(result, image) for image, result in zip(images, flipped, strict=True)]
    assert all(a != b for a, b in zip(mirrored, untouched, strict=True))
    assert abs(sum(mirrored) - 1000) < 5 * (2000 * 0.25) ** 0.5
    assert flipped.dtype == dtype


@pytest.mark.parametrize(("share", "side"), [(0.5, 2), (0.7, 4), (0.01, 1), (1.0, 5)])
def test_cutout_clears_one_square_of_every_channel_and_nothing_else(share: float, side: int) -> None:
    images = noise(30, dtype=torch.float32)
    cut = cutout(images, seeded(4), share)
    centres = centres_of(images, cut, side)  # raises unless every result is its own image with one such hole
    assert len(set(centres)) > 10, "each example decides for itself"


def test_cutout_is_centred_anywhere_equally_often_also_at_the_edge() -> None:
    images = noise(1500, channels=1, dtype=torch.float32)
    centres = Counter(centres_of(images, cutout(images, seeded(5)), side=2))
    assert_all_alike(centres, choices=HEIGHT * WIDTH)


@pytest.mark.parametrize("transform", [random_crop, random_flip, cutout])
def test_draws_come_from_the_generator_and_from_nowhere_else(
    transform: Callable[[Tensor, torch.Generator], Tensor],
) -> None:
    images = noise(20, dtype=torch.float32)
    untouched, before = images.clone(), torch.get_rng_state()
    generator = seeded(6)
    first, second = transform(images, generator), transform(images, generator)
    assert torch.equal(first, transform(images, seeded(6)))
    assert not torch.equal(first, second), "the generator moves on"
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, untouched), "the batch may be the stored images themselves"


def test_what_fills_with_black_acts_on_pixels_and_what_fills_with_the_mean_on_normalised_images() -> None:
    assert dict(ON_PIXELS) == {"crop": random_crop, "flip": random_flip}
    assert dict(ON_NORMALISED) == {"cutout": cutout}

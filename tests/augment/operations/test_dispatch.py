"""Every operation against Pillow, to the pixel; each image alone; where cutout falls; what is refused."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rheostat.augment.operations import HAS_MAGNITUDE, IS_SIGNED, OPERATIONS, apply, magnitude_at
from rheostat.errors import DataError, SettingsError
from tests.augment.operations.pillow import of_pillow

IDS = {name: at for at, name in enumerate(OPERATIONS)}
IN_PILLOW = [name for name in OPERATIONS if name != "cutout"]
SIZES = [(32, 32), (31, 33), (40, 17), (4, 3), (2, 7), (1, 1)]
# beside the ranges of the table: quarter turns, whole and half pixels, factors 0 and 2, a threshold at a level
EXTRA = {
    "rotate": [45.0, 60.0, 90.0, -90.0, 180.0, -180.0, 270.0, 360.0, 1e-3],
    "translate-x": [1 / 32, 0.5 / 32, -0.5 / 32, 5.5 / 33],
    "translate-y": [1 / 32, 0.5 / 32, -1.5 / 32, 7 / 31],
    "shear-x": [0.5, -0.5, 2.0],
    "shear-y": [0.5, -0.25, 2.0],
    "solarize": [128.0, 127.999, 0.5, 256.0],
    "posterize": [1.0],
    **{name: [-1.0, 1.0, -1.5, 3.0] for name in ("color", "contrast", "brightness", "sharpness")},
}


def magnitudes(name: str) -> Tensor:
    """Seven levels of the range in both directions, and what is in `EXTRA`."""
    level = torch.linspace(0, 1, 7).repeat(2)
    operation = torch.full((14,), IDS[name])
    return torch.cat(
        [magnitude_at(operation, level, torch.tensor([1, -1]).repeat(7)), torch.tensor(EXTRA.get(name, []))]
    )


def some_images(count: int, channels: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """By turns noise, noise in few levels with one prevailing, one level only, and a slope."""
    noise = torch.randint(0, 256, (count, channels, *size), generator=generator, dtype=torch.uint8)
    few = (noise // 40) * 7 * (noise % 5 == 0) + 90
    flat = noise[:, :, :1, :1].expand_as(noise)
    slope = (torch.linspace(20, 200, size[0])[:, None] + torch.linspace(0, 50, size[1])).to(torch.uint8) + noise // 64
    kinds = torch.stack([noise, few, flat, slope], 1)
    return kinds[torch.arange(count), torch.arange(count) % 4]


def one_kind(name: str, images: Tensor, magnitude: Tensor, generator: torch.Generator, **options: int) -> Tensor:
    return apply(images, torch.full((len(images),), IDS[name]), magnitude, generator, **options)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", IN_PILLOW)
def test_an_operation_equals_that_of_pillow_to_the_pixel(
    name: str, channels: int, size: tuple[int, int], generator: torch.Generator
) -> None:
    magnitude = magnitudes(name).repeat_interleave(4)
    images = some_images(len(magnitude), channels, size, generator)
    found = one_kind(name, images, magnitude, generator)
    for image, at, result in zip(images, magnitude.tolist(), found, strict=True):
        expected = of_pillow(image, name, at)
        assert torch.equal(result, expected), f"{name} at {at}: {(result != expected).sum()} values differ"


@pytest.mark.parametrize("name", ["shear-x", "shear-y", "translate-x", "translate-y", "rotate"])
def test_what_comes_into_view_is_the_fill(name: str, generator: torch.Generator) -> None:
    images = some_images(8, 3, (9, 12), generator)
    magnitude = magnitude_at(torch.full((8,), IDS[name]), torch.full((8,), 0.6), torch.tensor([1, -1] * 4))
    found = one_kind(name, images, magnitude, generator, fill=77)
    for image, at, result in zip(images, magnitude.tolist(), found, strict=True):
        assert torch.equal(result, of_pillow(image, name, at, fill=77))


def test_a_mixed_batch_is_each_of_its_images_alone(generator: torch.Generator) -> None:
    count = 10 * len(IN_PILLOW)
    images = some_images(count, 3, (13, 11), generator)
    operation = torch.arange(len(IN_PILLOW)).repeat(10)[torch.randperm(count, generator=generator)]
    sign = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
    magnitude = magnitude_at(operation, torch.rand(count, generator=generator), sign)
    mixed = apply(images, operation, magnitude, generator)
    alone = [apply(images[at, None], operation[at, None], magnitude[at, None], generator) for at in range(count)]
    assert torch.equal(mixed, torch.cat(alone))
    for image, name, at, result in zip(images, operation.tolist(), magnitude.tolist(), mixed, strict=True):
        assert torch.equal(result, of_pillow(image, OPERATIONS[name], at))


def test_each_unsigned_start_and_each_signed_zero_is_no_change(generator: torch.Generator) -> None:
    images = some_images(16, 3, (10, 10), generator)
    images[images == 255] = 254  # which solarize at 255 inverts
    operation = torch.arange(16)
    changes = ~HAS_MAGNITUDE
    changes[IDS["identity"]] = False
    found = apply(images, operation, magnitude_at(operation, torch.zeros(16), torch.ones(16)), generator)
    assert torch.equal(found[~changes], images[~changes])
    assert torch.equal((found != images).flatten(1).any(1)[IS_SIGNED], torch.zeros(9, dtype=torch.bool))


def test_the_input_stays_as_it_was_and_the_result_is_memory_of_its_own(generator: torch.Generator) -> None:
    images = some_images(32, 3, (8, 8), generator)
    before = images.clone()
    found = apply(images, torch.arange(32) % 16, torch.full((32,), 0.3), generator)
    found.fill_(0)
    untouched = one_kind("identity", images, torch.zeros(32), generator)
    untouched.fill_(0)
    assert torch.equal(images, before)


def test_images_may_lie_in_memory_as_they_like(generator: torch.Generator) -> None:
    images = some_images(32, 3, (9, 8), generator)
    operation, magnitude = torch.arange(32) % 15, torch.full((32,), 0.4)
    expected = apply(images, operation, magnitude, generator)
    wide = torch.zeros(32, 3, 9, 16, dtype=torch.uint8)
    wide[..., ::2] = images
    for same in (images.to(memory_format=torch.channels_last), wide[..., ::2]):
        assert torch.equal(apply(same, operation.int(), magnitude.double(), generator), expected)


def test_large_batches_go_by_pieces_with_the_same_result(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = some_images(50, 3, (9, 8), generator)
    operation, magnitude = torch.arange(50) % 16, torch.full((50,), 0.4)
    start = generator.clone_state()
    expected = apply(images, operation, magnitude, generator)
    for at_once in (1, 2 * 9 * 8, 1000):
        monkeypatch.setattr("rheostat.augment.operations.dispatch._AT_ONCE", at_once)
        assert torch.equal(apply(images, operation, magnitude, start.clone_state()), expected)


def test_no_images_are_no_images(generator: torch.Generator) -> None:
    none = torch.zeros(0, 3, 8, 8, dtype=torch.uint8)
    assert apply(none, torch.zeros(0, dtype=torch.long), torch.zeros(0), generator).shape == none.shape


@pytest.mark.parametrize(("share", "side"), [(0.0, 0), (0.1, 1), (0.5, 5), (0.34, 3), (1.0, 10)])
def test_cutout_is_a_square_of_its_share_of_the_shorter_side_around_its_centre(
    share: float, side: int, generator: torch.Generator
) -> None:
    count, height, width = 200, 10, 13
    images = torch.full((count, 3, height, width), 200, dtype=torch.uint8)
    centres = torch.rand(2, count, generator=generator.clone_state())
    found = one_kind("cutout", images, torch.full((count,), share), generator, fill=128)
    for result, y, x in zip(found, *centres.tolist(), strict=True):
        top, left = math.floor(y * height) - side // 2, math.floor(x * width) - side // 2
        expected = [
            [128 if top <= row < top + side and left <= column < left + side else 200 for column in range(width)]
            for row in range(height)
        ]
        assert result.tolist() == [expected] * 3


def test_the_centre_of_cutout_falls_on_every_pixel_alike(generator: torch.Generator) -> None:
    count, height, width = 40_000, 5, 8
    images = torch.full((count, 1, height, width), 9, dtype=torch.uint8)
    hit = one_kind("cutout", images, torch.full((count,), 0.2), generator) == 0  # one pixel
    assert hit.flatten(1).sum(1).eq(1).all()
    share = 1 / (height * width)
    five_sigma = 5 * math.sqrt(share * (1 - share) / count)
    assert hit.float().mean((0, 1)).flatten().tolist() == pytest.approx([share] * height * width, abs=five_sigma)


def test_where_cutout_falls_does_not_depend_on_what_others_get(generator: torch.Generator) -> None:
    images = some_images(20, 3, (16, 16), generator)
    operation = torch.randint(0, 15, (20,), generator=generator)
    operation[7] = IDS["cutout"]
    magnitude = torch.full((20,), 0.5)
    start = generator.clone_state()
    mixed = apply(images, operation, magnitude, generator)
    all_alike = one_kind("cutout", images, magnitude, start)
    assert torch.equal(mixed[7], all_alike[7])
    assert not torch.equal(mixed[7], images[7])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_call_takes_two_numbers_per_image_and_none_from_elsewhere(name: str, generator: torch.Generator) -> None:
    images = some_images(16, 3, (8, 8), generator)
    expected = generator.clone_state()
    torch.rand(2, 16, generator=expected)
    elsewhere = torch.get_rng_state()
    one_kind(name, images, torch.full((16,), 0.5), generator)
    assert torch.equal(generator.get_state(), expected.get_state())
    assert torch.equal(torch.get_rng_state(), elsewhere)


def batch(**other: Tensor) -> dict[str, Any]:
    return {
        "images": torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        "operation": torch.zeros(2, dtype=torch.long),
        "magnitude": torch.zeros(2),
        **other,
    }


@pytest.mark.usefixtures("annotations_not_enforced")
@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"images": torch.zeros(2, 3, 4, 4)}, "float32.*needed is torch.uint8.*before normalising"),
        ({"images": torch.zeros(2, 4, 4, 4, dtype=torch.uint8)}, r"\[2, 4, 4, 4\].*C = 1 or 3"),
        ({"images": torch.zeros(2, 3, 4, dtype=torch.uint8)}, r"\[2, 3, 4\], needed is \[B, C, H, W\]"),
        ({"images": torch.zeros(2, 3, 4, 0, dtype=torch.uint8)}, r"sides of 1 to 8192 pixels"),
        ({"images": torch.zeros(1, dtype=torch.uint8).expand(2, 1, 1, 8193)}, r"sides of 1 to 8192 pixels"),
        ({"operation": torch.zeros(3, dtype=torch.long)}, r"operation has shape \[3\], needed is \[2\]"),
        ({"operation": torch.zeros(2)}, "operation is torch.float32, needed are whole numbers"),
        ({"operation": torch.zeros(2, dtype=torch.bool)}, "operation is torch.bool, needed are whole numbers"),
        ({"operation": torch.tensor([3, 16])}, "operation holds 16, allowed are 0 to 15"),
        ({"operation": torch.tensor([3, -1])}, "operation holds -1, allowed are 0 to 15"),
        ({"magnitude": torch.zeros(2, 1)}, r"magnitude has shape \[2, 1\], needed is \[2\]"),
        ({"magnitude": torch.zeros(2, dtype=torch.long)}, "magnitude is torch.int64, needed are floating point"),
    ],
)
def test_a_batch_that_cannot_be_used_is_refused_in_one_line(
    other: dict[str, Tensor], says: str, generator: torch.Generator
) -> None:
    before = generator.get_state()
    with pytest.raises(DataError, match=says):
        apply(**batch(**other), generator=generator)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("fill", [-1, 256])
def test_a_fill_that_is_no_grey_level_is_refused(fill: int, generator: torch.Generator) -> None:
    with pytest.raises(SettingsError, match=rf"fill is {fill}, allowed are grey levels in \[0, 255\]"):
        apply(**batch(), generator=generator, fill=fill)

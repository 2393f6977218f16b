"""The ranges of the operations against the published ones, written out."""

import pytest
import torch

from rheostat.augment.operations import HAS_MAGNITUDE, IS_SIGNED, OPERATIONS, magnitude_at

SIGNED = {
    "shear-x": 0.99,
    "shear-y": 0.99,
    "translate-x": 1.0,
    "translate-y": 1.0,
    "rotate": 135.0,
    "color": 0.99,
    "contrast": 0.99,
    "brightness": 0.99,
    "sharpness": 0.99,
}
POSTERIZE_BITS = [8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2]


def magnitude(name: str, level: float, sign: float = 1.0) -> float:
    return magnitude_at(torch.tensor([OPERATIONS.index(name)]), torch.tensor([level]), torch.tensor([sign])).item()


def test_the_ids_are_positions_in_the_agreed_order() -> None:
    agreed = "identity shear-x shear-y translate-x translate-y rotate auto-contrast equalize posterize solarize"
    assert " ".join(OPERATIONS) == f"{agreed} color contrast brightness sharpness invert cutout"


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_magnitude_goes_from_nothing_to_its_end_in_both_directions(name: str) -> None:
    for sign in (-1.0, 1.0):
        for level in (0.0, 0.25, 1.0):
            assert magnitude(name, level, sign) == pytest.approx(sign * level * SIGNED[name])


@pytest.mark.parametrize(
    ("name", "at_0", "at_half", "at_1"), [("solarize", 255.0, 127.5, 0.0), ("cutout", 0.0, 0.25, 0.5)]
)
def test_an_unsigned_magnitude_goes_through_its_range_whatever_the_sign(
    name: str, at_0: float, at_half: float, at_1: float
) -> None:
    for sign in (-1.0, 1.0):
        assert [magnitude(name, level, sign) for level in (0.0, 0.5, 1.0)] == pytest.approx([at_0, at_half, at_1])


def test_posterize_goes_from_8_bits_to_2_in_whole_bits() -> None:
    assert [magnitude("posterize", at / 30) for at in range(31)] == POSTERIZE_BITS


def test_the_tables_say_which_operations_have_a_magnitude_and_a_sign() -> None:
    assert {name for name, signed in zip(OPERATIONS, IS_SIGNED, strict=True) if signed} == set(SIGNED)
    with_one = {name for name, has in zip(OPERATIONS, HAS_MAGNITUDE, strict=True) if has}
    assert with_one == {*SIGNED, "posterize", "solarize", "cutout"}
    for name in set(OPERATIONS) - with_one:
        assert magnitude(name, 0.7) == 0.0


def test_any_shape_of_ids_is_answered_in_that_shape(generator: torch.Generator) -> None:
    operation = torch.randint(0, len(OPERATIONS), (5, 3), generator=generator)
    level = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    sign = torch.randint(0, 2, (5, 3), generator=generator) * 2 - 1
    found = magnitude_at(operation, level, sign)
    assert found.dtype == torch.float32
    for at in torch.cartesian_prod(torch.arange(5), torch.arange(3)):
        row, column = at.tolist()
        one = (row, column)
        assert found[one] == magnitude(OPERATIONS[int(operation[one])], level[one].item(), float(sign[one]))

"""The kinds that learn nothing: their distributions, and AutoAugment's table against torchvision's."""

import pytest
import torch

from rheostat.augment.arms import Arms
from rheostat.augment.kinds import AutoAugment, RandAugment, TrivialAugment
from rheostat.augment.kinds.autoaugment import SUB_POLICIES
from rheostat.augment.kinds.published import PUBLISHED_OPERATIONS
from rheostat.augment.kinds.ranges import published_magnitude
from rheostat.augment.operations import OPERATIONS, magnitude_at
from rheostat.errors import SettingsError
from rheostat.training.torchvision_ops import ensure_torchvision_imports

MANY = torch.full((28_000,), 0.5)
SHIFTS = ("translate-x", "translate-y")


# ---- arms


def test_arms_are_operations_by_bins() -> None:
    arms = Arms(("rotate", "equalize", "solarize"), bins=2)
    assert arms.names == ("rotate 0-0.5", "rotate 0.5-1", "equalize", "solarize 0-0.5", "solarize 0.5-1")
    assert len(Arms()) == 12 * 4 + 4  # identity, auto-contrast, equalize and invert have no magnitude


def test_an_arm_draws_its_level_uniformly_within_its_bin(generator: torch.Generator) -> None:
    arms = Arms(("rotate", "equalize"), bins=4)
    operation, magnitude, level = arms.draw(torch.full((10_000,), 2), generator)
    assert (operation == OPERATIONS.index("rotate")).all()
    assert ((level >= 0.5) & (level < 0.75)).all()
    torch.testing.assert_close(level.quantile(torch.tensor([0.25, 0.5, 0.75])), 0.5 + 0.0625 * torch.arange(1, 4),
                               atol=0.01, rtol=0)  # fmt: skip
    torch.testing.assert_close(magnitude, magnitude_at(operation, level, magnitude.sign()))


# ---- TrivialAugment, RandAugment


def test_trivial_augment_draws_operation_and_level_uniformly(generator: torch.Generator) -> None:
    choice = TrivialAugment().choose(MANY, generator)
    assert choice.operation.shape == (28_000, 1)
    count = torch.bincount(choice.operation.flatten(), minlength=16)
    assert {OPERATIONS[i] for i in count.nonzero().flatten()} == set(PUBLISHED_OPERATIONS)
    assert (count[count > 0] - 2_000).abs().max() < 200  # 4.6 standard deviations
    rotated = choice.operation == OPERATIONS.index("rotate")
    torch.testing.assert_close(
        choice.level[rotated].quantile(torch.arange(1, 10) / 10), torch.arange(1, 10) / 10, atol=0.04, rtol=0
    )
    torch.testing.assert_close(choice.magnitude[rotated].abs(), 135 * choice.level[rotated])


def test_the_published_operations_are_those_of_torchvision() -> None:
    ensure_torchvision_imports()
    from torchvision.transforms import TrivialAugmentWide

    space = TrivialAugmentWide()._augmentation_space(31)
    assert sorted(name.replace("-", "") for name in PUBLISHED_OPERATIONS) == sorted(name.lower() for name in space)


def test_rand_augment_applies_a_number_of_operations_at_one_level(generator: torch.Generator) -> None:
    choice = RandAugment(number=3, level=0.4).choose(MANY, generator)
    assert choice.operation.shape == (28_000, 3)
    for column in choice.operation.unbind(1):
        count = torch.bincount(column, minlength=16)
        assert (count[[OPERATIONS.index(name) for name in PUBLISHED_OPERATIONS]] - 2_000).abs().max() < 200
    assert set(choice.level[~choice.level.isnan()].tolist()) == {torch.tensor(0.4).item()}
    assert 0.05 < (choice.operation[:, 0] == choice.operation[:, 1]).float().mean() < 0.09  # 1 in 14: with replacement
    sheared = choice.operation == OPERATIONS.index("shear-x")
    torch.testing.assert_close(choice.magnitude[sheared].abs(), torch.full((int(sheared.sum()),), 0.4 * 0.3))


@pytest.mark.parametrize("steps", [10, 31])
def test_published_magnitudes_are_those_of_torchvision(steps: int) -> None:
    """AutoAugment's ten and RandAugment's 31, all operations."""
    ensure_torchvision_imports()
    from torchvision.transforms import AutoAugment as Theirs
    from torchvision.transforms import RandAugment as TheirRand

    space = (Theirs() if steps == 10 else TheirRand())._augmentation_space(steps, (32, 32))
    assert len(space) == 14
    for name, (magnitudes, signed) in space.items():
        ours = next(ours for ours in OPERATIONS if ours.replace("-", "") == name.lower())
        operation, sign = torch.full((2, steps), OPERATIONS.index(ours)), torch.tensor([[1], [-1]]).expand(2, steps)
        level = torch.linspace(0, 1, steps).expand(2, steps)
        magnitude, kept = published_magnitude(operation, level, sign)
        expected = magnitudes.float().expand(steps) / (32 if ours in SHIFTS else 1)
        torch.testing.assert_close(magnitude, torch.stack([expected, -expected if signed else expected]), msg=name)
        assert kept.isnan().all() == (magnitudes.ndim == 0)


def test_rand_augment_refuses_a_level_that_is_no_share() -> None:
    with pytest.raises(SettingsError, match=r"level is -1: it must lie in \[0, 1\]"):
        RandAugment(level=-1)


# ---- AutoAugment


def test_the_sub_policies_are_those_of_torchvision() -> None:
    ensure_torchvision_imports()
    from torchvision.transforms import AutoAugment as Theirs
    from torchvision.transforms import AutoAugmentPolicy

    theirs = Theirs(AutoAugmentPolicy.CIFAR10)
    ours = tuple(tuple((name.replace("-", ""), p, step) for name, p, step in pair) for pair in SUB_POLICIES)
    assert ours == tuple(tuple((name.lower(), p, step) for name, p, step in pair) for pair in theirs.policies)


def test_autoaugment_applies_each_pair_with_the_probabilities_of_its_parts() -> None:
    draws = 100_000
    choice = AutoAugment().choose(torch.full((draws,), 0.5), torch.Generator().manual_seed(3))
    for position in range(2):
        expected = torch.zeros(len(OPERATIONS))
        for pair in SUB_POLICIES:
            name, p, _ = pair[position]
            expected[OPERATIONS.index(name)] += p / len(SUB_POLICIES)
            expected[OPERATIONS.index("identity")] += (1 - p) / len(SUB_POLICIES)
        share = torch.bincount(choice.operation[:, position], minlength=len(OPERATIONS)) / draws
        torch.testing.assert_close(share, expected, atol=0.007, rtol=0)  # 4.4 standard errors of a share of 1/2
    firsts = choice.magnitude[:, 0][choice.operation[:, 0] == OPERATIONS.index("rotate")]
    assert sorted(set(firsts.tolist())) == pytest.approx([-30 * 2 / 9, 30 * 2 / 9])


def test_the_parts_of_a_pair_belong_together() -> None:
    choice = AutoAugment().choose(torch.full((50_000,), 0.5), torch.Generator().manual_seed(3))
    solarized = choice.operation[:, 0] == OPERATIONS.index("solarize")
    after = {OPERATIONS[i] for i in choice.operation[solarized, 1].unique()}
    assert after == {"auto-contrast", "identity"}  # and never invert, whose probability beside solarize is 0

"""Every kind of augmentation against one contract."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rheostat.augment.kinds import (
    AutoAugment,
    Bandit,
    BaseOnly,
    Choice,
    Evolution,
    Kind,
    LearningKind,
    RandAugment,
    RandomSearch,
    TrivialAugment,
    build_kind,
    kind_names,
    kind_option_names,
)
from rheostat.augment.kinds.kind import context_of
from rheostat.augment.operations import HAS_MAGNITUDE, IS_SIGNED, OPERATIONS, magnitude_at
from rheostat.errors import SettingsError, StateError
from rheostat.signals.stateful import load_named_state, named_state
from tests.select.toys import global_randomness_untouched, through_a_file

KINDS: list[Callable[[], Kind]] = [
    BaseOnly,
    TrivialAugment,
    RandAugment,
    AutoAugment,
    Bandit,
    lambda: RandomSearch(trials=3, examples=40),
    lambda: Evolution(generation=100, contexts=2),
]
NAMES = [type(build()).__name__ for build in KINDS]
every_kind = pytest.mark.parametrize("build", KINDS, ids=NAMES)
every_learning_kind = pytest.mark.parametrize("build", KINDS[4:], ids=NAMES[4:])


def difficulties(size: int, seed: int = 0) -> Tensor:
    """Some of them not known."""
    difficulty = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    return difficulty.masked_fill(difficulty < 0.1, torch.nan)


def same(one: Choice, other: Choice) -> bool:
    pairs = zip(one.columns().values(), other.columns().values(), strict=True)
    return all(torch.equal(a.nan_to_num(-9), b.nan_to_num(-9)) for a, b in pairs)


def a_few_rounds(kind: Kind, generator: torch.Generator, seeds: range) -> list[Choice]:
    """Choose, and reward where the kind learns: odd arms, with some rewards missing."""
    choices = []
    for seed in seeds:
        difficulty = difficulties(50, seed)
        choice = kind.choose(difficulty, generator)
        choices.append(choice)
        if isinstance(kind, LearningKind):
            kind.reward(choice, difficulty, torch.where(difficulty > 0.9, torch.nan, choice.arm[:, 0] % 2))
    return choices


def test_the_suite_covers_every_kind_that_has_a_name() -> None:
    assert {type(build()) for build in KINDS} == {type(build_kind(name)) for name in kind_names()}


@every_kind
@pytest.mark.parametrize("size", [0, 1, 7, 100_000])
def test_a_kind_chooses_for_every_example(build: Callable[[], Kind], size: int, generator: torch.Generator) -> None:
    kind = build()
    assert isinstance(kind, Kind)
    choice = kind.choose(difficulties(size), generator)
    assert len(choice) == size
    assert choice.genotype.shape == (size,)
    assert choice.operation.dtype == choice.arm.dtype == choice.genotype.dtype == torch.int64
    assert choice.magnitude.dtype == choice.level.dtype == torch.float32
    assert {column.shape for column in (choice.operation, choice.magnitude, choice.level, choice.arm)} == {
        choice.operation.shape
    }
    assert (choice.operation.shape[1] == 0) == isinstance(kind, BaseOnly)


@every_kind
def test_choices_are_in_range(build: Callable[[], Kind], generator: torch.Generator) -> None:
    choice = build().choose(difficulties(20_000), generator)
    if not choice.operation.numel():
        return  # BaseOnly chooses nothing
    operation, magnitude, level = choice.operation.flatten(), choice.magnitude.flatten(), choice.level.flatten()
    assert operation.min() >= 0
    assert operation.max() < len(OPERATIONS)
    applied = HAS_MAGNITUDE[operation]
    assert torch.equal(~level.isnan(), applied)
    assert ((level[applied] >= 0) & (level[applied] <= 1)).all()
    assert (magnitude[~applied] == 0).all()
    one = torch.ones_like(level)
    weakest, strongest = magnitude_at(operation, 0 * one, one), magnitude_at(operation, one, one)
    low, high = torch.minimum(weakest, strongest), torch.maximum(weakest, strongest)
    size = torch.where(IS_SIGNED[operation], magnitude.abs(), magnitude)
    assert ((size >= low) & (size <= high)).all()
    signed = IS_SIGNED[operation] & (magnitude != 0)
    assert 0.47 < (magnitude[signed] > 0).float().mean() < 0.53  # 6 standard errors of some 10,000 coins


@every_kind
def test_the_generator_is_all_that_a_kind_draws_from(build: Callable[[], Kind]) -> None:
    with global_randomness_untouched():
        one = a_few_rounds(build(), torch.Generator().manual_seed(1), range(3))
        same_seed = a_few_rounds(build(), torch.Generator().manual_seed(1), range(3))
        other_seed = a_few_rounds(build(), torch.Generator().manual_seed(2), range(3))
    assert all(map(same, one, same_seed))
    if one[0].operation.numel():
        assert not any(map(same, one, other_seed))


@every_kind
def test_an_empty_batch_changes_nothing(build: Callable[[], Kind], generator: torch.Generator) -> None:
    kind, before = build(), generator.get_state()
    empty = kind.choose(torch.empty(0), generator)
    if isinstance(kind, LearningKind):
        kind.reward(empty, torch.empty(0), torch.empty(0))
    assert torch.equal(generator.get_state(), before)
    assert all(
        map(same, a_few_rounds(kind, generator, range(3)), a_few_rounds(build(), generator.manual_seed(0), range(3)))
    )


@every_kind
def test_a_resumed_kind_goes_on_as_the_uninterrupted_one(build: Callable[[], Kind]) -> None:
    uninterrupted, resumed, generator = build(), build(), torch.Generator().manual_seed(5)
    a_few_rounds(uninterrupted, generator, range(7))  # 300 rewards: the searches are in their second stage
    load_named_state(resumed, through_a_file(named_state(uninterrupted)), "augmentation")
    at = generator.get_state()
    expected = a_few_rounds(uninterrupted, generator, range(7, 12))
    generator.set_state(at)
    assert all(map(same, a_few_rounds(resumed, generator, range(7, 12)), expected))
    assert str(named_state(resumed)) == str(named_state(uninterrupted))


@every_learning_kind
def test_a_saved_state_does_not_change_when_learning_goes_on(build: Callable[[], Kind]) -> None:
    kind, generator = build(), torch.Generator().manual_seed(5)
    a_few_rounds(kind, generator, range(1))
    state = named_state(kind)
    before = str(state)
    a_few_rounds(kind, generator, range(1, 8))
    assert str(state) == before
    assert str(named_state(kind)) != before


@every_learning_kind
def test_rewards_that_are_not_known_teach_nothing(build: Callable[[], Kind], generator: torch.Generator) -> None:
    kind, difficulty = build(), difficulties(500)
    assert isinstance(kind, LearningKind)
    before = str(named_state(kind))
    kind.reward(kind.choose(difficulty, generator), difficulty, torch.full((500,), torch.nan))
    assert str(named_state(kind)) == before


@every_learning_kind
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_reward_keeps_every_arm_alive(build: Callable[[], Kind], value: float) -> None:
    kind, generator = build(), torch.Generator().manual_seed(0)
    assert isinstance(kind, LearningKind)
    for seed in range(20):
        difficulty = difficulties(100, seed)
        kind.reward(kind.choose(difficulty, generator), difficulty, torch.full((100,), value))
    arm = kind.choose(difficulties(20_000), generator).arm
    assert len(arm.unique()) == arm.max() + 1 == 52


@every_learning_kind
def test_a_state_of_other_arms_is_refused(build: Callable[[], Kind]) -> None:
    name, kind = kind_names()[NAMES.index(type(build()).__name__)], build()
    for other in (
        build_kind(name, bins=3),
        build_kind(name, contexts=4),
        build_kind(name, operations=OPERATIONS[::-1]),
    ):
        with pytest.raises(StateError, match="same contexts, bins and operations"):
            load_named_state(kind, named_state(other), "augmentation")


def test_a_state_of_another_kind_is_refused() -> None:
    with pytest.raises(StateError, match="saved augmentation is Bandit and this one Evolution: resume with"):
        load_named_state(Evolution(), named_state(Bandit()), "augmentation")


def test_kinds_are_built_by_name_with_their_options() -> None:
    assert build_kind("rand", number=3, level=0.5) == RandAugment(3, 0.5)
    assert kind_option_names("autoaugment") == ()
    assert "memory" in kind_option_names("bandit")
    assert "arms" not in kind_option_names("bandit")
    with pytest.raises(SettingsError, match="unknown kind of augmentation 'bandid': did you mean bandit"):
        build_kind("bandid")
    with pytest.raises(SettingsError, match="kind 'trivial' has no option 'level': it takes operations"):
        build_kind("trivial", level=0.3)
    with pytest.raises(SettingsError, match="it takes no option"):
        build_kind("autoaugment", level=0.3)


@pytest.mark.parametrize(
    ("name", "option", "outside", "allowed"),
    [
        ("rand", "number", 0, "at least 1"),
        ("rand", "level", 1.1, "[0, 1]"),
        ("rand", "level", math.nan, "[0, 1]"),
        ("bandit", "contexts", 0, "at least 1"),
        ("bandit", "bins", 0, "at least 1"),
        ("bandit", "floor", -0.1, "[0, 1]"),
        ("bandit", "floor", math.nan, "[0, 1]"),
        ("bandit", "memory", 1.0, "above 1"),
        ("bandit", "memory", math.inf, "finite"),
        ("bandit", "memory", math.nan, "above 1"),
        ("random-search", "trials", 0, "at least 1"),
        ("random-search", "examples", 0, "at least 1"),
        ("random-search", "spread", 0.0, "positive"),
        ("evolution", "children", 0, "at least 1"),
        ("evolution", "generation", 0, "at least 1"),
        ("evolution", "contexts", 0, "at least 1"),
        ("evolution", "floor", 1.5, "[0, 1]"),
        ("evolution", "spread", math.nan, "positive"),
    ],
)
def test_an_option_outside_its_range_is_refused(name: str, option: str, outside: float, allowed: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        build_kind(name, **{option: outside})
    assert f"{option} is {outside}: " in str(refusal.value)
    assert allowed in str(refusal.value)


@pytest.mark.parametrize("name", ["trivial", "rand", "bandit", "random-search", "evolution"])
def test_operations_are_named_once_each_and_known(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown operation 'rotat': did you mean rotate"):
        build_kind(name, operations=("rotat",))
    with pytest.raises(SettingsError, match="rotate more than once"):
        build_kind(name, operations=("rotate", "color", "rotate"))
    with pytest.raises(SettingsError, match="operations is empty"):
        build_kind(name, operations=())
    choice = build_kind(name, operations=("rotate", "invert")).choose(difficulties(200), torch.Generator())
    assert {OPERATIONS[i] for i in choice.operation.unique()} == {"rotate", "invert"}


def test_contexts_are_equal_bins_and_the_unknown_belongs_to_the_middle() -> None:
    difficulty = torch.tensor([0.0, 0.33, 0.34, 0.66, 0.67, 1.0, torch.nan])
    assert context_of(difficulty, 3).tolist() == [0, 0, 1, 1, 2, 2, 1]
    assert context_of(difficulty, 1).tolist() == [0] * 7

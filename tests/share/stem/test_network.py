"""Frozen is frozen to the bit, and a head is the base's own layers until it learns."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.errors import SettingsError
from rheostat.share.stem import Network, cut
from tests.share.stem.toys import PREPROCESSING, SIDE, given, model, network

CLASSES = 3


def taught(head: nn.Module, inputs: Tensor, steps: int = 4) -> None:
    """Train as roughly as can be: in training mode, with momentum and weight decay."""
    optimizer = torch.optim.SGD(head.parameters(), lr=0.3, momentum=0.9, weight_decay=0.1)
    head.train()
    labels = torch.arange(len(inputs)) % CLASSES
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(head(inputs), labels).backward()
        optimizer.step()


def states(module: nn.Module) -> list[Tensor]:
    return [state.detach().clone() for state in module.state_dict().values()]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return len(some) == len(others) > 0 and all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def a_head(found: Network, frozen: int, classes: int = CLASSES, seed: int = 0) -> Any:
    return found.head(frozen, classes, generator=torch.Generator().manual_seed(seed))


def test_the_trap_requires_grad_alone_moves_the_statistics_of_a_frozen_part() -> None:
    base = model(CLASSES)
    base[:4].requires_grad_(requires_grad=False)
    before = states(base[:4])
    taught(base, torch.randn(12, 3, SIDE, SIDE))
    assert not same(states(base[:4]), before)


@pytest.mark.parametrize("frozen", range(6))
def test_training_a_head_leaves_every_bit_of_the_base(frozen: int) -> None:
    found = network()
    stem, head = found.stem(frozen), a_head(found, frozen)
    x = torch.randn(12, 3, SIDE, SIDE)
    all_before = [states(layer) for layer in found.layers if layer.state_dict()]
    out_before, print_before = given(stem, x), found.stem_fingerprint(6)
    stem.train()
    trained = nn.Sequential(stem, head)
    taught(trained, x)
    all_after = [states(layer) for layer in found.layers if layer.state_dict()]
    assert all(same(after, before) for after, before in zip(all_after, all_before, strict=True))
    assert torch.equal(stem(x), out_before)
    assert torch.equal(given(stem.eval(), x), out_before)
    assert found.stem_fingerprint(6) == print_before


def test_a_stem_is_the_bases_own_layers_and_does_not_learn() -> None:
    found = network()
    stem = found.stem(3)
    assert tuple(stem) == found.layers[:3]
    stem.train()
    assert not any(module.training for module in stem.modules())
    assert not any(one.requires_grad for one in stem.parameters())
    x = torch.randn(2, 3, SIDE, SIDE)
    assert found.stem(0)(x) is x


def test_a_head_learns_all_its_parameters_and_no_statistics() -> None:
    found = network()
    head = a_head(found, 1)
    before = {name: state.clone() for name, state in head.state_dict().items()}
    taught(head, torch.randn(12, 8, 8, 8))
    moved = {name for name, state in head.state_dict().items() if not torch.equal(state, before[name])}
    assert moved == {name for name, _ in head.named_parameters()}
    assert any("running_mean" in name for name in before)
    assert not any("running" in name for name in moved)


def test_a_head_is_the_base_but_for_a_fresh_classifier() -> None:
    found = network()
    head = a_head(found, 2)
    x = torch.randn(4, *found.shape_at(2))
    assert torch.equal(given(head[:-1], x), given(nn.Sequential(*found.layers[2:-1]), x))
    assert given(head, x).shape == (4, CLASSES)
    weight, bias = list(head[-1].parameters())
    assert (tuple(weight.shape), tuple(bias.shape)) == ((CLASSES, 8), (CLASSES,))


def test_a_fresh_classifier_is_drawn_as_nn_linear_draws_from_the_generator_alone() -> None:
    found = network()
    state = torch.get_rng_state()
    first, again, other = (a_head(found, 5, 4000, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(states(first), states(again))
    assert not same(states(first), states(other))
    bound = 1 / math.sqrt(8)
    for drawn in first.parameters():
        assert drawn.abs().max() <= bound
        assert drawn.detach().std() == pytest.approx(bound / math.sqrt(3), rel=0.05)  # of a uniform distribution
        assert drawn.requires_grad


def test_the_fingerprint_tells_every_change_below_the_branch_point_and_none_above() -> None:
    torch.manual_seed(0)
    found = network()
    prints = [found.stem_fingerprint(k) for k in range(7)]
    assert len(set(prints)) == 7
    torch.manual_seed(0)
    assert [one.stem_fingerprint(6) == prints[6] for one in (network(), network())] == [True, False]
    for name, state in found.layers[1].state_dict().items():
        flat = state.flatten()
        kept = flat[0].clone()
        flat[0] = torch.nextafter(kept, torch.tensor(9.0))
        changed = [found.stem_fingerprint(k) != prints[k] for k in range(7)]
        assert changed == [False, False, True, True, True, True, True], name
        flat[0] = kept
    assert [found.stem_fingerprint(k) for k in range(7)] == prints


def test_the_fingerprint_tells_another_operation_on_the_same_numbers() -> None:
    found = [
        cut(
            nn.Sequential(activation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
            name="same",
            preprocessing=PREPROCESSING,
        )
        for activation in (nn.ReLU(), nn.Tanh())
    ]
    assert found[0].stem_fingerprint(1) != found[1].stem_fingerprint(1)


def test_a_base_without_a_linear_classifier_has_stems_and_no_heads() -> None:
    base = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = cut(base, name="all convolutions", preprocessing=PREPROCESSING)
    assert given(found.stem(1), torch.randn(1, 3, SIDE, SIDE)).shape[1:] == found.shapes[0]
    with pytest.raises(SettingsError, match="all convolutions does not end in a linear layer"):
        a_head(found, 1)


def test_a_classifier_without_bias_stays_one() -> None:
    base = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 4, bias=False))
    found = cut(base, name="no bias", preprocessing=PREPROCESSING)
    assert [tuple(one.shape) for one in a_head(found, 1).parameters()] == [(CLASSES, 8 * 14 * 14)]


def test_numbers_outside_of_the_base_are_refused() -> None:
    found = network()
    for call in (lambda: found.stem(7), lambda: found.stem(-1), lambda: a_head(found, 6), lambda: found.shape_at(7)):
        with pytest.raises(SettingsError, match=r"frozen is -?\d: toy has 6 layers, give one in \[0, [56]\]"):
            call()
    with pytest.raises(SettingsError, match="classes is 1: a head needs at least 2"):
        a_head(found, 0, classes=1)

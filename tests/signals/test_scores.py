"""The scores against a loop over examples and classes, and at the edges of their ranges."""

import math

import pytest
import torch
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.signals import Score, cross_entropy, entropy, euclidean, negative_margin, score_named
from rheostat.signals.scores import SCORES, doubt, energy, gradient_norm, max_softmax

CLASSES = 5
OF_SOFT_TARGETS = [euclidean, gradient_norm, cross_entropy]
OF_A_LABEL = [euclidean, gradient_norm, doubt, cross_entropy, negative_margin]


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def euclidean_by_hand(row: list[float], target: list[float]) -> float:
    return sum((p - q) ** 2 for p, q in zip(softmax(row), target, strict=True))


def gradient_norm_by_hand(row: list[float], target: list[float]) -> float:
    return math.dist(softmax(row), target)


def doubt_by_hand(row: list[float], target: list[float]) -> float:
    return 1 - softmax(row)[target.index(1.0)]


def cross_entropy_by_hand(row: list[float], target: list[float]) -> float:
    return -sum(q * math.log(p) for p, q in zip(softmax(row), target, strict=True))


def negative_margin_by_hand(row: list[float], target: list[float]) -> float:
    given = target.index(1.0)
    return max(value for c, value in enumerate(row) if c != given) - row[given]


def entropy_by_hand(row: list[float], target: list[float]) -> float:
    return -sum(p * math.log(p) for p in softmax(row))


def max_softmax_by_hand(row: list[float], target: list[float]) -> float:
    return 1 - max(softmax(row))


def energy_by_hand(row: list[float], target: list[float]) -> float:
    return -math.log(sum(math.exp(value) for value in row))


BY_HAND = {
    euclidean: euclidean_by_hand,
    gradient_norm: gradient_norm_by_hand,
    doubt: doubt_by_hand,
    cross_entropy: cross_entropy_by_hand,
    negative_margin: negative_margin_by_hand,
    entropy: entropy_by_hand,
    max_softmax: max_softmax_by_hand,
    energy: energy_by_hand,
}


def some_logits(generator: torch.Generator, rows: int = 40, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(rows, CLASSES, generator=generator)


def some_labels(generator: torch.Generator, rows: int = 40) -> Tensor:
    return torch.randint(0, CLASSES, (rows,), generator=generator)


def one_hot(labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels, CLASSES).float()


def logits_of(probabilities: list[float]) -> Tensor:
    return torch.tensor([probabilities]).log()


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [([0.1] * 10, 0.9), ([0.8] + [0.2 / 9] * 9, 0.2**2 + 0.2**2 / 9)],
    ids=["uniform softmax: 0.9", "0.8 on the right class: 0.044"],
)
def test_euclidean_gives_the_numbers_worked_out_in_the_thesis(probabilities: list[float], expected: float) -> None:
    score = euclidean(logits_of(probabilities), torch.tensor([0])).item()
    assert score == pytest.approx(expected, abs=1e-6)
    assert round(expected, 3) in {0.9, 0.044}


@pytest.mark.parametrize("score", BY_HAND)
def test_a_score_equals_a_loop_over_examples_and_classes(score: Score, generator: torch.Generator) -> None:
    logits, labels = some_logits(generator), some_labels(generator)
    rows = zip(logits.double().tolist(), one_hot(labels).tolist(), strict=True)
    expected = [BY_HAND[score](row, target) for row, target in rows]
    assert score(logits, labels).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("score", OF_SOFT_TARGETS)
def test_a_score_of_soft_targets_equals_the_loop(score: Score, generator: torch.Generator) -> None:
    logits, targets = some_logits(generator), some_logits(generator).softmax(dim=1)
    rows = zip(logits.double().tolist(), targets.double().tolist(), strict=True)
    expected = [BY_HAND[score](row, target) for row, target in rows]
    assert score(logits, targets).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("score", OF_SOFT_TARGETS)
def test_a_one_hot_target_scores_as_its_class_does(score: Score, generator: torch.Generator) -> None:
    logits, labels = some_logits(generator), some_labels(generator)
    torch.testing.assert_close(score(logits, one_hot(labels)), score(logits, labels))


@pytest.mark.parametrize("score", OF_A_LABEL)
def test_a_score_falls_as_the_logit_of_the_given_class_rises(score: Score) -> None:
    logits = torch.zeros(9, CLASSES)
    logits[:, 2] = torch.linspace(-4, 4, 9)
    scores = score(logits, torch.full((9,), 2))
    assert (scores.diff() < 0).all()


def test_entropy_falls_as_the_softmax_sharpens_and_looks_at_no_label(generator: torch.Generator) -> None:
    row = some_logits(generator, rows=1, scale=1.0)
    sharper = torch.cat([row * factor for factor in (0.0, 0.5, 1.0, 2.0, 4.0)])
    scores = entropy(sharper)
    assert (scores.diff() < 0).all()
    assert scores[0].item() == pytest.approx(math.log(CLASSES))
    assert torch.equal(scores, entropy(sharper, torch.tensor([0, 1, 2, 3, 4])))


def test_max_softmax_falls_as_the_softmax_sharpens_and_looks_at_no_label(generator: torch.Generator) -> None:
    row = some_logits(generator, rows=1, scale=1.0)
    sharper = torch.cat([row * factor for factor in (0.0, 0.5, 1.0, 2.0, 4.0)])
    scores = max_softmax(sharper)
    assert (scores.diff() < 0).all()
    assert scores[0].item() == pytest.approx(1 - 1 / CLASSES)
    assert torch.equal(scores, max_softmax(sharper, torch.tensor([0, 1, 2, 3, 4])))


def test_energy_falls_as_any_logit_rises_and_looks_at_no_label(generator: torch.Generator) -> None:
    row = some_logits(generator, rows=1)
    for raised in (*torch.eye(CLASSES), torch.ones(CLASSES)):
        assert energy(row + raised).item() < energy(row).item()
    assert energy(row + 3).item() == pytest.approx(energy(row).item() - 3, abs=1e-5)
    assert torch.equal(energy(row), energy(row, torch.tensor([2])))


def test_certainty_reaches_the_ends_of_each_range() -> None:
    certain = torch.tensor([[50.0, 0.0, 0.0, 0.0, 0.0]])
    right, wrong = torch.tensor([0]), torch.tensor([1])
    assert euclidean(certain, right).item() == pytest.approx(0, abs=1e-6)
    assert euclidean(certain, wrong).item() == pytest.approx(2)
    assert gradient_norm(certain, right).item() == pytest.approx(0, abs=1e-6)
    assert gradient_norm(certain, wrong).item() == pytest.approx(2**0.5)
    assert doubt(certain, right).item() == pytest.approx(0, abs=1e-6)
    assert doubt(certain, wrong).item() == pytest.approx(1)
    assert cross_entropy(certain, right).item() == pytest.approx(0, abs=1e-6)
    assert cross_entropy(certain, wrong).item() == pytest.approx(50)
    assert negative_margin(certain, right).item() == -50
    assert negative_margin(certain, wrong).item() == 50
    assert entropy(certain).item() == pytest.approx(0, abs=1e-6)
    assert max_softmax(certain).item() == pytest.approx(0, abs=1e-6)
    assert energy(certain).item() == -50


def test_rounding_never_takes_the_euclidean_score_below_0(generator: torch.Generator) -> None:
    logits = some_logits(generator, rows=5000, scale=10.0)  # most rows are nearly certain
    assert (euclidean(logits, logits.argmax(dim=1)) >= 0).all()


def test_the_gradient_norm_is_that_of_the_cross_entropy_by_the_logits(generator: torch.Generator) -> None:
    logits, labels = some_logits(generator).requires_grad_(), some_labels(generator)
    (gradient,) = torch.autograd.grad(cross_entropy(logits, labels).sum(), logits)
    torch.testing.assert_close(gradient_norm(logits.detach(), labels), gradient.norm(dim=1))


@pytest.mark.parametrize("score", [gradient_norm, doubt])
@pytest.mark.parametrize("lead", [5.0, 10.0, 14.0, 20.0, 60.0])
def test_what_is_nearly_certain_is_not_rounded(score: Score, lead: float) -> None:
    row = [lead, 0.0, 1.0, 0.0, 0.0]
    powers = [math.exp(value - lead) for value in row]
    others = [power / sum(powers) for power in powers[1:]]
    exact = sum(others) if score is doubt else math.hypot(sum(others), *others)
    assert score(torch.tensor([row]), torch.tensor([0])).item() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("score", BY_HAND)
def test_renaming_the_classes_changes_no_score(score: Score, generator: torch.Generator) -> None:
    logits, labels = some_logits(generator), some_labels(generator)
    new_name = torch.tensor([3, 0, 4, 1, 2])
    renamed = torch.empty_like(logits)
    renamed[:, new_name] = logits
    torch.testing.assert_close(score(renamed, new_name[labels]), score(logits, labels))


@pytest.mark.parametrize("score", BY_HAND)
def test_logits_of_ten_thousand_give_finite_scores(score: Score) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0, 0.0, 0.0]]).expand(CLASSES, CLASSES)
    assert score(logits, torch.arange(CLASSES)).isfinite().all()


@pytest.mark.parametrize("score", BY_HAND)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_scored_in_single_precision(
    score: Score, dtype: torch.dtype, generator: torch.Generator
) -> None:
    logits, labels = some_logits(generator).to(dtype), some_labels(generator)
    scores = score(logits, labels)
    assert scores.dtype == torch.float32
    assert torch.equal(scores, score(logits.float(), labels))


@pytest.mark.parametrize("score", OF_SOFT_TARGETS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_soft_targets_may_have_another_precision_than_the_logits(
    score: Score, dtype: torch.dtype, generator: torch.Generator
) -> None:
    logits, targets = some_logits(generator), some_logits(generator).softmax(dim=1).to(dtype)
    assert torch.equal(score(logits, targets), score(logits, targets.float()))


@pytest.mark.parametrize("score", OF_A_LABEL)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_labels_may_be_of_any_integer_type(score: Score, dtype: torch.dtype, generator: torch.Generator) -> None:
    logits, labels = some_logits(generator), some_labels(generator)
    assert torch.equal(score(logits, labels.to(dtype)), score(logits, labels))


def test_an_impossible_class_adds_nothing_to_the_entropy() -> None:
    with_it = torch.tensor([[1.0, 2.0, 0.5, -torch.inf, -torch.inf]])
    torch.testing.assert_close(entropy(with_it), entropy(with_it[:, :3]))


@pytest.mark.parametrize("score", BY_HAND)
def test_an_empty_batch_has_no_scores(score: Score) -> None:
    scores = score(torch.empty(0, CLASSES), torch.empty(0, dtype=torch.int64))
    assert scores.shape == (0,)
    assert scores.dtype == torch.float32


def test_every_score_can_be_had_by_its_name() -> None:
    assert {score_named(name) for name in SCORES} == set(BY_HAND)
    assert score_named("cross-entropy") is cross_entropy


def test_an_unknown_score_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match=r"unknown score 'cross_entropy': did you mean cross-entropy.*euclidean"):
        score_named("cross_entropy")

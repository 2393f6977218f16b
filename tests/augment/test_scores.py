"""The scores of difficulty and of suspicion against loops over examples, and of unseen ones nothing."""

import math

import pytest
import torch
from torch import Tensor

from rheostat.augment.scores import (
    SUSPECT_SCORES,
    aum,
    difficulty,
    disagreement,
    forgetting,
    relative_loss,
    suspect_score_named,
)
from rheostat.errors import DataError, SettingsError
from rheostat.signals import ExampleLog

CLASSES = 3


def some_values(generator: torch.Generator, size: int = 60) -> Tensor:
    """Positive values with ties, every seventh unseen."""
    values = torch.randint(1, 25, (size,), generator=generator) / 8
    values[::7] = torch.nan
    return values


def watched(size: int = 30, epochs: int = 4) -> ExampleLog:
    """A log in which examples get easier with their index, and 0 was never looked at."""
    log, generator = ExampleLog(size), torch.Generator().manual_seed(1)
    index = torch.arange(1, size)
    for epoch in range(epochs):
        logits = torch.randn(size - 1, CLASSES, generator=generator)
        logits[index - 1, index % CLASSES] += index / 5 - 2
        log.observe(index, logits, index % CLASSES, epoch)
    return log


def difficulty_by_hand(entropy: list[float]) -> list[float]:
    seen = [value for value in entropy if not math.isnan(value)]
    return [
        math.nan
        if math.isnan(value)
        else (sum(other < value for other in seen) + sum(other == value for other in seen) / 2) / len(seen)
        for value in entropy
    ]


def relative_loss_by_hand(loss: list[float], labels: list[int]) -> list[float]:
    found = []
    for value, label in zip(loss, labels, strict=True):
        of_class = [v for v, c in zip(loss, labels, strict=True) if c == label and not math.isnan(v)]
        found.append(math.nan if math.isnan(value) else value / (sum(of_class) / len(of_class)))
    return found


def forgetting_by_hand(forgotten: list[int], correct: list[int], looks: list[int]) -> list[float]:
    most = max(forgotten) + 1
    rows = zip(forgotten, correct, looks, strict=True)
    return [math.nan if seen == 0 else most if right == 0 else count for count, right, seen in rows]


def test_difficulty_is_the_mid_rank_among_the_seen(generator: torch.Generator) -> None:
    entropy = some_values(generator)
    expected = difficulty_by_hand(entropy.tolist())
    assert difficulty(entropy).tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_difficulty_of_one_or_none_seen() -> None:
    assert difficulty(torch.tensor([torch.nan, 0.0])).nan_to_num(-1).tolist() == [-1, 0.5]
    assert difficulty(torch.full((3,), torch.nan)).isnan().all()


def test_disagreement_is_the_area_under_the_margin_with_the_sign_turned(generator: torch.Generator) -> None:
    margin = some_values(generator) - 1
    expected = [-value for value in margin.tolist()]
    assert disagreement(margin).tolist() == pytest.approx(expected, nan_ok=True)
    assert (-aum(margin)).tolist() == pytest.approx(expected, nan_ok=True)


def test_relative_loss_compares_within_the_given_label(generator: torch.Generator) -> None:
    loss, labels = some_values(generator), torch.randint(0, CLASSES, (60,), generator=generator)
    relative = relative_loss(loss, labels, CLASSES)
    expected = relative_loss_by_hand(loss.tolist(), labels.tolist())
    assert relative.tolist() == pytest.approx(expected, rel=1e-5, nan_ok=True)
    for label in range(CLASSES):
        assert relative[labels == label].nanmean().item() == pytest.approx(1, abs=1e-5)


def test_a_class_without_loss_or_unseen_is_not_divided_by_zero() -> None:
    relative = relative_loss(torch.tensor([0.0, 0.0, torch.nan, 3.0]), torch.tensor([0, 0, 1, 2]), 3)
    assert relative.nan_to_num(-1).tolist() == [1, 1, -1, 1]


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_classes_is_named(label: int) -> None:
    with pytest.raises(DataError, match=rf"the label of example 1 is {label}: labels must lie in \[0, 2\]"):
        relative_loss(torch.ones(2), torch.tensor([0, label]), 3)


def test_forgetting_counts_and_never_right_counts_most(generator: torch.Generator) -> None:
    looks = torch.randint(0, 9, (60,), generator=generator)
    correct = (looks - torch.randint(0, 9, (60,), generator=generator)).clamp(min=0)
    forgotten = correct.minimum(looks - correct)
    assert int((correct == 0).sum()) > int((looks == 0).sum()) > 0
    expected = forgetting_by_hand(forgotten.tolist(), correct.tolist(), looks.tolist())
    assert forgetting(forgotten, correct, looks).tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", SUSPECT_SCORES)
def test_by_its_name_a_score_of_a_log_is_higher_for_the_harder_half_and_nan_for_the_unseen(name: str) -> None:
    log = watched()
    score = suspect_score_named(name)(log, torch.arange(30) % CLASSES)
    assert score.isnan().tolist() == [True] + [False] * 29
    assert score[1:10].mean() > score[20:].mean()


def test_the_names_stand_for_their_rules() -> None:
    log, labels = watched(), torch.arange(30) % CLASSES
    expected = {
        "disagreement": disagreement(log.margin),
        "aum": -aum(log.margin),
        "relative-loss": relative_loss(log.loss, labels, CLASSES),
        "forgetting": forgetting(log.forgotten, log.correct, log.looks),
        "difficulty": difficulty(log.entropy),
        "max-softmax": log.max_softmax,
        "energy": log.energy,
    }
    assert expected.keys() == SUSPECT_SCORES.keys()
    for name, score in expected.items():
        assert torch.allclose(suspect_score_named(name)(log, labels), score, rtol=0, atol=0, equal_nan=True), name


def test_relative_loss_without_labels_says_what_it_needs() -> None:
    with pytest.raises(SettingsError, match="relative-loss compares within the given label: give labels"):
        suspect_score_named("relative-loss")(watched(), None)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"unknown suspect score 'relative_loss': did you mean relative-loss"):
        suspect_score_named("relative_loss")

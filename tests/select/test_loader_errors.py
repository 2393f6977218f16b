"""What the selective loader refuses, and what it says."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.errors import DataError, ScoreError, SettingsError
from rheostat.select import (
    Candidates,
    Choice,
    MatchedRandom,
    Scoring,
    SelectiveBackprop,
    SelectiveLoader,
    Traits,
    Uniform,
)
from tests.select.toys import CLASSES, READS_LOGITS, examples, in_order

STRANGE = 17  # the example that something is wrong with


def shuffled(data: TensorDataset) -> "DataLoader[Any]":
    """Four rounds, in which example 17 is neither in its own round nor at its own place."""
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0)).tolist()
    assert order.index(STRANGE) // 10 != STRANGE // 10
    assert order.index(STRANGE) % 10 != STRANGE % 10
    return DataLoader(data, 10, sampler=order)


def select_from(loader: Any, model: nn.Module = READS_LOGITS, **options: Any) -> None:
    list(SelectiveLoader(loader, model, SelectiveBackprop(0.5), 4, **options))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_score_that_is_no_number_is_refused_with_the_index_of_its_example(value: float) -> None:
    def score(logits: Tensor, targets: Tensor) -> Tensor:
        return torch.where(logits.isnan().any(dim=1), value, 0.5)

    data = examples(40)
    data.tensors[0][STRANGE] = torch.nan
    with pytest.raises(ScoreError, match=rf"score of example {STRANGE} is {value}: .*lower the learning rate"):
        select_from(shuffled(data), scoring=Scoring(score=score))


def test_a_bad_score_is_blamed_on_its_example_where_it_spoils_the_probabilities_of_all() -> None:
    data = examples(40)
    data.tensors[0][STRANGE] = torch.nan
    batches = SelectiveLoader(DataLoader(data, 40), READS_LOGITS, MatchedRandom(SelectiveBackprop()), 4)
    with pytest.raises(ScoreError, match=rf"score of example {STRANGE} is nan"):
        list(batches)


@pytest.mark.parametrize("label", [CLASSES, -1, -100])
def test_a_label_outside_the_classes_is_refused_with_the_index_of_its_example(label: int) -> None:
    data = examples(40)
    data.tensors[1][STRANGE] = label
    with pytest.raises(DataError, match=rf"label of example {STRANGE} is {label} and .* 4 outputs: .*\[0, 3\]"):
        select_from(shuffled(data))


@pytest.mark.parametrize("probability", [1.5, -0.1, torch.nan])
def test_a_policy_that_gives_no_probability_is_named_with_the_index_of_the_example(probability: float) -> None:
    class Odd:
        traits = Traits(needs_score=False)

        def choose(self, candidates: Candidates) -> Choice:
            return Choice(torch.where(candidates.index == STRANGE, probability, 0.5))

    with pytest.raises(ScoreError, match=rf"gave example {STRANGE} the probability {probability:.4g}.*\[0, 1\]"):
        list(SelectiveLoader(shuffled(examples(40)), READS_LOGITS, Odd(), 4))


def test_a_loss_averaged_over_the_batch_is_refused_at_the_first_batch() -> None:
    offered: list[int] = []

    def forward(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        offered.append(len(batch[0]))
        return model(batch[0]), batch[1]

    scoring = Scoring(score=nn.CrossEntropyLoss(), forward=forward)
    with pytest.raises(ScoreError, match=r"10 examples has shape \[\] .*reduction='none'"):
        select_from(in_order(40), scoring=scoring)
    assert offered == [10]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Unflatten(1, (2, 2)), r"gave \[10, 2, 2\] for 10 examples and must give logits \[10, classes\]"),
        (nn.Flatten(0), r"gave \[40\] for 10 examples"),
        (nn.LSTM(CLASSES, CLASSES), r"gave tuple for 10 examples .*Scoring\(forward=\.\.\.\)"),
    ],
    ids=["three dimensions", "one dimension", "no tensor"],
)
@pytest.mark.usefixtures("annotations_not_enforced")
def test_an_output_that_is_no_logits_is_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(DataError, match=message):
        select_from(in_order(40), model)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.zeros(10, 3), r"targets are \[10, 3\] and must be .*\[10\] or soft targets \[10, 4\].*last layer"),
        (torch.zeros(10, 1, dtype=torch.int64), r"targets are \[10, 1\]"),
        (torch.zeros(10), r"torch.float32 of shape \[10\] and must be integers"),
        (["a"] * 10, r"targets are list"),
    ],
    ids=["soft targets of another width", "a column", "floating point classes", "names"],
)
@pytest.mark.usefixtures("annotations_not_enforced")
def test_targets_that_do_not_fit_the_logits_are_refused(targets: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        select_from([(torch.zeros(10, CLASSES), targets)])


@pytest.mark.parametrize(
    "batch",
    [(torch.zeros(4, CLASSES), torch.zeros(4), torch.zeros(4)), torch.zeros(4, CLASSES), {"x": torch.zeros(4)}],
    ids=["three parts", "a tensor", "a mapping without labels"],
)
def test_a_batch_without_telling_inputs_and_targets_is_refused(batch: Any) -> None:
    with pytest.raises(DataError, match=r"cannot tell inputs from targets in a \w+: .*Scoring\(forward=\.\.\.\)"):
        select_from([batch])


def test_differently_nested_batches_cannot_share_a_training_batch() -> None:
    x, y = examples(3).tensors
    with pytest.raises(DataError, match="nested otherwise than the batch before it"):
        list(SelectiveLoader([(x, y), [x, y]], READS_LOGITS, Uniform(), 6))


def test_examples_of_different_shapes_cannot_share_a_training_batch() -> None:
    loader = [(torch.zeros(3, 3, 8, 8), torch.zeros(3)), (torch.zeros(3, 3, 6, 6), torch.zeros(3))]
    with pytest.raises(DataError, match=r"shapes \[3, 6, 6\] and \[3, 8, 8\] cannot share a batch"):
        list(SelectiveLoader(loader, READS_LOGITS, Uniform(), 6))


def test_a_batch_size_below_1_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"batch_size is 0: .*at least 1"):
        SelectiveLoader([], READS_LOGITS, Uniform(), 0)


@pytest.mark.usefixtures("annotations_not_enforced")
@pytest.mark.parametrize("policy", ["selective-backprop", None, 0.1])
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    with pytest.raises(SettingsError, match=rf"policy is {policy!r}: it must be a policy object.*build_policy"):
        SelectiveLoader([], READS_LOGITS, policy, 8)


@pytest.mark.usefixtures("annotations_not_enforced")
def test_a_mode_that_is_neither_eval_nor_train_is_refused() -> None:
    mode: Any = "test"
    with pytest.raises(SettingsError, match=r"mode is 'test': .*'eval' or in 'train'"):
        Scoring(mode=mode)

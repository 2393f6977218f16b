"""One forward serves both: what scores a plain view is also a look of the log at it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.errors import DataError
from rheostat.select import Phases, Scoring, SelectiveBackprop, SelectiveLoader, TopK, Uniform
from rheostat.signals import ExampleLog, cross_entropy, entropy
from tests.select.toys import CLASSES, READS_LOGITS, examples, in_order


class Counted(nn.Module):
    """Gives its input back and counts the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


def test_every_scored_candidate_is_looked_at_by_the_forward_that_scores_it() -> None:
    log, (logits, labels), model = ExampleLog(25), examples(25).tensors, Counted()
    loader = DataLoader(examples(25), 7, shuffle=True)
    batches = SelectiveLoader(loader, model, SelectiveBackprop(floor=0.1), 4, log=log, plain_views=True)
    for _ in range(2):
        list(batches)
    assert log.looks.tolist() == [2] * 25
    assert log.last_epoch.tolist() == [1] * 25
    torch.testing.assert_close(log.entropy, entropy(logits))
    torch.testing.assert_close(log.loss, cross_entropy(logits, labels))
    assert log.prediction.tolist() == logits.argmax(1).tolist()
    torch.testing.assert_close(log.history, cross_entropy(logits, labels).half().expand(2, 25))
    assert model.calls == 2 * len(loader)


def test_views_that_may_be_augmented_are_scored_and_not_looked_at() -> None:
    log = ExampleLog(20)
    list(SelectiveLoader(in_order(20), READS_LOGITS, TopK(0.5), 4, log=log))
    assert log.scored.tolist() == [1] * 20
    assert not log.seen.any()


def test_selection_is_the_same_whether_it_is_watched_or_not() -> None:
    def trained_on(**options: Any) -> list[list[int]]:
        batches = SelectiveLoader(in_order(40), READS_LOGITS, SelectiveBackprop(0.1), 4, **options)
        return [kept.index.tolist() for _ in range(2) for _, kept in batches.with_kept()]

    assert trained_on(log=ExampleLog(40), plain_views=True) == trained_on() == trained_on(plain_views=True)


@pytest.mark.parametrize(
    ("policy", "phases", "seen"),
    [
        (Uniform(), Phases(), []),
        (TopK(0.5), Phases(warmup=1), []),
        (TopK(0.5), Phases(every=2), [*range(10), *range(20, 30)]),
    ],
    ids=["no scores needed", "warm-up", "every second round"],
)
def test_what_is_not_scored_is_not_looked_at(policy: Any, phases: Phases, seen: list[int]) -> None:
    log = ExampleLog(40)
    list(SelectiveLoader(in_order(40), READS_LOGITS, policy, 4, phases=phases, log=log, plain_views=True))
    assert log.seen.nonzero().squeeze(1).tolist() == seen


def test_of_soft_targets_the_log_takes_the_largest() -> None:
    logits, labels = examples(12).tensors
    soft = torch.eye(CLASSES)[labels] * 0.8 + 0.05
    log = ExampleLog(12)
    loader = DataLoader(TensorDataset(logits, soft), 5)
    list(SelectiveLoader(loader, READS_LOGITS, TopK(0.5), 3, log=log, plain_views=True))
    torch.testing.assert_close(log.loss, cross_entropy(logits, labels))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_look_is_that_of_the_mode_that_scores(mode: Any) -> None:
    log = ExampleLog(300)
    model = nn.Sequential(nn.Dropout(0.9), nn.Identity())
    torch.manual_seed(0)
    scoring = Scoring(mode=mode)
    list(SelectiveLoader(in_order(300), model, TopK(0.5), 4, scoring=scoring, log=log, plain_views=True))
    same = torch.isclose(log.entropy, entropy(examples(300).tensors[0]))
    assert bool(same.all()) == (mode == "eval")


def test_a_round_that_is_refused_is_not_looked_at() -> None:
    logits, labels = examples(20).tensors
    labels = labels.clone()
    labels[13] = CLASSES
    log = ExampleLog(20)
    loader = DataLoader(TensorDataset(logits, labels), 10)
    with pytest.raises(DataError, match="the label of example 13 is 4"):
        list(SelectiveLoader(loader, READS_LOGITS, TopK(0.5), 4, log=log, plain_views=True))
    assert log.seen.tolist() == [True] * 10 + [False] * 10
    assert log.flawed == 0

"""The rolling percentile against a deque and a loop."""

import io
from collections import deque

import pytest
import torch
from torch import Tensor

from rheostat.errors import SettingsError, StateError
from rheostat.signals import RollingPercentile
from rheostat.signals.percentile import mid_rank


def rank_by_hand(value: float, recent: deque[float]) -> float:
    below = sum(other < value for other in recent)
    equal = sum(other == value for other in recent)
    return (below + equal / 2) / len(recent)


def rounds_of(*sizes: int, ties: bool = False) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    rounds = [torch.rand(size, generator=generator) for size in sizes]
    return [(10 * scores).floor() for scores in rounds] if ties else rounds


def ranks_of(window: RollingPercentile, rounds: list[Tensor]) -> Tensor:
    """Let every round enter the window and rank it there, as the Percentile policy does."""
    ranks = []
    for scores in rounds:
        window.add(scores)
        ranks.append(window.of(scores))
    return torch.cat(ranks)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [(3, 2, 1), (8,), (5, 5, 5, 5), (3, 0, 8, 1, 7, 8, 8), (20,), (3, 20, 5), (1,) * 30, (7, 9, 7, 33, 2)],
    ids=str,
)
def test_percentiles_equal_a_loop_over_the_last_scores(sizes: tuple[int, ...], ties: bool) -> None:
    rounds = rounds_of(*sizes, ties=ties)
    recent: deque[float] = deque(maxlen=8)
    expected = []
    for scores in rounds:
        recent.extend(scores.tolist())
        expected += [rank_by_hand(score, recent) for score in scores.tolist()]
    assert ranks_of(RollingPercentile(8), rounds).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_score_equal_to_all_others_stands_in_the_middle() -> None:
    window = RollingPercentile(16)
    window.add(torch.full((10,), 0.7))
    assert window.of(torch.tensor([0.7, 0.6, 0.8])).tolist() == [0.5, 0.0, 1.0]


def test_mid_rank_counts_ties_half() -> None:
    ordered = torch.tensor([1.0, 2.0, 2.0, 3.0])
    assert mid_rank(torch.tensor([2.0, 0.0, 9.0, 2.5]), ordered).tolist() == [0.5, 0.0, 1.0, 0.75]


def test_asking_for_a_percentile_does_not_change_the_window() -> None:
    window = RollingPercentile(4)
    window.add(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    first = window.of(torch.tensor([0.25, 9.0]))
    assert torch.equal(window.of(torch.tensor([0.25, 9.0])), first)
    assert len(window) == 4


def test_the_length_is_the_number_of_scores_held() -> None:
    window = RollingPercentile(4)
    lengths = []
    for scores in rounds_of(0, 3, 3, 9):
        window.add(scores)
        lengths.append(len(window))
    assert lengths == [0, 3, 4, 4]


@pytest.mark.parametrize("sizes", [(), (3,), (5, 5), (40,)], ids=str)
def test_a_window_restored_from_a_file_ranks_as_the_uninterrupted_one(sizes: tuple[int, ...]) -> None:
    uninterrupted, resumed = RollingPercentile(8), RollingPercentile(8)
    for scores in rounds_of(*sizes):
        uninterrupted.add(scores)
    file = io.BytesIO()
    torch.save(uninterrupted.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))

    later = rounds_of(2, 3, 9, 4)
    assert torch.equal(ranks_of(resumed, later), ranks_of(uninterrupted, later))


def test_a_saved_state_stays_as_it_was_when_the_window_moves_on() -> None:
    window, resumed = RollingPercentile(4), RollingPercentile(4)
    window.add(torch.tensor([1.0, 2.0, 3.0]))
    state = window.state_dict()
    window.add(torch.tensor([9.0, 9.0, 9.0]))
    resumed.load_state_dict(state)
    resumed.add(torch.tensor([4.0]))
    resumed.load_state_dict(state)
    assert resumed.of(torch.tensor([2.5])).item() == pytest.approx(2 / 3)


def test_scores_with_a_gradient_leave_it_outside_the_window() -> None:
    window = RollingPercentile(4)
    window.add(torch.tensor([1.0, 2.0], requires_grad=True) * 2)
    assert not window.state_dict()["ring"].requires_grad


def test_a_window_of_no_scores_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"history is 0: .*at least 1"):
        RollingPercentile(0)


@pytest.mark.parametrize("added", [None, torch.empty(0)], ids=["nothing added", "an empty round added"])
def test_an_empty_window_ranks_nothing(added: Tensor | None) -> None:
    window = RollingPercentile(4)
    if added is not None:
        window.add(added)
    assert window.of(torch.empty(0)).tolist() == []
    with pytest.raises(StateError, match=r"no score yet: call add\(\)"):
        window.of(torch.tensor([1.0]))


def test_a_window_of_another_size_is_not_taken_over() -> None:
    with pytest.raises(StateError, match=r"holds 8 scores and this one 4: .*history=8"):
        RollingPercentile(4).load_state_dict(RollingPercentile(8).state_dict())

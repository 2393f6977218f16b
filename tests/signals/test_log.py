"""The per-example log: what was recorded is what is read, at its own rows only."""

import io

import pytest
import torch

from rheostat.errors import SettingsError, StateError
from rheostat.signals import ExampleLog


def log_with_history() -> ExampleLog:
    """Five examples: 0 never seen, 3 scored twice, 1 trained on twice."""
    log = ExampleLog(5)
    log.record_scores(torch.tensor([3, 1]), torch.tensor([0.5, 1.5]), epoch=0)
    log.record_kept(torch.tensor([1, 4]))
    log.record_scores(torch.tensor([3, 2]), torch.tensor([0.25, 2.0]), epoch=4)
    log.record_kept(torch.tensor([1]))
    return log


def columns(log: ExampleLog) -> dict[str, list[float]]:
    return {
        "score": log.score.nan_to_num(-7).tolist(),
        "epoch": log.epoch.tolist(),
        "scored": log.scored.tolist(),
        "kept": log.kept.tolist(),
    }


def test_an_example_never_seen_has_no_score_no_epoch_and_no_counts() -> None:
    log = ExampleLog(2)
    assert log.score.isnan().all()
    assert columns(log) == {"score": [-7, -7], "epoch": [-1, -1], "scored": [0, 0], "kept": [0, 0]}


def test_the_last_score_stands_and_the_counts_add_up_at_the_rows_of_the_index() -> None:
    assert columns(log_with_history()) == {
        "score": [-7, 1.5, 2.0, 0.25, -7],
        "epoch": [-1, 0, 4, 4, -1],
        "scored": [0, 1, 1, 2, 0],
        "kept": [0, 2, 0, 0, 1],
    }


def test_an_example_drawn_twice_in_one_batch_counts_twice() -> None:
    log = ExampleLog(3)
    log.record_kept(torch.tensor([2, 0, 2]))
    log.record_scores(torch.tensor([1, 1]), torch.tensor([0.5, 0.5]), epoch=0)
    assert log.kept.tolist() == [1, 0, 2]
    assert log.scored.tolist() == [0, 2, 0]


def test_scores_of_any_precision_are_stored_without_their_graph() -> None:
    log = ExampleLog(2)
    scores = torch.tensor([0.5, 1.0], dtype=torch.float16, requires_grad=True) * 2
    log.record_scores(torch.tensor([0, 1], dtype=torch.int32), scores, epoch=0)
    assert log.score.tolist() == [1.0, 2.0]
    assert not log.score.requires_grad


def test_a_log_restored_from_a_file_goes_on_as_the_uninterrupted_one() -> None:
    uninterrupted, resumed = log_with_history(), ExampleLog(5)
    file = io.BytesIO()
    torch.save(uninterrupted.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for log in (uninterrupted, resumed):
        log.record_scores(torch.tensor([0]), torch.tensor([0.1]), epoch=5)
        log.record_kept(torch.tensor([4]))
    assert columns(resumed) == columns(uninterrupted)


def test_a_saved_state_stays_as_it_was_when_the_log_moves_on() -> None:
    log = log_with_history()
    state, before = log.state_dict(), columns(log)
    log.record_kept(torch.tensor([0, 1, 2, 3, 4]))
    log.load_state_dict(state)
    assert columns(log) == before


def test_a_log_of_no_examples_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"size is 0: .*at least one"):
        ExampleLog(0)


def test_the_log_of_another_data_set_is_not_taken_over() -> None:
    with pytest.raises(StateError, match=r"of 5 examples and this data set has 4"):
        ExampleLog(4).load_state_dict(log_with_history().state_dict())

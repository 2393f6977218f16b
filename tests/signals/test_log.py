"""The per-example log: what was recorded is what is read, at its own rows only; looks against a loop over examples."""

import io
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rheostat.errors import DataError, SettingsError, StateError
from rheostat.signals import ExampleLog
from rheostat.signals.repeats import last_only, turns
from tests.signals.diary import COLUMNS, Diary, assert_same_as


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


# ---- looks


def calls(generator: torch.Generator, size: int, epochs: int, batch: int = 8, classes: int = 4) -> list[dict[str, Any]]:
    """Every example about twice per epoch, a few of them not at all in the first."""
    given: list[dict[str, Any]] = []
    for epoch in range(epochs):
        order = torch.cat([torch.randperm(size, generator=generator) for _ in range(2)])
        order = order[order != 3] if epoch == 0 else order
        for index in order.split(batch):
            logits = 3 * torch.randn(len(index), classes, generator=generator)
            given += [{"index": index, "logits": logits, "targets": index % classes, "epoch": epoch}]
    return given


def observed(size: int, given: list[dict[str, Any]], **options: Any) -> ExampleLog:
    log = ExampleLog(size, **options)
    for call in given:
        log.observe(**call)
    return log


def written(size: int, given: list[dict[str, Any]], memory: int = 5) -> Diary:
    """The same in the plain diary, one example at a time."""
    diary = Diary(size, memory)
    for call in given:
        last = {int(example): at for at, example in enumerate(call["index"])}
        for example, at in last.items():
            if call.get("plain") is None or call["plain"][at]:
                diary.write(example, call["logits"][at].tolist(), int(call["targets"][at]), call["epoch"])
    return diary


@pytest.mark.parametrize("memory", [1, 3, 5])
@pytest.mark.parametrize(("size", "epochs"), [(10, 12), (200, 2)])
def test_every_column_equals_a_diary_kept_one_example_at_a_time(
    memory: int, size: int, epochs: int, generator: torch.Generator
) -> None:
    given = calls(generator, size, epochs)
    assert_same_as(written(size, given, memory), observed(size, given, memory=memory))


def test_reading_in_between_changes_nothing(generator: torch.Generator) -> None:
    given = calls(generator, 20, 3)
    log = ExampleLog(20)
    for call in given:
        log.observe(**call)
        assert log.seen[call["index"]].all()
    assert_same_as(written(20, given), log)


def test_what_was_never_looked_at_reads_as_unknown(generator: torch.Generator) -> None:
    log = ExampleLog(3)
    assert log.history.shape == (0, 3)
    log.observe(torch.tensor([1]), torch.tensor([[2.0, 0.0]]), torch.tensor([0]), epoch=2)
    assert log.seen.tolist() == [False, True, False]
    for name in ("entropy", "max_softmax", "energy", "margin", "loss", "p_given", "p_predicted"):
        assert getattr(log, name).isnan().tolist() == [True, False, True], name
    for name, empty in {"looks": 0, "correct": 0, "forgotten": 0, "prediction": -1, "last_epoch": -1}.items():
        column = getattr(log, name)
        assert (column[0], column.dtype) == (empty, torch.int32), name
    assert log.was_correct.tolist() == [False, True, False]
    assert log.history.isnan().tolist() == [[True] * 3, [True] * 3, [True, False, True]]
    assert log.history.dtype == torch.float16
    assert log.score.isnan().all()  # a look is no score


def test_rows_that_are_not_plain_are_not_looked_at(generator: torch.Generator) -> None:
    given = calls(generator, 30, 3)
    for call in given:
        call["plain"] = torch.rand(len(call["index"]), generator=generator) < 0.4
    given[1]["logits"][:] = torch.where(given[1]["plain"][:, None], given[1]["logits"], torch.nan)
    given.append(given[0] | {"plain": None})
    log = observed(30, given)
    assert_same_as(written(30, given), log)
    assert log.flawed == 0


def test_an_example_that_comes_twice_in_one_call_is_looked_at_once_and_its_last_row_counts() -> None:
    log = ExampleLog(3)
    logits = torch.tensor([[5.0, 0.0], [0.0, 1.0], [0.0, 3.0], [9.0, 0.0]])
    index, targets = torch.tensor([1, 0, 1, 1]), torch.zeros(4, dtype=torch.long)
    log.observe(index, logits, targets, 0, plain=torch.tensor([True, True, True, False]))
    assert log.looks.tolist() == [1, 1, 0]
    assert log.margin[:2].tolist() == pytest.approx([-1, -3])


@pytest.mark.parametrize("values", [[], [3], [2, 2, 2], [4, 1, 4, -1, 1, 0, 4, -1]])
def test_repeats_are_found_and_dealt_out(values: list[int]) -> None:
    index = torch.tensor(values, dtype=torch.long)
    last = [value if value not in values[at + 1 :] else -7 for at, value in enumerate(values)]
    assert last_only(index, -7).tolist() == last
    expected: list[list[int]] = [[] for _ in range(max(map(values.count, values), default=0))]
    for at, value in enumerate(values):
        expected[values[:at].count(value)].append(at)
    assert [turn.tolist() for turn in turns(index)] == expected


def test_an_example_that_comes_in_two_calls_is_looked_at_twice() -> None:
    log = ExampleLog(2)
    for logit in (4.0, -2.0):
        log.observe(torch.tensor([1]), torch.tensor([[logit, 0.0]]), torch.tensor([0]), 0)
    assert (log.looks[1], log.correct[1], log.forgotten[1]) == (2, 1, 1)
    assert log.margin[1].item() == pytest.approx(1)
    assert log.history[0, 1].item() == pytest.approx(math.log1p(math.exp(2)), rel=1e-3)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_a_look_that_is_not_finite_is_left_out_and_counted(wrong: float) -> None:
    log = ExampleLog(4)
    log.observe(torch.arange(4), torch.tensor([[1.0, 2.0]] * 4), torch.tensor([1, 1, 1, 1]), 0)
    before = {name: getattr(log, name) for name in COLUMNS}
    flawed = torch.tensor([[1.0, 2.0], [1.0, wrong], [1.0, 2.0], [0.0, 0.0]])
    log.observe(torch.arange(4), flawed, torch.tensor([1, 1, 1, 1]), 1)
    assert log.flawed == 1
    assert log.looks.tolist() == [2, 1, 2, 2]
    for name in COLUMNS:
        assert getattr(log, name)[1] == before[name][1], name
    assert log.history[1].isnan().tolist() == [False, True, False, False]
    assert log.entropy.isfinite().all()


def test_a_class_ruled_out_is_no_flaw() -> None:
    log = ExampleLog(1)
    log.observe(torch.tensor([0]), torch.tensor([[1.0, 0.0, -torch.inf]]), torch.tensor([1]), 0)
    assert log.flawed == 0
    assert (log.margin.item(), log.prediction.item()) == (pytest.approx(-1), 0)
    assert log.entropy.isfinite()


def test_a_label_that_is_no_class_is_left_out_and_counted() -> None:
    log = ExampleLog(3)
    log.observe(torch.arange(3), torch.randn(3, 2), torch.tensor([-100, 1, 2]), 0)
    assert (log.looks.tolist(), log.flawed) == ([0, 1, 0], 2)


def test_of_soft_targets_the_largest_entry_is_the_given_label(generator: torch.Generator) -> None:
    hard = calls(generator, 12, 2)
    soft = [call | {"targets": torch.eye(4)[call["targets"]] * 0.6 + 0.1} for call in hard]
    assert_same_as(written(12, hard), observed(12, soft))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_logits_of_any_precision_are_looked_at_without_their_graph(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1.0, 3.0], [0.5, 0.0]], dtype=dtype, requires_grad=True)
    log, same = ExampleLog(2), ExampleLog(2)
    log.observe(torch.tensor([0, 1], dtype=torch.int32), logits * 2, torch.tensor([0, 1], dtype=torch.uint8), 0)
    same.observe(torch.tensor([0, 1]), (logits * 2).detach().float(), torch.tensor([0, 1]), 0)
    assert torch.equal(log.margin, same.margin)
    assert not log.margin.requires_grad


def test_what_was_given_may_be_written_into_afterwards(generator: torch.Generator) -> None:
    given = calls(generator, 12, 1)
    diary, log = written(12, given), ExampleLog(12)
    for call in given:
        plain = torch.ones(len(call["index"]), dtype=torch.bool)
        log.observe(**call, plain=plain)
        call["logits"].zero_()
        call["targets"].zero_()
        call["index"].zero_()
        plain.zero_()
    assert_same_as(diary, log)


def test_calls_of_other_shapes_and_sizes_follow_each_other(generator: torch.Generator) -> None:
    given = calls(generator, 20, 2, batch=3) + calls(generator, 20, 1, batch=20, classes=7)
    given += [call | {"targets": torch.eye(4)[call["targets"]]} for call in calls(generator, 20, 1)]
    log = observed(20, given)
    for call in given:
        if call["targets"].ndim == 2:
            call["targets"] = call["targets"].argmax(1)
    assert_same_as(written(20, given), log)


def test_an_empty_batch_is_no_look() -> None:
    log = ExampleLog(2)
    log.observe(torch.empty(0, dtype=torch.long), torch.empty(0, 3), torch.empty(0, dtype=torch.long), 0)
    assert not log.seen.any()
    assert log.flawed == 0


def test_a_loss_beyond_half_precision_is_kept_as_its_largest() -> None:
    log = ExampleLog(1)
    log.observe(torch.tensor([0]), torch.tensor([[1e6, 0.0]]), torch.tensor([1]), 0)
    assert log.history.item() == 65504
    assert log.loss.item() == 1e6


def test_no_random_state_moves(generator: torch.Generator) -> None:
    before = torch.get_rng_state()
    observed(10, calls(generator, 10, 1)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_is_the_same_and_waits_for_nothing(generator: torch.Generator) -> None:
    given = calls(generator, 40, 3)
    for call in given[::2]:
        call["plain"] = torch.rand(len(call["index"]), generator=generator) < 0.5
    log = ExampleLog(40, "cuda")
    on_device = [{k: v.cuda() if isinstance(v, Tensor) else v for k, v in call.items()} for call in given]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for call in on_device:
            log.observe(**call)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert_same_as(written(40, given), log)


# ---- saved


@pytest.mark.parametrize("cut", [0, 1, 7, 16, 18])
def test_looks_restored_from_a_file_go_on_bit_for_bit(cut: int, generator: torch.Generator) -> None:
    given = calls(generator, 20, 5, batch=7)
    for call in given[::4]:
        call["plain"] = torch.rand(len(call["index"]), generator=generator) < 0.5
    file = io.BytesIO()
    torch.save(observed(20, given[:cut]).state_dict(), file)
    file.seek(0)
    resumed = observed(20, given[-3:])  # what it has seen until then is forgotten
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for call in given[cut:]:
        resumed.observe(**call)
    uninterrupted = observed(20, given)
    for name in COLUMNS:
        assert torch.equal(getattr(resumed, name), getattr(uninterrupted, name)), name
    assert torch.allclose(resumed.history, uninterrupted.history, rtol=0, atol=0, equal_nan=True)
    assert resumed.flawed == uninterrupted.flawed == 0


def test_that_a_state_is_saved_changes_nothing(generator: torch.Generator) -> None:
    given = calls(generator, 20, 3, batch=7)
    saved, unsaved = ExampleLog(20), observed(20, given)
    for call in given:
        saved.observe(**call)
        saved.state_dict()
    for name in COLUMNS:
        assert torch.equal(getattr(saved, name), getattr(unsaved, name)), name


def test_the_count_of_flawed_looks_is_saved() -> None:
    log, other = ExampleLog(2), ExampleLog(2)
    log.observe(torch.tensor([0, 1]), torch.full((2, 2), torch.nan), torch.tensor([0, 1]), 0)
    other.load_state_dict(log.state_dict())
    assert other.flawed == 2


def test_the_log_of_an_earlier_version_is_taken_over(generator: torch.Generator) -> None:
    earlier = {name: log_with_history().state_dict()[name] for name in ("score", "epoch", "scored", "kept")}
    log = observed(5, calls(generator, 5, 2))
    log.load_state_dict(earlier)
    assert columns(log) == columns(log_with_history())
    assert not log.seen.any()
    assert log.history.shape == (0, 5)


# ---- what cannot be


@pytest.mark.parametrize(
    ("index", "logits", "targets", "epoch", "error", "message"),
    [
        ([0, 5], (2, 3), (2,), 0, DataError, r"index 5 is none of the data set's: indices lie in \[0, 4\]"),
        ([-1, 2], (2, 3), (2,), 0, DataError, r"index -1 is none"),
        ([0, 1], (2, 1), (2,), 0, DataError, r"1 logit per example and a look needs 2 classes"),
        ([0, 1], (3, 3), (3,), 0, DataError, r"2 examples have logits \[3, 3\]"),
        ([0, 1], (2,), (2,), 0, DataError, r"logits \[2\] and targets \[2\]: the logits must be \[2, classes\]"),
        ([0, 1], (2, 3, 4), (2,), 0, DataError, r"logits \[2, 3, 4\] .*: the logits must be \[2, classes\]"),
        ([0, 1], (2, 3), (2, 2), 0, DataError, r"targets \[2, 2\]: .*the targets \[2\] or \[2, 3\]"),
        ([0, 1], (2, 3), (2,), -1, SettingsError, r"epoch is -1: epochs count from 0"),
    ],
)
@pytest.mark.usefixtures("annotations_not_enforced")
def test_a_look_that_cannot_be_is_refused_where_it_is_made(
    index: list[int], logits: tuple[int, ...], targets: tuple[int, ...], epoch: int, error: Any, message: str
) -> None:
    log = ExampleLog(5)
    with pytest.raises(error, match=message):
        log.observe(torch.tensor(index), torch.zeros(logits), torch.zeros(targets, dtype=torch.long), epoch)
    assert not log.seen.any()


def test_scores_and_uses_of_an_index_outside_the_data_set_are_refused() -> None:
    with pytest.raises(DataError, match=r"index 5 is none"):
        ExampleLog(5).record_kept(torch.tensor([5]))
    with pytest.raises(DataError, match=r"index -1 is none"):
        ExampleLog(5).record_scores(torch.tensor([-1]), torch.tensor([0.5]), 0)


def test_a_log_without_memory_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"memory is 0: .*at least 1 look"):
        ExampleLog(3, memory=0)


def test_alone_there_is_nothing_to_exchange(generator: torch.Generator) -> None:
    log = observed(10, calls(generator, 10, 1))
    log.exchange()
    assert log.gathered() is log

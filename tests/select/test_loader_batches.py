"""What the selective loader yields: full batches of the right examples, none lost and none twice."""

import itertools
import math
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from rheostat.select import (
    MatchedRandom,
    Phases,
    Random,
    Scoring,
    SelectiveBackprop,
    SelectiveLoader,
    TopK,
    Uniform,
)
from rheostat.signals import ExampleLog, IndexedLoader, euclidean
from tests.select.toys import (
    CLASSES,
    READS_LOGITS,
    concatenated,
    examples,
    global_randomness_untouched,
    in_order,
    indices,
    uses_workers,
)


def per_epoch(batches: SelectiveLoader, epochs: int) -> list[list[list[int]]]:
    """The indices in every batch of every epoch."""
    return [indices(batches.with_kept()) for _ in range(epochs)]


# ---- full batches


@pytest.mark.parametrize(
    ("size", "round_size", "batch_size"),
    [(50, 7, 8), (33, 50, 10), (5, 2, 4), (64, 8, 8), (41, 1, 3), (41, 20, 1), (100, 64, 9)],
)
def test_every_batch_has_exactly_batch_size_examples(size: int, round_size: int, batch_size: int) -> None:
    loader = DataLoader(examples(size), round_size, shuffle=True)
    batches = SelectiveLoader(loader, READS_LOGITS, SelectiveBackprop(floor=0.3), batch_size)
    sizes = [(len(x), len(y), len(kept.index)) for _ in range(4) for (x, y), kept in batches.with_kept()]
    assert set(sizes) == {(batch_size,) * 3}
    assert len(sizes) == batches.stats.kept // batch_size
    assert 0 < batches.stats.kept < batches.stats.candidates == 4 * size


def test_examples_that_come_in_as_a_training_batch_go_out_as_the_same_tensors() -> None:
    loader = [tuple(tensor[i : i + 4] for tensor in examples(8).tensors) for i in (0, 4)]
    for given, (x, y) in zip(loader, SelectiveLoader(loader, READS_LOGITS, Uniform(), 4), strict=True):
        assert x is given[0]
        assert y is given[1]


# ---- the right examples


@uses_workers
@pytest.mark.parametrize("workers", [0, 2])
def test_example_score_and_index_stay_together_through_shuffling_and_workers(workers: int) -> None:
    data = examples(53)
    loader = DataLoader(data, 7, shuffle=True, num_workers=workers)
    batches = SelectiveLoader(loader, READS_LOGITS, SelectiveBackprop(floor=0.1), batch_size=5)
    seen = []
    for (x, y), kept in batches.with_kept():
        assert torch.equal(x, data.tensors[0][kept.index])
        assert torch.equal(y, data.tensors[1][kept.index])
        torch.testing.assert_close(kept.score, euclidean(x, y))
        assert kept.weight.tolist() == [1.0] * 5
        seen += kept.index.tolist()
    assert 10 < len(seen) == len(set(seen))
    assert seen != sorted(seen)


def test_an_example_is_kept_as_often_as_its_probability_says() -> None:
    data, epochs = examples(30), 400
    log = ExampleLog(30)
    batches = SelectiveLoader(
        DataLoader(data, 30, shuffle=True),
        READS_LOGITS,
        SelectiveBackprop(floor=0.1),
        batch_size=30,
        phases=Phases(remainder="flush"),
        log=log,
    )
    for _ in range(epochs):
        list(batches)
    probability = euclidean(*data.tensors).clamp(0.1, 1)
    sure, kept = probability == 1, log.kept.float()
    assert (kept[sure] == epochs).all()
    p = probability[~sure]
    assert len(p) > 15
    deviation = (kept[~sure] - epochs * p) / (epochs * p * (1 - p)).sqrt()
    assert deviation.abs().max() < 4  # a binomial count is further off once in 16,000
    assert 0.3 < deviation.square().mean() < 2.2  # and neither are the draws the same every time


def test_matched_random_keeps_as_many_as_its_reference_and_easy_ones_as_often() -> None:
    data, epochs = examples(200), 10
    share, score = {}, {}
    for policy in (SelectiveBackprop(floor=0.1), MatchedRandom(SelectiveBackprop(floor=0.1))):
        batches = SelectiveLoader(DataLoader(data, 50, shuffle=True), READS_LOGITS, policy, 10)
        kept = torch.cat([kept.score for _ in range(epochs) for _, kept in batches.with_kept()])
        share[type(policy)], score[type(policy)] = batches.stats.kept_share, kept.mean().item()
    average = euclidean(*data.tensors).mean().item()
    assert share[MatchedRandom] == pytest.approx(share[SelectiveBackprop], abs=0.05)
    assert score[MatchedRandom] == pytest.approx(average, abs=0.06)  # 3 standard errors of about 1,000 draws
    assert score[SelectiveBackprop] > average + 0.3


def test_top_k_trains_on_the_highest_scores_of_every_round_in_their_order() -> None:
    score = euclidean(*examples(20).tensors).tolist()
    highest = [sorted(sorted(round_, key=lambda i: -score[i])[:3]) for round_ in (range(10), range(10, 20))]
    batches = SelectiveLoader(in_order(20), READS_LOGITS, TopK(keep=0.3), batch_size=3)
    assert indices(batches.with_kept()) == highest


# ---- none lost, none twice


def test_every_epoch_is_a_fresh_permutation_of_all_candidates() -> None:
    batches = SelectiveLoader(DataLoader(examples(40), 7, shuffle=True), READS_LOGITS, Uniform(), 8)
    orders = [concatenated(epoch) for epoch in per_epoch(batches, 3)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_every_candidate_is_offered_once_in_every_epoch_however_few_are_kept() -> None:
    log = ExampleLog(40)
    loader = DataLoader(examples(40), 7, shuffle=True)
    batches = SelectiveLoader(loader, READS_LOGITS, SelectiveBackprop(floor=0.1), 8, log=log)
    for epochs in (1, 2, 3):
        list(batches)
        assert log.scored.tolist() == [epochs] * 40


def kept_of_each_epoch(epochs: int) -> list[list[int]]:
    """What is kept, in order: batches of one example leave nothing waiting."""
    batches = SelectiveLoader(in_order(43), READS_LOGITS, Random(0.5), batch_size=1)
    return [concatenated(epoch) for epoch in per_epoch(batches, epochs)]


def in_batches(kept: list[int], size: int) -> list[list[int]]:
    return [kept[start : start + size] for start in range(0, len(kept), size)]


def test_carry_brings_the_remainder_into_the_next_epoch() -> None:
    batches = SelectiveLoader(in_order(43), READS_LOGITS, Random(0.5), 6, phases=Phases(remainder="carry"))
    trained = [batch for epoch in per_epoch(batches, 5) for batch in epoch]
    kept = concatenated(kept_of_each_epoch(5))
    assert len(kept) % 6
    assert trained == in_batches(kept[: len(kept) // 6 * 6], 6)
    assert batches.stats.dropped == 0


def test_drop_forgets_the_remainder_of_every_epoch() -> None:
    batches = SelectiveLoader(in_order(43), READS_LOGITS, Random(0.5), 6, phases=Phases(remainder="drop"))
    expected = [in_batches(kept[: len(kept) // 6 * 6], 6) for kept in kept_of_each_epoch(5)]
    assert per_epoch(batches, 5) == expected
    assert batches.stats.dropped == sum(len(kept) % 6 for kept in kept_of_each_epoch(5)) > 0


def test_flush_yields_the_remainder_as_a_smaller_batch() -> None:
    batches = SelectiveLoader(in_order(43), READS_LOGITS, Random(0.5), 6, phases=Phases(remainder="flush"))
    assert per_epoch(batches, 5) == [in_batches(kept, 6) for kept in kept_of_each_epoch(5)]
    assert batches.stats.dropped == 0


@pytest.mark.parametrize("remainder", ["carry", "drop", "flush"])
def test_what_was_kept_is_trained_on_or_dropped_or_waits(remainder: Any) -> None:
    batches = SelectiveLoader(in_order(43), READS_LOGITS, Random(0.5), 6, phases=Phases(remainder=remainder, max_age=1))
    trained = concatenated([batch for epoch in per_epoch(batches, 3) for batch in epoch])
    waiting = sum(len(chunk["kept"][0]) for chunk in batches.state_dict()["queue"]["chunks"])
    stats = batches.stats
    assert stats.kept == stats.backwards + stats.dropped + waiting
    assert stats.backwards == len(trained)
    assert (waiting > 0) == (remainder == "carry")


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        (nn.BatchNorm1d(CLASSES), [[4, 4], [4, 4, 2]]),
        (nn.GroupNorm(1, CLASSES), [[4, 4, 1], [4, 4, 1]]),
    ],
    ids=["carried for BatchNorm", "flushed for others"],
)
def test_a_single_example_is_never_flushed_into_batch_norm(model: nn.Module, sizes: list[list[int]]) -> None:
    batches = SelectiveLoader(in_order(9), model, Uniform(), 4)
    assert [[len(batch) for batch in epoch] for epoch in per_epoch(batches, 2)] == sizes


def test_age_counts_the_training_batches_since_an_example_was_scored() -> None:
    batches = SelectiveLoader(in_order(15, batch_size=5), READS_LOGITS, Uniform(), 4)
    ages = [kept.age.tolist() for _, kept in batches.with_kept()]
    assert ages == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1]]


def test_examples_that_have_waited_longer_than_max_age_are_dropped() -> None:
    batches = SelectiveLoader(in_order(20), READS_LOGITS, Uniform(), 2, phases=Phases(max_age=1))
    assert indices(batches.with_kept()) == [[0, 1], [2, 3], [10, 11], [12, 13]]
    assert batches.stats.dropped == 12


def test_a_pass_can_be_broken_off_and_begun_again() -> None:
    batches = SelectiveLoader(in_order(30), READS_LOGITS, Uniform(), 10)
    for _ in batches:
        break
    assert batches.epoch == 0
    assert concatenated(indices(batches.with_kept())) == list(range(30))
    assert (batches.epoch, batches.stats.epochs, batches.stats.candidates) == (2, 2, 40)


def test_epochs_that_are_broken_off_count_for_what_goes_by_epochs() -> None:
    scoring, phases = Scoring(reuse=1), Phases(warmup=1)
    batches = SelectiveLoader(in_order(30), READS_LOGITS, TopK(1.0), 10, scoring=scoring, phases=phases)
    forwards = []
    for _ in range(5):
        for at, _ in enumerate(batches):
            if at == 1:
                break
        forwards.append(batches.stats.scoring_forwards)
    assert forwards == [0, 20, 20, 40, 40]  # unscored, scored, reused, scored, reused


# ---- batches and loaders of any kind


def test_batches_of_any_structure_keep_it() -> None:
    logits, labels = examples(20).tensors
    data = [
        {"image": logits[i], "meta": (f"example {i}", {"label": labels[i], "square": torch.tensor(i * i)})}
        for i in range(20)
    ]

    def forward(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        return model(batch["image"]), batch["meta"][1]["label"]

    loader = DataLoader(data, 6, shuffle=True)  # type: ignore[arg-type]
    batches = SelectiveLoader(loader, READS_LOGITS, SelectiveBackprop(0.1), 4, scoring=Scoring(forward=forward))
    seen = 0
    for batch, kept in batches.with_kept():
        assert list(batch) == ["image", "meta"]
        names, rest = batch["meta"]
        assert list(names) == [f"example {i}" for i in kept.index.tolist()]
        assert rest["square"].tolist() == [i * i for i in kept.index.tolist()]
        torch.testing.assert_close(kept.score, euclidean(batch["image"], rest["label"]))
        seen += 1
    assert seen > 1


class PassingBy(IterableDataset[Any]):
    """Examples that come by and cannot be asked for."""

    def __iter__(self) -> Any:
        yield from examples(25)


def pieces_of(data: TensorDataset, *bounds: int) -> list[tuple[Tensor, ...]]:
    return [tuple(tensor[a:b] for tensor in data.tensors) for a, b in itertools.pairwise(bounds)]


@pytest.mark.parametrize(
    "loader",
    [DataLoader(PassingBy(), 6), pieces_of(examples(25), 0, 4, 4, 15, 25)],
    ids=["iterable data set", "list of batches, one empty"],
)
def test_without_a_map_style_data_set_the_index_is_the_position_in_the_epoch(loader: Any) -> None:
    batches = SelectiveLoader(loader, READS_LOGITS, SelectiveBackprop(0.5), 3)
    for _ in range(2):
        pairs = list(batches.with_kept())
        assert len(pairs) > 2
        for (x, y), kept in pairs:
            assert torch.equal(x, examples(25).tensors[0][kept.index])
            assert torch.equal(y, examples(25).tensors[1][kept.index])


def test_a_loader_that_knows_its_indices_is_asked_for_them() -> None:
    class Backwards:
        def indexed(self) -> Any:
            for index in torch.arange(24).flip(0).split(5):
                yield index, tuple(tensor[index] for tensor in examples(24).tensors)

        def __iter__(self) -> Any:
            raise AssertionError("iterated without its indices")

    assert isinstance(Backwards(), IndexedLoader)
    batches = SelectiveLoader(Backwards(), READS_LOGITS, Uniform(), 8)
    assert concatenated(indices(batches.with_kept())) == list(range(23, -1, -1))


def test_a_data_set_that_fetches_whole_batches_is_asked_for_whole_batches() -> None:
    class Shelf(Dataset[Any]):
        fetched: list[list[int]] = []  # noqa: RUF012 - the test's own record

        def __len__(self) -> int:
            return 10

        def __getitem__(self, index: int) -> Any:
            raise AssertionError("asked for a single example")

        def __getitems__(self, positions: list[int]) -> list[Any]:
            self.fetched.append(list(positions))
            return [examples(10)[i] for i in positions]

    batches = SelectiveLoader(DataLoader(Shelf(), 4), READS_LOGITS, Uniform(), 5)
    assert indices(batches.with_kept()) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert Shelf.fetched == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@uses_workers
def test_a_loader_whose_workers_live_on_may_have_been_used_before() -> None:
    loader = DataLoader(examples(20), 5, num_workers=1, persistent_workers=True)
    plain = [x for x, _ in loader]
    batches = SelectiveLoader(loader, READS_LOGITS, Uniform(), 5)
    for _ in range(2):
        assert all(torch.equal(x, given) for (x, _), given in zip(batches, plain, strict=True))
    assert all(torch.equal(x, given) for (x, _), given in zip(loader, plain, strict=True))


# ---- draws and counts


def test_the_draws_depend_on_the_seed_alone_and_not_on_the_global_one() -> None:
    def trained_on(*, seed: int, global_seed: int) -> list[list[int]]:
        torch.manual_seed(global_seed)
        return indices(SelectiveLoader(in_order(40), READS_LOGITS, Random(0.5), 4, seed=seed).with_kept())

    assert trained_on(seed=1, global_seed=0) == trained_on(seed=1, global_seed=99)
    assert trained_on(seed=1, global_seed=0) != trained_on(seed=2, global_seed=0)


def test_no_global_random_state_moves_while_batches_are_selected() -> None:
    loader = pieces_of(examples(30), 0, 10, 20, 30)
    with global_randomness_untouched():
        list(SelectiveLoader(loader, READS_LOGITS, SelectiveBackprop(0.1), 4))


def test_the_log_remembers_every_score_and_what_was_trained_on() -> None:
    log, data = ExampleLog(20), examples(20)
    batches = SelectiveLoader(in_order(20), READS_LOGITS, TopK(0.5), 4, log=log)
    trained = [concatenated(epoch) for epoch in per_epoch(batches, 2)]
    torch.testing.assert_close(log.score, euclidean(*data.tensors))
    assert log.epoch.tolist() == [1] * 20
    assert log.scored.tolist() == [2] * 20
    assert log.kept.tolist() == [concatenated(trained).count(i) for i in range(20)]


def test_stats_count_examples_and_share_out_the_seconds() -> None:
    now = 0.0

    def pass_(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Slow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pass_(10)
            return x

    class SlowLoader:
        def __iter__(self) -> Any:
            for batch in in_order(30):
                pass_(1)
                yield batch

    batches = SelectiveLoader(SlowLoader(), Slow(), TopK(keep=0.5), 4)
    assert math.isnan(batches.stats.kept_share)
    batches._ledger.meters.clock = batches._ledger.meters.cpu_clock = lambda: now
    for _ in batches:
        pass_(100)

    stats = batches.stats
    assert (stats.epochs, stats.candidates, stats.scoring_forwards) == (1, 30, 30)
    assert (stats.kept, stats.batches, stats.backwards, stats.dropped) == (15, 3, 12, 0)
    assert stats.kept_share == 0.5
    assert (stats.data_seconds, stats.scoring_seconds, stats.training_seconds) == (3, 30, 300)
    assert (stats.data_cpu_seconds, stats.scoring_cpu_seconds, stats.training_cpu_seconds) == (3, 30, 300)


class Doubling(DataLoader):
    """A loader of a user's own, which does something to the batches that it yields."""

    def __iter__(self):  # the type is DataLoader's
        return ((2 * x, y) for x, y in super().__iter__())


def test_a_loader_that_changes_its_batches_still_does_and_numbers_them_by_position():
    logits = torch.eye(4)
    loader = Doubling(TensorDataset(logits, torch.arange(4)), batch_size=2)

    pairs = list(SelectiveLoader(loader, torch.nn.Identity(), Uniform(), 2).with_kept())

    assert torch.equal(torch.cat([x for (x, _), _ in pairs]), 2 * logits)
    assert torch.cat([kept.index for _, kept in pairs]).tolist() == [0, 1, 2, 3]


def test_a_loader_prepared_by_accelerate_is_taken_as_it_is():
    prepared = Accelerator(cpu=True).prepare(DataLoader(TensorDataset(torch.eye(4), torch.arange(4)), batch_size=2))

    assert [y.tolist() for _, y in SelectiveLoader(prepared, torch.nn.Identity(), Uniform(), 2)] == [[0, 1], [2, 3]]

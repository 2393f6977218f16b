"""Training passes: which logits are of which examples, in the loops that people write."""

import gc
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch
import torch._dynamo
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.errors import DataError, ScoreError
from rheostat.select import Kept, Scoring, SelectiveBackprop, SelectiveLoader
from rheostat.signals import cross_entropy
from tests.select.toys import CLASSES, examples, uses_workers

SIZE = 48
BATCH = 8


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(CLASSES, 8), nn.ReLU(), nn.Linear(8, CLASSES))


class Seen(dict[int, float]):
    """The score that each example must have by now: cross-entropy of its last training logits."""

    def take(self, index: Tensor, logits: Tensor, labels: Tensor) -> None:
        losses = F.cross_entropy(logits.detach().float(), labels, reduction="none")
        self.update(zip(index.tolist(), losses.tolist(), strict=True))


def selecting(loader: Any, model: nn.Module, **options: Any) -> SelectiveLoader:
    scoring = Scoring(score=cross_entropy, source="training")
    return SelectiveLoader(loader, model, SelectiveBackprop(floor=0.5), BATCH, scoring=scoring, **options)


def shuffled(**options: Any) -> "DataLoader[Any]":
    return DataLoader(examples(SIZE), 12, shuffle=True, generator=torch.Generator().manual_seed(1), **options)


def assert_remembered(batches: SelectiveLoader, expected: Seen) -> None:
    """The table holds exactly these scores, by index."""
    table = batches._scores.table
    assert table is not None
    every = torch.arange(SIZE)
    known = every[~table.older(every, 0)]
    assert known.tolist() == sorted(expected)
    torch.testing.assert_close(table.of(known), torch.tensor([expected[i] for i in known.tolist()]))


def step(model: nn.Module, loss: Tensor) -> None:
    """Move the weights, so that old logits and new ones are not alike."""
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad


# ---- loops that are understood: each trains for one epoch, and tells what it computed

Loop = Callable[[SelectiveLoader, nn.Module, Seen], None]


def plain(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        logits = model(x)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))


def accumulating(parts: Callable[[Tensor], Any]) -> Loop:
    def loop(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
        for (x, y), kept in batches.with_kept():
            losses = []
            for a, b, index in zip(parts(x), parts(y), parts(kept.index), strict=True):
                logits = model(a)
                seen.take(index, logits, b)
                losses.append(F.cross_entropy(logits, b))
            step(model, torch.stack(losses).mean())

    return loop


def fetching_ahead(number: int) -> Loop:
    def loop(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
        pairs = batches.with_kept()
        while fetched := list(islice(pairs, number)):
            for (x, y), kept in fetched:
                logits = model(x)
                seen.take(kept.index, logits, y)
                step(model, F.cross_entropy(logits, y))

    return loop


def one_ahead(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    pairs = batches.with_kept()
    following = next(pairs, None)
    while following is not None:
        ((x, y), kept), following = following, next(pairs, None)
        logits = model(x)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))


def twice_and_one_ahead(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    """As sharpness-aware minimisation does: what counts is the pass at the weights themselves, the first."""
    pairs = batches.with_kept()
    following = next(pairs, None)
    while following is not None:
        ((x, y), kept), following = following, next(pairs, None)
        logits = model(x)
        seen.take(kept.index, logits, y)
        step(model, -F.cross_entropy(logits, y))
        step(model, F.cross_entropy(model(x), y))


def twice_in_parts(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        for a, b, index in zip(x.split(3), y.split(3), kept.index.split(3), strict=True):
            logits = model(a)
            seen.take(index, logits, b)
            step(model, -F.cross_entropy(logits, b))
            step(model, F.cross_entropy(model(a), b))


def evaluating_in_between(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        model.eval()
        model(x.flip(0))
        model(x)
        model.train()
        with torch.no_grad():
            model(x)
            model(torch.randn(BATCH, CLASSES))
            for parameter in model.parameters():
                parameter += 0.01  # so that the passes until here gave other logits
        logits = model(x)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))
        with torch.no_grad():
            model(x)


def augmenting(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        logits = model(x + 0.1)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))


def augmenting_now_and_then(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for number, ((x, y), kept) in enumerate(batches.with_kept()):
        logits = model(x + 0.1 if number % 3 else x)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))


def augmenting_twice(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        logits = model(x + 0.1)
        seen.take(kept.index, logits, y)
        step(model, -F.cross_entropy(logits, y))
        step(model, F.cross_entropy(model(x + 0.1), y))


def training_on_others_too(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        others = model(torch.randn(BATCH, CLASSES))  # without labels, and as many
        logits = model(x)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y) + 0.01 * others.square().mean())


def handing_over(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        mixed = torch.cat([x + 0.1, x - 0.1])  # nothing that could be recognised
        logits = model(mixed)[:BATCH]
        seen.take(kept.index, logits, y)
        batches.observe(kept, logits)
        step(model, F.cross_entropy(logits, y))


def handing_over_with_targets(batches: SelectiveLoader, model: nn.Module, seen: Seen) -> None:
    for (x, y), kept in batches.with_kept():
        logits = model(x)
        seen.take(kept.index, logits, (y + 1) % CLASSES)
        batches.observe(kept, logits, (y + 1) % CLASSES)
        step(model, F.cross_entropy(logits, (y + 1) % CLASSES))


LOOPS: dict[str, Loop] = {
    "plain": plain,
    "accumulating with chunk": accumulating(lambda whole: whole.chunk(4)),
    "accumulating with split": accumulating(lambda whole: whole.split(3)),
    "accumulating with slices": accumulating(lambda whole: [whole[:1], whole[1:5], whole[5:]]),
    "accumulating one by one": accumulating(lambda whole: whole.split(1)),
    "accumulating from the end": accumulating(lambda whole: [whole[4:], whole[:4]]),
    "two batches at a time": fetching_ahead(2),
    "twelve batches at a time": fetching_ahead(12),
    "one batch ahead": one_ahead,
    "two passes, one batch ahead": twice_and_one_ahead,
    "two passes in parts": twice_in_parts,
    "evaluating in between": evaluating_in_between,
    "augmenting": augmenting,
    "augmenting now and then": augmenting_now_and_then,
    "augmenting, two passes": augmenting_twice,
    "training on others too": training_on_others_too,
    "handing over": handing_over,
    "handing over with targets": handing_over_with_targets,
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_scores_are_those_of_the_training_logits_example_by_example(loop: Loop) -> None:
    model, seen = net(), Seen()
    batches = selecting(shuffled(), model)
    for _ in range(4):
        loop(batches, model, seen)
        assert_remembered(batches, seen)
    assert len(seen) == SIZE
    assert batches.stats.scoring_forwards == 0
    assert batches.stats.reused == batches.stats.candidates == 4 * SIZE
    assert batches.stats.backwards < batches.stats.candidates  # what was remembered has been chosen by


@uses_workers
@pytest.mark.parametrize("persistent", [False, True])
def test_several_workers_change_nothing(persistent: bool) -> None:
    model, seen = net(), Seen()
    batches = selecting(shuffled(num_workers=2, persistent_workers=persistent), model)
    for _ in range(2):
        plain(batches, model, seen)
        assert_remembered(batches, seen)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float64])
def test_a_loop_in_another_precision_is_understood(precision: torch.dtype) -> None:
    model, seen = net().to(precision), Seen()
    batches = selecting(shuffled(), model)
    for (x, y), kept in batches.with_kept():
        logits = model(x.to(precision))
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))
    assert_remembered(batches, seen)


class Output:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


class TakesNames(nn.Module):
    """Called and answering as the models of Transformers are."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, *, features: Tensor, mask: Tensor | None = None, labels: Tensor | None = None) -> Output:
        return Output(self.inner(features))


@pytest.mark.parametrize("with_labels", [False, True])
def test_mappings_and_outputs_with_logits_are_understood(with_labels: bool) -> None:
    x, y = examples(SIZE).tensors
    loader = [
        {"features": x[at : at + 12], "mask": torch.ones(12), "labels": y[at : at + 12]} for at in range(0, SIZE, 12)
    ]
    model, seen = TakesNames(), Seen()
    batches = selecting(loader, model)
    for batch, kept in batches.with_kept():
        inputs = batch if with_labels else {name: batch[name] for name in ("features", "mask")}
        logits = model(**inputs).logits
        seen.take(kept.index, logits, batch["labels"])
        step(model, F.cross_entropy(logits, batch["labels"]))
    assert_remembered(batches, seen)


# ---- compiled models


@pytest.fixture
def dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("dynamo")
@pytest.mark.parametrize("given", ["the compiled model", "the model within"])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_is_understood_and_not_compiled_again(given: str, backend: str) -> None:
    model, seen = net(), Seen()
    compiled: Any = torch.compile(model, backend=backend)
    batches = selecting(shuffled(), compiled if given == "the compiled model" else model)

    def epoch() -> None:
        for (x, y), kept in batches.with_kept():
            logits = compiled(x)
            seen.take(kept.index, logits, y)
            step(model, F.cross_entropy(logits, y))

    epoch()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(2):
            epoch()
    assert_remembered(batches, seen)


@pytest.mark.usefixtures("dynamo")
def test_a_compiled_model_that_also_scores_is_compiled_once_for_each() -> None:
    model = net()
    compiled: Any = torch.compile(model, backend="eager")
    batches = SelectiveLoader(shuffled(), compiled, SelectiveBackprop(0.5), BATCH)

    def epoch() -> None:
        for x, y in batches:
            step(model, F.cross_entropy(compiled(x), y))

    epoch()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(2):
            epoch()


# ---- loops that are not


def unrecognised(batches: SelectiveLoader, model: nn.Module) -> Iterator[int]:
    for number, (x, y) in enumerate(batches, start=1):
        step(model, F.cross_entropy(model(torch.cat([x, x])), torch.cat([y, y])))
        yield number


def test_a_loop_in_which_nothing_is_recognised_is_told_what_to_do_after_8_batches() -> None:
    model, trained = net(), 0
    batches = selecting([tuple(examples(200).tensors)], model)
    with pytest.raises(ScoreError, match=r"none of the first 8 training batches .*batches\.observe\(kept, logits\)"):
        for trained in unrecognised(batches, model):  # noqa: B007 - what it was last
            pass
    assert trained == 8


def test_a_loop_that_trains_another_model_is_told_too_once_it_cannot_be_fetching_ahead_any_more() -> None:
    batches, trained = selecting([tuple(examples(800).tensors)], net()), 0
    with pytest.raises(ScoreError, match=r"none of the first 64 training batches"):
        for trained, _ in enumerate(batches, start=1):  # noqa: B007 - what it was last
            pass
    assert trained == 64


def test_of_inputs_in_other_memory_those_of_batches_fetched_ahead_are_not_guessed() -> None:
    model = net()
    batches = selecting([tuple(examples(200).tensors)], model)
    pairs = batches.with_kept()
    first, _ = next(pairs), next(pairs)
    model(first[0][0] + 0.1)
    assert batches._scores.seen == 0


def test_a_batch_that_was_not_trained_on_is_not_mistaken_for_another() -> None:
    model, seen = net(), Seen()
    batches = selecting(shuffled(), model)
    for _ in batches:
        break  # as a loop with a limit does
    augmenting(batches, model, seen)
    assert_remembered(batches, seen)
    for number, ((x, y), kept) in enumerate(batches.with_kept()):
        if number != 2:
            logits = model(x)
            seen.take(kept.index, logits, y)
            step(model, F.cross_entropy(logits, y))
    assert_remembered(batches, seen)


def test_other_memory_of_another_size_is_nobodys() -> None:
    model = net()
    batches = selecting(shuffled(), model)
    (x, _), _ = next(batches.with_kept())
    model(x[:4] + 0.1)
    model(torch.randn(12, CLASSES))
    model(x[::2])  # of its memory, and no run of its rows
    assert batches._scores.seen == 0
    model(x)
    assert batches._scores.seen == 1


def test_columns_of_the_batch_that_are_no_run_of_its_rows_are_not_mistaken_for_one() -> None:
    model = net()
    wide = TensorDataset(torch.randn(SIZE, 2 * CLASSES), torch.zeros(SIZE, dtype=torch.int64))
    batches = selecting(DataLoader(wide, 12), model)
    (x, _), kept = next(batches.with_kept())
    model(x[::2, :CLASSES])
    model(x[:4, CLASSES:])
    assert batches._scores.seen == 0
    logits = model(x[:, CLASSES:])  # of the whole batch: what else could it be
    seen = Seen()
    seen.take(kept.index, logits, torch.zeros(BATCH, dtype=torch.int64))
    assert_remembered(batches, seen)


def test_targets_that_cannot_be_told_are_asked_for() -> None:
    x, y = examples(SIZE).tensors
    model = net()
    batches = selecting([(x, y, torch.arange(SIZE))], model)
    ((inputs, labels, _), kept) = next(batches.with_kept())
    with pytest.raises(DataError, match=r"hand them over, batches\.observe\(kept, logits, targets\)"):
        model(inputs)
    logits = F.linear(inputs, torch.eye(CLASSES))
    batches.observe(kept, logits, labels)
    seen = Seen()
    seen.take(kept.index, logits, labels)
    assert_remembered(batches, seen)


def test_logits_that_are_handed_over_must_be_those_of_the_batch() -> None:
    batches = selecting(shuffled(), net())
    (x, _), kept = next(batches.with_kept())
    with pytest.raises(DataError, match=r"gave \[7, 4\] for 8 examples"):
        batches.observe(kept, x[:7])


def test_where_scores_come_from_forward_passes_handing_over_does_nothing() -> None:
    model = net()
    batches = SelectiveLoader(shuffled(), model, SelectiveBackprop(0.5), BATCH)
    (x, _), kept = next(batches.with_kept())
    batches.observe(kept, x[:3])
    assert batches._scores.table is None
    assert not model._forward_hooks


def test_training_logits_that_are_no_numbers_are_reported_with_the_example_when_it_comes_again() -> None:
    model = net()
    batches = selecting(DataLoader(examples(SIZE), 8), model)
    for (x, _), kept in batches.with_kept():
        logits = model(x).detach()
        logits[kept.index == 3] = torch.nan
        batches.observe(kept, logits)
    with pytest.raises(ScoreError, match=r"the score of example 3 is nan: training has diverged"):
        list(batches)


# ---- the hook


def test_a_loader_that_is_gone_leaves_nothing_at_the_model() -> None:
    model = net()
    batches = selecting(shuffled(), model)
    assert len(model._forward_hooks) == 1
    pairs = batches.with_kept()
    (x, _), _ = next(pairs)
    gone = weakref.ref(batches)
    del batches, pairs
    gc.collect()
    assert gone() is None
    assert not model._forward_hooks
    assert not model._forward_hooks_with_kwargs
    model(x)


@pytest.mark.parametrize("govern", [False, True])
def test_a_loader_goes_as_soon_as_it_is_let_go(govern: bool) -> None:
    # persistent workers of a DataLoader that only the garbage collector finds hang for 10 s
    loader, model = shuffled(), net()
    policy, scoring = SelectiveBackprop(0.5), Scoring() if govern else Scoring(source="training")
    gc.collect()
    gc.disable()
    try:
        batches = SelectiveLoader(loader, model, policy, BATCH, scoring=scoring, govern=govern)
        for x, _ in batches:
            model(x)
        gone = [weakref.ref(batches), weakref.ref(batches._rounds._stream._source)]
        del batches
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def test_the_hook_does_not_keep_the_model_alive() -> None:
    model = net()
    batches = selecting(shuffled(), model)
    (x, _), _ = next(batches.with_kept())
    model(x)
    gone = weakref.ref(model)
    del batches, model
    gc.collect()
    assert gone() is None


def test_two_loaders_of_one_model_each_take_their_own_batches() -> None:
    model, seen, others = net(), Seen(), Seen()
    batches, other = selecting(shuffled(), model), selecting(DataLoader(examples(SIZE), 12), model, seed=7)
    for ((x, y), kept), ((other_x, other_y), other_kept) in zip(batches.with_kept(), other.with_kept(), strict=False):
        logits = model(x)
        seen.take(kept.index, logits, y)
        step(model, F.cross_entropy(logits, y))
        logits = model(other_x)
        others.take(other_kept.index, logits, other_y)
        step(model, F.cross_entropy(logits, other_y))
    assert_remembered(batches, seen)
    assert_remembered(other, others)


def test_who_hands_over_is_not_watched_any_more() -> None:
    model, handed = net(), list[Kept]()
    batches = selecting(shuffled(), model)
    for (x, _), kept in batches.with_kept():
        logits = model(x)
        batches.observe(kept, logits + 1e-3)
        handed.append(kept)
        assert not model._forward_hooks
    assert batches._scores.seen == len(handed) + 1  # the first was taken before

"""Cheap scores: reused ones, those of the training pass, of a smaller image, of a lower precision, of a proxy."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.errors import ScoreError, SettingsError
from rheostat.select import (
    Candidates,
    Choice,
    Katharopoulos,
    MatchedRandom,
    Percentile,
    Policy,
    ProgressiveDropout,
    PruneAndRescale,
    Random,
    Scoring,
    SelectiveBackprop,
    SelectiveLoader,
    TopK,
    Traits,
)
from rheostat.signals import cross_entropy, euclidean
from tests import typechecker
from tests.select.toys import (
    CLASSES,
    READS_LOGITS,
    all_equal,
    examples,
    global_randomness_untouched,
    in_order,
    indices,
    through_a_file,
)

SIZE = 60


def shuffled(size: int = SIZE, batch_size: int = 12) -> "DataLoader[Any]":
    return DataLoader(examples(size), batch_size, shuffle=True, generator=torch.Generator().manual_seed(1))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(CLASSES, 16), nn.ReLU(), nn.Linear(16, CLASSES))


class Watched:
    """Keeps everything, and remembers which score it was shown of each example, epoch by epoch."""

    def __init__(self) -> None:
        self.traits = Traits()
        self.shown: dict[tuple[int, int], float] = {}
        self.typical: dict[int, list[Any]] = {}

    def choose(self, candidates: Candidates) -> Choice:
        pairs = zip(candidates.index.tolist(), candidates.score.tolist(), strict=True)
        self.shown |= {(candidates.epoch, index): score for index, score in pairs}
        self.typical.setdefault(candidates.epoch, []).append(candidates.typical)
        return Choice(torch.ones_like(candidates.score))


class Answers(nn.Module):
    """Logits that are the input, scaled by how often they were asked for: no two passes score alike."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.asked: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(len(x))
        return x * self.scale


# ---- reuse


@pytest.mark.parametrize("reuse", [0, 1, 2, 3])
def test_a_score_serves_again_for_so_many_epochs_and_is_then_made_anew(reuse: int) -> None:
    model, policy = Answers(), Watched()
    batches = SelectiveLoader(shuffled(), model, policy, 12, scoring=Scoring(reuse=reuse))
    x, y = examples(SIZE).tensors
    for epoch in range(9):
        with torch.no_grad():
            model.scale.fill_(1 + epoch / 8)
        model.asked.clear()
        for _ in batches:
            pass
        scored_in = epoch - epoch % (reuse + 1)
        assert sum(model.asked) == (SIZE if scored_in == epoch else 0)
        expected = euclidean(x * (1 + scored_in / 8), y)
        shown = torch.tensor([policy.shown[epoch, index] for index in range(SIZE)])
        torch.testing.assert_close(shown, expected)


def test_reuse_3_makes_at_most_two_fifths_of_the_forwards_of_reuse_0() -> None:
    forwards = {}
    for reuse in (0, 3):
        model = Answers()
        batches = SelectiveLoader(
            shuffled(), model, SelectiveBackprop(0.1), 12, scoring=Scoring(reuse=reuse, batch_size=25)
        )
        for _ in range(9):  # in the last all are scored again
            list(batches)
        forwards[reuse] = sum(model.asked)
        found = batches.stats
        assert found.scoring_forwards == forwards[reuse]
        assert found.scoring_forwards + found.reused == found.candidates == 9 * SIZE
    assert forwards[0] == 9 * SIZE
    assert forwards[3] <= 0.40 * forwards[0]


def test_an_example_that_was_never_scored_is_scored_beside_those_that_were() -> None:
    class Growing:
        """Offers one example in three at first, and all of them later."""

        def __init__(self) -> None:
            self.epoch = 0

        def indexed(self) -> Any:
            self.epoch += 1
            x, y = examples(SIZE).tensors
            index = torch.arange(0, SIZE, 3) if self.epoch == 1 else torch.arange(SIZE).flip(0)
            yield from ((part, (x[part], y[part])) for part in index.split(10))

        def __iter__(self) -> Any:
            raise AssertionError

    model, policy = Answers(), Watched()
    batches = SelectiveLoader(Growing(), model, policy, 10, scoring=Scoring(reuse=5))
    list(batches)
    with torch.no_grad():
        model.scale.fill_(2.0)
    model.asked.clear()
    list(batches)
    assert sum(model.asked) == 2 * SIZE / 3
    x, y = examples(SIZE).tensors
    old = torch.arange(SIZE) % 3 == 0
    shown = torch.tensor([policy.shown[1, index] for index in range(SIZE)])
    torch.testing.assert_close(shown, torch.where(old, euclidean(x, y), euclidean(2 * x, y)))


def test_a_score_that_is_no_number_is_found_among_reused_ones() -> None:
    data = examples(SIZE)
    model, scale = Answers(), torch.ones(SIZE)
    loader = [(torch.arange(SIZE), (data.tensors[0], data.tensors[1]))]

    class Given:
        def __iter__(self) -> Any:
            raise AssertionError

        def indexed(self) -> Any:
            for index, (x, y) in loader:
                for part in index[torch.randperm(SIZE, generator=torch.Generator().manual_seed(0))][:30].split(15):
                    yield part, (x[part] * scale[part, None], y[part])
                scale[17] = torch.nan
                for part in index.split(20):
                    yield part, (x[part] * scale[part, None], y[part])

    first = torch.randperm(SIZE, generator=torch.Generator().manual_seed(0))[:30].tolist()
    scale_of = 17 not in first
    assert scale_of  # 17 is scored only with the second part
    batches = SelectiveLoader(Given(), model, SelectiveBackprop(0.5), 4, scoring=Scoring(reuse=2))
    with pytest.raises(ScoreError, match="the score of example 17 is nan"):
        list(batches)


@pytest.mark.parametrize(
    ("policy", "scoring"),
    [
        (lambda: SelectiveBackprop(0.3), Scoring(reuse=2)),
        (lambda: Percentile(1.0, 32), Scoring(reuse=1, batch_size=23)),
        (lambda: SelectiveBackprop(0.3), Scoring(source="training")),
        (lambda: SelectiveBackprop(0.3), Scoring(source="training", batch_size=7)),
        (PruneAndRescale, Scoring()),
        (PruneAndRescale, Scoring(source="forward", reuse=1)),
        (lambda: MatchedRandom(PruneAndRescale()), Scoring()),
        (lambda: Katharopoulos(pool=25, keep=10), Scoring(reuse=1)),
    ],
)
def test_a_resumed_run_is_the_uninterrupted_one_wherever_scores_come_from(policy: Any, scoring: Scoring) -> None:
    def start() -> tuple[nn.Module, SelectiveLoader]:
        model = net()
        return model, SelectiveLoader(shuffled(), model, policy(), 5, scoring=scoring)

    def train(model: nn.Module, batches: SelectiveLoader, saved: list[Any] | None = None) -> list[list[Tensor]]:
        seen = []
        while batches.epoch < 4:
            for (x, y), kept in batches.with_kept():
                model.zero_grad()
                loss = (F.cross_entropy(model(x), y, reduction="none") * kept.weight).mean()
                loss.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= 0.2 * parameter.grad  # pyright: ignore[reportOperatorIssue]
                seen.append([x, kept.index, kept.score, kept.weight, kept.age, loss.detach()])
                if saved is not None:
                    saved.append((len(seen), through_a_file([model.state_dict(), batches.state_dict()])))
        return seen

    states: list[Any] = []
    uninterrupted = start()
    expected = train(*uninterrupted, states)
    assert {state[1]["epoch"] for _, state in states} == {0, 1, 2, 3}
    for done, (weights, state) in states[::3]:
        model, batches = start()
        model.load_state_dict(weights)
        batches.load_state_dict(state)
        seen = train(model, batches)
        assert len(seen) == len(expected) - done
        assert all(all_equal(a, b) for a, b in zip(seen, expected[done:], strict=True)), f"after batch {done}"
        assert batches.stats.reused == uninterrupted[1].stats.reused


# ---- what is typical


@pytest.mark.parametrize(
    "scoring", [Scoring(source="training", score=cross_entropy), Scoring(reuse=1)], ids=["training", "reuse"]
)
def test_what_is_typical_is_the_mean_of_the_last_scores_when_the_epoch_began(scoring: Scoring) -> None:
    model, policy = net(), Watched()
    batches = SelectiveLoader(shuffled(), model, policy, 12, scoring=scoring)
    for epoch in range(3):
        known = batches._scores.table
        assert known is not None
        expected = known.of(torch.arange(SIZE)).double().mean()
        for (x, y), _ in batches.with_kept():
            model.zero_grad()
            F.cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.2 * parameter.grad  # pyright: ignore[reportOperatorIssue]
        told = policy.typical[epoch]
        if epoch == 0:
            assert told == [None] * 5
        else:
            assert [float(typical) for typical in told] == pytest.approx([float(expected)] * 5)


def test_where_last_scores_are_not_remembered_nothing_is_typical() -> None:
    policy = Watched()
    batches = SelectiveLoader(shuffled(), READS_LOGITS, policy, 12)
    for _ in range(2):
        list(batches)
    assert policy.typical == {0: [None] * 5, 1: [None] * 5}


# ---- the training pass


def test_in_the_first_epoch_of_training_scores_an_example_that_was_not_trained_on_counts_as_hard() -> None:
    model, policy = Answers(), Watched()
    batches = SelectiveLoader(in_order(SIZE, 12), model, policy, 12, scoring=Scoring(source="training"))
    x, y = examples(SIZE).tensors
    scores = euclidean(x, y)
    for inputs, _ in batches:
        model(inputs)
    for index in range(SIZE):
        before = index - index % 12  # trained on before the round of this example was scored
        hard = float(scores[:before].max()) if before else 1.0
        assert policy.shown[0, index] == pytest.approx(hard)
    for inputs, _ in batches:
        model(inputs)
    torch.testing.assert_close(torch.tensor([policy.shown[1, i] for i in range(SIZE)]), scores)


@pytest.mark.parametrize("policy", [SelectiveBackprop(0.1), TopK(1.0), PruneAndRescale()], ids=repr)
def test_a_policy_may_itself_ask_for_training_scores_or_be_told_to_use_them(policy: Policy) -> None:
    model = Answers()
    scoring = Scoring(source=None if isinstance(policy, PruneAndRescale) else "training")
    batches = SelectiveLoader(shuffled(), model, policy, 12, scoring=scoring)
    for _ in range(3):
        for inputs, _ in batches:
            model(inputs)
    found = batches.stats
    assert (found.scoring_forwards, found.mode.name) == (0, "training")
    assert sum(model.asked) == found.backwards
    told_otherwise = SelectiveLoader(shuffled(), model, policy, 12, scoring=Scoring(source="forward"))
    list(told_otherwise)
    assert told_otherwise.stats.scoring_forwards == SIZE


def test_training_passes_are_watched_where_scores_come_from_them() -> None:
    assert Scoring().watches(PruneAndRescale().traits)
    assert Scoring(source="training").watches(SelectiveBackprop().traits)
    assert not Scoring(source="forward").watches(PruneAndRescale().traits)
    assert not Scoring().watches(Traits(needs_score=False, source="training"))


def test_an_example_that_is_left_out_keeps_the_score_of_its_last_training_pass() -> None:
    class OnlyOnce(Watched):
        """Keeps the first half of the data in the first epoch, the second half afterwards."""

        def choose(self, candidates: Candidates) -> Choice:
            super().choose(candidates)
            return Choice(((candidates.index < SIZE / 2) == (candidates.epoch == 0)).float())

    model, policy = Answers(), OnlyOnce()
    batches = SelectiveLoader(shuffled(), model, policy, 6, scoring=Scoring(source="training"))
    x, y = examples(SIZE).tensors
    for epoch in range(4):
        with torch.no_grad():
            model.scale.fill_(1 + epoch)
        for inputs, _ in batches:
            model(inputs)
    half = SIZE // 2
    shown = torch.tensor([policy.shown[3, index] for index in range(SIZE)])
    torch.testing.assert_close(shown[:half], euclidean(x, y)[:half])
    torch.testing.assert_close(shown[half:], euclidean(3 * x, y)[half:])


# ---- smaller, coarser, cheaper


def images(size: int = 24, side: int = 32) -> TensorDataset:
    generator = torch.Generator().manual_seed(5)
    return TensorDataset(
        torch.randn(size, 1, side, side, generator=generator), torch.arange(size) % CLASSES, 2 * torch.ones(size, 3)
    )


class Pools(nn.Module):
    """Takes images of any size, and remembers of which."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.Linear(6, CLASSES)
        self.sides: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sides.append(tuple(x.shape[2:]))
        return self.head(self.conv(x).relu().mean(dim=(2, 3)))


def scores_with(scoring: Scoring, model: nn.Module, data: TensorDataset) -> Tensor:
    """Scores of all examples, in their order."""
    x, y, *_ = data.tensors
    found = [kept.score for _, kept in SelectiveLoader([(x, y)], model, TopK(1.0), len(x), scoring=scoring).with_kept()]
    return torch.cat(found)


@pytest.mark.parametrize(("scale", "side"), [(0.5, 16), (0.7, 22), (0.01, 1), (1.0, 32)])
def test_scores_are_those_of_images_reduced_by_averaging_areas_and_batches_are_not_reduced(
    scale: float, side: int
) -> None:
    model, data = Pools(), images()
    x, y, _ = data.tensors
    batches = SelectiveLoader(DataLoader(TensorDataset(x, y), 12), model, TopK(1.0), 12, scoring=Scoring(scale=scale))
    for (inputs, labels), kept in batches.with_kept():
        assert model.sides.pop() == (side, side)
        assert torch.equal(inputs, x[kept.index])
        reduced = F.adaptive_avg_pool2d(inputs, side)
        torch.testing.assert_close(kept.score, euclidean(model(reduced).detach(), labels))


def test_a_scale_that_the_model_does_not_take_is_refused() -> None:
    le_net = nn.Sequential(nn.Conv2d(1, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 28 * 28, CLASSES))
    with pytest.raises(SettingsError, match=r"does not take images at scale 0.5 \(mat1 and mat2 .*leave scale at 1"):
        scores_with(Scoring(scale=0.5), le_net, images())


def test_a_scale_of_what_are_no_images_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"scale is 0.5 and the batches hold no images, .*leave scale out"):
        scores_with(Scoring(scale=0.5), READS_LOGITS, examples(SIZE))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_scores_in_reduced_precision_are_close_and_the_model_is_not_reduced(precision: Any) -> None:
    model, data = net(), examples(SIZE)
    full, reduced = scores_with(Scoring(), model, data), scores_with(Scoring(precision=precision), model, data)
    assert reduced.dtype == torch.float32
    assert not torch.equal(full, reduced)
    # bfloat16 has 8 bits: inputs, weights and logits are each off by up to 2^-9, and scores are at most 2
    torch.testing.assert_close(reduced, full, rtol=0, atol=0.05)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("outer", [torch.bfloat16, None], ids=["a loop in autocast", "a loop in full precision"])
def test_a_loop_still_gets_its_gradients_after_scoring_in_reduced_precision(outer: Any) -> None:
    model = net()
    with torch.autocast("cpu", dtype=outer or torch.bfloat16, enabled=outer is not None):
        for x, y in SelectiveLoader(in_order(40), model, SelectiveBackprop(0.5), 8, scoring=Scoring(precision="bf16")):
            model.zero_grad()
            logits = model(x)
            assert logits.dtype == (outer or torch.float32)
            F.cross_entropy(logits.float(), y).backward()
            assert all(parameter.grad is not None for parameter in model.parameters())


class Nothing(nn.Sequential):
    """A module that counts no parts, and so is false; it gives the logits of its input reversed."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as torch names it
        return -input


def test_a_proxy_that_is_an_empty_container_scores_too() -> None:
    x, y = examples(24).tensors
    proxy, policy = Nothing(), Watched()
    list(SelectiveLoader(in_order(24), READS_LOGITS, policy, 8, scoring=Scoring(model=proxy)))
    torch.testing.assert_close(torch.tensor([policy.shown[0, at] for at in range(24)]), euclidean(-x, y))
    with pytest.raises(SettingsError, match="model of the scoring is given and the policy looks at no score"):
        SelectiveLoader(in_order(24), READS_LOGITS, Random(0.5), 8, scoring=Scoring(model=proxy))


def test_a_proxy_scores_and_the_model_is_neither_run_nor_touched() -> None:
    model, proxy, data = Answers(), net(), examples(SIZE)
    proxy.append(nn.Dropout(0.5))
    before = copy.deepcopy(proxy.state_dict())
    with global_randomness_untouched():
        found = scores_with(Scoring(model=proxy), model, data)
    assert model.asked == []
    x, y = data.tensors
    assert proxy.training
    torch.testing.assert_close(found, euclidean(proxy.eval()(x).detach(), y))
    assert all(torch.equal(proxy.state_dict()[name], value) for name, value in before.items())


# ---- large rounds


def test_as_many_candidates_are_scored_at_once_as_was_asked_for() -> None:
    model = Answers()
    batches = SelectiveLoader(shuffled(100, 8), model, TopK(0.25), 8, scoring=Scoring(batch_size=32))
    kept = [kept for _, kept in batches.with_kept()]
    assert model.asked == [32, 32, 32, 4]
    assert batches.stats.kept == 8 + 8 + 8 + 1
    assert [len(part.index) for part in kept] == [8, 8, 8]
    assert batches.stats.scoring_forwards == batches.stats.candidates == 100


def test_top_k_of_a_large_round_is_over_all_of_it() -> None:
    x, y = examples(96).tensors
    batches = SelectiveLoader(in_order(96, 8), READS_LOGITS, TopK(0.25), 8, scoring=Scoring(batch_size=32))
    scores = euclidean(x, y)
    for start, batch in zip((0, 32, 64), indices(batches.with_kept()), strict=True):
        best = scores[start : start + 32].topk(8).indices + start
        assert sorted(batch) == sorted(best.tolist())


def test_a_scoring_batch_agrees_with_a_pool_and_without_a_score_there_is_none() -> None:
    model = Answers()
    list(SelectiveLoader(shuffled(), model, Katharopoulos(pool=20, keep=5), 5, scoring=Scoring(batch_size=20)))
    assert model.asked == [20, 20, 20]
    with pytest.raises(SettingsError, match="batch_size of scoring is 7 and the policy's pool 20"):
        SelectiveLoader(shuffled(), model, Katharopoulos(pool=20, keep=5), 5, scoring=Scoring(batch_size=7))
    useless: list[dict[str, Any]] = [{"batch_size": 7}, {"source": "training"}, {"reuse": 2}, {"scale": 0.5}]
    for options in (*useless, {"score": cross_entropy}, {"mode": "train"}):
        with pytest.raises(SettingsError, match=f"{next(iter(options))} of the scoring is given and the policy looks"):
            SelectiveLoader(shuffled(), model, Random(1.0), 12, scoring=Scoring(**options))


# ---- what cannot be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "memory"}, r"source is 'memory': scores come from 'forward' or from 'training'"),
        ({"reuse": -1}, r"reuse is -1: it is a number of epochs, 0 or more"),
        ({"batch_size": 0}, r"batch_size of scoring is 0: a round needs at least 1"),
        ({"precision": "int8"}, r"precision is 'int8': it must be one of no, bf16, fp16"),
        ({"scale": 0.0}, r"scale is 0.0: .*\(0, 1\]"),
        ({"scale": 1.5}, r"scale is 1.5: .*\(0, 1\]"),
        ({"mode": "test"}, r"mode is 'test'"),
    ],
)
def test_options_outside_their_range_are_refused(options: Any, message: str) -> None:
    with typechecker.not_enforced(), pytest.raises(SettingsError, match=message):
        Scoring(**options)


@pytest.mark.parametrize("epochs", [1, 3])
def test_progressive_dropout_of_training_scores_keeps_by_the_last_pass(epochs: int) -> None:
    model = Answers()
    policy = ProgressiveDropout(threshold=0.5)
    batches = SelectiveLoader(shuffled(), model, policy, 12, scoring=Scoring(source="training"))
    x, y = examples(SIZE).tensors
    hard = (x.softmax(dim=1)[torch.arange(SIZE), y] < 0.5).sum()
    before = 0
    for _ in range(epochs + 1):
        before = batches.stats.kept
        for inputs, _ in batches:
            model(inputs)
    waiting_is_not_seen = batches.stats.waiting + 12  # what waited has not had its pass yet
    assert abs(batches.stats.kept - before - int(hard)) <= waiting_is_not_seen


@pytest.mark.parametrize(
    ("name", "value"),
    [("reuse", 1), ("scale", 0.5), ("precision", "bf16"), ("mode", "train"), ("model", nn.Linear(4, 4))],
)
@pytest.mark.parametrize("policy", [SelectiveBackprop(), PruneAndRescale()], ids=["asked for", "the policy's own"])
def test_an_option_of_a_scoring_forward_that_is_never_made_is_refused(name: str, value: Any, policy: Any) -> None:
    source = "training" if isinstance(policy, SelectiveBackprop) else None
    with pytest.raises(SettingsError, match=f"source is 'training' and {name} is given: .*leave {name} out"):
        SelectiveLoader(in_order(40), READS_LOGITS, policy, 4, scoring=Scoring(source=source, **{name: value}))

"""Scoring leaves everything as it was: the model, its gradients, the random state, the pace of the device."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import TensorDataset

from rheostat.select import Percentile, Policy, Scoring, SelectiveBackprop, SelectiveLoader, TopK, drawing
from rheostat.signals import cross_entropy, entropy, euclidean
from tests.select.test_policies import POLICIES
from tests.select.toys import CLASSES, READS_LOGITS, examples, global_randomness_untouched, in_order

every_mode = pytest.mark.parametrize("mode", ["eval", "train"])


class Restless(nn.Module):
    """Changes its buffers in every forward, in place and by replacement, and draws from every global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("counted", torch.zeros(1))
        self.register_buffer("replaced", torch.zeros(1))
        self.register_buffer("empty", None)

    def forward(self, x: Tensor) -> Tensor:
        self.counted += 1
        self.replaced = self.replaced + torch.rand(1)
        self.empty = torch.ones(1)
        random.random()
        np.random.rand()  # noqa: NPY002 - as layers that drop themselves do
        return x


def net(*more: nn.Module) -> nn.Sequential:
    """In training mode, but for a block that is frozen: in eval mode, without gradients."""
    torch.manual_seed(0)
    frozen = nn.Sequential(nn.Linear(CLASSES, 8), nn.BatchNorm1d(8)).eval().requires_grad_(requires_grad=False)
    model = nn.Sequential(frozen, nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), *more, nn.Linear(8, CLASSES))
    F.cross_entropy(model(examples(16).tensors[0]), examples(16).tensors[1]).backward()
    return model


def everything_of(model: nn.Module) -> dict[str, Any]:
    """All that a forward pass could leave behind in a model."""
    return {
        "parameters": {name: (p.tolist(), p.requires_grad) for name, p in model.named_parameters()},
        "gradients": {name: None if p.grad is None else p.grad.tolist() for name, p in model.named_parameters()},
        "buffers": {
            (where, name): (id(buffer), None if buffer is None else buffer.tolist())
            for where, module in model.named_modules()
            for name, buffer in module._buffers.items()
        },
        "training": {name: module.training for name, module in model.named_modules()},
    }


def rounds_of(data: TensorDataset, size: int = 10) -> list[tuple[Tensor, ...]]:
    """A loader that draws nothing: the batches themselves."""
    return list(zip(*(tensor.split(size) for tensor in data.tensors), strict=True))


# ---- the model stays as it was


@every_mode
@pytest.mark.parametrize("training", [True, False], ids=["while training", "while evaluating"])
def test_scoring_leaves_the_model_and_the_random_state_as_they_were(mode: Any, training: bool) -> None:
    model = net(Restless())
    if not training:
        model.eval()
    before = everything_of(model)
    batches = SelectiveLoader(
        rounds_of(examples(30)), model, SelectiveBackprop(floor=1.0), 5, scoring=Scoring(mode=mode)
    )
    with global_randomness_untouched():
        assert len(list(batches)) == 6
    assert everything_of(model) == before


@every_mode
def test_scoring_that_fails_leaves_the_model_as_it_was(mode: Any) -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("out of memory")

    model = net(Restless())
    model.append(Fails())
    before = everything_of(model)
    batches = SelectiveLoader(rounds_of(examples(30)), model, SelectiveBackprop(), 5, scoring=Scoring(mode=mode))
    with global_randomness_untouched(), pytest.raises(RuntimeError, match="out of memory"):
        list(batches)
    assert everything_of(model) == before


def test_batch_norm_learns_from_the_training_batches_alone() -> None:
    model, alone = net(), net()
    data = rounds_of(examples(40))
    for mode in ("eval", "train"):
        batches = SelectiveLoader(data, model, SelectiveBackprop(0.5), 7, scoring=Scoring(mode=mode))
        for x, _ in batches:
            model(x)
            alone(x)
        assert all(torch.equal(a, b) for a, b in zip(model.buffers(), alone.buffers(), strict=True))


def flags_while_scoring(model: nn.Module, mode: Any) -> list[bool]:
    flags: list[bool] = []
    for module in (model[0][1], model[2], model[3]):  # BatchNorm of the frozen block and its own, dropout
        module.register_forward_pre_hook(lambda module, _: flags.append(module.training))
    next(iter(SelectiveLoader(rounds_of(examples(10)), model, TopK(0.5), 5, scoring=Scoring(mode=mode))))
    return flags


def test_by_default_no_module_is_in_training_mode_while_it_scores() -> None:
    assert flags_while_scoring(net(), Scoring().mode) == [False, False, False]


def test_mode_train_scores_the_network_as_the_training_step_sees_it() -> None:
    assert flags_while_scoring(net(), "train") == [False, True, True]


def test_scores_in_eval_mode_repeat_and_are_those_of_the_model_in_eval_mode() -> None:
    model, (x, y) = net(), examples(20).tensors
    expected = euclidean(model.eval()(x), y)
    model.train()
    for _ in range(2):
        batches = SelectiveLoader([(x, y)], model, TopK(keep=1.0), 20)
        ((_, kept),) = batches.with_kept()
        torch.testing.assert_close(kept.score, expected)


def test_dropout_is_at_work_in_train_mode() -> None:
    model, loader = net(), rounds_of(examples(20), size=20)
    scores = []
    for _ in range(2):
        torch.rand(1)  # the training in between, which moves the global state
        batches = SelectiveLoader(loader, model, TopK(keep=1.0), 20, scoring=Scoring(mode="train"))
        scores.append(next(batches.with_kept())[1].score)
    assert not torch.allclose(scores[0], scores[1])


# ---- gradients


def test_no_graph_is_built_while_scoring() -> None:
    seen: list[bool] = []

    def watched(logits: Tensor, targets: Tensor) -> Tensor:
        seen.append(logits.requires_grad)
        return euclidean(logits, targets)

    batches = SelectiveLoader(rounds_of(examples(20)), net(), TopK(0.5), 5, scoring=Scoring(score=watched))
    for (x, _), kept in batches.with_kept():
        assert not x.requires_grad
        assert not kept.score.requires_grad
    assert seen == [False, False]


def test_a_score_with_a_graph_of_its_own_is_cut_off() -> None:
    temperature = torch.ones(1, requires_grad=True)
    scoring = Scoring(score=lambda logits, targets: euclidean(logits, targets) * temperature)
    with torch.enable_grad():
        (_, kept), *_ = SelectiveLoader(
            rounds_of(examples(10)), READS_LOGITS, TopK(0.5), 5, scoring=scoring
        ).with_kept()
    assert not kept.score.requires_grad


@every_mode
def test_a_loss_over_several_batches_can_be_differentiated_although_scoring_came_between(mode: Any) -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(CLASSES, CLASSES)
            self.register_buffer("scale", torch.full((CLASSES,), 2.0))

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * self.scale

    model = Scaled()
    batches = SelectiveLoader(rounds_of(examples(40)), model, SelectiveBackprop(0.5), 8, scoring=Scoring(mode=mode))
    torch.stack([F.cross_entropy(model(x), y) for x, y in batches]).mean().backward()
    assert model.weight.grad is not None


def test_a_loop_inside_autocast_still_gets_its_gradients() -> None:
    model = nn.Linear(CLASSES, CLASSES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for x, y in SelectiveLoader(rounds_of(examples(40)), model, SelectiveBackprop(0.5), 8):
            model.zero_grad()
            F.cross_entropy(model(x).float(), y).backward()
            assert model.weight.grad is not None


# ---- what is scored, and by what


@pytest.mark.parametrize("score", [cross_entropy, entropy])
def test_the_score_that_was_asked_for_is_the_one_that_counts(score: Any) -> None:
    batches = SelectiveLoader(in_order(20), READS_LOGITS, TopK(0.5), 5, scoring=Scoring(score=score))
    for (x, y), kept in batches.with_kept():
        torch.testing.assert_close(kept.score, score(x, y))


def test_soft_labels_are_scored_against_the_whole_row() -> None:
    logits = examples(20).tensors[0]
    data = TensorDataset(logits, logits.flip(0).softmax(dim=1))
    batches = SelectiveLoader(rounds_of(data), READS_LOGITS, TopK(0.5), 5)
    pairs = list(batches.with_kept())
    assert len(pairs) == 2
    for (x, y), kept in pairs:
        torch.testing.assert_close(kept.score, euclidean(x, y))


class Output:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


class TakesNames(nn.Module):
    """Called and answering as the models of Transformers are."""

    def forward(self, *, features: Tensor) -> Output:
        return Output(features)


@pytest.mark.parametrize("key", ["labels", "label", "targets", "target", "y"])
def test_a_mapping_is_scored_by_its_labels_with_the_rest_as_arguments(key: str) -> None:
    loader = [{"features": x, key: y} for x, y in rounds_of(examples(20))]
    batches = SelectiveLoader(loader, TakesNames(), TopK(0.5), 5)
    for batch, kept in batches.with_kept():
        torch.testing.assert_close(kept.score, euclidean(batch["features"], batch[key]))


@pytest.mark.filterwarnings("ignore:floor is 0")
@pytest.mark.parametrize(
    "build", [*POLICIES, lambda: SelectiveBackprop(floor=0.0)], ids=[*(repr(p()) for p in POLICIES), "floor=0"]
)
def test_a_saturated_model_still_ends_its_epoch(build: Callable[[], Policy]) -> None:
    labels = examples(200).tensors[1]
    saturated = TensorDataset(1e4 * F.one_hot(labels, CLASSES).float(), labels)
    policy = build()
    batches = SelectiveLoader(rounds_of(saturated, size=20), READS_LOGITS, policy, 8)
    for _ in range(2):
        for x, _ in batches:
            READS_LOGITS(x)
    assert batches.stats.candidates == 400
    if policy == SelectiveBackprop(floor=0.1):
        assert 15 < batches.stats.kept < 70  # 400 draws at the floor: 40, with a standard deviation of 6
    if isinstance(policy, SelectiveBackprop) and policy.floor == 0:
        assert batches.stats.batches == 0


# ---- one synchronisation a round


SYNCHRONISING = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "_unique2"}


class CountingSynchronisations(TorchDispatchMode):
    """Counts the operators that an accelerator cannot run without telling the host a value."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name.startswith("index") and any(
            isinstance(entry, Tensor) and entry.dtype == torch.bool
            for arg in args
            if isinstance(arg, list | tuple)
            for entry in arg
        )
        if name in SYNCHRONISING or by_mask:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def synchronisations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Everything that waits for the device while candidates go through selection."""
    found: list[str] = []
    offer = SelectiveLoader._offer

    def watched_offer(*args: Any) -> None:
        with CountingSynchronisations() as mode:
            offer(*args)
        found.extend(mode.found)

    def watched(name: str, function: Any) -> Any:
        return lambda *args: found.append(name) or function(*args)

    with monkeypatch.context() as patch:
        patch.setattr(SelectiveLoader, "_offer", watched_offer)
        for name in ("tolist", "numpy", "cpu"):
            patch.setattr(Tensor, name, watched(name, getattr(Tensor, name)))
        yield found


def test_the_count_of_synchronisations_sees_them() -> None:
    values = torch.tensor([1.0, 0.0, 2.0])
    with CountingSynchronisations() as mode:
        bool(values[0] > 0)
        float(values.sum())
        values.nonzero()
        values[values > 0]
    assert len(mode.found) == 4


@pytest.mark.parametrize(
    "policy", [SelectiveBackprop(0.1), Percentile(1.0, 16), TopK(0.3)], ids=lambda policy: type(policy).__name__
)
@every_mode
def test_a_round_waits_for_the_device_once(policy: Policy, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = SelectiveLoader(rounds_of(examples(60)), net(), policy, 4, scoring=Scoring(mode=mode))
    transfers: list[int] = []
    to_host = drawing.to_host
    monkeypatch.setattr(drawing, "to_host", lambda values: transfers.append(len(values)) or to_host(values))
    with synchronisations(monkeypatch) as found:
        list(batches)
    assert batches.stats.batches > 2
    assert transfers == [4] * 6  # how many are kept, and how many are wrong in which way
    assert found == ["tolist"] * 6  # those of to_host

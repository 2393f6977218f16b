"""A run that is stopped anywhere and resumed from files is the uninterrupted run, bit for bit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from rheostat.errors import StateError
from rheostat.select import (
    MatchedRandom,
    Percentile,
    Phases,
    Policy,
    Random,
    SelectiveBackprop,
    SelectiveLoader,
    Uniform,
)
from tests.select.toys import (
    CLASSES,
    READS_LOGITS,
    all_equal,
    examples,
    in_order,
    indices,
    through_a_file,
    uses_workers,
)

EPOCHS = 3
NO_PHASES = Phases()
HALF = SelectiveBackprop(floor=0.5)


class Augmented(Dataset[Any]):
    """Examples with noise out of the global generator, other noise every time."""

    def __len__(self) -> int:
        return 42

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = examples(42)[index]
        return x + 0.1 * torch.randn(CLASSES), y


class Deck:
    """A loader of its own kind, which shuffles by what it remembers."""

    def __init__(self, seed: int) -> None:
        self.passes = seed

    def __iter__(self) -> Any:
        self.passes += 1
        order = torch.randperm(42, generator=torch.Generator().manual_seed(self.passes))
        for index in order.split(8):
            yield examples(42)[index]

    def state_dict(self) -> dict[str, int]:
        return {"passes": self.passes}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.passes = state["passes"]


class PassCounting(DataLoader[Any]):
    """A DataLoader that shuffles by what it remembers."""

    def __init__(self, seed: int) -> None:
        self.passes = seed
        super().__init__(examples(42), 8, sampler=RandomSampler(range(42), generator=torch.Generator()))

    def __iter__(self) -> Any:
        self.passes += 1
        self.sampler.generator.manual_seed(self.passes)
        return super().__iter__()

    def state_dict(self) -> dict[str, int]:
        return {"passes": self.passes}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.passes = state["passes"]


def own_generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# a loader for a seed: a resumed run builds its loader with another one, which the saved state has to override
LOADERS: dict[str, Callable[[int], Any]] = {
    "shuffled by the global generator": lambda seed: DataLoader(Augmented(), 8, shuffle=True),
    "shuffled by its own generator": lambda seed: DataLoader(
        Augmented(), 8, shuffle=True, generator=own_generator(seed)
    ),
    "shuffled by its sampler's generator": lambda seed: DataLoader(
        Augmented(), 8, sampler=RandomSampler(range(42), generator=own_generator(seed))
    ),
    "a loader with a state": Deck,
    "a DataLoader with a state": PassCounting,
    "a list of batches": lambda seed: list(in_order(42, 8)),
    "rounds larger than training batches": lambda seed: DataLoader(Augmented(), 32, shuffle=True),
}
WITH_WORKERS: dict[str, Callable[[int], Any]] = {
    "global generator": lambda seed: DataLoader(Augmented(), 8, shuffle=True, num_workers=2),
    "own generator": lambda seed: DataLoader(
        Augmented(), 8, shuffle=True, num_workers=2, generator=own_generator(seed)
    ),
}
POLICIES: dict[str, Callable[[], Policy]] = {
    "selective-backprop": lambda: SelectiveBackprop(floor=0.3),
    "percentile": lambda: Percentile(beta=1.0, history=32),
    "matched-random of percentile": lambda: MatchedRandom(Percentile(beta=1.0, history=32)),
    "uniform": Uniform,
}


@dataclass
class Run:
    """All that a training script owns."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: SelectiveLoader

    def state_dict(self) -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in vars(self).items()}
        return through_a_file({**parts, "rng": torch.get_rng_state()})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in vars(self).items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["rng"])


def start(loader: Callable[[int], Any], policy: Callable[[], Policy], seed: int, phases: Phases) -> Run:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(CLASSES, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, CLASSES))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Run(model, optimizer, SelectiveLoader(loader(seed), model, policy(), 5, phases=phases))


def train(run: Run, saved: list[tuple[int, dict[str, Any]]] | None = None) -> list[list[Tensor]]:
    """Train to the last epoch; return all that was seen, and save after every step and every epoch if asked to."""
    seen: list[list[Tensor]] = []
    while run.batches.epoch < EPOCHS:
        for (x, y), kept in run.batches.with_kept():
            run.optimizer.zero_grad()
            loss = F.cross_entropy(run.model(x), y)
            loss.backward()
            run.optimizer.step()
            seen.append([x, y, kept.index, kept.score, kept.weight, kept.age, loss.detach()])
            if saved is not None:
                saved.append((len(seen), run.state_dict()))
        if saved is not None:
            saved.append((len(seen), run.state_dict()))
    return seen


def counts(run: Run) -> list[int]:
    stats = run.batches.stats
    return [stats.epochs, stats.candidates, stats.scoring_forwards, stats.kept, stats.backwards, stats.dropped]


def assert_resumes(
    loader: Callable[[int], Any], policy: Callable[[], Policy], *, phases: Phases = NO_PHASES, every: int = 1
) -> None:
    """Stop an uninterrupted run after every `every`-th save, and compare all that follows."""
    saved: list[tuple[int, dict[str, Any]]] = []
    uninterrupted = start(loader, policy, seed=0, phases=phases)
    expected = train(uninterrupted, saved)
    assert len(expected) >= 2 * EPOCHS
    for done, state in saved[::every]:
        resumed = start(loader, policy, seed=99, phases=phases)
        resumed.load_state_dict(state)
        seen = train(resumed)
        where = f"resumed after batch {done} of {len(expected)}, in epoch {state['batches']['epoch']}"
        assert len(seen) == len(expected) - done, where
        assert all(all_equal(a, b) for a, b in zip(seen, expected[done:], strict=True)), where
        assert all_equal(list(resumed.model.parameters()), list(uninterrupted.model.parameters())), where
        assert counts(resumed) == counts(uninterrupted), where


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS.keys())
def test_a_resumed_run_is_the_uninterrupted_one_whatever_orders_the_examples(loader: Callable[[int], Any]) -> None:
    assert_resumes(loader, POLICIES["selective-backprop"])


@uses_workers
@pytest.mark.parametrize("loader", WITH_WORKERS.values(), ids=WITH_WORKERS.keys())
def test_a_resumed_run_is_the_uninterrupted_one_with_two_worker_processes(loader: Callable[[int], Any]) -> None:
    assert_resumes(loader, POLICIES["selective-backprop"], every=5)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_a_resumed_run_is_the_uninterrupted_one_under_every_kind_of_policy(policy: Callable[[], Policy]) -> None:
    assert_resumes(LOADERS["shuffled by the global generator"], policy)


@pytest.mark.parametrize(
    "phases",
    [
        Phases(warmup=1, every=2),
        Phases(remainder="drop"),
        Phases(remainder="flush"),
        Phases(max_age=0),
    ],
    ids=repr,
)
def test_a_resumed_run_is_the_uninterrupted_one_in_every_phase(phases: Phases) -> None:
    assert_resumes(LOADERS["rounds larger than training batches"], POLICIES["selective-backprop"], phases=phases)


def test_a_pass_begun_anew_resumes_as_a_whole_pass() -> None:
    def broken_off_once() -> SelectiveLoader:
        batches = SelectiveLoader(in_order(30, 10), READS_LOGITS, Random(0.8), 2)
        for _ in batches:
            break
        return batches

    uninterrupted = broken_off_once()
    pass_ = uninterrupted.with_kept()
    next(pass_)
    state = through_a_file(uninterrupted.state_dict())
    expected = indices(pass_)

    resumed = SelectiveLoader(in_order(30, 10), READS_LOGITS, Random(0.8), 2)
    resumed.load_state_dict(state)
    assert indices(resumed.with_kept()) == expected


def test_a_saved_state_stays_as_it_was_when_the_run_goes_on() -> None:
    batches = SelectiveLoader(in_order(40, 8), READS_LOGITS, Percentile(1.0, 16), 4)
    pass_ = batches.with_kept()
    next(pass_)
    state = batches.state_dict()
    expected = indices(pass_)
    for _ in range(2):
        resumed = SelectiveLoader(in_order(40, 8), READS_LOGITS, Percentile(1.0, 16), 4)
        resumed.load_state_dict(state)
        assert indices(resumed.with_kept()) == expected


# ---- states that do not fit


def state_in_mid_epoch(loader: Any, policy: Policy = HALF) -> dict[str, Any]:
    batches = SelectiveLoader(loader, READS_LOGITS, policy, 4)
    pass_ = iter(batches)
    for _ in range(4):
        next(pass_)
    return through_a_file(batches.state_dict())


def resume(loader: Any, state: dict[str, Any], policy: Policy = HALF) -> None:
    batches = SelectiveLoader(loader, READS_LOGITS, policy, 4)
    batches.load_state_dict(state)
    list(batches)


def test_a_state_drawn_on_another_kind_of_device_is_refused() -> None:
    state = state_in_mid_epoch(in_order(40))
    state["generator"]["device"] = "cuda"
    with pytest.raises(StateError, match=r"drawing on cuda and the model is on cpu now: move the model to cuda"):
        resume(in_order(40), state)


def test_a_model_that_moves_to_another_device_in_the_middle_of_a_run_is_told() -> None:
    model = nn.Linear(CLASSES, CLASSES)
    batches = SelectiveLoader(in_order(40), model, HALF, 4)
    next(iter(batches))
    state = through_a_file(batches.state_dict())
    model.to("meta")
    with pytest.raises(StateError, match="the model has moved from cpu to meta in the middle of a run: move it back"):
        next(iter(batches))
    with pytest.raises(StateError, match="drawing on cpu and the model is on meta now: move the model to cpu"):
        batches.load_state_dict(state)


def test_a_model_may_move_before_the_first_draw_and_where_a_state_is_loaded() -> None:
    model = nn.Linear(CLASSES, CLASSES, device="meta")
    batches = SelectiveLoader(in_order(40), model, HALF, 4)
    fresh = through_a_file(batches.state_dict())
    model.to_empty(device="cpu").reset_parameters()
    next(iter(batches))
    assert batches.stats.waiting
    model.to("meta")
    batches.load_state_dict(fresh)
    assert not batches.stats.waiting


def test_a_loader_with_another_number_of_generators_is_refused() -> None:
    state = state_in_mid_epoch(DataLoader(examples(40), 10, shuffle=True, generator=own_generator(0)))
    with pytest.raises(StateError, match=r"shuffled by 1 generators and this loader has 0: build the loader as"):
        resume(in_order(40), state)


def test_a_loader_that_is_shorter_than_the_saved_epoch_is_refused() -> None:
    state = state_in_mid_epoch(in_order(40))
    with pytest.raises(StateError, match=r"stood after \d batches and the loader has fewer: resume with the data"):
        resume(in_order(10), state)


def test_what_is_no_state_of_a_queue_is_refused() -> None:
    state = state_in_mid_epoch(in_order(40))
    with pytest.raises(StateError, match=r"not the state of a queue: it has no 'chunks'"):
        resume(in_order(40), {**state, "queue": {}})


@pytest.mark.parametrize(
    ("saved", "given"),
    [
        (SelectiveBackprop(0.5), Percentile(1.0, 16)),
        (Percentile(1.0, 16), SelectiveBackprop(0.5)),
        (Percentile(1.0, 16), Percentile(1.0, 32)),
        (Random(0.9), MatchedRandom(Random(0.9))),
    ],
    ids=["a policy with a history", "a policy without one", "another history", "another policy"],
)
def test_the_state_of_another_policy_is_refused(saved: Policy, given: Policy) -> None:
    state = state_in_mid_epoch(in_order(40), saved)
    with pytest.raises(StateError, match=r"saved (policy|window)"):
        resume(in_order(40), state, given)

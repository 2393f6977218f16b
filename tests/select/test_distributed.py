"""Several processes select together: they step together, agree on what is of all of them, and go on bit for bit.

The processes are real and talk over gloo. Three are started once; two of them train in a group of their own. A process
that waits for one that never comes fails after `PATIENCE`.
"""

import datetime
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from rheostat.select import (
    Candidates,
    Choice,
    Costs,
    Percentile,
    Phases,
    Random,
    Reweighted,
    Scoring,
    SelectiveBackprop,
    SelectiveLoader,
    Stats,
    TopK,
    Traits,
    Uniform,
)
from rheostat.select.costs import TRAINING, speedup
from rheostat.select.ranks import Ranks
from rheostat.signals import euclidean
from tests.select.toys import CLASSES, READS_LOGITS, examples, through_a_file

PROCESSES = 3
PATIENCE = datetime.timedelta(seconds=40)
ROUND, BATCH = 10, 8
UNEVEN = (90, 40, 70)  # candidates of each process
COUNTS = ("epochs", "candidates", "scoring_forwards", "reused", "kept", "backwards", "dropped", "batches", "processes")

LOGITS, LABELS = examples(sum(UNEVEN)).tensors


def part(rank: int, sizes: tuple[int, ...] = UNEVEN) -> Tensor:
    """The indices of a process's examples: no two processes have one in common."""
    return torch.arange(sum(sizes[:rank]), sum(sizes[: rank + 1]))


@dataclass
class Part:
    """A loader of some of the examples, in rounds of 10; other ones in each epoch, if several are given."""

    parts: list[Tensor]
    passes: int = 0

    def indexed(self) -> Iterator[tuple[Tensor, Any]]:
        mine = self.parts[self.passes % len(self.parts)]
        self.passes += 1
        return ((index, (LOGITS[index], LABELS[index])) for index in mine.split(ROUND) if len(index))

    def __iter__(self) -> Iterator[Any]:
        return (batch for _, batch in self.indexed())

    def state_dict(self) -> dict[str, int]:
        return {"passes": self.passes}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.passes = state["passes"]


def counts(stats: Stats) -> dict[str, int]:
    return {name: getattr(stats, name) for name in COUNTS}


def normalising(group: Any) -> DistributedDataParallel:
    """A model with buffers, which its wrapper synchronises whenever it is called."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.BatchNorm1d(CLASSES), nn.Linear(CLASSES, CLASSES))
    return DistributedDataParallel(model, process_group=group)


def step(model: nn.Module, lr: float) -> list[Tensor]:
    """A step of plain SGD, of which the gradients are returned."""
    gradients = []
    for parameter in model.parameters():
        assert parameter.grad is not None
        gradients.append(parameter.grad)
        parameter.data.sub_(lr * parameter.grad)
        parameter.grad = None
    return gradients


# --- what each process does


def uneven(rank: int, of: int, group: Any) -> dict[str, Any]:
    """Train two epochs on shards of different sizes, in rounds that are more in one process than in another."""
    model = normalising(group)
    batches = SelectiveLoader(Part([part(rank)]), model, SelectiveBackprop(floor=0.2), BATCH, seed=3, group=group)
    kept_in, seen = [], []
    for _ in range(2):
        for (x, y), kept in batches.with_kept():
            F.cross_entropy(model(x), y).backward()
            step(model, 0.1)
            kept_in.append(kept.index.tolist())
            seen.append(counts(batches.stats))
    return {
        "kept": kept_in,
        "seen": seen,
        "counts": counts(batches.stats),
        "waiting": batches.stats.waiting,
        "modes": dict(batches.stats.modes),
        "weights": [parameter.detach().clone() for parameter in model.parameters()],
    }


def gradients(rank: int, of: int, group: Any) -> dict[str, Any]:
    """The gradients of a few steps, with the weights that they were taken at."""
    torch.manual_seed(6)
    model = DistributedDataParallel(nn.Linear(CLASSES, CLASSES), process_group=group)
    batches = SelectiveLoader(Part([part(rank)]), model, SelectiveBackprop(floor=0.1), BATCH, group=group)
    steps = []
    for (x, y), kept in itertools.islice(batches.with_kept(), 3):
        weights = [parameter.detach().clone() for parameter in model.parameters()]
        F.cross_entropy(model(x), y).backward()
        steps.append((kept.index, weights, step(model, 0.5)))
    return {"steps": steps}


@dataclass
class OnlyBelow:
    """Keeps the examples below an index, and from an epoch on all."""

    below: int
    until: int = 10**6

    traits = Traits()

    def choose(self, candidates: Candidates) -> Choice:
        below = self.below if candidates.epoch < self.until else 10**6
        return Choice((candidates.index < below).float())


def idle(rank: int, of: int, group: Any) -> dict[str, Any]:
    """Process 1 has nothing to train on: no candidates, or none that is kept for an epoch."""
    empty = SelectiveLoader(Part([part(rank, (60, 0, 30))]), READS_LOGITS, Uniform(), BATCH, group=group)
    without = [len(list(empty)) for _ in range(2)]
    policy = OnlyBelow(UNEVEN[0], until=1)
    picky = SelectiveLoader(Part([part(rank)]), READS_LOGITS, policy, BATCH, group=group)
    return {
        "without": without,
        "waiting": empty.stats.waiting,
        "candidates": empty.stats.candidates,
        "picky": [len(list(picky)) for _ in range(2)],
        "counts": counts(picky.stats),
    }


@dataclass
class Heard(Percentile):
    """Says what it was asked, and what it answered."""

    heard: list[tuple[list[int], list[float]]] = field(default_factory=list)

    def choose(self, candidates: Candidates) -> Choice:
        choice = super().choose(candidates)
        self.heard.append((candidates.index.tolist(), choice.probability.tolist()))
        return choice


def percentiles(rank: int, of: int, group: Any) -> dict[str, Any]:
    policy = Heard(beta=2.0, history=1000)
    batches = SelectiveLoader(Part([part(rank)]), READS_LOGITS, policy, BATCH, group=group)
    for _ in batches:
        pass
    state = policy.state_dict()
    return {"heard": policy.heard, "window": state["ring"][: state["seen"]].sort().values}


def remembered(rank: int, of: int, group: Any) -> dict[str, Any]:
    """Score once, and let another process have the examples in the next epoch."""
    parts = [part((rank + epoch) % of) for epoch in range(2)]
    batches = SelectiveLoader(
        Part(parts), READS_LOGITS, TopK(0.5), 2, scoring=Scoring(reuse=1), group=group, phases=Phases(remainder="drop")
    )
    scores = [{i: s for _, kept in batches.with_kept() for i, s in zip(*lists(kept), strict=True)} for _ in parts]
    return {"counts": counts(batches.stats), "scores": scores}


def lists(kept: Any) -> tuple[list[int], list[float]]:
    return kept.index.tolist(), kept.score.tolist()


def flushed(rank: int, of: int, group: Any) -> dict[str, Any]:
    """What is left of an epoch is a whole batch and more in process 0, and less than one in the others."""
    batches = SelectiveLoader(Part([part(rank, (35, 20, 20))]), READS_LOGITS, Uniform(), 16, group=group)
    handed = [[kept.index.tolist() for _, kept in batches.with_kept()] for _ in range(3)]
    backwards = batches.stats.backwards
    waiting = [i for chunk in batches.state_dict()["queue"]["chunks"] for i in chunk["kept"][0].tolist()]
    one_left = SelectiveLoader(Part([part(rank, (18, 17, 18))]), normalising(group), Uniform(), 16, group=group)
    return {
        "handed": handed,
        "waiting": waiting,
        "backwards": backwards,
        "one left": [len(kept.index) for _, kept in one_left.with_kept()],
    }


def resumed(rank: int, of: int, group: Any) -> dict[str, Any]:
    """Stop after each batch in turn, go on in new objects from a file, and compare with what was not stopped."""

    def fresh() -> SelectiveLoader:
        policy = Percentile(beta=1.0, history=30)
        phases = Phases(max_age=1)
        loader = Part([part(rank)])
        return SelectiveLoader(loader, READS_LOGITS, policy, 4, phases=phases, scoring=Scoring(reuse=1), group=group)

    def rest(batches: SelectiveLoader, stop: int | None = None) -> list[list[int]]:
        seen: list[list[int]] = []
        while batches.epoch < 2:
            for _, kept in batches.with_kept():
                seen.append(kept.index.tolist())
                if len(seen) == stop:
                    return seen
        return seen

    whole = fresh()
    expected, differing = rest(whole), []
    for stop in range(1, len(expected)):
        first, second = fresh(), fresh()
        seen = rest(first, stop)
        second.load_state_dict(through_a_file(first.state_dict()))
        seen += rest(second)
        same = counts(second.stats) == counts(whole.stats) and dict(second.stats.modes) == dict(whole.stats.modes)
        if seen != expected or not same:
            differing.append(stop)
    return {"batches": len(expected), "dropped": whole.stats.dropped, "differing": differing}


def own_costs(rank: int) -> Costs:
    """Selection pays in process 0, as it measures it, and in no other."""
    return Costs(0.0, 0.001, 0.5, 1.0, 0.01) if rank == 0 else Costs(0.0, 0.3, 0.5, 0.25, 0.01)


def governed(rank: int, of: int, group: Any) -> dict[str, Any]:
    torch.manual_seed(7)
    model = DistributedDataParallel(nn.Linear(CLASSES, CLASSES), process_group=group)
    policy = Reweighted(Percentile(2.3, 64))  # keeps about 0.3
    batches = SelectiveLoader(Part([part(rank)]), model, policy, 4, govern=True, group=group)
    batches._scores.stopwatch.costs = lambda: own_costs(rank)
    modes = []
    for _ in range(3):
        for x, y in batches:
            F.cross_entropy(model(x), y).backward()
        modes.append(batches.stats.mode.name)
    assert batches._governor is not None
    return {"modes": modes, "history": batches._governor.history, "counts": counts(batches.stats)}


def told(rank: int, of: int, group: Any) -> dict[str, Any]:
    """What the processes tell each other, and what each draws by itself."""
    ranks = Ranks(group)
    drawing = SelectiveLoader(Part([part(rank)]), READS_LOGITS, Random(0.5), BATCH, group=group)
    return {
        "drawn": next((kept.index - part(rank)[0]).tolist() for _, kept in drawing.with_kept()),
        "all": ranks.tell_all([rank, 10 * rank]),
        "mean": ranks.mean([float(rank), torch.nan if rank else 4.0]),
        "elsewhere": ranks.elsewhere(torch.full((rank,), float(rank))),
        "nowhere": ranks.elsewhere(torch.empty(0)),
    }


SCENES: tuple[Callable[[int, int, Any], dict[str, Any]], ...] = (
    *(told, uneven, gradients, idle, percentiles, remembered, flushed, resumed, governed),
)


def process(rank: int, folder: str) -> None:
    """One of the processes: what it finds goes into a file, for the tests to look at."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=PROCESSES, timeout=PATIENCE)
    pair = dist.new_group([0, 1], timeout=PATIENCE)
    found = {3: {scene.__name__: scene(rank, 3, None) for scene in SCENES}}
    if rank < 2:
        found[2] = {scene.__name__: scene(rank, 2, pair) for scene in SCENES}
    torch.save(found, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each process has found, by the number of processes that trained together."""
    folder = tmp_path_factory.mktemp("processes")
    spawn(process, (str(folder),), PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.fixture(params=[2, 3])
def found(request: pytest.FixtureRequest, files: list[Any]) -> Callable[[Callable[..., Any]], list[dict[str, Any]]]:
    """What each of so many processes has found in a scene."""
    return lambda scene: [file[request.param][scene.__name__] for file in files[: request.param]]


Found = Callable[[Callable[..., Any]], list[dict[str, Any]]]


def score_of(index: int) -> float:
    return float(euclidean(LOGITS[index : index + 1], LABELS[index : index + 1]))


def same_in_all(values: list[Any]) -> Any:
    assert all(value == values[0] for value in values), values
    return values[0]


# --- and what it comes to


def test_numbers_and_tensors_reach_every_process(found: Found) -> None:
    told_by = found(told)
    of = len(told_by)
    for rank, one in enumerate(told_by):
        assert one["all"] == [[other, 10 * other] for other in range(of)]
        assert one["mean"] == [(of - 1) / 2, 4.0]
        assert one["elsewhere"].tolist() == [float(n) for n in range(of) for _ in range(n) if n != rank]
        assert len(one["nowhere"]) == 0


def test_all_take_the_same_number_of_full_batches_however_uneven_the_shards(found: Found) -> None:
    kept = [one["kept"] for one in found(uneven)]
    assert same_in_all([len(batches) for batches in kept]) > 5
    for rank, batches in enumerate(kept):
        assert {len(batch) for batch in batches} == {BATCH}
        assert {index for batch in batches for index in batch} <= set(part(rank).tolist())


def test_the_weights_stay_the_same_in_all(found: Found) -> None:
    first, *others = (one["weights"] for one in found(uneven))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_stats_are_of_all_processes(found: Found) -> None:
    told_by = found(uneven)
    of = len(told_by)
    total = same_in_all([one["counts"] for one in told_by])
    assert same_in_all([one["seen"] for one in told_by])[-1]["backwards"] == total["backwards"]
    assert total["candidates"] == total["scoring_forwards"] == 2 * sum(UNEVEN[:of])
    assert total["backwards"] == of * BATCH * total["batches"]
    assert total["kept"] == total["backwards"] + sum(one["waiting"] for one in told_by)
    assert (total["epochs"], total["processes"]) == (2, of)
    assert same_in_all([one["modes"] for one in told_by]) == {"forward": total["candidates"]}


def test_gradients_are_those_of_one_process_on_all_that_was_kept(found: Found) -> None:
    for steps in zip(*(one["steps"] for one in found(gradients)), strict=True):
        index = torch.cat([kept for kept, _, _ in steps])
        alone = nn.Linear(CLASSES, CLASSES)
        for parameter, weight in zip(alone.parameters(), steps[0][1], strict=True):
            parameter.data.copy_(weight)
        F.cross_entropy(alone(LOGITS[index]), LABELS[index]).backward()
        assert len(index) == len(steps) * BATCH
        for _, _, together in steps:
            for parameter, gradient in zip(alone.parameters(), together, strict=True):
                assert parameter.grad is not None
                assert (parameter.grad - gradient).abs().max() < 1e-6
                assert gradient.abs().max() > 1e-3


def test_the_processes_draw_apart(found: Found) -> None:
    drawn = [one["drawn"] for one in found(told)]
    assert all(a != b for a, b in itertools.combinations(drawn, 2))


def test_a_process_with_nothing_to_train_on_holds_up_the_steps_and_nothing_else(found: Found) -> None:
    told_by = found(idle)
    of = len(told_by)
    sizes = (60, 0, 30)[:of]
    for one, size in zip(told_by, sizes, strict=True):
        assert one["without"] == [0, 0]
        assert one["waiting"] == 2 * size
        assert one["candidates"] == 2 * sum(sizes)
    # once every process keeps something, those that waited are trained on
    assert same_in_all([one["picky"] for one in told_by]) == [0, UNEVEN[1] // BATCH]
    assert same_in_all([one["counts"]["kept"] for one in told_by]) == UNEVEN[0] + sum(UNEVEN[:of])


def test_percentiles_are_among_the_scores_of_all_processes_so_far(found: Found) -> None:
    told_by = found(percentiles)
    of = len(told_by)
    rounds = [part(rank).split(ROUND) for rank in range(of)]
    for rank, one in enumerate(told_by):
        known: list[float] = []
        asked = [entry for entry in one["heard"] if entry[0]]
        for at in range(max(map(len, rounds))):
            known += [score_of(int(i)) for parts in rounds if at < len(parts) for i in parts[at]]
            if at >= len(rounds[rank]):
                continue
            for index, probability in zip(*asked[at], strict=True):
                mine = score_of(index)
                below, equal = sum(s < mine for s in known), sum(s == mine for s in known)
                assert probability == pytest.approx(((below + equal / 2) / len(known)) ** 2, abs=1e-6)


def test_a_short_history_keeps_the_scores_of_the_process_itself() -> None:
    policy = Percentile(history=2)
    others = Candidates(torch.arange(2), torch.tensor([0.1, 0.2]), elsewhere=torch.tensor([5.0, 6.0, 7.0]))
    assert policy.choose(others).probability.tolist() == pytest.approx([0.25, 0.75])


def test_the_history_is_the_same_in_all_also_where_one_ran_out_of_candidates(found: Found) -> None:
    told_by = found(percentiles)
    everything = torch.tensor(sorted(score_of(index) for index in range(sum(UNEVEN[: len(told_by)]))))
    for one in told_by:
        assert torch.allclose(one["window"], everything)


def test_last_scores_are_shared_when_an_epoch_ends(found: Found) -> None:
    told_by = found(remembered)
    of = len(told_by)
    total = same_in_all([one["counts"] for one in told_by])
    assert total["scoring_forwards"] == total["reused"] == sum(UNEVEN[:of])
    later = [(index, score) for one in told_by for index, score in one["scores"][1].items()]
    assert len(later) > 20
    for index, score in later:
        assert score == pytest.approx(score_of(index), abs=1e-6)


def test_remainders_are_flushed_together_and_no_example_is_lost(found: Found) -> None:
    told_by = found(flushed)
    assert same_in_all([len(epoch) for one in told_by for epoch in one["handed"]]) == 2
    for rank, one in enumerate(told_by):
        handed = [index for epoch in one["handed"] for batch in epoch for index in batch]
        assert handed + one["waiting"] == 3 * part(rank, (35, 20, 20)).tolist()
        assert [len(batch) for epoch in one["handed"] for batch in epoch] == ([16, 16] if rank == 0 else [16, 4]) * 3
    handed_out = sum(len(batch) for one in told_by for epoch in one["handed"] for batch in epoch)
    assert same_in_all([one["backwards"] for one in told_by]) == handed_out


def test_a_batch_of_one_is_carried_in_all_where_the_model_normalises_over_it(found: Found) -> None:
    assert same_in_all([one["one left"] for one in found(flushed)]) == [16]


def test_each_goes_on_from_its_own_state_bit_for_bit(found: Found) -> None:
    for one in found(resumed):
        assert one["batches"] > 8
        assert one["dropped"] > 0
        assert one["differing"] == []


def test_a_governed_loader_takes_the_same_mode_in_all(found: Found) -> None:
    told_by = found(governed)
    alone = [speedup(own_costs(rank), TRAINING, 0.3) for rank in range(len(told_by))]
    assert alone[0] > 1 > alone[1], "left to themselves they would differ"
    assert same_in_all([one["modes"] for one in told_by]) == ["off", "training", "training"]
    assert same_in_all([one["history"] for one in told_by])
    assert same_in_all([one["counts"] for one in told_by])["reused"] > 0

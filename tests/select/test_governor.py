"""The governor: which mode it takes at which costs, when it looks again, and governed loaders from end to end.

Nothing here depends on a real time: the costs are given.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from rheostat.errors import SettingsError
from rheostat.select import (
    Katharopoulos,
    MatchedRandom,
    Percentile,
    Phases,
    Policy,
    ProgressiveDropout,
    PruneAndRescale,
    Random,
    ReducibleLoss,
    Reweighted,
    Scoring,
    SelectiveBackprop,
    SelectiveLoader,
    TopK,
    Uniform,
)
from rheostat.select.costs import OFF, TRAINING, Costs, Mode, break_even, forward_mode, speedup
from rheostat.select.governor import Governor, best_mode
from rheostat.select.last_scores import LastScores
from tests.select.toys import CLASSES, examples, through_a_file

FORWARD, REUSE_1, REUSE_3 = forward_mode(), forward_mode(1), forward_mode(3)
MODES = [FORWARD, REUSE_1, REUSE_3]
CHEAP = Costs(score=1.0, step=100.0)
DEAR = Costs(score=95.0, step=100.0)


# ---- the rule


@pytest.mark.parametrize(
    ("score", "kept_share", "expected"),
    [
        (1.0, 0.3, FORWARD),  # 3.23: as good as free
        (20.0, 0.3, REUSE_1),  # 2.00, 2.50, 2.86: the freshest above 0.9 x 2.86 = 2.57 is the last one
        (8.0, 0.3, REUSE_1),  # 2.63, 2.94, 3.13: 0.9 x 3.13 = 2.81
        (60.0, 0.3, REUSE_3),  # 1.11, 1.67, 2.22
        (60.0, 0.97, OFF),  # 0.64, 0.79, 0.89
        (1.0, 0.975, OFF),  # 1.015, 1.020 (above 1.02 by less than a part in a thousand), 1.023
        (0.0, 0.5, FORWARD),
        (0.0, 1.0, OFF),
    ],
)
def test_it_takes_the_freshest_scores_of_nearly_the_best_speed_up(
    score: float, kept_share: float, expected: Mode
) -> None:
    costs = Costs(score=score, step=100.0)
    gains = {mode: 100 / (score / (mode.reuse + 1) + 100 * kept_share) for mode in MODES}  # what speedup() must be
    best = max(gains.values())
    oracle = next((mode for mode in MODES if gains[mode] >= max(0.9 * best, 1.02)), OFF) if best >= 1.02 else OFF
    assert best_mode(costs, kept_share, MODES) == oracle
    if score not in (20.0, 1.0):
        assert oracle == expected


def test_on_a_grid_of_costs_no_mode_is_taken_that_does_not_pay_and_none_left_that_is_much_better() -> None:
    for score in (0.0, 1.0, 10.0, 40.0, 90.0, 200.0):
        for data in (0.0, 50.0):
            for share in torch.linspace(0, 1, 21).tolist():
                costs = Costs(data=data, pick=2.0, score=score, step=100.0)
                mode = best_mode(costs, share, MODES)
                gains = [speedup(costs, other, share) for other in MODES]
                if mode == OFF:
                    assert max(gains) < 1.02
                else:
                    assert speedup(costs, mode, share) >= max(1.02, 0.9 * max(gains))
                    assert share < break_even(costs, mode)
                    fresher = MODES[: MODES.index(mode)]
                    assert all(speedup(costs, other, share) < max(1.02, 0.9 * max(gains)) for other in fresher)


def test_what_is_not_measured_is_tried() -> None:
    assert best_mode(Costs(step=100.0), 0.5, MODES) == FORWARD
    assert best_mode(Costs(), 0.5, [TRAINING]) == TRAINING


# ---- over rounds and epochs, with costs and shares as they are told


class Script:
    """A governor, and what its loader would tell it."""

    def __init__(self, costs: Costs, policy: Policy | None = None) -> None:
        self.costs = costs
        self.governor = Governor(policy or SelectiveBackprop(0.1), lambda: self.costs)
        self.table = LastScores(100, torch.device("cpu"))
        self.batches = 0
        self.looked_at = 0
        self.before = math.nan

    def epoch(self, number: int, rounds: int, share: float, *, sees: bool) -> list[str]:
        """One epoch in which selection would keep that share; the mode of each round."""
        self.governor.begin_epoch(number, self.table, self.before)
        modes = []
        chose = False
        for round_ in range(1, rounds + 1):
            modes.append(self.governor.mode.name)
            chose = chose or self.governor.mode != OFF
            self.batches += 1
            self.looked_at += sees and self.governor.heeds(self.batches)
            if self.looked_at:
                self.table.put(torch.arange(100), torch.full((100,), share), number)
            now = share if chose else math.nan
            self.governor.after_round(number, round_, now, self.looked_at, self.batches)
        self.before = share if chose else self.before
        return modes


def test_where_training_passes_are_seen_the_first_epoch_is_plain_and_then_their_scores_are_used() -> None:
    script = Script(CHEAP)
    assert script.epoch(0, 40, 0.3, sees=True) == ["off"] * 40
    assert script.epoch(1, 300, 0.3, sees=True) == ["training"] * 300
    assert script.epoch(2, 300, 0.3, sees=True) == ["training"] * 300
    assert script.governor.history == [(0, 0, "off"), (1, 0, "training")]


def test_where_they_are_not_forward_passes_are_tried_after_a_few_batches() -> None:
    script = Script(Costs(score=40.0, step=100.0))
    modes = script.epoch(0, 60, 0.3, sees=False)
    assert modes == ["off"] * 32 + ["forward"] * 8 + ["reuse 3"] * 20
    assert script.epoch(1, 60, 0.3, sees=False) == ["reuse 3"] * 60
    assert script.governor.history == [(0, 0, "off"), (0, 32, "forward"), (0, 40, "reuse 3")]


def test_it_is_off_while_the_share_is_above_break_even_and_on_again_when_it_falls() -> None:
    script = Script(CHEAP)
    script.epoch(0, 40, 1.0, sees=True)
    assert script.epoch(1, 300, 1.0, sees=True) == ["off"] * 300
    assert script.epoch(2, 300, 0.5, sees=True) == ["off"] * 300  # the fall shows in the passes of this epoch
    assert script.epoch(3, 300, 0.5, sees=True) == ["training"] * 300
    assert script.epoch(4, 300, 1.0, sees=True) == ["training"] * 8 + ["off"] * 292
    assert script.epoch(5, 20, 1.0, sees=True) == ["off"] * 20


def test_without_training_passes_it_probes_at_the_beginning_of_an_epoch() -> None:
    script = Script(DEAR)
    script.epoch(0, 60, 0.9, sees=False)
    assert script.epoch(1, 60, 0.9, sees=False) == ["off"] * 60  # the trial before has just failed
    assert script.epoch(2, 60, 0.9, sees=False) == ["forward"] * 8 + ["off"] * 52
    assert [script.epoch(at, 60, 0.1, sees=False) for at in (3, 4)] == [["off"] * 60] * 2
    assert script.epoch(5, 60, 0.1, sees=False) == ["forward"] * 8 + ["reuse 3"] * 52


def test_trials_that_do_not_pay_become_rare_however_short_the_epochs() -> None:
    script = Script(DEAR)
    modes = [mode for epoch in range(64) for mode in script.epoch(epoch, 6, 1.0, sees=False)]
    assert modes.count("forward") / len(modes) < 0.2


def test_before_an_epoch_was_watched_whole_nothing_is_passed_over() -> None:
    script = Script(Costs(pick=0.1, step=1.0, observe=0.5))  # watching all would cost half a step
    script.epoch(0, 40, 1.0, sees=True)
    assert all(script.governor.heeds(batch) for batch in range(1, 20))
    script.epoch(1, 40, 1.0, sees=True)
    script.governor.mode = OFF
    assert sum(script.governor.heeds(batch) for batch in range(1000)) < 50


def test_a_mode_is_judged_again_after_8_64_and_every_256_rounds_of_an_epoch() -> None:
    script = Script(CHEAP)
    script.epoch(0, 40, 0.3, sees=True)
    asked: list[int] = []

    def costs() -> Costs:
        asked.append(script.batches - 40)
        return CHEAP

    script.governor._costs = costs
    script.epoch(1, 800, 0.3, sees=True)
    assert asked == [0, 8, 64, 256, 512, 768]
    asked.clear()
    script.epoch(2, 100, 0.3, sees=True)
    assert asked == [800, 808, 864]


def test_costs_that_change_within_an_epoch_change_the_mode() -> None:
    script = Script(Costs(score=1.0, step=100.0))
    script.epoch(0, 60, 0.2, sees=False)
    assert script.governor.mode == FORWARD
    script.costs = Costs(score=60.0, step=100.0)
    modes = script.epoch(1, 60, 0.2, sees=False)
    assert modes == ["reuse 3"] * 60
    assert script.governor.history[-1] == (1, 0, "reuse 3")


@pytest.mark.parametrize("observe", [1e-9, 0.5, 1.0, 5.0, 40.0, 300.0])
def test_while_off_training_passes_are_watched_for_at_most_a_hundredth_of_the_time(observe: float) -> None:
    script = Script(Costs(observe=observe, step=100.0))
    script.epoch(0, 40, 1.0, sees=True)
    before = script.looked_at
    rounds = 2000
    assert script.epoch(1, rounds, 1.0, sees=True) == ["off"] * rounds
    watched = script.looked_at - before
    assert 0 < watched * observe <= max(0.01 * rounds * 100.0, observe) + observe
    assert observe > 1.0 or watched == rounds


def test_while_on_all_training_passes_are_watched_and_where_none_is_seen_none_is_looked_for() -> None:
    script = Script(Costs(observe=40.0, step=100.0))
    script.epoch(0, 40, 0.3, sees=True)
    before = script.looked_at
    script.epoch(1, 100, 0.3, sees=True)
    assert script.looked_at - before == 100
    blind = Script(CHEAP)
    blind.epoch(0, 60, 0.3, sees=False)
    assert not any(blind.governor.heeds(batch) for batch in range(1000))


def test_what_would_be_kept_is_asked_of_a_copy_of_the_policy() -> None:
    policy = Percentile(beta=1.0, history=16)
    before = str(policy.state_dict())
    script = Script(CHEAP, policy)
    script.epoch(0, 40, 0.3, sees=True)
    script.epoch(1, 4, 0.3, sees=True)
    assert str(policy.state_dict()) == before


def test_a_governor_goes_on_from_a_file() -> None:
    script = Script(CHEAP)
    script.epoch(0, 40, 0.3, sees=True)
    script.epoch(1, 40, 0.3, sees=True)
    resumed = Script(CHEAP)
    resumed.governor.load_state_dict(through_a_file(script.governor.state_dict()))
    assert resumed.governor.mode == TRAINING
    assert resumed.governor.history == script.governor.history == [(0, 0, "off"), (1, 0, "training")]
    resumed.before = 0.3
    assert resumed.epoch(2, 40, 0.3, sees=True) == ["training"] * 40


# ---- governed loaders


SIZE, BATCH, EPOCHS = 384, 8, 3


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Costs], None]:
    """Lets every loader measure what is given."""

    def given(found: Costs) -> None:
        monkeypatch.setattr(SelectiveLoader, "_costs", lambda _: found)

    return given


def shuffled() -> "DataLoader[Any]":
    return DataLoader(examples(SIZE), BATCH, shuffle=True, generator=torch.Generator().manual_seed(2))


class Net(nn.Module):
    """Linear; counts the examples of forward passes with a gradient and without."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(CLASSES, CLASSES)
        self.passed = {True: 0, False: 0}

    def forward(self, x: Tensor) -> Tensor:
        self.passed[torch.is_grad_enabled()] += len(x)
        return self.linear(x)


def train(model: nn.Module, batches: SelectiveLoader, *, seen: bool = True) -> Iterator[str]:
    """One epoch; the mode of every batch."""
    for (x, y), kept in batches.with_kept():
        yield batches.stats.mode.name
        inputs, weight = (x, kept.weight) if seen else (torch.cat([x, x]), torch.cat([kept.weight, kept.weight]))
        labels = y if seen else torch.cat([y, y])
        model.zero_grad()
        (F.cross_entropy(model(inputs), labels, reduction="none") * weight).mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.5 * parameter.grad  # pyright: ignore[reportOperatorIssue]


POLICIES: dict[str, Callable[[], Policy]] = {
    "selective-backprop": lambda: SelectiveBackprop(0.1),
    "percentile": lambda: Percentile(1.0, 64),
    "top-k": lambda: TopK(0.5),
    "matched-random": lambda: MatchedRandom(Percentile(2.0, 64)),
    "katharopoulos": lambda: Katharopoulos(pool=32, keep=8),
    "reducible-loss": lambda: ReducibleLoss(torch.linspace(0, 1, SIZE), keep=0.25, pool=32),
    "prune-and-rescale": lambda: PruneAndRescale(epochs=8),
    "progressive-dropout": lambda: ProgressiveDropout(threshold=0.7, epochs=8),
    "reweighted": lambda: Reweighted(SelectiveBackprop(0.1)),
}


@pytest.mark.parametrize("seen", [True, False], ids=["training passes seen", "none seen"])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_a_governed_loader_trains_under_every_policy_that_scores(
    policy: Callable[[], Policy], seen: bool, costs: Callable[[Costs], None]
) -> None:
    costs(Costs(data=1.0, pick=1.0, score=20.0, step=100.0, observe=0.1))
    model = Net()
    batches = SelectiveLoader(shuffled(), model, policy(), BATCH, govern=True)
    modes = [list(train(model, batches, seen=seen)) for _ in range(EPOCHS)]
    found = batches.stats
    assert sum(found.modes.values()) == found.candidates == EPOCHS * SIZE
    assert found.kept == found.backwards + found.waiting
    assert found.scoring_forwards == model.passed[False]
    assert found.predicted_speedup >= 1.0
    names = {mode for epoch in modes for mode in epoch}
    if seen and not policy().traits.excludes:
        assert modes[0] == ["off"] * (SIZE // BATCH)
        assert names <= {"off", "training"}
        assert found.scoring_forwards == 0
        assert found.modes.get("training", 0) == found.reused
        assert ("training" in names) != isinstance(policy(), SelectiveBackprop)  # which keeps more than half of these
    else:
        assert "training" not in names
        assert names & {"forward", "reuse 1", "reuse 3"}
        assert 0 < found.scoring_forwards < (EPOCHS - 0.5) * SIZE
    if names - {"off"}:
        assert found.backwards < EPOCHS * SIZE


@pytest.mark.parametrize(("policy", "mode"), [(SelectiveBackprop(0.1), OFF), (PruneAndRescale(), TRAINING)], ids=repr)
def test_a_choice_that_biases_the_gradient_must_save_more_than_one_that_does_not(policy: Policy, mode: Mode) -> None:
    script = Script(CHEAP, policy)
    script.epoch(0, 40, 0.6, sees=True)
    script.governor._decide(0.6, 1, 0)  # a speed-up of 1.7
    assert script.governor.mode == mode
    script.governor._decide(0.4, 1, 8)
    assert script.governor.mode == TRAINING


def test_a_loader_that_is_governed_off_yields_what_the_plain_loop_would() -> None:
    x, y = examples(SIZE).tensors
    loader = list(zip(x.split(BATCH), y.split(BATCH), strict=True))
    batches = SelectiveLoader(loader, Net(), SelectiveBackprop(0.1), BATCH, govern=True)
    assert all(batch is given for batch, given in zip(batches, loader[:4], strict=False))
    assert dict(batches.stats.modes) == {"off": 5 * BATCH} or dict(batches.stats.modes) == {"off": 4 * BATCH}


def test_governed_selection_that_cannot_pay_is_off_most_of_the_time_and_never_on_at_a_loss(
    costs: Callable[[Costs], None],
) -> None:
    costs(Costs(pick=30.0, score=80.0, step=100.0, observe=1.0))
    model = Net()
    batches = SelectiveLoader(shuffled(), model, SelectiveBackprop(0.9), BATCH, govern=True)
    for _ in range(3):
        for mode in train(model, batches):
            assert mode == "off" or batches.stats.predicted_speedup >= 1.02
    found = batches.stats
    assert found.modes["off"] > 0.9 * found.candidates
    assert found.mode == OFF
    assert found.predicted_speedup == 1.0


def test_a_linear_model_that_learns_is_off_or_predicted_to_gain_whatever_the_clock_says() -> None:
    model = Net()
    batches = SelectiveLoader(shuffled(), model, SelectiveBackprop(0.1), BATCH, govern=True)
    for _ in range(4):
        list(train(model, batches))
    found = batches.stats
    assert found.modes["off"] >= SIZE  # the first epoch at least
    assert sum(found.modes.values()) == found.candidates == 4 * SIZE


def test_a_governed_loader_that_is_resumed_stays_in_its_mode(costs: Callable[[Costs], None]) -> None:
    costs(Costs(pick=1.0, score=20.0, step=100.0, observe=0.1))

    def start() -> tuple[Net, SelectiveLoader]:
        model = Net()
        return model, SelectiveLoader(shuffled(), model, Percentile(3.0, 64), BATCH, govern=True)

    model, batches = start()
    list(train(model, batches))
    epoch = train(model, batches)
    for _ in range(5):
        assert next(epoch) == "training"
    weights, state = through_a_file([model.state_dict(), batches.state_dict()])
    resumed_model, resumed = start()
    resumed_model.load_state_dict(weights)
    resumed.load_state_dict(state)
    assert resumed.stats.mode == TRAINING
    # with costs that do not change a governed run repeats; the fifth batch was saved before it was trained on
    following = [kept.index.tolist() for _, kept in resumed.with_kept()]
    assert len(following) > 3
    assert resumed.stats.modes["training"] == SIZE
    assert resumed._governor is not None
    assert resumed._governor.history == [(0, 0, "off"), (1, 0, "training")]


def test_the_phases_of_a_governed_loader_are_kept(costs: Callable[[Costs], None]) -> None:
    costs(Costs(score=1.0, step=100.0, observe=0.1))
    model = Net()
    batches = SelectiveLoader(
        shuffled(), model, Percentile(3.0, 64), BATCH, govern=True, phases=Phases(warmup=2, end=3)
    )
    for _ in range(4):
        list(train(model, batches))
    assert dict(batches.stats.modes) == {"off": 3 * SIZE, "training": SIZE}


def test_a_batch_whose_targets_cannot_be_told_is_governed_by_forward_passes(costs: Callable[[Costs], None]) -> None:
    costs(Costs(score=1.0, step=100.0))
    x, y = examples(SIZE).tensors
    loader = list(zip(x.split(BATCH), y.split(BATCH), x.split(BATCH), strict=True))
    model = Net()
    scoring = Scoring(forward=lambda model, batch: (model(batch[0]), batch[1]))
    batches = SelectiveLoader(loader, model, TopK(0.5), BATCH, govern=True, scoring=scoring)
    for inputs, _, _ in batches:
        model(inputs).sum().backward()
    assert batches.stats.modes["forward"] > 0


def test_logits_that_are_handed_over_are_heeded(costs: Callable[[Costs], None]) -> None:
    costs(Costs(score=20.0, step=100.0, observe=0.1))
    model = Net()
    batches = SelectiveLoader(shuffled(), nn.Identity(), Percentile(3.0, 64), BATCH, govern=True)
    for _ in range(2):
        for (x, _), kept in batches.with_kept():
            batches.observe(kept, model(x))
    assert dict(batches.stats.modes) == {"off": SIZE, "training": SIZE}


@pytest.mark.parametrize("policy", [Uniform(), Random(0.5), Katharopoulos(uniform=True)], ids=repr)
def test_a_policy_that_looks_at_no_score_is_not_governed(policy: Policy) -> None:
    with pytest.raises(SettingsError, match="the policy looks at no score: there is nothing to govern"):
        SelectiveLoader(shuffled(), Net(), policy, BATCH, govern=True)


@pytest.mark.parametrize(
    "scoring",
    [Scoring(source="training"), Scoring(source="forward"), Scoring(reuse=1)],
    ids=["training", "forward", "reuse"],
)
def test_what_the_governor_moves_is_not_given_besides(scoring: Scoring) -> None:
    with pytest.raises(SettingsError, match="the governor moves them; leave them out"):
        SelectiveLoader(shuffled(), Net(), TopK(0.5), BATCH, govern=True, scoring=scoring)

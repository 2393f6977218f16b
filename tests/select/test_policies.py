"""Every policy against one contract, and by its name; each against its own rule in `tests/select/policies`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rheostat.errors import SettingsError
from rheostat.select import (
    Candidates,
    MatchedRandom,
    Percentile,
    Policy,
    Random,
    SelectiveBackprop,
    TopK,
    Uniform,
    build_policy,
    option_names,
    policy_names,
)
from rheostat.select.policies import (
    Katharopoulos,
    ProgressiveDropout,
    PruneAndRescale,
    ReducibleLoss,
    Reweighted,
    write_holdout,
)
from rheostat.select.policy import Choice, Traits
from rheostat.settings import POLICY_OPTIONS, TrainSettings
from rheostat.signals.stateful import Stateful
from tests.select.policies.rounds import candidates_with, probabilities, some_scores
from tests.select.toys import global_randomness_untouched, through_a_file

HUGE = 1_000_000
HOLDOUT = torch.full((HUGE,), 0.1)  # the same for all, so that the order of the reducible losses is that of the scores

SCORED: list[Callable[[], Policy]] = [
    lambda: SelectiveBackprop(floor=0.1),
    lambda: Percentile(beta=2.0, history=64),
    lambda: TopK(keep=0.3),
    lambda: Katharopoulos(pool=64, keep=8),
    lambda: Katharopoulos(pool=64, keep=8, reweight=False),
    lambda: ReducibleLoss(HOLDOUT, keep=0.3),
    lambda: PruneAndRescale(),
    lambda: PruneAndRescale(drop=0.8, epochs=5, full=0.4),
    lambda: ProgressiveDropout(threshold=0.3, epochs=5),
    lambda: Reweighted(SelectiveBackprop(floor=0.1)),
    lambda: Reweighted(Percentile(beta=2.0, history=64)),
    lambda: Reweighted(Katharopoulos(pool=64, keep=8, reweight=False)),
]
UNSCORED: list[Callable[[], Policy]] = [
    Uniform,
    lambda: Random(0.3),
    lambda: Katharopoulos(pool=64, keep=8, uniform=True),
    lambda: ProgressiveDropout(decay=0.8),
]
MATCHED: list[Callable[[], Policy]] = [lambda build=build: MatchedRandom(build()) for build in SCORED]
POLICIES = [*UNSCORED, *SCORED, *MATCHED]


def of_each(policies: list[Callable[[], Policy]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("build", policies, ids=[repr(build()) for build in policies])


every_policy = of_each(POLICIES)
every_matched_policy = of_each(MATCHED)
every_policy_that_reweights = of_each([build for build in POLICIES if build().traits.reweights])


def same_choice(one: Choice, other: Choice) -> bool:
    return (
        torch.equal(one.probability, other.probability)
        and one.draws == other.draws
        and (one.weight is None) == (other.weight is None)
        and (one.weight is None or other.weight is None or torch.equal(one.weight, other.weight))
    )


# ---- one contract


def test_the_suite_covers_every_policy_that_has_a_name() -> None:
    named = {type(build_policy(name, **needed(name))) for name in policy_names()}
    assert {type(build()) for build in POLICIES} == named


@every_policy
def test_a_policy_fulfils_the_protocol(build: Callable[[], Policy]) -> None:
    policy = build()
    assert isinstance(policy, Policy)
    assert isinstance(policy.traits, Traits)
    assert policy.traits.pool is None or policy.traits.pool >= 1
    assert policy.traits.source in ("forward", "training")


@every_policy
def test_a_policy_that_needs_no_score_looks_at_none(build: Callable[[], Policy]) -> None:
    policy = build()
    unscored = policy.choose(candidates_with(torch.full((70,), torch.nan)))
    assert unscored.probability.isfinite().all() or policy.traits.needs_score


@every_policy
@pytest.mark.parametrize("size", [0, 1, 7, HUGE])
def test_a_policy_gives_every_candidate_a_probability(build: Callable[[], Policy], size: int) -> None:
    policy = build()
    choice = policy.choose(candidates_with(some_scores(size)))
    assert choice.probability.shape == (size,)
    assert choice.probability.dtype == torch.float32
    assert ((choice.probability >= 0) & (choice.probability <= 1)).all()
    assert 0 <= choice.expected_share() <= 1
    if choice.draws is not None:
        assert (choice.draws > 0) == (size > 0)
        assert bool(choice.probability.sum() > 0) == (size > 0)


@every_policy
@pytest.mark.parametrize("size", [0, 1, 7, HUGE])
def test_weights_are_numbers_of_0_and_above_and_given_only_by_a_policy_that_says_so(
    build: Callable[[], Policy], size: int
) -> None:
    policy = build()
    weight = policy.choose(candidates_with(some_scores(size))).weight
    assert (weight is None) == (not policy.traits.reweights)
    if weight is not None:
        assert weight.shape == (size,)
        assert weight.dtype == torch.float32
        assert (weight.isfinite() & (weight >= 0)).all()


@every_policy
@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0, 1e4])
def test_scores_that_are_all_alike_are_treated_alike(build: Callable[[], Policy], value: float) -> None:
    choice = build().choose(candidates_with(torch.full((70,), value)))
    assert choice.probability.isfinite().all()
    if not choice.probability.eq(0).logical_or(choice.probability.eq(1)).all():  # ties of a strict order are cut
        assert len(set(choice.probability.tolist())) == 1
    assert choice.weight is None or choice.weight.isfinite().all()


@every_policy_that_reweights
def test_the_weighted_gradient_of_the_kept_is_that_of_all_but_for_one_factor(
    build: Callable[[], Policy], generator: torch.Generator
) -> None:
    scores, gradients = some_scores(64), torch.randn(64, 3, generator=generator)
    choice = build().choose(candidates_with(scores, typical=torch.tensor(0.8)))
    assert choice.weight is not None
    expected = (choice.probability * choice.weight) @ gradients
    torch.testing.assert_close(expected / (choice.probability * choice.weight).sum(), gradients.mean(dim=0))


@every_policy
def test_a_policy_goes_on_after_an_empty_round(build: Callable[[], Policy]) -> None:
    policy = build()
    policy.choose(candidates_with(some_scores(0)))
    after, fresh = policy.choose(candidates_with(some_scores(9))), build().choose(candidates_with(some_scores(9)))
    assert same_choice(after, fresh)


@every_policy
def test_a_policy_moves_no_global_random_state(build: Callable[[], Policy]) -> None:
    with global_randomness_untouched():
        probabilities(build(), some_scores(50))


@every_policy
def test_a_policy_leaves_the_candidates_as_they_are(build: Callable[[], Policy]) -> None:
    scores, elsewhere, typical = some_scores(50), some_scores(9, 1), torch.tensor(0.7)
    probabilities(build(), scores, elsewhere=elsewhere, typical=typical)
    assert torch.equal(scores, some_scores(50))
    assert torch.equal(elsewhere, some_scores(9, 1))
    assert typical.item() == pytest.approx(0.7)


@every_policy
def test_after_the_first_epoch_a_policy_brings_nothing_to_the_host(build: Callable[[], Policy]) -> None:
    policy = build()
    policy.choose(candidates_with(some_scores(50)))
    # a tensor on this device has no values: whatever asks for one fails
    somewhere = Candidates(torch.arange(50, device="meta"), some_scores(50).to("meta"), epoch=1)
    choice = policy.choose(somewhere)
    assert choice.probability.device.type == "meta"
    assert choice.weight is None or choice.weight.device.type == "meta"


@every_policy
def test_the_order_of_the_candidates_does_not_matter(build: Callable[[], Policy], generator: torch.Generator) -> None:
    scores, order = some_scores(50), torch.randperm(50, generator=generator)
    in_order = build().choose(Candidates(torch.arange(50), scores))
    shuffled = build().choose(Candidates(order, scores[order]))
    torch.testing.assert_close(shuffled.probability, in_order.probability[order])
    if shuffled.weight is not None and in_order.weight is not None:
        torch.testing.assert_close(shuffled.weight, in_order.weight[order])


@every_policy
def test_the_probability_never_falls_as_the_score_rises(build: Callable[[], Policy]) -> None:
    probability = probabilities(build(), some_scores(200).sort().values)
    assert (probability.diff() >= 0).all()


@every_policy
def test_a_resumed_policy_goes_on_as_the_uninterrupted_one(build: Callable[[], Policy]) -> None:
    uninterrupted, resumed = build(), build()
    for seed in range(3):
        probabilities(uninterrupted, some_scores(50, seed), epoch=seed)
    if isinstance(uninterrupted, Stateful):
        assert isinstance(resumed, Stateful)
        resumed.load_state_dict(through_a_file(uninterrupted.state_dict()))
    for seed in range(3, 6):
        round_ = candidates_with(some_scores(20, seed), epoch=seed)
        assert same_choice(resumed.choose(round_), uninterrupted.choose(round_))


@every_matched_policy
def test_matched_random_keeps_as_many_as_any_policy_that_scores(build: Callable[[], Policy]) -> None:
    matched, same = build(), build()
    assert isinstance(same, MatchedRandom)
    for seed in range(3):
        round_ = candidates_with(some_scores(70, seed), epoch=seed, typical=torch.tensor(0.8))
        choice = matched.choose(round_)
        assert choice.probability.mean().item() == pytest.approx(same.reference.choose(round_).expected_share().item())
        assert len(set(choice.probability.tolist())) == 1
        assert choice.weight is None


def of_holdout(**options: Any) -> ReducibleLoss:
    return ReducibleLoss(torch.zeros(3), **options)


@pytest.mark.parametrize(
    ("policy", "option", "outside", "allowed"),
    [
        (Random, "p", 0.0, "(0, 1]"),
        (Random, "p", 1.01, "(0, 1]"),
        (Random, "p", -0.5, "(0, 1]"),
        (Random, "p", math.nan, "(0, 1]"),
        (SelectiveBackprop, "floor", -0.01, "[0, 1]"),
        (SelectiveBackprop, "floor", 1.01, "[0, 1]"),
        (SelectiveBackprop, "floor", math.nan, "[0, 1]"),
        (Percentile, "beta", 0.0, "positive and finite"),
        (Percentile, "beta", -1.0, "positive and finite"),
        (Percentile, "beta", math.inf, "positive and finite"),
        (Percentile, "beta", math.nan, "positive and finite"),
        (Percentile, "history", 0, "at least 1"),
        (TopK, "keep", 0.0, "(0, 1]"),
        (TopK, "keep", 1.5, "(0, 1]"),
        (TopK, "keep", math.nan, "(0, 1]"),
        (Katharopoulos, "pool", 0, "at least 1"),
        (Katharopoulos, "keep", 0, "whole number from 1 to 1024"),
        (Katharopoulos, "keep", 0.25, "whole number from 1 to 1024"),
        (Katharopoulos, "keep", 12.5, "whole number from 1 to 1024"),
        (Katharopoulos, "keep", 1025, "whole number from 1 to 1024"),
        (Katharopoulos, "keep", math.nan, "whole number from 1 to 1024"),
        (of_holdout, "keep", 0.0, "(0, 1]"),
        (of_holdout, "keep", 32.0, "(0, 1]"),
        (of_holdout, "pool", 0, "at least 1"),
        (PruneAndRescale, "drop", 1.0, "[0, 1)"),
        (PruneAndRescale, "drop", -0.1, "[0, 1)"),
        (PruneAndRescale, "drop", math.nan, "[0, 1)"),
        (PruneAndRescale, "epochs", 0, "at least 1"),
        (PruneAndRescale, "full", -0.1, "[0, 1]"),
        (PruneAndRescale, "full", 1.1, "[0, 1]"),
        (ProgressiveDropout, "threshold", 0.0, "(0, 1]"),
        (ProgressiveDropout, "threshold", 1.1, "(0, 1]"),
        (ProgressiveDropout, "threshold", math.nan, "(0, 1]"),
        (ProgressiveDropout, "epochs", 0, "at least 1"),
        (ProgressiveDropout, "revision", -1, "at least 0"),
        (ProgressiveDropout, "decay", 0.0, "(0, 1]"),
        (ProgressiveDropout, "decay", 1.1, "(0, 1]"),
    ],
)
def test_an_option_outside_its_range_is_refused_with_the_value_and_the_range(
    policy: Callable[..., Policy], option: str, outside: float, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        policy(**{option: outside})
    assert f"{option} is {outside}: " in str(refusal.value)
    assert allowed in str(refusal.value)


def test_the_ends_of_the_ranges_are_allowed() -> None:
    assert probabilities(Random(1.0), some_scores(9)).min() == 1
    assert probabilities(SelectiveBackprop(floor=1.0), some_scores(9)).min() == 1
    assert probabilities(TopK(keep=1.0), some_scores(9)).min() == 1
    assert probabilities(Percentile(history=1), torch.tensor([3.0])).item() == 0.5
    assert candidates_drawn(Katharopoulos(pool=1, keep=1), 9) == 9
    assert probabilities(ReducibleLoss(torch.zeros(9), keep=1.0, pool=1), some_scores(9)).min() == 1
    assert probabilities(PruneAndRescale(drop=0.0, epochs=1, full=0.0), some_scores(9)).min() == 1
    assert probabilities(PruneAndRescale(epochs=1, full=1.0), some_scores(9)).min() == 1
    assert probabilities(ProgressiveDropout(threshold=1.0, revision=0, epochs=1), 0.1 + some_scores(9)).min() == 1
    assert probabilities(ProgressiveDropout(decay=1.0), some_scores(9), epoch=9).min() == 1


def candidates_drawn(policy: Policy, size: int) -> int | None:
    return policy.choose(candidates_with(some_scores(size))).draws


# ---- names


def needed(name: str) -> dict[str, Any]:
    """The options without which a policy cannot be built."""
    return {"holdout": HOLDOUT} if name == "reducible-loss" else {}


@pytest.mark.parametrize("name", policy_names())
def test_every_name_builds_a_policy(name: str) -> None:
    assert isinstance(build_policy(name, **needed(name)), Policy)


def test_options_reach_the_policy_that_is_named() -> None:
    assert build_policy("percentile", beta=2.0, history=10) == Percentile(2.0, 10)
    assert build_policy("top-k", keep=0.1) == TopK(0.1)
    assert build_policy("katharopoulos", pool=64, keep=8.0, reweight=False, uniform=True) == Katharopoulos(
        64, 8, reweight=False, uniform=True
    )
    assert build_policy("prune-and-rescale", drop=0.3, full=0.2) == PruneAndRescale(0.3, full=0.2)
    dropout = build_policy("progressive-dropout", threshold=0.7, revision=2, decay=0.9)
    assert dropout == ProgressiveDropout(0.7, revision=2, decay=0.9)


def test_a_file_of_holdout_losses_reaches_the_policy_that_needs_it(tmp_path: Path) -> None:
    write_holdout(tmp_path / "holdout.csv", torch.tensor([0.0, 2.0]))
    policy = build_policy("reducible-loss", holdout=str(tmp_path / "holdout.csv"), keep=0.5, pool=2)
    assert policy.traits.pool == 2
    assert probabilities(policy, torch.tensor([1.0, 2.0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("options", [{}, {"reference": "reducible-loss"}])
def test_a_policy_without_what_it_needs_is_refused(options: dict[str, Any]) -> None:
    name = "matched-random" if options else "reducible-loss"
    with pytest.raises(
        SettingsError, match=r"policy 'reducible-loss' needs the option 'holdout': it takes holdout, ke"
    ):
        build_policy(name, **options)


def test_the_length_of_the_run_reaches_the_policies_that_end_with_everything_and_no_others() -> None:
    assert build_policy("prune-and-rescale", epochs=8) == PruneAndRescale(epochs=8)
    assert build_policy("progressive-dropout", epochs=8) == ProgressiveDropout(epochs=8)
    assert build_policy("top-k", epochs=8) == TopK()
    matched = build_policy("matched-random", epochs=8, reference="prune-and-rescale", drop=0.2)
    assert matched == MatchedRandom(PruneAndRescale(0.2, epochs=8))
    assert build_policy("reweighted", epochs=8) == Reweighted(SelectiveBackprop())


@pytest.mark.parametrize(("name", "kind"), [("matched-random", MatchedRandom), ("reweighted", Reweighted)])
def test_options_of_a_policy_of_another_are_those_of_its_reference(name: str, kind: Callable[..., Policy]) -> None:
    assert build_policy(name) == kind(SelectiveBackprop())
    assert build_policy(name, floor=0.3) == kind(SelectiveBackprop(0.3))
    assert build_policy(name, reference="percentile", beta=3.0) == kind(Percentile(3.0))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uniform", ()),
        ("percentile", ("beta", "history")),
        ("katharopoulos", ("pool", "keep", "reweight", "uniform")),
        ("reducible-loss", ("holdout", "keep", "pool")),
        ("prune-and-rescale", ("drop", "epochs", "full")),
        ("progressive-dropout", ("threshold", "epochs", "revision", "decay")),
    ],
)
def test_the_options_of_a_policy_can_be_asked_for(name: str, options: tuple[str, ...]) -> None:
    assert option_names(name) == options


@pytest.mark.parametrize("name", ["matched-random", "reweighted"])
def test_the_options_of_a_policy_of_another_are_a_reference_and_those_of_any_each_once(name: str) -> None:
    options = option_names(name)
    assert options[0] == "reference"
    assert sorted(options) == sorted({*POLICY_OPTIONS, "epochs"})


def test_every_option_of_a_policy_is_a_setting_of_a_run() -> None:
    taken = {option for name in policy_names() for option in option_names(name)}
    assert set(POLICY_OPTIONS) | {"epochs"} == taken
    assert taken <= set(TrainSettings.model_fields)


@pytest.mark.parametrize("ask", [build_policy, option_names])
def test_an_unknown_policy_is_answered_with_the_nearest_names(ask: Callable[[str], Any]) -> None:
    with pytest.raises(SettingsError, match=r"unknown policy 'selective_backprop': did you mean selective-backprop\b"):
        ask("selective_backprop")
    with pytest.raises(SettingsError, match=r"unknown policy 'reweight': did you mean reweighted\b"):
        ask("reweight")


def test_an_unknown_reference_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"unknown policy 'percentil': did you mean percentile\b"):
        build_policy("matched-random", reference="percentil")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random", {"floor": 0.1}, r"policy 'random' has no option 'floor': it takes p$"),
        ("percentile", {"window": 9}, r"policy 'percentile' has no option 'window': it takes beta, history$"),
        ("uniform", {"p": 0.1}, r"policy 'uniform' has no option 'p': it takes no option"),
        ("matched-random", {"beta": 1}, r"policy 'selective-backprop' has no option 'beta': it takes floor$"),
        ("reweighted", {"beta": 1}, r"policy 'selective-backprop' has no option 'beta': it takes floor$"),
        ("reweighted", {"reference": "katharopoulos"}, r"reference is Katharopoulos\(.*\): it gives weights itself"),
    ],
)
def test_an_unknown_option_is_answered_with_those_that_the_policy_takes(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        build_policy(name, **options)


def test_settings_reach_a_policy_by_the_names_of_its_options() -> None:
    given = {"policy": "katharopoulos", "pool": 512, "keep": 64, "reweight": False}
    settings = TrainSettings.checked({"data": "ylecun/mnist", **given})
    assert build_policy(settings.policy, **settings.policy_options) == Katharopoulos(512, 64, reweight=False)

"""Comparisons: what the arms are, that they run once, and how curves are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.bench.compare import arms_of, compare, cpu_seconds, curve_of, reaches
from rheostat.errors import DataError, SettingsError, StateError
from rheostat.settings import TrainSettings
from tests.bench.toys import record, run, two_seeds


def digits(**values: Any) -> TrainSettings:
    standard = {"data": "sklearn-digits", "image_size": 16, "epochs": 2, "batch_size": 64, "device": "cpu"}
    return TrainSettings.checked(standard | values)


def test_policies_and_the_decayed_baseline_get_the_same_share_of_plains_backwards():
    arms = {arm.name: arm.settings for arm in arms_of(digits(), ["top-k", "matched-random"], examples=899, share=0.4)}

    assert list(arms) == ["plain", "top-k", "matched-random", "plain-decayed"]
    assert (arms["plain"].policy, arms["plain"].epochs, arms["plain"].max_backwards) == ("uniform", 2, None)
    limit = 704  # 0.4 x 2 x 899 = 719, in whole batches of 64
    assert [arms[name].max_backwards for name in ("top-k", "matched-random", "plain-decayed")] == [limit] * 3
    assert (arms["plain-decayed"].policy, arms["plain-decayed"].schedule) == ("uniform", "linear")
    assert arms["plain-decayed"].schedule_by == "backwards"


def test_a_falling_learning_rate_falls_to_the_end_of_each_arm():
    base = digits(schedule="cosine", lr=0.2)
    arms = {arm.name: arm.settings for arm in arms_of(base, ["top-k"], examples=899, share=0.5)}

    assert (arms["plain"].schedule, arms["plain"].schedule_by) == ("cosine", "epochs")
    assert (arms["top-k"].schedule, arms["top-k"].schedule_by) == ("cosine", "backwards")
    assert (arms["plain-decayed"].schedule, arms["plain-decayed"].schedule_by) == ("linear", "backwards")


def test_an_option_goes_to_the_arms_whose_policy_takes_it():
    arms = {
        arm.name: arm.settings for arm in arms_of(digits(floor=0.2), ["top-k", "matched-random"], examples=899, share=1)
    }

    assert (arms["plain"].floor, arms["top-k"].floor, arms["matched-random"].floor) == (None, None, 0.2)


@pytest.mark.parametrize(
    ("share", "said"), [(0, r"\(0, 1\]"), (1.5, r"\(0, 1\]"), (0.001, "less than one training batch")]
)
def test_a_share_that_cannot_be_run_is_refused(share: float, said: str):
    with pytest.raises(SettingsError, match=said):
        arms_of(digits(), ["top-k"], examples=899, share=share)


def test_an_interrupted_comparison_runs_only_what_is_missing(tmp_path: Path):
    arms = arms_of(digits(), ["selective-backprop"], examples=899, share=0.5)
    first = compare(arms, [0], tmp_path)
    kept = tmp_path / "plain-s0" / "summary.json"
    before = kept.stat().st_mtime_ns
    (tmp_path / "selective-backprop-s0" / "summary.json").unlink()
    (tmp_path / "selective-backprop-s0" / "checkpoint.pt").unlink()

    told: list[tuple[int, int, str]] = []
    second = compare(arms, [0], tmp_path, on_run=lambda *progress: told.append(progress))

    assert kept.stat().st_mtime_ns == before
    assert [number for number, _, _ in told] == [1, 2, 3]
    runs = [found["arms"]["selective-backprop"]["runs"][0] for found in (first, second)]
    assert runs[0]["test_error"] == runs[1]["test_error"]
    assert runs[0]["backwards"][-1] == 896  # 0.5 x 2 x 899 in whole batches: the limit is exact
    assert runs[0]["scoring_forwards"] == runs[0]["candidates"]


def test_results_of_other_settings_are_not_taken_for_these(tmp_path: Path):
    compare(arms_of(digits(epochs=1), [], examples=899, share=0.5), [0], tmp_path)

    with pytest.raises(StateError, match="plain-s0 holds a run with other settings"):
        compare(arms_of(digits(epochs=1, lr=0.2), [], examples=899, share=0.5), [0], tmp_path)


def test_runs_side_by_side_find_what_runs_one_by_one_find(tmp_path: Path):
    arms = arms_of(digits(epochs=1), ["random"], examples=899, share=0.5)

    one_by_one = compare(arms, [0], tmp_path / "one", jobs=1)
    side_by_side = compare(arms, [0], tmp_path / "two", jobs=2)

    for name, arm in one_by_one["arms"].items():
        assert arm["runs"][0]["test_error"] == side_by_side["arms"][name]["runs"][0]["test_error"]


def test_a_curve_is_read_at_equal_backwards_of_every_seed():
    found = record({"plain": [run(0, [100, 300], [0.4, 0.2]), run(1, [200, 400], [0.5, 0.1], seconds_each=3)]})

    curve = curve_of(found, "plain", "backwards")

    assert curve.x.tolist() == [200, 300]  # where both are known
    np.testing.assert_allclose(curve.error, [[0.3, 0.2], [0.5, 0.3]])
    np.testing.assert_allclose(curve.mean, [0.4, 0.25])
    # seed 0 spends 1 s per epoch and seed 1 3 s: at 200 backwards 1.5 and 3, at 300 2 and 4.5
    np.testing.assert_allclose(curve_of(found, "plain", "cpu_seconds").x, [2.25, 3.25])


def test_the_time_of_a_run_leaves_its_evaluations_out():
    np.testing.assert_allclose(cpu_seconds(run(0, [1, 2], [0.5, 0.4], seconds_each=2)), [2, 4])


def test_a_target_is_reached_where_the_mean_curve_first_touches_it():
    curve = curve_of(two_seeds(), "selective-backprop", "backwards")

    assert (reaches(curve, 0.1), reaches(curve, 0.2), reaches(curve, 0.01)) == (500, 500, None)


@pytest.mark.parametrize(("policy", "options"), [("random", {"p": 0.5}), ("uniform", {})])
def test_what_is_said_of_scores_is_left_out_of_arms_that_look_at_none(policy: str, options: dict[str, Any]):
    of_scores = {"score": "entropy", "scoring_batch": 256, "scoring_precision": "bf16", "scoring_scale": 0.5}
    base = digits(govern=True, **of_scores, **options)
    arms = {arm.name: arm.settings for arm in arms_of(base, ["selective-backprop", policy], examples=899, share=0.5)}

    said = {
        name: (arm.govern, arm.score, arm.scoring_batch, arm.scoring_precision, arm.scoring_scale)
        for name, arm in arms.items()
    }
    assert said["selective-backprop"] == (True, "entropy", 256, "bf16", 0.5)
    assert said["plain"] == said[policy] == said["plain-decayed"] == (False, None, None, "no", 1.0)


def test_a_source_of_scores_and_their_reuse_go_to_the_arms_that_look_at_them():
    base = digits(source="forward", reuse=3)
    arms = {arm.name: arm.settings for arm in arms_of(base, ["top-k"], examples=899, share=0.5)}

    assert {name: (arm.source, arm.reuse) for name, arm in arms.items()} == {
        "plain": (None, 0),
        "top-k": ("forward", 3),
        "plain-decayed": (None, 0),
    }


@pytest.mark.parametrize(
    ("policies", "options", "said"),
    [
        (["prune-and-rescale"], {}, "'prune-and-rescale' .* full=0 .* rheostat train --epochs"),
        (["progressive-dropout"], {"revision": 2}, "'progressive-dropout' .* revision=0"),
        (["matched-random"], {"reference": "prune-and-rescale"}, "full=0"),
    ],
)
def test_a_policy_whose_last_epochs_never_come_is_refused(policies: list[str], options: dict[str, Any], said: str):
    with pytest.raises(SettingsError, match=said):
        arms_of(digits(**options), policies, examples=899, share=0.5)


def test_without_last_epochs_of_everything_such_a_policy_is_an_arm():
    arms = arms_of(digits(full=0, revision=0), ["prune-and-rescale", "progressive-dropout"], examples=899, share=0.5)

    options = {arm.name: arm.settings.policy_options for arm in arms}
    assert (options["prune-and-rescale"], options["progressive-dropout"]) == ({"full": 0}, {"revision": 0})


def test_the_folder_of_a_run_may_have_the_holdout_losses(tmp_path: Path):
    arms = arms_of(digits(holdout=str(tmp_path)), ["reducible-loss"], examples=899, share=0.5)

    assert arms[1].settings.holdout == str(tmp_path)
    with pytest.raises(SettingsError, match="keep is 2"):  # its other options are looked at all the same
        arms_of(digits(holdout=str(tmp_path), keep=2), ["reducible-loss"], examples=899, share=0.5)
    with pytest.raises(DataError):
        arms_of(digits(holdout=str(tmp_path / "none.npy")), ["reducible-loss"], examples=899, share=0.5)

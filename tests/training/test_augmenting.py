"""Selective-Augment within the training loop."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.settings import TrainSettings
from rheostat.signals import ExampleLog
from rheostat.signals.stateful import named_state
from rheostat.training import ImageData, RunFolder, augmenting, loop, parts, prepare, train
from tests.training.toys import BATCH, TRAIN, bars, checkpoint, left_behind, run, settings


class Rows:
    """Features of the bars."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        return ((index, torch.ones(len(index), 4)) for index in order.split(size))


def features() -> ImageData:
    data = bars()
    return replace(data, train=Rows(data.train.labels), test=Rows(data.test.labels), mean=(), std=())


def log_of(folder: Path) -> ExampleLog:
    log = ExampleLog(TRAIN)
    log.load_state_dict(checkpoint(folder)["log"])
    return log


def augmented(folder: Path) -> list[dict[str, Any]]:
    return [record["augment"] for record in RunFolder(folder).epochs.read()]


# --- who is looked at


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        ({"policy": "uniform"}, 2),  # in the training step
        ({"policy": "selective-backprop", "floor": 1.0}, 2),  # in the scoring forward, and not again in the step
        ({"policy": "selective-backprop", "floor": 1.0, "warmup": 1}, 2),  # once here, once there
        ({"policy": "uniform", "augment": "flip"}, 0),  # there is no plain view
        ({"policy": "uniform", "augment": "flip", "rate": "never"}, 2),
        ({"policy": "selective-backprop", "floor": 1.0, "augment": "flip", "rate": "always", "quarantine": 0.1}, 2),
    ],
)
def test_every_example_is_looked_at_once_an_epoch_if_it_is_shown_as_it_is(
    tmp_path: Path, values: dict[str, Any], looks: int
) -> None:
    run(tmp_path / "run", **values)
    assert log_of(tmp_path / "run").looks.tolist() == [looks] * TRAIN


def test_what_is_looked_at_and_what_is_augmented_add_up(tmp_path: Path) -> None:
    run(tmp_path / "run", policy="uniform", augment="flip,trivial", rate="uniform", rate_mean=0.5, epochs=3)
    varied = sum(epoch["augmented"] for epoch in augmented(tmp_path / "run"))
    assert 0.3 < varied / (3 * TRAIN) < 0.7
    assert int(log_of(tmp_path / "run").looks.sum()) + varied == 3 * TRAIN


def test_a_dropped_example_is_looked_at_when_it_is_scored(tmp_path: Path) -> None:
    run(tmp_path / "run", policy="random", p=0.5)
    unscored = log_of(tmp_path / "run").looks
    assert int(unscored.sum()) < 2 * TRAIN  # random needs no score: only kept ones are seen
    run(tmp_path / "other", policy="top-k", keep=0.5)
    assert log_of(tmp_path / "other").looks.tolist() == [2] * TRAIN


# --- what is augmented


def test_the_model_sees_the_views_and_the_log_the_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = prepare(settings(policy="uniform", augment="cutout", rate="uniform", epochs=1), None, bars())
    made: list[Any] = []
    before = parts.build_augment

    def build(*arguments: Any) -> Any:
        made.append(before(*arguments))
        return made[-1]

    monkeypatch.setattr(parts, "build_augment", build)
    train(plan)
    (augment,) = made
    assert augment.log.size == TRAIN
    images = plan.data.train.images[:BATCH]  # type: ignore[attr-defined]
    normal = (images / 255 - 0.25) / 0.2
    view = augment(torch.arange(BATCH), normal)
    assert 0 < len(view.rows) < BATCH
    assert torch.equal(view.images[~view.augmented], normal[~view.augmented])
    cut = view.images[(view.images - normal).abs() > 1e-3]
    assert len(cut) > 0
    assert cut.numpy() == pytest.approx((round(255 * 0.25) / 255 - 0.25) / 0.2, abs=1e-6)  # cutout, with the mean


def test_hard_examples_are_augmented_more_often_when_that_is_asked_for(tmp_path: Path) -> None:
    shares = {}
    for gamma in (2.0, -2.0):
        folder = tmp_path / str(gamma)
        run(folder, policy="uniform", augment="flip", rate="rank", rate_gamma=gamma, epochs=6)
        contexts = [epoch["contexts"] for epoch in augmented(folder)[2:]]
        names = list(contexts[0])
        shares[gamma] = [
            sum(one[name]["augmented"] for one in contexts) / max(1, sum(one[name]["examples"] for one in contexts))
            for name in names[:3]
        ]
    assert shares[2.0][0] < shares[2.0][2]
    assert shares[-2.0][0] > shares[-2.0][2]


def test_quarantined_examples_are_never_augmented_and_may_weigh_nothing(tmp_path: Path) -> None:
    values = {"policy": "uniform", "augment": "flip", "rate": "always", "epochs": 4, "quarantine": 0.25}
    with pytest.raises(SettingsError):
        settings(**values | {"quarantine": 1.5})
    run(tmp_path / "run", **values | {"rate": "uniform"})
    epochs = augmented(tmp_path / "run")
    assert [epoch["quarantined"] for epoch in epochs] == [0, 0, TRAIN // 4, TRAIN // 4]
    run(tmp_path / "other", **values | {"rate": "uniform", "quarantine_weight": 0.0})
    assert left_behind(tmp_path / "run")["checkpoint"] != left_behind(tmp_path / "other")["checkpoint"]


def test_reviewed_examples_are_not_quarantined() -> None:
    data = replace(bars(), reviewed=frozenset(range(TRAIN - 2)))
    asked = settings(augment="flip", quarantine=0.5)
    log = ExampleLog(TRAIN)
    log.observe(
        torch.arange(TRAIN), torch.randn(TRAIN, 3, generator=torch.Generator().manual_seed(0)), data.train.labels, 0
    )
    augment = augmenting.build_augment(asked, data, log)
    assert augment is not None
    augment.begin_epoch(5)
    assert augment.quarantined.nonzero().flatten().tolist() == [TRAIN - 2, TRAIN - 1]


# --- kinds that learn


@pytest.mark.parametrize("kind", ["bandit", "random-search", "evolution"])
@pytest.mark.parametrize("reward", ["band", "held-out"])
def test_a_kind_that_learns_is_rewarded_and_resumes_as_if_uninterrupted(
    tmp_path: Path, kind: str, reward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HELD_OUT_EVERY", 2)
    values = {"policy": "uniform", "augment": f"flip,{kind}", "reward": reward, "epochs": 4}
    run(tmp_path / "whole", **values)
    told = [
        operation["reward"]
        for epoch in augmented(tmp_path / "whole")
        for operation in epoch["operations"].values()
        if operation["reward"] is not None
    ]
    assert told
    run(tmp_path / "halves", **values | {"epochs": 2})
    run(tmp_path / "halves", **values, resume=True)
    assert left_behind(tmp_path / "halves") == left_behind(tmp_path / "whole")


def test_without_augmentation_a_quarantine_still_has_its_looks(tmp_path: Path) -> None:
    run(tmp_path / "run", policy="uniform", quarantine=0.25, quarantine_weight=0.0, epochs=4)
    assert [epoch["quarantined"] for epoch in augmented(tmp_path / "run")] == [0, 0, TRAIN // 4, TRAIN // 4]
    assert log_of(tmp_path / "run").looks.tolist() == [4] * TRAIN


@pytest.mark.parametrize("kind", ["random-search", "evolution"])
def test_the_seed_reaches_a_search(kind: str) -> None:
    built = [
        augmenting.build_augment(settings(augment=kind, seed=seed), bars(), ExampleLog(TRAIN)) for seed in (0, 1, 1)
    ]
    states = [str(named_state(augment.kind)) for augment in built if augment is not None]
    assert states[0] != states[1]
    assert states[1] == states[2]


def test_held_out_examples_are_not_trained_on(tmp_path: Path) -> None:
    asked = settings(augment="bandit", reward="held-out", policy="uniform")
    reserve = augmenting.held_out(asked, bars())
    assert reserve is not None
    assert len(reserve) == int(0.05 * TRAIN)
    run(tmp_path / "run", augment="bandit", reward="held-out", policy="uniform")
    kept = log_of(tmp_path / "run").kept
    assert kept[reserve].tolist() == [0] * len(reserve)
    assert int((kept > 0).sum()) == TRAIN - len(reserve)
    assert augmenting.held_out(settings(augment="bandit", policy="uniform"), bars()) is None


def test_features_are_not_augmented() -> None:
    with pytest.raises(SettingsError, match="augment is bandit and these are features"):
        prepare(settings(augment="bandit"), None, features(), lambda: torch.nn.Linear(4, 3))


@pytest.mark.parametrize(
    "values",
    [
        {"policy": "uniform"},
        {"policy": "prune-and-rescale"},
        {"source": "training"},
        {"govern": True},
        {"policy": "matched-random", "reference": "random"},
    ],
)
def test_a_quarantine_that_would_stay_empty_is_refused(values: dict[str, Any]) -> None:
    asked = {"augment": "trivial", "quarantine": 0.1, "policy": "selective-backprop"}
    prepare(settings(**asked), None, bars())
    with pytest.raises(SettingsError, match="rate=always leaves none: lower the rate"):
        prepare(settings(**asked | values), None, bars())
    prepare(settings(**asked | values, rate="uniform"), None, bars())


def test_settings_that_do_not_agree_are_told() -> None:
    for values, told in (
        ({"augment": "bandit", "rate": "always"}, "no plain view to compare with"),
        ({"rate": "uniform"}, "rate=uniform needs something to apply"),
        ({"augment": "bandit,trivial"}, "it can have one"),
        ({"augment": "mixup"}, "augment has 'mixup'"),
        ({"augment": "trivial", "reward": "held-out"}, "reward=held-out needs a kind that learns"),
        ({"quarantine_weight": 0.0}, "needs a quarantine"),
        ({"augment": "trivial", "rate_mean": 0.1}, "rate_mean is of no use with rate=always"),
    ):
        with pytest.raises(SettingsError, match=told):
            TrainSettings.checked({"data": "bars", **values})

"""The settings of a run: every problem is told at once and at the start, with its value, its range and the remedy."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.settings import TrainSettings, read_settings_file, same_but_for_length

# a value of each setting that is not its default
OTHERS: dict[str, Any] = {
    "data": "uoft-cs/cifar10",
    "label_column": "fine_label",
    "image_size": 32,
    "memory_limit": 1.5,
    "model": "resnet18",
    "augment": "crop,flip",
    "labels": "decisions.db",
    "rate": "rank",
    "rate_mean": 0.3,
    "rate_gamma": -1.0,
    "rate_threshold": 0.7,
    "reward": "held-out",
    "quarantine": 0.1,
    "quarantine_weight": 0.0,
    "policy": "top-k",
    "floor": 0.3,
    "keep": 0.25,
    "p": 0.4,
    "beta": 2.0,
    "history": 512,
    "reference": "percentile",
    "pool": 256,
    "reweight": False,
    "uniform": True,
    "holdout": "losses.npy",
    "drop": 0.25,
    "full": 0.25,
    "threshold": 0.5,
    "revision": 2,
    "decay": 0.75,
    "score": "entropy",
    "govern": True,
    "source": "training",
    "reuse": 3,
    "scoring_batch": 512,
    "scoring_precision": "bf16",
    "scoring_scale": 0.5,
    "warmup": 2,
    "epochs": 30,
    "max_backwards": 64000,
    "patience": 3,
    "batch_size": 32,
    "optimizer": "adamw",
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "schedule_by": "steps",
    "milestones": (10, 20.5),
    "gamma": 0.1,
    "precision": "bf16",
    "device": "cpu",
    "seed": 7,
    "workers": 0,
    "checkpoint_minutes": 1.0,
    "track": "none",
}
MAY_CHANGE = {"epochs", "checkpoint_minutes", "track", "workers", "data", "memory_limit"}


def settings(**values: Any) -> TrainSettings:
    return TrainSettings.checked({"data": "ylecun/mnist", **values})


def refusal(**values: Any) -> str:
    """The message of the SettingsError; one line, as all messages to a user are."""
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("image_size", 0, "greater than or equal to 1"),
        ("memory_limit", -0.5, "greater than or equal to 0"),
        ("warmup", -1, "greater than or equal to 0"),
        ("epochs", 0, "greater than or equal to 1"),
        ("max_backwards", 0, "greater than or equal to 1"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("optimizer", "adam", "'sgd' or 'adamw'"),
        ("lr", 0, "greater than 0"),
        ("lr", float("nan"), "greater than 0"),
        ("momentum", 1.0, "less than 1"),
        ("weight_decay", -1e-4, "greater than or equal to 0"),
        ("schedule", "exponential", "'constant', 'linear', 'cosine' or 'step'"),
        ("schedule_by", "hours", "'epochs', 'backwards' or 'steps'"),
        ("gamma", 1.5, "less than or equal to 1"),
        ("precision", "fp8", "'no', 'bf16' or 'fp16'"),
        ("device", "cuda", "'auto' or 'cpu'"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**63, "less than 9223372036854775808"),
        ("workers", -2, "greater than or equal to 0"),
        ("checkpoint_minutes", -1, "greater than or equal to 0"),
        ("epochs", "many", "valid integer"),
    ],
)
def test_a_value_out_of_range_is_told_with_its_range(name: str, value: Any, allowed: str) -> None:
    message = refusal(**{name: value})
    assert message.startswith(f"{name} is {value!r}: ")
    assert allowed in message


def test_all_wrong_values_are_told_at_once() -> None:
    message = refusal(lr=-1, batch_size=0, colour="red", optimizer="adam")
    for part in ("lr is -1: ", "batch_size is 0: ", "colour is no setting", "optimizer is 'adam': "):
        assert part in message


def test_an_unknown_setting_is_told_those_that_are_known() -> None:
    message = refusal(learning_rate=0.1)
    assert "learning_rate is no setting; known are data, " in message
    assert all(name in message for name in TrainSettings.model_fields)


def test_a_missing_setting_is_told_its_flag() -> None:
    with pytest.raises(SettingsError, match="data is missing: give --data"):
        TrainSettings.checked({"lr": 0.1})


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"schedule": "linear", "schedule_by": "backwards"}, ["schedule_by=backwards needs max_backwards"]),
        ({"schedule": "cosine", "schedule_by": "steps"}, ["schedule_by=steps needs max_backwards"]),
        ({"schedule": "linear", "max_backwards": 100}, ["schedule=linear by epochs needs epochs", "backwards"]),
        ({"schedule": "step"}, ["schedule=step and milestones go together"]),
        ({"milestones": (3,)}, ["schedule=step and milestones go together"]),
        ({"augment": "crop,blur"}, ["augment has 'blur'", "none, or any of crop, flip, cutout"]),
        ({"augment": "none,crop"}, ["augment has 'none'"]),
        ({"milestones": (3,), "augment": "blur"}, ["milestones go together", "augment has 'blur'"]),
    ],
)
def test_settings_that_disagree_are_told_at_once(values: dict[str, Any], parts: list[str]) -> None:
    message = refusal(**values)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    "values",
    [
        {"schedule": "linear"},
        {"schedule": "cosine", "schedule_by": "backwards", "max_backwards": 100},
        {"schedule": "linear", "max_backwards": 100, "epochs": 3},
        {"schedule": "step", "schedule_by": "steps", "milestones": (3, 5)},
        {"augment": "cutout,crop"},
    ],
)
def test_settings_that_agree_are_taken(values: dict[str, Any]) -> None:
    taken = settings(**values)
    assert {name: getattr(taken, name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ({}, 16),
        ({"epochs": 3}, 3),
        ({"max_backwards": 1000}, None),
        ({"max_backwards": 1000, "epochs": 3}, 3),
    ],
)
def test_a_run_ends_after_the_16_epochs_of_the_thesis_unless_told_otherwise(
    values: dict[str, Any], end: int | None
) -> None:
    assert settings(**values).end_epoch == end


def test_the_options_of_the_policy_are_those_that_were_given_and_a_zero_is_given() -> None:
    assert settings().policy_options == {}
    given = {"floor": 0.0, "keep": 0.5, "p": 0.1, "beta": 2.0, "history": 9, "reference": "top-k"}
    assert settings(**given).policy_options == given


def test_lists_of_names_are_taken_apart_at_commas_and_none_is_no_name() -> None:
    assert settings(augment="crop,cutout").augmentations == ("crop", "cutout")
    assert settings(augment="none").augmentations == ()
    assert settings(track="tensorboard,wandb").trackers == ["tensorboard", "wandb"]
    assert settings(track="none").trackers == []


def test_every_setting_has_a_description_for_the_flag_and_the_form() -> None:
    assert [name for name, field in TrainSettings.model_fields.items() if not field.description] == []


def test_the_defaults_are_those_of_the_thesis_for_mnist() -> None:
    default = settings()
    assert (default.model, default.policy, default.score) == ("lenet", "selective-backprop", None)
    assert (default.optimizer, default.lr, default.momentum, default.weight_decay) == ("sgd", 0.1, 0.0, 5e-4)
    assert (default.batch_size, default.schedule, default.augment) == (128, "constant", "none")


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_settings_file_gives_the_settings_that_were_written_to_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"run.{ending}"
    expected = settings(epochs=3, schedule="step", milestones=(1, 2.5), augment="flip", lr=0.05, policy="random", p=0.5)
    if ending == "json":
        path.write_text(json.dumps(expected.model_dump(mode="json")))
    else:
        path.write_text(
            'data = "ylecun/mnist"\nepochs = 3\nlr = 0.05  # half\naugment = "flip"\n'
            'schedule = "step"\nmilestones = [1, 2.5]\npolicy = "random"\np = 0.5\n'
        )
    assert TrainSettings.checked(read_settings_file(path)) == expected


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.toml", None, "does not exist"),
        ("run.toml", b"lr = = 1", "cannot be read: .*line 1"),
        ("run.toml", b"\xff\xfe", "cannot be read: .*utf-8"),
        ("run.json", b'{"lr": 1', "cannot be read: .*line 1"),
        ("run.json", b"[1, 2]", "holds a list: it must map names to values"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=f"settings file .*{name} {told}"):
        read_settings_file(tmp_path / name)


@pytest.mark.parametrize("name", TrainSettings.model_fields)
def test_only_the_length_of_a_run_and_what_leaves_its_numbers_alone_may_change(name: str) -> None:
    base = settings()
    changed = base.model_copy(update={name: OTHERS[name]})
    if name in MAY_CHANGE:
        same_but_for_length(base, changed)
        return
    with pytest.raises(StateError) as caught:
        same_but_for_length(base, changed)
    assert f"{name}={getattr(base, name)} and not {OTHERS[name]}" in str(caught.value)


def test_the_end_of_a_falling_schedule_may_not_change() -> None:
    base = TrainSettings.checked({"data": "d", "schedule": "linear", "epochs": 3})

    with pytest.raises(StateError, match="started with epochs=3 and not 4"):
        same_but_for_length(base, base.model_copy(update={"epochs": 4}))


@pytest.mark.parametrize(
    ("values", "fixed"),
    [
        ({"policy": "prune-and-rescale"}, True),
        ({"policy": "prune-and-rescale", "full": 0.0}, False),
        ({"policy": "progressive-dropout", "revision": 1}, True),
        ({"policy": "progressive-dropout", "revision": 0}, False),
        ({"policy": "matched-random", "reference": "prune-and-rescale"}, True),
        ({"policy": "selective-backprop"}, False),
    ],
)
def test_the_end_of_a_policy_whose_last_epochs_keep_everything_may_not_change(
    values: dict[str, Any], fixed: bool
) -> None:
    base = TrainSettings.checked({"data": "d", "epochs": 20, **values})
    refused = pytest.raises(StateError, match="started with epochs=20 and not 30") if fixed else nullcontext()
    with refused:
        same_but_for_length(base, base.model_copy(update={"epochs": 30}))

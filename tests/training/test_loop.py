"""The one training loop: what it computes, when it stops, what it tells."""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import optimizer as hooks

from rheostat.errors import DivergedError, MissingExtraError, ScoreError, SettingsError, StateError
from rheostat.records import read_json
from rheostat.select import build_policy
from rheostat.signals import score_named
from rheostat.training import Evaluation, ImageData, ImageLoader, RunFolder, evaluate, loop, prepare, train
from rheostat.training import plan as plan_module
from rheostat.training.data import ResidentImages
from rheostat.training.models.lenet import LeNet
from tests.select.toys import global_randomness_untouched
from tests.training.toys import (
    BATCH,
    CLASSES,
    STEPS,
    TEST,
    TRAIN,
    Linear,
    bars,
    checkpoint,
    run,
    settings,
    weights,
    without_times,
)


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is a linear one."""
    monkeypatch.setattr(plan_module, "build_model", Linear)


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that would not end fails after 60 epochs."""
    epochs = itertools.count(1)

    def counted(model: nn.Module, loader: ImageLoader) -> Any:
        assert next(epochs) < 60, "the run does not end"
        return evaluate(model, loader)

    monkeypatch.setattr(loop, "evaluate", counted)


@contextmanager
def before_each_step(look: Callable[[torch.optim.Optimizer], None]) -> Iterator[None]:
    """Let `look` see the optimiser whenever it is about to make a step."""
    handle = hooks.register_optimizer_step_pre_hook(lambda optimizer, *_: look(optimizer))
    try:
        yield
    finally:
        handle.remove()


def learning_rates(**values: Any) -> list[float]:
    """The learning rate that each step of a run is made with, as a share of the first."""
    seen: list[float] = []
    with before_each_step(lambda optimizer: seen.append(optimizer.param_groups[0]["lr"])):
        run(**{"policy": "uniform", "lr": 0.01} | values)
    return [lr / 0.01 for lr in seen]


def fresh(model: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A model with the weights that a run with this seed starts with."""
    torch.manual_seed(seed)
    return model()


# --- what it computes


@pytest.mark.parametrize("policy", ["uniform", "selective-backprop", "percentile", "top-k", "random", "matched-random"])
def test_every_policy_learns(policy: str) -> None:
    records = run(policy=policy, epochs=6, lr=0.01, optimizer="adamw")["epochs"]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[-1]["test_error"] < 0.1, f"chance is {1 - 1 / CLASSES:.2f}"


def plain_loop(optimizer: Callable[[Any], torch.optim.Optimizer], epochs: int, augmentations: Any) -> dict[str, bytes]:
    """What everybody would write by hand; the weights it ends with."""
    data = bars()
    model = fresh(lambda: LeNet(CLASSES, 1, 16))
    stepping = optimizer(model.parameters())
    batches = ImageLoader(data.train, data, BATCH, augmentations=augmentations)
    for _ in range(epochs):
        for images, labels in batches:
            stepping.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            stepping.step()
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("values", "optimizer"),
    [
        (
            {"momentum": 0.9, "weight_decay": 0.01, "augment": "crop,flip,cutout"},
            lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
        ),
        (
            {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.1},
            lambda parameters: torch.optim.AdamW(parameters, lr=0.002, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "adamw"],
)
def test_without_selection_it_is_the_plain_loop_bit_for_bit(
    tmp_path: Path, values: dict[str, Any], optimizer: Callable[[Any], torch.optim.Optimizer]
) -> None:
    run(tmp_path, policy="uniform", epochs=3, **values)
    augmentations = settings(**values).augmentations
    assert weights(tmp_path) == plain_loop(optimizer, 3, augmentations)


def test_the_seed_decides_on_everything_and_the_global_random_state_on_nothing(tmp_path: Path) -> None:
    values = {"augment": "crop,flip,cutout", "warmup": 1}
    torch.manual_seed(1)
    first = run(tmp_path / "a", **values)
    torch.manual_seed(2)
    second = run(tmp_path / "b", **values)
    other = run(tmp_path / "c", seed=1, **values)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")
    assert without_times(first["epochs"]) == without_times(second["epochs"]) != without_times(other["epochs"])


@pytest.mark.usefixtures("linear")
def test_the_seed_decides_on_the_draws_of_selection_too() -> None:
    shares = {run(policy="random", seed=seed)["final"]["kept_share"] for seed in range(4)}
    assert len(shares) > 1, "order and weights have no part in how many are kept at random"


@pytest.mark.usefixtures("linear")
def test_the_score_decides_on_what_is_kept(tmp_path: Path) -> None:
    for score in ("euclidean", "entropy"):
        run(tmp_path / score, policy="top-k", keep=0.5, score=score)
    assert weights(tmp_path / "euclidean") != weights(tmp_path / "entropy")


def test_a_run_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    with global_randomness_untouched():
        run(tmp_path, augment="crop,flip,cutout", track="tensorboard", checkpoint_minutes=0)


def test_every_step_has_gradients_of_its_own_batch_and_no_others() -> None:
    missing: list[int] = []
    stale: list[int] = []

    def look(optimizer: torch.optim.Optimizer) -> None:
        gradients = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
        missing.extend(at for at, gradient in enumerate(gradients) if gradient is None)
        present = [gradient for gradient in gradients if gradient is not None]
        stale.extend(at for at, gradient in enumerate(present) if not gradient.isfinite().all())

    def spoil(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        # whatever of these survives until the next step, alone or in a sum, is seen there
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad.fill_(torch.nan)

    after = hooks.register_optimizer_step_post_hook(spoil)
    try:
        with before_each_step(look):
            summary = run(epochs=3)
    finally:
        after.remove()
    assert summary["final"]["steps"] > STEPS
    assert (missing, stale) == ([], [])


@pytest.mark.usefixtures("linear")
def test_two_precisions_in_one_process_each_get_their_own(tmp_path: Path) -> None:
    types = []

    class Watched(Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as torch names it
            logits = super().forward(input)
            if torch.is_grad_enabled():  # a step, and not the image that `prepare` tries the model with
                types.append(logits.dtype)
            return logits

    plan_module.build_model = Watched  # type: ignore[attr-defined] - the fixture puts the true one back
    for name, precision in [("full", "no"), ("half", "bf16"), ("full again", "no")]:
        types.clear()
        run(tmp_path / name, precision=precision)
        assert set(types) == {torch.bfloat16 if precision == "bf16" else torch.float32}
    assert weights(tmp_path / "full") == weights(tmp_path / "full again") != weights(tmp_path / "half")


# --- the learning rate


@pytest.mark.parametrize("by", ["epochs", "backwards"])
def test_the_learning_rate_of_a_step_is_that_of_the_clock_before_it(by: str) -> None:
    # without selection, candidates and backwards go together: 16 a step, and 8 in the last of an epoch
    counted = [72 * epoch + 16 * step for epoch in range(2) for step in range(STEPS)]
    expected = [1 - done / (2 * TRAIN) for done in counted]
    assert learning_rates(schedule="linear", schedule_by=by, max_backwards=2 * TRAIN) == pytest.approx(expected)


def test_by_steps_every_step_counts_alike() -> None:
    expected = [1 - step / 10 for step in range(10)]
    values = {"schedule": "linear", "schedule_by": "steps", "max_backwards": 10 * BATCH}
    assert learning_rates(**values) == pytest.approx(expected)


def test_a_milestone_in_epochs_is_reached_with_the_first_step_of_the_next_epoch() -> None:
    rates = learning_rates(schedule="step", milestones=(1,), gamma=0.2)
    assert rates == pytest.approx([1.0] * STEPS + [0.2] * STEPS)


def test_under_selection_only_examples_trained_on_move_the_clock_of_backwards() -> None:
    values = {"policy": "random", "p": 0.5, "epochs": None, "max_backwards": 6 * BATCH}
    rates = learning_rates(schedule="cosine", schedule_by="backwards", **values)
    assert rates == pytest.approx([(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)])


def test_under_selection_every_candidate_moves_the_clock_of_epochs() -> None:
    # two rounds of candidates to a batch: the step is made in the second, of which the clock stands at the beginning
    rates = learning_rates(policy="top-k", keep=0.5, epochs=1, schedule="linear")
    assert rates == pytest.approx([1 - 16 / 72, 1 - 48 / 72])


# --- when it stops


@pytest.mark.usefixtures("linear")
@pytest.mark.parametrize("policy", ["uniform", "selective-backprop"])
@pytest.mark.parametrize(("limit", "made"), [(3 * BATCH, 3 * BATCH), (3 * BATCH + 1, 4 * BATCH), (1, BATCH)])
def test_a_limit_on_backwards_ends_the_run_with_the_batch_that_reaches_it(policy: str, limit: int, made: int) -> None:
    made_steps = []
    with before_each_step(made_steps.append):
        final = run(policy=policy, epochs=None, max_backwards=limit)["final"]
    assert final["backwards"] == made
    assert len(made_steps) == final["steps"] == made / BATCH


@pytest.mark.usefixtures("linear")
def test_of_two_limits_the_first_ends_the_run() -> None:
    assert run(policy="uniform", epochs=1, max_backwards=10 * TRAIN)["final"]["backwards"] == TRAIN
    assert len(run(policy="uniform", epochs=9, max_backwards=TRAIN)["epochs"]) == 1


class Knows(nn.Module):
    """Reads the label from the height of the bar, and is certain of it."""

    def __init__(self, *_names: str, **_form: Any) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1e4))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * torch.stack([images[:, 0, 2 + 5 * k : 4 + 5 * k].mean(dim=(1, 2)) for k in range(3)], 1)


@pytest.mark.usefixtures("bounded")
def test_a_run_that_keeps_nothing_any_more_ends_before_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "build_model", Knows)
    with pytest.warns(UserWarning, match="floor is 0"):
        records = run(floor=0.0, epochs=None, max_backwards=1000)["epochs"]
    assert [(record["backwards"], record["kept_share"]) for record in records] == [(0, 0.0)]


@pytest.mark.usefixtures("bounded")
def test_a_run_that_keeps_little_goes_on_to_its_limit_although_whole_epochs_fill_no_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_module, "build_model", Knows)
    records = run(floor=0.1, epochs=None, max_backwards=2 * BATCH)["epochs"]
    assert records[-1]["backwards"] == 2 * BATCH
    assert any(one["steps"] == next_["steps"] for one, next_ in itertools.pairwise(records))


@pytest.mark.parametrize(("policy", "error"), [("uniform", DivergedError), ("selective-backprop", ScoreError)])
def test_training_that_leaves_the_finite_numbers_is_told(tmp_path: Path, policy: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="lower the learning rate"):
        run(tmp_path, policy=policy, lr=1e30, checkpoint_minutes=0)
    assert not (tmp_path / "summary.json").exists()


def test_diverged_training_keeps_the_checkpoint_from_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, policy="uniform", epochs=1)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    monkeypatch.setattr(loop, "lr_factor", lambda *_: 1e30)
    with pytest.raises(DivergedError, match=r"the training loss of epoch 2 is (nan|inf)"):
        run(tmp_path, policy="uniform", epochs=3, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_step_that_ruins_the_weights_is_not_saved_although_its_loss_was_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "lr_factor", lambda _, clock: math.inf if clock.steps == 2 else 1.0)
    with pytest.raises(DivergedError, match="a weight has left the finite numbers in epoch 1"):
        run(tmp_path, policy="uniform", checkpoint_minutes=0)
    saved = checkpoint(tmp_path)
    assert saved["loader"]["meters"]["counts"]["batches"] == 2
    assert all(tensor.isfinite().all() for tensor in saved["model"].values())


# --- patience


def impatient(folder: Path, patience: int | None, monkeypatch: pytest.MonkeyPatch, *, resume: bool = False) -> Any:
    """A run whose test loss is 3, 1, 2, 1.5, 0.5, ... whatever is learnt; of eight epochs at most."""
    losses = [3.0, 1.0, 2.0, 1.5, 0.5, 2.0, 2.0, 2.0]
    made = len(RunFolder(folder).epochs.read()) if resume else 0
    told = iter(losses[made:])
    monkeypatch.setattr(loop, "evaluate", lambda *_: Evaluation(next(told), 0.5))
    return run(folder, policy="uniform", epochs=8, patience=patience, resume=resume)


def ends_with(epochs: int, folder: Path) -> dict[str, bytes]:
    run(folder, policy="uniform", epochs=epochs)
    return weights(folder)


@pytest.mark.usefixtures("linear")
@pytest.mark.parametrize(("patience", "epochs", "best"), [(1, 3, 2), (2, 4, 2), (3, 8, 5), (None, 8, 8)])
def test_patience_ends_a_run_and_gives_the_weights_of_its_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int | None, epochs: int, best: int
) -> None:
    expected = ends_with(best, tmp_path / "until the best"), ends_with(epochs, tmp_path / "until the end")
    summary = impatient(tmp_path / "run", patience, monkeypatch)
    given = RunFolder(tmp_path / "run").weights()
    assert ({name: tensor.numpy().tobytes() for name, tensor in given.items()}, weights(tmp_path / "run")) == expected
    assert (summary["final"]["epoch"], summary["chosen"]["epoch"]) == (epochs, best)


@pytest.mark.usefixtures("linear")
def test_a_run_that_patience_has_ended_stays_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = impatient(tmp_path, 2, monkeypatch)
    assert without_times(impatient(tmp_path, 2, monkeypatch, resume=True)) == without_times(before)


def test_weights_of_a_run_without_a_checkpoint_are_told_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"holds no checkpoint.pt: resume the run"):
        RunFolder(tmp_path).weights()


# --- a model and features of the caller's own


class Features:
    """Images that a frozen stem has seen: float16 `[N, C, H, W]`."""

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        self.features, self.labels = features, labels

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for index in order.split(size):
            yield index, self.features[index]


def features(shape: tuple[int, ...] = (1, 16, 16)) -> ImageData:
    """Half of the pixels' values of `bars`, as float16."""
    train, test = (
        Features((split.images / 2).half().reshape(-1, *shape), split.labels)
        for split in (bars().train, bars().test)
        if isinstance(split, ResidentImages)
    )
    return ImageData("features", train, test, ("0", "1", "2"), 1, 16, (), ())


@pytest.mark.parametrize("shape", [(1, 16, 16), (4, 8, 8), (256,)])
def test_features_reach_the_model_as_they_are_in_full_precision(shape: tuple[int, ...]) -> None:
    data = features(shape)
    assert isinstance(data.train, Features)
    seen = list(ImageLoader(data.train, data, 50, shuffle=False))
    assert torch.equal(torch.cat([batch for batch, _ in seen]), data.train.features.float())
    assert torch.equal(torch.cat([labels for _, labels in seen]), data.train.labels)
    assert seen[0][0].dtype == torch.float32


@pytest.mark.parametrize("policy", ["uniform", "selective-backprop"])
def test_a_model_of_ones_own_learns_from_features(policy: str) -> None:
    values = settings(policy=policy, model="mine", lr=0.01, epochs=8)
    summary = train(prepare(values, data=features(), model=lambda: nn.Sequential(nn.BatchNorm2d(1), Linear())))
    assert summary["final"]["test_error"] < 0.1, f"chance is {1 - 1 / CLASSES:.2f}"


def test_the_seed_decides_on_the_weights_that_a_model_of_ones_own_starts_with(tmp_path: Path) -> None:
    ends = []
    for name, seed in [("a", 0), ("b", 0), ("c", 1)]:
        torch.rand(len(ends))
        train(prepare(settings(seed=seed, policy="uniform"), tmp_path / name, bars(), Linear))
        ends.append(weights(tmp_path / name)["1.weight"])
    assert ends[0] == ends[1] != ends[2]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_parameters_that_require_no_gradient_stay_as_they_are(tmp_path: Path, optimizer: str) -> None:
    def half_frozen() -> nn.Module:
        model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), Linear())
        model[0].requires_grad_(requires_grad=False)
        return model

    values = settings(optimizer=optimizer, weight_decay=0.1, policy="uniform")
    train(prepare(values, tmp_path, bars(), half_frozen))
    before = {name: tensor.numpy().tobytes() for name, tensor in fresh(half_frozen).state_dict().items()}
    moved = {name for name, content in weights(tmp_path).items() if content != before[name]}
    assert moved == {"1.1.weight", "1.1.bias"}


@pytest.mark.parametrize("augment", ["crop", "flip", "cutout"])
def test_features_are_not_augmented(augment: str) -> None:
    with pytest.raises(SettingsError) as caught:
        prepare(settings(augment=augment), data=features(), model=Linear)
    assert f"augment is {augment} and these are features of a stem" in str(caught.value)
    data = features()
    with pytest.raises(SettingsError, match="augment pixels"):
        next(iter(ImageLoader(data.train, data, 5, augmentations=(augment,))))


# --- what it tells


def test_the_counts_of_the_records_add_up() -> None:
    records = run(epochs=4, warmup=1, floor=0.3)["epochs"]
    kept = 0.0
    for epoch, record in enumerate(records, 1):
        kept += record["kept_share"] * TRAIN
        assert record["epoch"] == epoch
        assert record["candidates"] == epoch * TRAIN
        assert record["forwards"] == {"scoring": (epoch - 1) * TRAIN, "training": record["backwards"]}
        assert record["backwards"] == record["steps"] * BATCH
        assert -1e-6 < kept - record["backwards"] < BATCH, "what is kept is trained on or waits for a full batch"
    shares = [record["kept_share"] for record in records]
    assert shares[0] == 1.0, "the first epoch is a warm-up"
    assert all(0.2 < share < 1 for share in shares[1:])


@pytest.mark.usefixtures("linear")
def test_losses_and_errors_of_a_record_are_means_over_examples() -> None:
    data = bars()
    record = run(policy="uniform", epochs=1, lr=1e-12, data=data)["final"]  # too small a step to change anything
    model = fresh(Linear)
    trained = evaluate(model, ImageLoader(data.train, data, TRAIN))
    tested = evaluate(model, ImageLoader(data.test, data, TEST))
    assert record["train_loss"] == pytest.approx(trained.loss, rel=1e-5)
    assert record["train_error"] == pytest.approx(trained.error)
    assert record["test_loss"] == pytest.approx(tested.loss, rel=1e-5)
    assert record["test_error"] == pytest.approx(tested.error)


def test_evaluation_weighs_every_example_alike_and_leaves_the_model_in_its_mode() -> None:
    data = bars()
    model = LeNet(CLASSES, 1, 16).train()
    found = evaluate(model, ImageLoader(data.test, data, 16))  # 16, 16 and 8 examples
    assert model.training
    model.eval()
    [(images, labels)] = ImageLoader(data.test, data, TEST)
    with torch.no_grad():
        logits = model(images)
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
    assert found.error == pytest.approx(float((logits.argmax(1) != labels).float().mean()))
    evaluate(model, ImageLoader(data.test, data, 16))
    assert not model.training


def test_seconds_are_counted_by_kind_over_the_whole_run() -> None:
    records = run(epochs=3, augment="crop")["epochs"]
    for unit in ("seconds", "cpu_seconds"):
        columns = {kind: [record[unit][kind] for record in records] for kind in records[0][unit]}
        assert set(columns) == {"data", "scoring", "training", "evaluation"}
        for kind, column in columns.items():
            assert 0 < column[0] < column[1] < column[2] < 60, kind


def test_a_run_folder_holds_the_settings_the_records_the_checkpoint_and_the_summary(tmp_path: Path) -> None:
    summary = run(tmp_path / "new" / "run", epochs=3)
    folder = RunFolder(tmp_path / "new" / "run")
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "checkpoint.pt",
        "epochs.jsonl",
        "settings.json",
        "summary.json",
    ]
    assert folder.settings() == settings(epochs=3)
    assert folder.epochs.read() == summary["epochs"] == read_json(folder.path / "summary.json")["epochs"]
    assert summary["final"] == summary["epochs"][-1]
    assert summary["settings"] == json.loads((folder.path / "settings.json").read_text())
    hashes = {name: summary["data"][name] for name in ("fingerprint", "labels", "decisions")}
    assert len({*hashes.values()}) == 3
    assert summary["data"] == {
        **hashes,
        "skipped": [],
        "note": "made for a test",
        "train": TRAIN,
        "test": TEST,
        "classes": ["0", "1", "2"],
        "channels": 1,
        "image_size": 16,
        "mean": [0.25],
        "std": [0.2],
    }
    assert summary["data"] == checkpoint(folder.path)["data"], "an unfinished run has it too"
    assert "torch" in summary["environment"]["packages"]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(track="tensorboard", checkpoint_minutes=0)
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_gets_the_records_by_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    summary = run(tmp_path, track="tensorboard")
    events = EventAccumulator(str(tmp_path / "tracking"))
    events.Reload()
    for tag, pick in [
        ("test_error", lambda record: record["test_error"]),
        ("forwards/scoring", lambda record: record["forwards"]["scoring"]),
    ]:
        written = [(event.step, event.value) for event in events.Scalars(tag)]
        assert written == [(record["epoch"], pytest.approx(pick(record))) for record in summary["epochs"]]


def test_progress_rises_to_the_end_and_tells_how_it_goes() -> None:
    told: list[tuple[float, str]] = []
    train(prepare(settings(policy="uniform"), data=bars()), progress=lambda *told_now: told.append(told_now))
    shares = [share for share, _ in told]
    assert shares == pytest.approx([(72 * epoch + done) / 144 for epoch in range(2) for done in (16, 32, 48, 64, 72)])
    assert told[0][1] == "epoch 1"
    assert told[-1][1].startswith("epoch 2, test error ")


@pytest.mark.usefixtures("linear")
def test_progress_of_a_run_with_two_limits_is_that_of_the_nearer() -> None:
    shares: list[float] = []
    plan = prepare(settings(policy="uniform", epochs=100, max_backwards=2 * TRAIN), data=bars())
    train(plan, progress=lambda share, _: shares.append(share))
    assert shares[STEPS - 1] == 0.5
    assert shares[-1] == 1.0


# --- what is looked up before anything runs


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"model": "lenett"}, "unknown model 'lenett': did you mean lenet"),
        ({"policy": "topk"}, "unknown policy 'topk': did you mean top-k"),
        ({"policy": "uniform", "floor": 0.1}, "policy 'uniform' has no option 'floor'"),
        ({"floor": 2}, "floor is 2"),
        ({"score": "loss"}, "unknown score 'loss'"),
        ({"track": "tensorbord"}, "unknown tracker 'tensorbord': did you mean tensorboard"),
    ],
)
def test_a_name_or_an_option_that_is_not_known_is_told_before_anything_is_written(
    tmp_path: Path, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        prepare(settings(**values), tmp_path / "run", bars())
    assert told in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_is_not_installed_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    with pytest.raises(MissingExtraError, match="pip install tensorboard"):
        prepare(settings(track="tensorboard"), tmp_path, bars())
    prepare(settings(track="tensorboard"), None, bars())  # tells no tracker


def test_a_plan_takes_policy_score_and_data_from_the_settings() -> None:
    plan = prepare(settings(data="sklearn-digits", policy="top-k", keep=0.25, score="entropy", image_size=20))
    assert plan.policy == build_policy("top-k", keep=0.25)
    assert plan.scoring.score is score_named("entropy")
    assert (plan.data.name, plan.data.image_size) == ("sklearn-digits", 20)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"policy": "uniform"},
        {"source": "training"},
        {"reuse": 1},
        {"govern": True},
        {"policy": "prune-and-rescale"},
    ],
    ids=str,
)
def test_every_example_is_looked_at_wherever_the_scores_come_from(tmp_path: Path, values: dict[str, Any]) -> None:
    run(tmp_path, epochs=4, **values)
    looks = checkpoint(tmp_path)["log"]["looks"]
    assert looks.min() >= 1
    assert looks.sum() > TRAIN

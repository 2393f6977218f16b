"""Selection in Transformers' own trainer, on a small text classifier that is trained from scratch."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import IterableDataset
from transformers import Trainer

from rheostat.errors import DataError, MissingExtraError, SettingsError, StateError
from rheostat.integrations import transformers as integration
from rheostat.integrations.transformers import Selection, SelectiveTrainer, SelectiveTrainerMixin
from rheostat.select import Phases, Random, Reweighted, Scoring, SelectiveBackprop, Uniform
from rheostat.signals import ExampleLog
from tests.integrations.sentences import (
    BATCH,
    SIZE,
    TOPICS,
    arguments,
    classifier,
    error,
    padded,
    plain,
    rates,
    selective,
    sentences,
    weights,
)

SB = Selection(SelectiveBackprop(floor=0.1))


def same(ones: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


def test_a_classifier_learns_from_a_fraction_of_the_backwards(tmp_path: Path) -> None:
    trainer = selective(tmp_path, SB, num_train_epochs=14)

    trainer.train()

    stats = trainer.stats
    assert error(trainer) < 0.15  # chance is 0.75
    assert stats.candidates == stats.scoring_forwards == 14 * SIZE
    assert stats.backwards < 0.6 * stats.candidates
    assert trainer.state.global_step == stats.batches == stats.backwards // BATCH


@pytest.mark.parametrize(
    "options",
    [{}, {"gradient_accumulation_steps": 4}, {"max_steps": 40}, {"num_train_epochs": 1.5}],
    ids=["epochs", "accumulated", "steps", "half an epoch"],
)
def test_uniform_trains_the_same_weights_as_the_plain_trainer(tmp_path: Path, options: dict[str, Any]) -> None:
    ours = selective(tmp_path, Selection(Uniform()), classifier(dropout=0.1), **options)
    ours.train()
    theirs = plain(tmp_path, classifier(dropout=0.1), **options)
    theirs.train()
    assert same(weights(ours), weights(theirs))
    assert rates(ours) == rates(theirs)
    assert ours.state.epoch == theirs.state.epoch


# ---- schedules, steps and epochs


def test_the_learning_rate_follows_the_candidates_to_its_end(tmp_path: Path) -> None:
    trainer = selective(tmp_path, Selection(Random(0.3)), num_train_epochs=6, warmup_steps=0.1)
    trainer.train()

    found, steps = rates(trainer), trainer.state.global_step
    assert steps < 0.4 * trainer.state.max_steps
    assert max(found) == pytest.approx(3e-3, rel=0.1)
    assert found.index(max(found)) < 0.2 * steps
    assert found[-1] < 0.05 * 3e-3
    halfway = [entry for entry in trainer.state.log_history if "loss" in entry and entry["epoch"] <= 3][-1]
    assert halfway["learning_rate"] == pytest.approx(3e-3 / 1.8, rel=0.1)


def test_max_steps_is_kept_and_the_learning_rate_follows_the_steps(tmp_path: Path) -> None:
    trainer = selective(tmp_path, SB, max_steps=25)
    trainer.train()
    assert trainer.state.global_step == 25
    assert rates(trainer) == pytest.approx([3e-3 * (1 - step / 25) for step in range(25)])


def test_epochs_are_of_candidates_also_where_the_last_is_not_a_whole_one(tmp_path: Path) -> None:
    class Notes(SelectiveTrainer):
        def get_batch_samples(self, epoch_iterator: Any, *args: Any) -> Any:
            self.asked = getattr(self, "asked", 0) + 1
            return super().get_batch_samples(epoch_iterator, *args)

    trainer = selective(tmp_path, Selection(Random(0.5)), made_by=Notes, num_train_epochs=2.5)
    trainer.train()
    assert 2.5 * SIZE <= trainer.stats.candidates < 2.7 * SIZE
    assert trainer.state.epoch == pytest.approx(trainer.stats.candidates / SIZE)
    assert trainer.asked <= trainer.state.global_step + 3  # once for each epoch's end, not for all that there might be


def test_a_scheduler_of_the_users_own_steps_once_a_step(tmp_path: Path) -> None:
    model = classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = LambdaLR(optimizer, lambda step: 0.9**step)
    trainer = SelectiveTrainer(
        model,
        arguments(tmp_path),
        padded,
        sentences(),
        selection=Selection(Random(0.4)),
        optimizers=(optimizer, scheduler),
    )
    trainer.train()
    assert rates(trainer) == pytest.approx([1e-3 * 0.9**step for step in range(trainer.state.global_step)])


@pytest.mark.parametrize("options", [{"num_train_epochs": 3}, {"max_steps": 12}], ids=["epochs", "steps"])
def test_steps_are_of_whole_windows_with_the_number_of_their_items(tmp_path: Path, options: dict[str, Any]) -> None:
    items = []

    class Notes(SelectiveTrainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            items.append((len(inputs["labels"]), int(num_items_in_batch)))
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    trainer = selective(tmp_path, Selection(Random(0.4)), made_by=Notes, gradient_accumulation_steps=3, **options)
    trainer.train()
    assert set(items) == {(BATCH, 3 * BATCH)}
    assert trainer.state.global_step == len(items) // 3
    assert len(items) % 3 == 0
    assert trainer.state.global_step == options.get("max_steps", trainer.stats.batches // 3)


def test_an_epoch_that_fills_no_window_goes_on_with_the_next(tmp_path: Path) -> None:
    trainer = selective(tmp_path, Selection(Random(0.1)), gradient_accumulation_steps=4, num_train_epochs=9)
    trainer.train()
    assert trainer.stats.epochs == 9
    assert trainer.state.global_step == trainer.stats.backwards // (4 * BATCH) < 9


def test_evaluation_sees_every_example_after_every_epoch(tmp_path: Path) -> None:
    trainer = SelectiveTrainer(
        classifier(),
        arguments(tmp_path, num_train_epochs=3, eval_strategy="epoch"),
        padded,
        sentences(),
        sentences(50, seed=1),
        selection=SB,
    )
    trainer.train()
    assert len([entry for entry in trainer.state.log_history if "eval_loss" in entry]) == 3
    assert len(trainer.predict(sentences(50, seed=1)).predictions) == 50


def test_what_selection_did_is_logged_with_the_loss(tmp_path: Path) -> None:
    trainer = selective(tmp_path, Selection(Random(0.4), phases=Phases(warmup=1)), logging_steps=5)
    trainer.train()
    last = [entry for entry in trainer.state.log_history if "loss" in entry][-1]
    assert 0.2 < last["select/kept_share"] < 0.6  # since the last log, without the epoch in which all were kept
    assert last["select/backwards"] == last["step"] * BATCH
    assert last["select/candidates"] <= trainer.stats.candidates == 2 * SIZE
    assert last["select/speedup"] > 0


# ---- what is trained on


def test_every_batch_is_padded_to_its_own_longest_example_and_kept_is_of_it(tmp_path: Path) -> None:
    data, log, tight, right = sentences(), ExampleLog(SIZE), [], []

    class Notes(SelectiveTrainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            mine = [data[at] for at in self._kept.index.tolist()]
            tight.append(inputs["input_ids"].shape[1] == max(len(one["input_ids"]) for one in mine))
            right.append(all(torch.equal(inputs[key], value) for key, value in padded(mine).items()))
            return super().compute_loss(model, inputs, *args, **kwargs)

    selection = Selection(SelectiveBackprop(floor=0.1), log=log)
    selective(tmp_path, selection, made_by=Notes, gradient_accumulation_steps=2).train()
    assert all(tight)
    assert all(right)
    assert int(log.scored.sum()) == 2 * SIZE


def test_weights_of_the_policy_weight_the_loss(tmp_path: Path) -> None:
    losses = []

    class Notes(SelectiveTrainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            kept, labels, words = self._kept, inputs["labels"], inputs["input_ids"]
            loss, outputs = super().compute_loss(
                model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
            )
            each = F.cross_entropy(outputs["logits"], labels, reduction="none")
            expected = sum(w * one for w, one in zip(kept.weight.tolist(), each.tolist(), strict=True)) / (2 * BATCH)
            losses.append((loss.item(), expected, float(kept.weight.std()), len(words)))
            return (loss, outputs) if return_outputs else loss

    policy = Reweighted(SelectiveBackprop(floor=0.1))
    trainer = selective(tmp_path, Selection(policy), made_by=Notes, num_train_epochs=4, gradient_accumulation_steps=2)
    trainer.train()
    assert all(loss == pytest.approx(expected, rel=1e-4) for loss, expected, _, _ in losses)
    assert max(spread for _, _, spread, _ in losses) > 0


def test_weights_and_a_loss_of_the_users_own_do_not_go_together(tmp_path: Path) -> None:
    policy = Reweighted(SelectiveBackprop(floor=0.1))
    with pytest.raises(SettingsError, match="label_smoothing_factor"):
        selective(tmp_path, Selection(policy), label_smoothing_factor=0.1)
    trainer = selective(tmp_path, Selection(policy))
    unweighted = plain(tmp_path).evaluate(sentences(40, seed=1))["eval_loss"]
    assert trainer.evaluate(sentences(40, seed=1))["eval_loss"] == pytest.approx(unweighted)
    with pytest.raises(DataError, match=r"needs logits \[B, C\] and labels \[B\]"):
        trainer._weighted_loss({"logits": torch.zeros(2, 5, TOPICS)}, torch.zeros(2, 5))


@pytest.mark.parametrize("accumulated", [1, 2])
def test_scores_come_from_the_training_passes_without_a_scoring_forward(tmp_path: Path, accumulated: int) -> None:
    selection = Selection(SelectiveBackprop(floor=0.1), scoring=Scoring(source="training"))
    trainer = selective(tmp_path, selection, num_train_epochs=14, gradient_accumulation_steps=accumulated)
    trainer.train()
    assert trainer.stats.scoring_forwards == 0
    assert trainer.stats.backwards < 0.8 * trainer.stats.candidates
    assert error(trainer) < 0.4


def test_a_governed_run_trains(tmp_path: Path) -> None:
    trainer = selective(tmp_path, Selection(SelectiveBackprop(floor=0.1), govern=True))
    trainer.train()
    assert trainer.stats.candidates == 2 * SIZE


def test_the_mixin_goes_with_a_trainer_of_the_users_own(tmp_path: Path) -> None:
    class Own(Trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            outputs = model(**inputs)
            return (outputs.loss, outputs) if return_outputs else outputs.loss

    class Both(SelectiveTrainerMixin, Own):
        pass

    trainer = selective(tmp_path, SB, made_by=Both)
    trainer.train()
    assert trainer.stats.backwards < trainer.stats.candidates


def test_the_model_scores_in_the_precision_of_the_trainer(tmp_path: Path) -> None:
    kinds, model = [], classifier()
    model.classifier.register_forward_hook(lambda module, _, output: kinds.append((module.training, output.dtype)))
    selective(tmp_path, SB, model, num_train_epochs=1, bf16=True).train()
    assert set(kinds) == {(False, torch.bfloat16), (True, torch.bfloat16)}


def test_the_model_scores_in_the_context_that_the_loss_is_computed_in(tmp_path: Path) -> None:
    class Half(SelectiveTrainer):
        def compute_loss_context_manager(self) -> Any:
            return torch.autocast("cpu", torch.bfloat16)

    kinds, model = [], classifier()
    model.classifier.register_forward_hook(lambda module, _, output: kinds.append((module.training, output.dtype)))
    selective(tmp_path, SB, model, made_by=Half, num_train_epochs=1).train()
    assert set(kinds) == {(False, torch.bfloat16), (True, torch.bfloat16)}


# ---- resuming


STEPS = {"save_strategy": "steps", "num_train_epochs": 3}


@pytest.mark.parametrize(
    ("policy", "options"),
    [
        pytest.param(Random(0.6), {**STEPS, "save_steps": 9}, id="in the middle of an epoch"),
        pytest.param(Random(0.6), {**STEPS, "save_strategy": "epoch"}, id="at the end of one"),
        pytest.param(
            SelectiveBackprop(floor=0.1),
            {**STEPS, "save_steps": 5, "gradient_accumulation_steps": 3},
            id="accumulating",
        ),
        pytest.param(Random(0.6), {**STEPS, "save_steps": 9, "max_steps": 25}, id="counting steps"),
        pytest.param(Uniform(), {**STEPS, "save_steps": 13}, id="plain"),
    ],
)
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, policy: Any, options: dict[str, Any]) -> None:
    whole = selective(tmp_path, Selection(policy), classifier(dropout=0.1), **options)
    whole.train()
    checkpoints = sorted(tmp_path.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))

    again = selective(tmp_path / "again", Selection(policy), classifier(dropout=0.1), **options)
    again.train(resume_from_checkpoint=str(checkpoints[1]))

    assert same(weights(whole), weights(again))
    assert whole.state.global_step == again.state.global_step
    counts = ("epochs", "candidates", "kept", "backwards", "batches", "waiting")
    assert all(getattr(whole.stats, name) == getattr(again.stats, name) for name in counts)
    assert rates(whole) == rates(again)


def test_a_resumed_run_evaluates_after_its_own_epochs_and_no_more(tmp_path: Path) -> None:
    def made(folder: Path) -> SelectiveTrainer:
        options = {"num_train_epochs": 4, "eval_strategy": "epoch", "save_strategy": "epoch"}
        data, some = (sentences(), sentences(20, seed=1)), Selection(Random(0.3))
        return SelectiveTrainer(classifier(), arguments(folder, **options), padded, *data, selection=some)

    made(tmp_path).train()
    third = sorted(tmp_path.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))[2]
    again = made(tmp_path / "again")
    again.train(resume_from_checkpoint=third)  # a path, as the trainer takes it too
    assert len([entry for entry in again.state.log_history if "eval_loss" in entry]) == 4


def test_the_last_checkpoint_is_of_the_end(tmp_path: Path) -> None:
    trainer = selective(tmp_path, Selection(Random(0.4)), save_strategy="steps", save_steps=1000)
    trainer.train()
    assert (tmp_path / f"checkpoint-{trainer.state.global_step}" / "selection_0.pt").is_file()


def test_a_checkpoint_without_selection_or_of_other_data_is_refused(tmp_path: Path) -> None:
    plain(tmp_path / "plain", max_steps=2, save_strategy="steps", save_steps=2).train()
    with pytest.raises(StateError, match=r"selection_0\.pt"):
        selective(tmp_path, SB, max_steps=4).train(resume_from_checkpoint=str(tmp_path / "plain" / "checkpoint-2"))
    some = Selection(Random(0.7))
    selective(tmp_path, some, max_steps=4, save_strategy="steps", save_steps=3).train()
    trainer = SelectiveTrainer(classifier(), arguments(tmp_path, max_steps=4), padded, sentences(8), selection=some)
    with pytest.raises(DataError, match="waits to be trained on, and the data set has 8"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))


# ---- what cannot be


def test_data_needs_indices_and_batches_a_size(tmp_path: Path) -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            return iter(sentences())

    trainer = SelectiveTrainer(classifier(), arguments(tmp_path, max_steps=2), padded, Stream(), selection=SB)
    with pytest.raises(SettingsError, match="no indices"):
        trainer.train()
    with pytest.raises(SettingsError, match="auto_find_batch_size"):
        selective(tmp_path, SB, auto_find_batch_size=True)
    with pytest.raises(SettingsError, match="nothing has been trained"):
        _ = selective(tmp_path, SB).stats


@pytest.mark.parametrize("missing", ["transformers", "accelerate.utils"])
def test_without_transformers_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rheostat\[transformers\]'"):
        runpy.run_path(integration.__file__)

"""Selection in Lightning's own trainer: nothing of the module, the loader or the trainer changes for it."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LinearLR, OneCycleLR, StepLR
from torch.utils.data import DataLoader, DistributedSampler

from rheostat.errors import MissingExtraError, SettingsError
from rheostat.integrations import lightning as integration
from rheostat.integrations.ahead import Ahead
from rheostat.integrations.lightning import SelectiveCallback
from rheostat.select import Phases, Random, Reweighted, Scoring, SelectiveBackprop, SelectiveLoader, Uniform
from rheostat.signals import ExampleLog
from tests.integrations.digits import BATCH, SIZE, Checked, Digits, digits, error, loader, trainer, weights

pytestmark = [
    # Lightning's own: it asks torch for a class that torch has renamed
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers"),
]


def selective(**options) -> SelectiveCallback:
    return SelectiveCallback(SelectiveBackprop(floor=0.1), **options)


def same(ones: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


def plain_weights(**options) -> list[Tensor]:
    module = Digits()
    trainer(**options).fit(module, loader())
    return weights(module)


def test_a_module_learns_from_a_fraction_of_the_backwards() -> None:
    callback, module = selective(), Digits()
    fit = trainer(callback, max_epochs=15)

    fit.fit(module, loader())

    stats = callback.stats
    assert error(module) < 0.3  # chance is 0.9
    assert stats.candidates == stats.scoring_forwards == 15 * SIZE
    assert stats.backwards < 0.4 * stats.candidates
    assert set(module.sizes) == {BATCH}
    assert fit.global_step == stats.batches == len(module.sizes)


def test_what_selection_did_is_logged_at_the_end_of_an_epoch() -> None:
    callback = SelectiveCallback(Random(0.4), phases=Phases(warmup=1))
    fit = trainer(callback, max_epochs=2)

    fit.fit(Digits(), loader())

    metrics, stats = fit.callback_metrics, callback.stats
    assert float(metrics["select/kept_share"]) == pytest.approx((stats.kept - SIZE) / SIZE)  # of the last epoch alone
    assert float(metrics["select/candidates"]) == 2 * SIZE
    assert float(metrics["select/backwards"]) == stats.backwards
    assert float(metrics["select/speedup"]) > 0


@pytest.mark.parametrize("accumulated", [1, 3])
def test_uniform_trains_the_same_weights_as_without_the_callback(accumulated: int) -> None:
    module = Digits()
    options = {"max_epochs": 2, "accumulate_grad_batches": accumulated}
    trainer(SelectiveCallback(Uniform()), **options).fit(module, loader())
    assert same(weights(module), plain_weights(**options))
    assert not same(weights(module), plain_weights(max_epochs=2, accumulate_grad_batches=2))


def test_the_module_may_have_the_loader_or_a_data_module() -> None:
    class WithLoader(Digits):
        def train_dataloader(self) -> DataLoader:
            return loader()

    class Data(LightningDataModule):
        def train_dataloader(self) -> DataLoader:
            return loader()

    given, own, data = Digits(), WithLoader(), Digits()
    trainer(selective(), max_epochs=2).fit(given, loader())
    trainer(selective(), max_epochs=2).fit(own)
    trainer(selective(), max_epochs=2).fit(data, datamodule=Data())
    assert same(weights(given), weights(own))
    assert same(weights(given), weights(data))


def test_the_older_name_of_the_package_will_do() -> None:
    class Older(pytorch_lightning.LightningModule):
        training_step, forward, configure_optimizers = Digits.training_step, Digits.forward, Digits.configure_optimizers

        def __init__(self) -> None:
            super().__init__()
            vars(self).update(vars(Digits()))

    callback = selective()
    trainer(callback, made_by=pytorch_lightning.Trainer, max_epochs=2).fit(Older(), loader())
    assert callback.stats.candidates == 2 * SIZE


# ---- epochs, steps and schedules


def test_max_steps_is_kept_and_a_schedule_by_steps_ends_with_it() -> None:
    module = Digits(lambda module, optimizer: OneCycleLR(optimizer, 0.1, module.trainer.estimated_stepping_batches))
    fit = trainer(selective(), max_steps=30, max_epochs=-1)

    fit.fit(module, loader())

    assert fit.global_step == len(module.rates) == 30
    assert max(module.rates) == pytest.approx(0.1, rel=0.05)
    assert module.rates[-1] < 1e-3


def test_progress_takes_a_schedule_to_its_end_whatever_is_kept() -> None:
    callback = selective()
    module = Digits(lambda _, optimizer: LambdaLR(optimizer, lambda _: 1 - callback.progress))

    trainer(callback, max_epochs=6).fit(module, loader())

    assert callback.progress == 1
    assert module.rates[0] == 0.1
    assert module.rates == sorted(module.rates, reverse=True)
    assert module.rates[-1] < 0.005
    assert len(module.rates) < 6 * SIZE / BATCH / 2  # steps, of which as many were not known before


def test_progress_follows_the_steps_where_they_are_what_ends_the_run() -> None:
    callback = selective()
    module = Digits(lambda _, optimizer: LambdaLR(optimizer, lambda _: 1 - callback.progress))
    trainer(callback, max_steps=20).fit(module, loader())
    assert module.rates == pytest.approx([0.1 * (1 - step / 20) for step in range(20)])


def test_a_schedule_by_epochs_steps_once_an_epoch() -> None:
    module = Digits(lambda _, optimizer: StepLR(optimizer, 1, gamma=0.5), interval="epoch")
    trainer(selective(), max_epochs=3).fit(module, loader())
    assert list(dict.fromkeys(module.rates)) == pytest.approx([0.1, 0.05, 0.025])


def test_a_number_of_steps_that_nobody_knows_is_not_made_up() -> None:
    module = Digits(
        lambda module, optimizer: LinearLR(optimizer, total_iters=module.trainer.estimated_stepping_batches)
    )
    with pytest.raises(SettingsError, match=r"estimated_stepping_batches .* Trainer\(max_steps="):
        trainer(selective(), max_epochs=3).fit(module, loader())


def test_steps_are_made_of_whole_windows_of_accumulation_and_the_rest_of_an_epoch() -> None:
    callback, module = selective(), Digits()
    fit = trainer(callback, max_epochs=4, accumulate_grad_batches=3)
    ends = []
    module.on_train_epoch_end = lambda: ends.append(len(module.sizes))

    fit.fit(module, loader())

    batches = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    assert fit.global_step == sum(-(-number // 3) for number in batches)


def test_validation_comes_after_every_epoch_and_at_a_number_of_batches() -> None:
    each, often = Checked(), Checked()
    validation = DataLoader(digits(), SIZE)
    trainer(selective(), max_epochs=3, num_sanity_val_steps=0).fit(each, loader(), validation)
    trainer(selective(), max_steps=12, val_check_interval=4, check_val_every_n_epoch=None).fit(
        often, loader(), validation
    )
    assert len(each.checked) == 3
    assert each.checked[-1] == each.trainer.global_step
    assert often.checked == [0, 4, 8, 12]


def test_epochs_that_are_cut_short_go_on_where_they_were_cut() -> None:
    log = ExampleLog(SIZE)
    callback = SelectiveCallback(Uniform(), log=log)
    trainer(callback, max_epochs=3, limit_train_batches=5).fit(Digits(), loader())
    assert callback.stats.batches == 15
    assert int(log.kept.max()) == 1  # the epochs of the loader are not begun anew


# ---- what is seen while training


def test_kept_is_of_the_batch_that_is_trained_on() -> None:
    callback, data, wrong = selective(), digits(), []

    class Looks(Digits):
        def training_step(self, batch, batch_idx: int) -> Tensor:
            wrong.append(not torch.equal(data.tensors[0][callback.kept.index], batch[0]))
            return super().training_step(batch, batch_idx)

    trainer(callback, max_epochs=3).fit(Looks(), loader())
    assert wrong
    assert not any(wrong)
    with pytest.raises(SettingsError, match="within training_step"):
        _ = callback.kept


def test_a_policy_that_weights_is_refused_unless_the_step_asks_for_the_weights() -> None:
    callback = SelectiveCallback(Reweighted(SelectiveBackprop(floor=0.1)))

    class Weighs(Digits):
        def training_step(self, batch, batch_idx: int) -> Tensor:
            x, y = batch
            return (F.cross_entropy(self(x), y, reduction="none") * callback.kept.weight).mean()

    trainer(callback, max_epochs=1).fit(Weighs(), loader())
    with pytest.raises(SettingsError, match=r"multiply the loss of each example by kept\.weight"):
        trainer(callback, max_epochs=1).fit(Digits(), loader())


def test_scores_come_from_the_training_passes_without_a_scoring_forward() -> None:
    callback, module = selective(scoring=Scoring(source="training")), Digits()
    trainer(callback, max_epochs=15).fit(module, loader())
    assert callback.stats.scoring_forwards == 0
    assert callback.stats.backwards < 0.6 * callback.stats.candidates
    assert error(module) < 0.3


class PastTheModule(Digits):
    """Its step calls the network within, which no hook on the module sees."""

    callback: SelectiveCallback | None = None

    def training_step(self, batch, batch_idx: int) -> Tensor:
        x, y = batch
        logits = self.net(x)
        if self.callback is not None:
            self.callback.observe(logits)
        return F.cross_entropy(logits, y)


def test_a_step_that_does_not_call_the_module_hands_the_logits_over_or_is_refused() -> None:
    by_hook, by_hand = selective(scoring=Scoring(source="training")), selective(scoring=Scoring(source="training"))
    called, handing = Digits(), PastTheModule()
    handing.callback = by_hand
    trainer(by_hook, max_epochs=4).fit(called, loader())
    trainer(by_hand, max_epochs=4).fit(handing, loader())
    assert same(weights(called), weights(handing))

    with pytest.raises(SettingsError, match=r"observe\(logits, targets\)"):
        trainer(selective(scoring=Scoring(source="training")), max_epochs=1).fit(PastTheModule(), loader())


def test_the_module_scores_in_the_precision_of_the_trainer() -> None:
    kinds = []

    class Notes(Digits):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            kinds.append((self.training, logits.dtype))
            return logits

    trainer(selective(), max_epochs=1, precision="bf16-mixed").fit(Notes(), loader())
    trainer(selective(), max_epochs=1, precision="bf16-true").fit(Notes(), loader())
    assert set(kinds) == {(False, torch.bfloat16), (True, torch.bfloat16)}


def test_a_governed_run_trains() -> None:
    callback = selective(govern=True)
    trainer(callback, max_epochs=3).fit(Digits(), loader())
    assert callback.stats.candidates == 3 * SIZE
    assert "select/speedup" in callback._trainer.callback_metrics


# ---- resuming


def resumed(
    folder: Path, at: dict, epochs: int = 4
) -> tuple[list[Tensor], list[Tensor], SelectiveCallback, SelectiveCallback]:
    """Weights at the end without and with an interruption, and the callbacks of both."""
    options = {"max_epochs": epochs, "num_sanity_val_steps": 0, "default_root_dir": folder}
    validation = DataLoader(digits(), SIZE)
    whole, first = Checked(dropout=0.0), selective()

    def keep() -> ModelCheckpoint:
        return ModelCheckpoint(folder, filename="{step}", save_top_k=-1, **at)

    trainer(first, keep(), **options).fit(whole, loader(), validation)

    checkpoint = sorted(folder.glob("*.ckpt"), key=lambda path: int(path.stem.split("=")[1]))[1]
    again, second = Checked(dropout=0.0), selective()
    trainer(second, keep(), **options).fit(again, loader(), validation, ckpt_path=checkpoint)
    return weights(whole), weights(again), first, second


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")
@pytest.mark.parametrize(
    "at",
    [
        pytest.param({"every_n_train_steps": 7}, id="in the middle of an epoch"),
        pytest.param({"every_n_epochs": 1, "save_on_train_epoch_end": True}, id="at the end of one"),
        pytest.param({"every_n_epochs": 1, "save_on_train_epoch_end": False}, id="after validation"),
    ],
)
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, at: dict) -> None:
    whole, again, first, second = resumed(tmp_path, at)
    assert same(whole, again)
    counts = ("epochs", "candidates", "kept", "backwards", "batches", "waiting")
    assert all(getattr(first.stats, name) == getattr(second.stats, name) for name in counts)


# ---- many workers


def test_a_distributed_sampler_is_within_and_shuffles_anew_in_every_epoch() -> None:
    data, orders = digits(64), []
    sampler = DistributedSampler(data, num_replicas=2, rank=1, shuffle=True)
    shard = DataLoader(data, BATCH, sampler=sampler)
    callback = SelectiveCallback(Uniform())

    class Looks(Digits):
        def training_step(self, batch, batch_idx: int) -> Tensor:
            orders.append(callback.kept.index.tolist())
            return super().training_step(batch, batch_idx)

    trainer(callback, max_epochs=2).fit(Looks(), shard)
    sampler.set_epoch(0)
    assert orders[0] + orders[1] == list(sampler)
    sampler.set_epoch(1)
    assert orders[2] + orders[3] == list(sampler)


# ---- what cannot be


def test_one_training_loader_that_stays() -> None:
    with pytest.raises(SettingsError, match="several training loaders"):
        trainer(selective(), max_epochs=1).fit(Digits(), [loader(), loader()])
    with pytest.raises(SettingsError, match="reload_dataloaders_every_n_epochs is 1"):
        trainer(selective(), max_epochs=1, reload_dataloaders_every_n_epochs=1).fit(Digits(), loader())


def test_a_loader_without_a_batch_size_needs_one() -> None:
    class Batches:
        def __iter__(self) -> Iterator[Any]:
            return iter(loader())

    with pytest.raises(SettingsError, match="batch_size="):
        trainer(selective(), max_epochs=1).fit(Digits(), Batches())
    callback, module = selective(batch_size=8), Digits()
    trainer(callback, max_epochs=1).fit(module, Batches())
    assert set(module.sizes) == {8}
    with pytest.raises(SettingsError, match="has no len"):
        _ = callback.progress


def test_nothing_is_left_behind_also_after_an_error() -> None:
    class Breaks(Digits):
        def training_step(self, batch, batch_idx: int) -> Tensor:
            raise ValueError("broken")

    callback, broken, module = selective(), Breaks(), Digits()
    fit = trainer(callback, max_epochs=1)
    with pytest.raises(ValueError, match="broken"):
        fit.fit(broken, loader())
    assert not broken._forward_hooks
    assert "process_dataloader" not in vars(fit.strategy)
    fit.fit(module, loader())
    assert not module._forward_hooks
    assert "process_dataloader" not in vars(fit.strategy)
    with pytest.raises(SettingsError, match="nothing has been fitted"):
        _ = selective().stats


def test_without_lightning_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rheostat\[lightning\]'"):
        runpy.run_path(integration.__file__)


def test_what_was_fetched_ahead_comes_back_on_the_device_of_the_model() -> None:
    model = nn.Linear(2, 2, device="meta")  # for an accelerator, whose checkpoints are read to the host
    loader = SimpleNamespace(model=model, epoch=0, with_kept=lambda: iter(()), load_state_dict=lambda state: None)
    ahead = Ahead(cast("SelectiveLoader", loader), None)
    kept = {name: torch.ones(3) for name in ("index", "score", "weight", "age", "targets", "looked")}
    ahead.restore({"selection": {}, "ahead": [([torch.ones(3)], kept)]})
    next(iter(ahead))
    assert {value.device.type for value in vars(ahead.begin()).values()} == {"meta"}

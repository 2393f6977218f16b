"""Where a head starts from."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from rheostat.errors import StateError
from rheostat.share.trainer import head_training, heads
from rheostat.share.trainer.features import Store
from rheostat.share.trainer.heads import Lesson, train_head
from rheostat.training import RunFolder
from tests.share.trainer.toys import network


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    """Ready-made pictures and features of noise, of two classes."""
    known, generator = network(), np.random.default_rng(0)
    store = Store(tmp_path / "work", (2, 3))
    store.folder.mkdir()
    labels = {"train": torch.arange(24) % 2, "validation": torch.arange(8) % 2}
    for part, label in labels.items():
        np.save(store.pictures(part), generator.integers(0, 256, (len(label), 24, 24, 3), dtype=np.uint8))
        for frozen in store.cached:
            shape = (len(label), *known.shape_at(frozen))
            np.save(store.features(part, frozen), generator.random(shape).astype(np.float16))
    still = {"epochs": 1, "batch_size": 8, "lr": 1e-12, "weight_decay": 0, "device": "cpu"}
    return Lesson(known, ("other", "lamp"), labels, store, head_training(still))


def weights(lesson: Lesson, frozen: int) -> dict[str, torch.Tensor]:
    return RunFolder(lesson.store.folder / f"head-{frozen:02}").weights()


def silent(share: float, line: str) -> None:
    del share, line


def test_a_head_starts_from_the_deeper_ones_best_weights_and_from_the_base(lesson: Lesson, tmp_path: Path) -> None:
    train_head(lesson, 3, epochs=1, deeper=None, report=silent)
    path = tmp_path / "work" / "head-03" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    for weight in state["best"]["model"].values():
        weight.fill_(0.125)
    for weight in state["model"].values():
        weight.fill_(0.5)
    torch.save(state, path)
    train_head(lesson, 2, epochs=1, deeper=3, report=silent)
    found = weights(lesson, 2)
    base = lesson.network.layers[2].state_dict()
    for name, weight in found.items():
        layer, _, own = name.partition(".")
        expected = base[own] if layer == "0" else torch.full_like(weight, 0.125)
        torch.testing.assert_close(weight, expected, rtol=0, atol=1e-6)


def test_a_stem_that_training_has_changed_is_not_passed_over(
    lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = heads._model

    def careless(*arguments: object, **named: object) -> torch.nn.Module:
        return build(*arguments, **named).requires_grad_(requires_grad=True)  # type: ignore[arg-type]

    monkeypatch.setattr(heads, "_model", careless)
    loud = dataclasses.replace(lesson, training=lesson.training.model_copy(update={"lr": 0.01}))
    with pytest.raises(StateError, match=r"training the head at branch point 1 has changed .* of the stem"):
        train_head(loud, 1, epochs=1, deeper=None, report=silent)


@pytest.mark.parametrize("frozen", [1, 2])
def test_the_statistics_of_batchnorm_stay_the_bases_in_the_head_too(
    lesson: Lesson, tmp_path: Path, frozen: int
) -> None:
    loud = dataclasses.replace(lesson, training=lesson.training.model_copy(update={"lr": 0.01}))
    train_head(loud, frozen, epochs=1, deeper=None, report=silent)
    head = lesson.network.head(frozen, 2, generator=torch.Generator())
    buffers = dict(head.named_buffers())
    assert buffers
    found = weights(lesson, frozen)
    for name, buffer in buffers.items():
        own = found[name] if frozen in lesson.store.cached else found[f"1.{name}"]
        assert torch.equal(own, buffer)

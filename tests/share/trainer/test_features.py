"""Pictures and features on the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn.modules.module import register_module_forward_hook

from rheostat.errors import DataError
from rheostat.share.base import Base
from rheostat.share.frames import normalised, resized
from rheostat.share.stem import Network
from rheostat.share.trainer import Job, prepare_package
from rheostat.share.trainer.features import Store, Stored, fitting, keep_features, keep_pictures
from tests.share.trainer.toys import LABEL, SIDE, network, settings

CPU = torch.device("cpu")


@pytest.fixture
def job(base: tuple[Network, Base], clips: list[Path], tmp_path: Path) -> Job:
    return prepare_package(*base, clips, tmp_path / "p", name="x", positive=LABEL, settings=settings(per_class=20))


def silent(share: float, line: str) -> None:
    del share, line


def test_pictures_are_the_chosen_ones_resized_in_the_one_place(job: Job, tmp_path: Path) -> None:
    store = Store(tmp_path, ())
    keep_pictures(store, job.material, job.parts, job.network.preprocessing)
    for part, chosen in job.parts.items():
        kept = np.load(store.pictures(part))
        expected = [
            resized(picture, job.network.preprocessing)
            for source, numbers in zip(job.material.sources, chosen.numbers, strict=True)
            for picture in source.read(numbers)
        ]
        np.testing.assert_array_equal(kept, np.stack(expected))


def test_features_are_what_the_stem_gives_each_layer_being_run_once(job: Job, tmp_path: Path) -> None:
    store = Store(tmp_path, (1, 3, 4))
    keep_pictures(store, job.material, job.parts, job.network.preprocessing)
    calls: list[int] = []
    codes = [layer.code for layer in job.network.layers]  # by which copies are told apart
    assert len(set(codes)) == 5

    def count(module: nn.Module, *_: object) -> None:
        if isinstance(module, fx.GraphModule):
            calls.append(codes.index(module.code))

    hook = register_module_forward_hook(count)
    keep_features(store, job.network, CPU, silent)
    hook.remove()
    batches = sum(-(-len(chosen.label) // 16) for chosen in job.parts.values())
    assert [calls.count(at) for at in range(5)] == [batches] * 4 + [0]
    for part in job.parts:
        pictures = normalised(np.load(store.pictures(part)), job.network.preprocessing)
        for frozen in store.cached:
            with torch.no_grad():
                expected = job.network.stem(frozen)(torch.from_numpy(pictures)).numpy()
            kept = np.load(store.features(part, frozen))
            assert kept.dtype == np.float16
            np.testing.assert_allclose(kept, expected, rtol=1e-3, atol=1e-4)


def test_the_layers_of_the_network_stay_where_they_are(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, moved, to = Store(tmp_path, (1, 3)), [], nn.Module.to

    def noted(module: nn.Module, *given: Any, **named: Any) -> nn.Module:
        moved.extend(module.modules())
        return to(module, *given, **named)

    monkeypatch.setattr(nn.Module, "to", noted)
    keep_pictures(store, job.material, job.parts, job.network.preprocessing)
    keep_features(store, job.network, CPU, silent)
    own = {id(part) for layer in job.network.layers for part in layer.modules()}
    assert moved, "copies of them go to the device"
    assert not own.intersection(map(id, moved)), "heads are copied from them, and exported on the host"


def test_what_is_kept_is_not_computed_again(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, (2,))
    for _ in range(2):
        keep_pictures(store, job.material, job.parts, job.network.preprocessing)
        keep_features(store, job.network, CPU, silent)
        monkeypatch.setattr("rheostat.share.trainer.features.resized", lambda *_: pytest.fail("decoded again"))
        monkeypatch.setattr("rheostat.share.trainer.features.normalised", lambda *_: pytest.fail("computed again"))


def test_what_was_interrupted_leaves_no_file_that_looks_whole(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, (2,))
    left = iter(range(7))

    def few(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return resized(*arguments)

    monkeypatch.setattr("rheostat.share.trainer.features.resized", few)
    with pytest.raises(KeyboardInterrupt):
        keep_pictures(store, job.material, job.parts, job.network.preprocessing)
    assert list(tmp_path.iterdir()) == []


def test_features_beyond_16_bits_are_refused(job: Job, tmp_path: Path) -> None:
    store, loud = Store(tmp_path, (1,)), network()
    with torch.no_grad():
        for parameter in loud.layers[0].parameters():
            parameter.mul_(1e6)
    keep_pictures(store, job.material, job.parts, job.network.preprocessing)
    with pytest.raises(DataError, match="beyond what 16 bits hold: set cache_gb=0"):
        keep_features(store, loud, CPU, silent)


def test_the_deepest_features_that_fit_together_are_kept() -> None:
    known = network()  # 576, 216, 288, 8 and 5 numbers
    assert fitting(known, (0, 1, 2, 3, 4), 1000, 1.0) == (1, 2, 3, 4)
    assert fitting(known, (0, 1, 2, 3, 4), 1000, 2 * (8 + 288 + 216) * 1000 / 1e9) == (2, 3, 4)
    assert fitting(known, (0, 1, 2, 3, 4), 1000, 2 * (8 + 288 + 215) * 1000 / 1e9) == (3, 4)
    assert fitting(known, (0, 2), 1000, 0.0) == ()


@pytest.mark.parametrize("kind", [np.uint8, np.float16])
def test_stored_examples_come_along_the_order_as_the_loop_takes_them(tmp_path: Path, kind: Any) -> None:
    content = np.arange(5 * SIDE * SIDE * 3).reshape(5, SIDE, SIDE, 3).astype(kind)
    np.save(tmp_path / "x.npy", content)
    stored = Stored(tmp_path / "x.npy", torch.tensor([0, 1, 0, 1, 1]))
    (first, ahead), (second, behind) = stored.batches(torch.tensor([4, 0, 2]), 2)
    assert (first.tolist(), second.tolist()) == ([4, 0], [2])
    moved = content.transpose(0, 3, 1, 2) if kind is np.uint8 else content
    np.testing.assert_array_equal(torch.cat([ahead, behind]).numpy(), moved[[4, 0, 2]])

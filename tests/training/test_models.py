"""The models that a run can name, and torchvision beside a torch that it was not built for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.errors import MissingExtraError, SettingsError
from rheostat.training import models, torchvision_ops
from rheostat.training.models import build_model, model_names
from rheostat.training.models.names import SMALLEST_IMAGE
from rheostat.training.models.wideresnet import WideResNet

# What `sum(p.numel() for p in net.parameters())` gives for pytorch/examples (LeNet, 1x28x28),
# kuangliu/pytorch-cifar (the next three) and xternalz/WideResNet-pytorch, all for 10 classes.
PARAMETERS = {
    "lenet": 21_840,
    "resnet18": 11_173_962,
    "mobilenetv2": 2_296_922,
    "densenet": 1_000_618,
    "wideresnet": 36_479_194,
}
# Side of the output -> number of convolutions that have it, counted by hand from the papers' tables.
# The number of parameters does not depend on the strides; this does.
CONVOLUTIONS = {
    "lenet": {24: 1, 8: 1},
    "resnet18": {32: 1 + 4, 16: 4 + 1, 8: 4 + 1, 4: 4 + 1},
    "mobilenetv2": {32: 1 + 4 + 7 + 1, 16: 2 + 6 + 1, 8: 2 + 9 + 10 + 1, 4: 2 + 6 + 4 + 1},
    "densenet": {32: 1 + 12 + 1, 16: 24 + 1, 8: 48 + 1, 4: 32},
    "wideresnet": {32: 1 + 8 + 1, 16: 8 + 1, 8: 8 + 1},
}


def image_form(name: str) -> dict[str, int]:
    return {"channels": 1, "image_size": 28} if name == "lenet" else {}


def small(name: str) -> nn.Module:
    """The model itself, or a narrow sibling of the one that is too large for a test."""
    torch.manual_seed(0)
    if name == "wideresnet":
        return WideResNet(10, 3, depth=16, widen=2)
    return build_model(name, classes=10, **image_form(name))


def images(name: str, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    form = {"channels": 3, "image_size": 32, **image_form(name)}
    side = form["image_size"]
    return torch.randn(count, form["channels"], side, side, generator=generator)


def run_python(script: str, *paths: Path) -> None:
    """Run `script` in a fresh interpreter, warnings as errors, `paths` before all others."""
    path = os.pathsep.join([*map(str, paths), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_oracles_cover_every_model() -> None:
    assert set(PARAMETERS) == set(CONVOLUTIONS) == set(model_names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count_is_the_published_one(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, classes=10, **image_form(name))
    assert parameter_count(model) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("depth", "widen", "millions"),
    [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (40, 8, 35.7), (28, 12, 52.5), (22, 8, 17.2)],
)
def test_wideresnet_counts_of_the_paper(depth: int, widen: int, millions: float) -> None:
    with torch.device("meta"):
        model = WideResNet(10, 3, depth=depth, widen=widen)
    assert round(parameter_count(model) / 1e6, 1) == millions


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_strides_are_where_they_belong(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, classes=10, **image_form(name))
    sides: Counter[int] = Counter()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _m, _x, out: sides.update([out.shape[-1]]))
    model(images(name, 2).to("meta"))
    assert sides == CONVOLUTIONS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_logits_belong_to_their_image(name: str) -> None:
    model = small(name)
    batch = images(name, 3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # fresh statistics let the signal fade with the depth
    with torch.no_grad():
        model(images(name, 8))
        logits = model.eval()(batch)
        alone = model(batch[1:2])
    assert logits.shape == (3, 10)
    assert (logits < 0).any(), "log-softmax or softmax would be of one sign"
    assert (logits > 0).any(), "log-softmax or softmax would be of one sign"
    assert not torch.allclose(logits[0], logits[1], rtol=1e-2)
    torch.testing.assert_close(logits[1:2], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    model = small(name)
    assert model.training
    F.cross_entropy(model(images(name, 4)), torch.arange(4)).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("name", ["lenet", "resnet18", "mobilenetv2", "densenet", "test_vit"])
def test_the_seed_decides_the_weights(name: str) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(build_model(name, classes=10, **image_form(name)).state_dict().values())

    first, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("training", [False, True])
def test_lenet_is_the_functional_network(training: bool) -> None:
    model = small("lenet").train(training)
    w = dict(model.named_parameters())
    batch = images("lenet", 5)

    def oracle(x: Tensor) -> Tensor:
        x = F.conv2d(x, w["conv1.weight"], w["conv1.bias"])
        x = F.relu(F.max_pool2d(x, 2))
        x = F.conv2d(x, w["conv2.weight"], w["conv2.bias"])
        x = F.relu(F.max_pool2d(F.dropout2d(x, 0.5, training), 2))
        x = x.reshape(-1, 320)
        x = F.relu(F.linear(x, w["fc1.weight"], w["fc1.bias"]))
        x = F.dropout(x, 0.5, training)
        return F.linear(x, w["fc2.weight"], w["fc2.bias"])

    torch.manual_seed(5)
    expected = oracle(batch)
    torch.manual_seed(5)
    assert torch.equal(model(batch), expected)


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("channels", [1, 4])
def test_any_channels_down_to_the_smallest_image(name: str, channels: int) -> None:
    side = SMALLEST_IMAGE[name]
    with torch.device("meta"):
        model = build_model(name, classes=2, channels=channels, image_size=side)
        assert model(torch.zeros(2, channels, side, side)).shape == (2, 2)


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "test_resnet.r160_in1k"])
def test_a_name_of_timm(name: str) -> None:
    model = build_model(name, classes=7, channels=1, image_size=48)
    assert type(model).__module__.startswith("timm.")
    assert model.training
    logits = model.eval()(torch.randn(2, 1, 48, 48))
    assert logits.shape == (2, 7)
    assert not torch.allclose(logits[0], logits[1])


def test_our_name_wins_and_the_prefix_gives_timm() -> None:
    with torch.device("meta"):
        ours = build_model("resnet18", classes=10)
        theirs = build_model("timm:resnet18", classes=10)
    assert type(ours).__module__ == "rheostat.training.models.resnet"
    assert type(theirs).__module__ == "timm.models.resnet"


@pytest.mark.parametrize(
    ("name", "near", "known"),
    [
        ("lenett", "lenet", "known are densenet, lenet, mobilenetv2, resnet18, wideresnet, any"),
        ("mobilenetv3_large_10", "mobilenetv3_large_100", "any name of timm"),
        ("timm:resnt18", "resnet18", "known are those of timm.list_models()"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name: str, near: str, known: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_model(name, classes=10)
    message = str(caught.value)
    guesses = message.partition("did you mean ")[2].partition("?")[0].split(" or ")
    assert near in guesses
    assert known in message
    assert len(message) < 250, "it must not list timm's thousand names"


@pytest.mark.parametrize("name", ["lenet5x7y", "timm:lenet", "timm:"])
def test_ours_are_not_timms(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown"):
        build_model(name, classes=10)


@pytest.mark.parametrize("name", ["lenet", "test_resnet"])
def test_numbers_out_of_range_are_told_together(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_model(name, classes=1, channels=0, image_size=0)
    message = str(caught.value)
    for part in ("classes is 1", "at least 2", "channels is 0", "at least 1", "image_size is 0"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("name", model_names())
def test_an_image_too_small_is_told_the_smallest(name: str) -> None:
    least = SMALLEST_IMAGE[name]
    with pytest.raises(SettingsError, match=f"image_size is {least - 1}: {name} needs at least {least} pixels"):
        build_model(name, classes=10, image_size=least - 1)


@pytest.mark.parametrize(
    ("name", "own"),
    [("timm:test_vit", 160), ("timm:inception_v3", 299)],  # one fails when built, one when it runs
)
def test_an_image_too_small_for_timm_is_told_its_own_size(name: str, own: int) -> None:
    with pytest.raises(SettingsError, match=rf"image_size=8 \(.*its own is {own}") as caught:
        build_model(name, classes=10, image_size=8)
    assert "\n" not in str(caught.value)


def test_a_wrong_tag_of_timm() -> None:
    with pytest.raises(SettingsError, match="Invalid pretrained tag"):
        build_model("timm:resnet18.nobody", classes=10)


def test_a_timm_model_that_gives_no_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_ops.ensure_torchvision_imports()
    import timm

    # as timm's mobilenetv5_300m_enc does, which is an encoder whatever num_classes is
    monkeypatch.setattr(timm, "create_model", lambda *_names, **_settings: nn.Identity())
    with pytest.raises(SettingsError, match="one row of 10 logits per image"):
        build_model("timm:resnet18", classes=10)


@pytest.mark.parametrize("missing", ["timm", "torchvision"])
def test_timm_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rheostat\[train\]'") as caught:
        build_model("convnext_tiny", classes=10)
    assert f"{missing} must be installed" in str(caught.value)
    assert "densenet" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "problem"),
    [({"depth": 27}, "depth is 27"), ({"depth": 4}, "depth is 4"), ({"widen": 0}, "widen is 0")],
)
def test_wideresnet_of_no_such_shape(shape: dict[str, int], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        WideResNet(10, 3, **shape)


def test_the_package_shows_two_names() -> None:
    assert models.__all__ == ["build_model", "model_names"]
    with pytest.raises(AttributeError, match="LeNet"):
        models.LeNet  # noqa: B018


def test_importing_the_models_pulls_in_nothing_heavy() -> None:
    run_python(
        """
import sys
from rheostat.training.models import model_names
assert "lenet" in model_names()
assert "torch" not in sys.modules
from rheostat.training.models import build_model
build_model("lenet", classes=10)
assert not {"timm", "torchvision"} & set(sys.modules)
"""
    )


def test_torchvision_and_timm_import_after_a_failed_attempt() -> None:
    run_python(
        """
try:
    import timm  # beside a CPU-only torch this may fail, and leaves half of torchvision behind
except RuntimeError:
    pass
from rheostat.training.torchvision_ops import ensure_torchvision_imports
ensure_torchvision_imports()
import torchvision
ensure_torchvision_imports()
import sys, torch
assert sys.modules["torchvision"] is torchvision
from torchvision.transforms import v2
assert v2.functional.hflip(torch.tensor([[[1, 2]]])).tolist() == [[[2, 1]]]
from rheostat.training.models import build_model
build_model("test_resnet", classes=10)
"""
    )


def test_missing_schemas_are_declared_and_the_partial_import_forgotten(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from torchvision import early\n"
        "import torch\n"
        "for name in ('nms', 'qnms'):\n"
        "    torch.library.register_fake('torchvision::' + name)(lambda dets, scores, iou: dets)\n"
    )
    (package / "early.py").write_text("import torchvision\nOWNER = torchvision\n")
    run_python(
        """
import gc, torch
from rheostat.training.torchvision_ops import ensure_torchvision_imports
ensure_torchvision_imports()
gc.collect()
import torchvision
assert torchvision.early.OWNER is torchvision
assert torch.ops.torchvision.nms.default._schema.arguments[2].name == "iou_threshold"
assert torch.ops.torchvision.qnms
""",
        tmp_path,
    )


def test_a_working_torchvision_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torchvision_ops, "import_module", asked.append)
    monkeypatch.setattr(torchvision_ops, "_declare_schemas", pytest.fail)
    torchvision_ops.ensure_torchvision_imports()
    assert asked == ["torchvision"]


def test_another_failure_of_torchvision_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("libcudart is too old")

    monkeypatch.setattr(torchvision_ops, "import_module", fail)
    monkeypatch.setattr(torchvision_ops, "_declare_schemas", pytest.fail)
    with pytest.raises(RuntimeError, match="libcudart"):
        torchvision_ops.ensure_torchvision_imports()

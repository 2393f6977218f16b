"""Cutting: the layers one after another are the model, and what lies between them is a single tensor."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rheostat.errors import SettingsError
from rheostat.share.base import Preprocessing
from rheostat.share.stem import cut, to_onnx
from rheostat.share.stem.points import Point, chosen
from rheostat.training.models import build_model
from rheostat.training.torchvision_ops import ensure_torchvision_imports
from tests.share.stem.toys import COLOURS, PREPROCESSING, SIDE, error, given, model, network, run, whole

SMALL_SWIN = {"img_size": 32, "depths": (2, 1), "embed_dim": 8, "num_heads": (1, 1), "window_size": 4}
FAMILIES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "resnet": ("test_resnet", 32, {}),
    "efficientnet": ("test_efficientnet", 32, {}),
    "mobilenet-v1": ("mobilenetv1_100", 32, {}),
    "mobilenet-v2": ("mobilenetv2_035", 32, {}),
    "mobilenet-v3": ("mobilenetv3_small_050", 32, {}),
    "mobilenet-v4": ("mobilenetv4_conv_small_035", 32, {}),
    "densenet": ("densenet121", 32, {"growth_rate": 8, "block_config": (2, 2, 2)}),
    "convnext": ("test_convnext", 32, {}),
    "vit": ("vit_tiny_patch16_224", 32, {"img_size": 32, "depth": 1}),
    "swin": ("swin_tiny_patch4_window7_224", 32, SMALL_SWIN),
    "inception": ("inception_v3", 80, {}),
    "mobilevit": ("mobilevit_xxs", 32, {}),
}
IN_ONNX = {"vit", "swin"}  # the others are made of what these and the toy are made of


def timm_model(name: str, **form: Any) -> nn.Module:
    ensure_torchvision_imports()
    import timm

    return timm.create_model(name, pretrained=False, num_classes=7, **form)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layers_of_every_family_are_its_network(family: str) -> None:
    name, side, form = FAMILIES[family]
    base = timm_model(name, **form).eval()
    found = cut(base, name=name, preprocessing=Preprocessing(height=side, width=side, **COLOURS), points=7)
    assert len(found.layers) == 7
    x = torch.randn(3, 3, side, side)
    for batch in (x[:1], x):
        assert torch.equal(given(whole(found), batch), given(base, batch))
    head = found.head(4, 2, generator=torch.Generator().manual_seed(0))
    between = given(found.stem(4), x)
    assert between.shape[1:] == found.shape_at(4)
    head(between).sum().backward()
    assert all(one.grad is not None for one in head.parameters())
    if family in IN_ONNX:
        assert error(run(to_onnx(whole(found), (3, side, side)), x), given(base, x)) < 1e-5


@pytest.mark.parametrize("name", ["lenet", "resnet18", "mobilenetv2", "densenet", "wideresnet"])
def test_the_layers_of_our_own_models_are_them(name: str) -> None:
    base = build_model(name, classes=4, channels=3, image_size=SIDE).eval()
    found = cut(base, name=name, preprocessing=PREPROCESSING, points=6)
    assert found.shapes[-1] == (4,)
    assert found.classifier is not None
    x = torch.randn(2, 3, SIDE, SIDE)
    assert torch.equal(given(whole(found), x), given(base, x))


def test_points_are_where_one_tensor_crosses_and_no_kernel_is_torn_apart() -> None:
    found = network()
    # conv, BatchNorm and ReLU stay together, a block stays whole, and no layer just turns a tensor around
    assert found.names == (
        "2.relu_",
        "3.act.relu__2",
        "4.max_pool2d",
        "5.act.relu__4",
        "6.adaptive_avg_pool2d",
        "9.linear",
    )
    assert found.shapes == ((8, 8, 8), (8, 8, 8), (8, 4, 4), (8, 4, 4), (8, 1, 1), (5,))
    assert found.head_start == 5
    assert [found.shape_at(k) for k in (0, 1, 6)] == [(3, SIDE, SIDE), (8, 8, 8), (5,)]


def test_a_residual_stream_without_activation_is_cut_at_its_sums() -> None:
    base = timm_model("mobilenetv2_035")
    found = cut(base, name="v2", preprocessing=Preprocessing(height=32, width=32, **COLOURS))
    assert len(found.layers) == 16
    wide = [shape for shape in found.shapes[:-2] if shape[0] > 120]
    assert wide == []  # an expansion crosses nowhere
    assert any(".add" in name for name in found.names)


def test_as_many_layers_are_made_as_are_asked_for_and_the_head_is_always_one() -> None:
    x = torch.randn(2, 3, SIDE, SIDE)
    base = model().eval()
    for points in (2, 3, 5, 6, 99):
        found = cut(base, name="toy", preprocessing=PREPROCESSING, points=points)
        assert len(found.layers) == min(points, 6)
        assert found.names[-2:] == ("6.adaptive_avg_pool2d", "9.linear")
        assert torch.equal(given(whole(found), x), given(base, x))


def test_the_choice_of_points_is_the_best_there_is() -> None:
    generator = np.random.default_rng(0)
    node: Any = None
    for layers in (2, 3, 5):
        work = np.cumsum(generator.uniform(0.1, 3, 9))
        points = [Point(node, float(done), int(generator.integers(1, 400))) for done in work[:-1]]

        def cost(some: tuple[Point, ...], layers: int = layers, work: Any = work) -> float:
            shares = np.diff([0.0, *(point.work for point in some), work[-1]]) / work[-1]
            # the last layer is the same whatever is chosen
            return layers * (shares[:-1] ** 2).sum() + 0.05 * sum(point.numbers for point in some) / 30

        best = min((c for c in itertools.combinations(points, layers - 1) if c[-1] is points[-1]), key=cost)
        assert chosen(points, float(work[-1]), layers, 30) == list(best)


def test_the_model_stays_as_it_is_and_shares_nothing_with_its_layers() -> None:
    base = model()
    before, modes = copy.deepcopy(base.state_dict()), [module.training for module in base.modules()]
    found = cut(base, name="toy", preprocessing=PREPROCESSING)
    assert [module.training for module in base.modules()] == modes
    assert all(one.requires_grad for one in base.parameters())
    x = torch.randn(2, 3, SIDE, SIDE)
    y = given(whole(found), x)
    with torch.no_grad():
        for state in base.state_dict().values():
            state.zero_()
    assert torch.equal(given(whole(found), x), y)
    base.load_state_dict(before)
    assert torch.equal(given(base.eval(), x), y)


class InPlace(nn.Module):
    """Runs `change` between two convolutions."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1, self.conv2, self.linear = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3), nn.Linear(4, 3)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.conv2(self.change(self.conv1(x))).mean((2, 3)))


def through_a_view(x: Tensor) -> Tensor:
    x.flatten(2).mul_(3.0)
    return x.relu()


def a_part(x: Tensor) -> Tensor:
    x[:, 0] = 0.5
    return x.sigmoid()


def a_view_from_before(x: Tensor) -> Tensor:
    before = x[:, :3]
    x.relu_()
    return torch.cat([before, x[:, 3:]], 1)


def one_of_several_views(x: Tensor) -> Tensor:
    some, _ = x.chunk(2, 1)
    some.mul_(3.0)
    return x.tanh()


def again_and_again(x: Tensor) -> Tensor:
    x.add_(1).mul_(2)
    x *= 2
    x += x
    return x.relu_()


@pytest.mark.parametrize(
    "change",
    [through_a_view, a_part, a_view_from_before, one_of_several_views, again_and_again],
    ids=lambda c: c.__name__,
)
def test_no_change_in_place_is_lost_or_reaches_another_layer(change: Callable[[Tensor], Tensor]) -> None:
    base = InPlace(change).eval().requires_grad_(requires_grad=False)
    found = cut(base, name="changes", preprocessing=PREPROCESSING, points=None)
    x = torch.randn(3, 3, SIDE, SIDE)
    flowing, given_by = x.clone(), []
    for layer in found.layers:
        flowing = given(layer, flowing)
        given_by.append((flowing, flowing.clone()))
    assert torch.equal(flowing, given(base, x))
    assert all(torch.equal(now, then) for now, then in given_by)


class Folds(nn.Module):
    """Takes quarters of a picture for pictures in between, as window attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.linear = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x).relu()
        folded = self.conv2(x.reshape(4 * x.shape[0], 4, SIDE // 2, SIDE // 2)).sigmoid()
        return self.linear(folded.reshape(x.shape[0], 4, SIDE, SIDE).tanh().mean((2, 3)))


def test_there_is_no_point_where_pictures_are_folded_into_the_batch() -> None:
    base = Folds().eval()
    found = cut(base, name="folds", preprocessing=PREPROCESSING, points=None)
    assert found.names == ("relu", "tanh", "mean", "linear.linear")
    for batch in (1, 3):
        x = torch.randn(batch, 3, SIDE, SIDE)
        assert torch.equal(given(whole(found), x), given(base, x))


class Counts(nn.Module):
    """Counts its calls, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = nn.Buffer(torch.zeros(()))
        self.linear = nn.Linear(3 * SIDE * SIDE, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return self.linear(x.relu().flatten(1)) + self.calls


class Splits(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean((2, 3)), x.amax((2, 3))


class OfTwo(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.relu().reshape(2, -1)


@pytest.mark.parametrize(
    ("base", "told"),
    [(Counts(), "stays as it is"), (Splits(), "gives logits"), (OfTwo(), "torch.export cannot trace odd")],
    ids=["counts", "splits", "of two"],
)
def test_what_is_no_plain_classifier_is_refused(base: nn.Module, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        cut(base, name="odd", preprocessing=PREPROCESSING)


def test_a_model_of_one_layer_and_too_few_points_are_refused() -> None:
    single = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 4))
    with pytest.raises(SettingsError, match="single cannot be cut"):
        cut(single, name="single", preprocessing=PREPROCESSING)
    with pytest.raises(SettingsError, match="points is 1: give at least 2"):
        network(points=1)

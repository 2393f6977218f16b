"""With Uniform, the loader is the plain loop: the same weights, bit for bit."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.select import SelectiveLoader, Uniform
from tests.select.toys import all_equal

BATCH_SIZE = 8


def images(size: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    return TensorDataset(
        torch.randn(size, 1, 6, 6, generator=generator), torch.randint(0, 3, (size,), generator=generator)
    )


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, 3)
    )


def weights_after_training(*, selective: bool, own_generator: bool, drop_last: bool, size: int = 43) -> list[Tensor]:
    torch.manual_seed(0)
    model = conv_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    shuffling = torch.Generator().manual_seed(5) if own_generator else None
    loader = DataLoader(images(size), BATCH_SIZE, shuffle=True, drop_last=drop_last, generator=shuffling)
    batches: Iterable[Any] = SelectiveLoader(loader, model, Uniform(), BATCH_SIZE) if selective else loader
    for _ in range(3):
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return list(model.state_dict().values())


@pytest.mark.parametrize("own_generator", [False, True], ids=["global generator", "its own generator"])
@pytest.mark.parametrize("drop_last", [False, True])
def test_uniform_trains_the_same_weights_as_the_plain_loop(own_generator: bool, drop_last: bool) -> None:
    plain = weights_after_training(selective=False, own_generator=own_generator, drop_last=drop_last)
    ours = weights_after_training(selective=True, own_generator=own_generator, drop_last=drop_last)
    assert all_equal(ours, plain)


def test_the_weights_are_sensitive_to_the_order_that_is_compared() -> None:
    one = weights_after_training(selective=False, own_generator=False, drop_last=False)
    other = weights_after_training(selective=False, own_generator=True, drop_last=False)
    assert not all_equal(one, other)

"""The studies for a GPU run anywhere as a try; the recipe's parts do what its description says."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu_airbench, gpu_networks
from benchmarks.airbench import (
    BIAS_RATE,
    DECAY,
    RATE,
    Learner,
    Lookahead,
    Views,
    logits_of_views,
    network,
    rate_factor,
    smoothed_loss,
    train_bias,
    whiten,
    whitening_filters,
)
from benchmarks.gpu_loop import Place, waits_counted
from benchmarks.on_gpu import Budget, OutOfTimeError, main, pieces, plots

STUDIES = ("overhead", "networks", "airbench")
SIDE = 16


def pictures(number: int, side: int = SIDE) -> Tensor:
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(0))


# ---- all of it, as a try


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    out = tmp_path_factory.mktemp("on-gpu")
    main(["--quick", "--seeds", "1", "--out", str(out)])
    return {study: json.loads((out / f"on-gpu-{study}.json").read_text()) for study in STUDIES}


def test_a_try_fills_every_record(records: dict[str, dict[str, Any]]) -> None:
    arms = len(gpu_networks.ARMS)
    sizes = [len(records[study]["rows"]) for study in STUDIES]
    assert sizes == [2, 2 * arms, len(gpu_airbench.ARMS)]
    assert all(record["complete"] and record["setting"]["quick"] for record in records.values())


def test_nothing_is_compiled_once_everything_is_warm(records: dict[str, dict[str, Any]]) -> None:
    rows = [row for study in ("networks", "airbench") for row in records[study]["rows"]]
    assert [row["recompilations"] for row in rows] == [0] * len(rows)
    assert any(row["compile_seconds"] > 0 for row in records["airbench"]["rows"])


def test_each_arm_takes_its_scores_where_it_says(records: dict[str, dict[str, Any]]) -> None:
    rows = {row["cell"]["arm"]: row for row in records["airbench"]["rows"]}
    candidates = rows["proxy"]["candidates"]
    assert rows["plain"]["backwards"] == rows["plain"]["candidates"] == candidates
    assert rows["proxy"]["forwards"] == candidates
    assert rows["proxy"]["backwards"] == candidates / 2
    batches = rows["proxy"]["steps"]
    assert rows["proxy"]["proxy_backwards"] == 16 * math.ceil(batches / 4)
    assert rows["training pass"]["forwards"] == 0
    assert rows["training pass"]["modes"] == {"training": candidates}
    reuse = {row["cell"]["arm"]: row for row in records["networks"]["rows"]}["reuse 3"]
    assert reuse["forwards"] == reuse["candidates"] * 2 / 5  # in the first and the fifth of five epochs


def test_the_overhead_keeps_few_of_what_the_network_is_sure_of(records: dict[str, dict[str, Any]]) -> None:
    assert all(0 < row["share"] < 0.3 for row in records["overhead"]["rows"])


def test_the_pages_get_their_pieces(records: dict[str, dict[str, Any]]) -> None:
    assert list(pieces(records["overhead"])) == ["table", "findings", "conditions"]
    assert list(pieces(records["networks"])) == ["resnet18", "mobilenetv2", "findings", "conditions"]
    recipe = pieces(records["airbench"])
    assert "| 27.3 s | 96.00% |" in recipe["table"]
    assert "Only a try" in recipe["conditions"]
    assert list(plots(records["networks"])) == ["resnet18", "mobilenetv2"]


def test_what_is_there_is_not_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["overhead", "--quick", "--seeds", "1", "--out", str(tmp_path)])
    before = (tmp_path / "on-gpu-overhead.json").read_bytes()
    capsys.readouterr()
    main(["overhead", "--quick", "--seeds", "1", "--out", str(tmp_path)])
    assert (tmp_path / "on-gpu-overhead.json").read_bytes() == before
    assert "2 of them there already" in capsys.readouterr().out


def test_without_a_gpu_only_a_try_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path)])
    assert "--quick" in capsys.readouterr().err


def test_where_nothing_can_be_waited_for_no_wait_is_counted() -> None:
    with waits_counted(Place(torch.device("cpu"), quick=True, data=None)) as waited:  # pyright: ignore
        pass
    assert waited() is None


# ---- the time there is


def test_nothing_is_begun_that_cannot_end_in_time() -> None:
    budget = Budget(minutes=1, unknown=10)
    budget.note("networks", {"arm": "plain", "seed": 0}, 50)
    budget.note("networks", {"arm": "governed", "seed": 0}, 60)
    row = budget.guarded("networks", lambda cell: {"error": 0.1})
    assert row({"arm": "plain", "seed": 1})["error"] == 0.1  # 55 of 60 s
    with pytest.raises(OutOfTimeError, match="governed"):
        row({"arm": "governed", "seed": 1})  # 66
    with pytest.raises(OutOfTimeError, match="reuse"):
        row({"arm": "reuse", "seed": 0})  # not known: as the longest
    assert budget.expected("airbench", {"arm": "plain"}) == pytest.approx(11)


# ---- the recipe


def test_the_widths_and_epochs_are_those_of_the_published_work() -> None:
    """4.9 PFLOPs plainly and 3.1 with the proxy, as the recipe's public table has them."""

    def forward_flops(net: nn.Module) -> float:
        with FlopCounterMode(display=False) as counted:
            net(torch.empty(1, 3, 32, 32, device="meta"))
        return counted.get_total_flops()

    sizes = gpu_airbench.FULL
    with torch.device("meta"):
        big, small = network(sizes.widths, 3), network(sizes.proxy, 2)
    candidates = 50_000 // sizes.batch * sizes.batch
    step = 3 * forward_flops(big)
    proxy = forward_flops(small) * (1 + 3 / 8)  # all are scored, and of a quarter of the batches half is learned from
    assert step * candidates * sizes.plain / 1e15 == pytest.approx(4.9, abs=0.1)
    assert (step / 2 + proxy) * candidates * sizes.selective / 1e15 == pytest.approx(3.1, abs=0.1)


def test_the_first_layer_makes_patches_white() -> None:
    images = pictures(64)
    images[:, 1] = images[:, 0] + 0.3 * images[:, 1]  # colours that go together
    net = network((8, 8, 8), 3)
    whiten(net, images)
    out = net[0](images)[:, :12].permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(out @ out.T / out.shape[1], torch.eye(12), atol=0.02, rtol=0)
    filters = whitening_filters(images)
    assert torch.equal(filters[12:], -filters[:12])


def test_convolutions_begin_as_the_identity() -> None:
    torch.manual_seed(0)
    block = network((24, 32, 32), 3)[2]
    x = pictures(8).repeat(1, 8, 1, 1)
    torch.testing.assert_close(block.convolutions[0](x), x)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_block_is_what_is_described(depth: int) -> None:
    torch.manual_seed(0)
    block = network((6, 8, 8), depth)[2].eval()
    x = torch.randn(2, 24, 8, 8)
    convolutions, norms = block.convolutions, block.norms
    first = F.gelu(norms[0](F.max_pool2d(convolutions[0](x), 2)))
    out = F.gelu(norms[1](convolutions[1](first)))
    if depth == 3:
        out = F.gelu(norms[2](convolutions[2](out)) + first)
    torch.testing.assert_close(block(x), out)
    assert all(not norm.weight.requires_grad and norm.bias.requires_grad for norm in norms)


def test_the_rate_rises_for_a_tenth_and_falls_to_zero() -> None:
    assert [rate_factor(at) for at in (0, 0.05, 0.1, 0.55, 1)] == pytest.approx([0.2, 0.6, 1, 0.5, 0])


def test_biases_learn_faster_and_decay_alike() -> None:
    net = network((8, 8, 8), 3)
    learner = Learner(net, net)
    biases, others = learner._optimizer.param_groups
    assert biases["lr"] == pytest.approx(64 * others["lr"])
    assert biases["lr"] * biases["weight_decay"] == pytest.approx(others["lr"] * others["weight_decay"])
    assert (biases["lr"], others["lr"]) == (BIAS_RATE, RATE)
    nesterov = 1 + 1 / 0.15
    assert pytest.approx(9 / 1024 / nesterov) == RATE
    assert pytest.approx(0.012 / nesterov) == DECAY
    assert len(biases["params"]) == 9
    assert len(others["params"]) == 9 + 1 + 1  # convolutions, the bias of the first layer, the last layer


def test_a_step_moves_what_learns() -> None:
    torch.manual_seed(0)
    net = network((8, 8, 8), 3)
    learner = Learner(net, net)
    train_bias(net, on=False)
    before = {name: value.clone() for name, value in net.named_parameters()}
    images, labels = pictures(32, 32), torch.arange(32) % 10
    first = smoothed_loss(net(images), labels).sum()
    for _ in range(10):
        learner.learn(images, labels, 0.1)
    still = {name for name, value in net.named_parameters() if torch.equal(value, before[name])}
    assert still == {"0.weight", "0.bias", *(name for name in before if "norms" in name and name.endswith("weight"))}
    assert smoothed_loss(net(images), labels).sum() < 0.9 * first


def test_the_network_is_pulled_to_its_slow_copy() -> None:
    net = nn.Linear(1, 1, bias=False)
    ahead = Lookahead(net)
    slow, fast = float(net.weight.detach()), float(net.weight.detach())
    for step in range(1, 12):
        fast += 1.0
        with torch.no_grad():
            net.weight += 1.0
        ahead.step(step / 11)
        if step % 5 == 0:
            decay = 0.95**5 * (step / 11) ** 3
            slow = fast = decay * slow + (1 - decay) * fast
        assert float(net.weight.detach()) == pytest.approx(fast)
    ahead.finish()
    assert float(net.weight.detach()) == pytest.approx(slow)


def test_images_are_mirrored_in_turns() -> None:
    images, labels = pictures(100), torch.arange(100)
    views = Views(images, labels, 32, 0, shift=0, covered=0)
    epochs = []
    for _ in range(3):
        seen = {}
        for index, (batch, given) in views.indexed():
            assert torch.equal(index, given)
            seen |= dict(zip(index.tolist(), batch, strict=True))
        assert len(seen) == 96
        epochs.append(seen)
    straight = sum(torch.equal(image, images[at]) for at, image in epochs[0].items())
    assert 30 < straight < 66
    for at in set(epochs[0]) & set(epochs[1]) & set(epochs[2]):
        assert torch.equal(epochs[0][at], images[at]) or torch.equal(epochs[0][at], images[at].flip(2))
        assert torch.equal(epochs[1][at], epochs[0][at].flip(2))
        assert torch.equal(epochs[2][at], epochs[0][at])
    assert list(epochs[0]) != list(epochs[2])


def test_images_are_shifted_and_a_square_is_covered() -> None:
    images = pictures(6, 8) + 10  # no pixel is 0
    views = Views(images, torch.arange(6), 6, 3, shift=2, covered=3)
    ((index, (batch, _)),) = views.indexed()
    padded = F.pad(images, [2] * 4, "reflect")
    found = set()
    for at, view in zip(index.tolist(), batch, strict=True):
        hole = view[0] == 0
        assert hole.sum() == 9
        rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
        assert len(rows) == len(columns) == 3
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            for whole in (padded[at], padded[at].flip(2))
            if torch.equal(whole[:, top : top + 8, left : left + 8][:, ~hole], view[:, ~hole])
        ]
        assert len(places) == 1
        found.add((*places[0], int(rows[0]), int(columns[0])))
    assert len(found) > 3  # each has its own


def test_six_views_are_weighted_as_described() -> None:
    weights = torch.randn(3 * 8 * 8, 5, generator=torch.Generator().manual_seed(1))

    def model(images: Tensor) -> Tensor:
        return images.flatten(1) @ weights

    images = pictures(2, 8)
    padded = F.pad(images, [1] * 4, "reflect")
    wanted = torch.zeros(2, 5)
    for share, top in ((0.5, 1), (0.25, 0), (0.25, 2)):
        part = padded[:, :, top : top + 8, top : top + 8]
        wanted += share * (model(part) + model(part.flip(3))) / 2
    torch.testing.assert_close(logits_of_views(model, images), wanted)  # pyright: ignore

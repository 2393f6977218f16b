"""Holdout losses: computed with a model, written and read."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from rheostat.errors import DataError, ScoreError
from rheostat.select.policies import holdout_losses, read_holdout, write_holdout
from tests.select.toys import READS_LOGITS, examples, global_randomness_untouched

LOSSES = torch.tensor([0.5, math.nan, 2.25, 1 / 3])


def by_hand(data: TensorDataset) -> list[float]:
    return [F.cross_entropy(logits[None], label[None]).item() for logits, label in data]


def test_losses_are_by_index_whatever_the_order() -> None:
    data = examples(23)
    shuffled = DataLoader(data, 5, shuffle=True, generator=torch.Generator().manual_seed(1))
    losses = holdout_losses(READS_LOGITS, shuffled)
    assert losses.dtype == torch.float32
    assert losses.tolist() == pytest.approx(by_hand(data), abs=1e-6)


def test_an_example_that_the_loader_leaves_out_has_no_loss() -> None:
    losses = holdout_losses(READS_LOGITS, DataLoader(examples(9), 2, sampler=[0, 4, 2]))
    assert losses.isnan().tolist() == [False, True, False, True, False]


def test_the_model_is_left_as_it_was_and_scores_in_eval_mode_without_gradient() -> None:
    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)
            self.modes: list[tuple[bool, bool]] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.modes.append((self.training, torch.is_grad_enabled()))
            return self.drop(self.norm(x))

    model = Seen()
    model.norm.eval()  # a frozen part stays frozen
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loader = DataLoader(examples(12), 4, shuffle=False)
    first = holdout_losses(model, loader)
    with global_randomness_untouched():
        assert torch.equal(holdout_losses(model, loader), first)
    assert set(model.modes) == {(False, False)}
    assert (model.training, model.norm.training, model.drop.training) == (True, False, True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_batches_of_another_form_go_through_forward() -> None:
    data = examples(6)
    loader = [{"pixels": data.tensors[0], "digit": data.tensors[1]}]
    losses = holdout_losses(READS_LOGITS, loader, forward=lambda model, batch: (model(batch["pixels"]), batch["digit"]))
    assert losses.tolist() == pytest.approx(by_hand(data), abs=1e-6)
    with pytest.raises(DataError, match="cannot tell inputs from targets"):
        holdout_losses(READS_LOGITS, loader)


def test_batches_come_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = examples(6).tensors
    model, elsewhere, came = nn.Linear(4, 4, device="meta"), torch.device("meta"), []

    def forward(model: nn.Module, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        came.extend(part.device for part in (batch["pixels"], *batch["more"][:1]))
        assert (type(batch["more"]), batch["more"][1]) == (list, ("a", "b", "c", "d", "e", "f"))
        return logits, labels

    holdout_losses(model, [{"pixels": logits, "more": [labels, ("a", "b", "c", "d", "e", "f")]}], forward=forward)
    assert came == [elsewhere, elsewhere]


def test_what_cannot_be_a_loss_is_told_with_its_index() -> None:
    logits, labels = examples(6).tensors
    broken = logits.clone()
    broken[4, 0] = math.nan
    with pytest.raises(ScoreError, match="the holdout loss of example 4 is not a finite number"):
        holdout_losses(READS_LOGITS, DataLoader(TensorDataset(broken, labels), 6))
    foreign = labels.clone()
    foreign[3] = 9
    with pytest.raises(DataError, match="example 3 has a target that is none of the model's 4 classes"):
        holdout_losses(READS_LOGITS, DataLoader(TensorDataset(logits, foreign), 6))
    with pytest.raises(DataError, match="the loader gives no example"):
        holdout_losses(READS_LOGITS, DataLoader(Subset(examples(6), []), 6))


@pytest.mark.parametrize("name", ["losses.npy", "losses.pt", "losses.csv"])
def test_what_is_written_is_read_bit_for_bit(tmp_path: Path, name: str) -> None:
    write_holdout(tmp_path / name, LOSSES)
    assert torch.equal(read_holdout(tmp_path / name).nan_to_num(-1), LOSSES.nan_to_num(-1))
    assert torch.equal(read_holdout(str(tmp_path / name)).nan_to_num(-1), LOSSES.nan_to_num(-1))


@pytest.mark.parametrize(
    "text",
    [
        "index,loss\n3,0.25\n0,1.5\n",
        "loss,name,index\n0.25,b,3\n1.5,a,0\n",
        "\ufeffIndex, Loss\n0,1.5\n3,0.25\n\n",
        "1.5\nnan\nnan\n0.25\n",
        "loss\n1.5\nnan\nnan\n0.25\n",
    ],
    ids=["by index", "further columns", "as a spreadsheet saves it", "one column", "one column with a heading"],
)
def test_a_table_is_read_by_index_or_in_order(tmp_path: Path, text: str) -> None:
    (tmp_path / "losses.csv").write_text(text, encoding="utf-8")
    assert read_holdout(tmp_path / "losses.csv").nan_to_num(-1).tolist() == [1.5, -1, -1, 0.25]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("losses.csv", b"index,score\n0,1\n", "has no column loss"),
        ("losses.csv", b"index,loss\n0,1\n0,2\n", "line 3 has index 0: it must have each once, from 0"),
        ("losses.csv", b"index,loss\n-1,1\n", "line 2 has index -1: it must have each once, from 0"),
        ("losses.csv", b"index,loss\n0,high\n", r"losses.csv, line 2 is '0,high': it must have index and loss"),
        ("losses.csv", b"loss,index\n1\n", "losses.csv, line 2 is '1': it must have loss and index"),
        ("losses.csv", b"1.5\nhigh\n", "losses.csv, line 2 is 'high': it must have loss"),
        ("losses.csv", b"index,loss\n", "none of 0 is a number"),
        ("losses.csv", b"", "has no column loss"),
        ("losses.csv", b"\xff\xfe\x00", "losses.csv cannot be read"),
        ("losses.npy", b"no array", "losses.npy cannot be read"),
        ("losses.npy", b"", "losses.npy cannot be read"),
        ("losses.pt", b"no tensor", "losses.pt cannot be read"),
        ("losses.txt", b"1.0", r"must end in .npy, .pt, .csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as told:
        read_holdout(tmp_path / name)
    assert "\n" not in str(told.value)
    assert name in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("losses.npy", np.zeros((2, 3))), ("losses.npy", np.array(["a"])), ("losses.pt", {"losses": torch.zeros(3)})],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    if name == "losses.npy":
        np.save(tmp_path / name, value)
    else:
        torch.save(value, tmp_path / name)
    with pytest.raises(DataError, match=name):
        read_holdout(tmp_path / name)


def test_a_missing_file_and_a_name_that_is_no_file_of_losses_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"losses.pt: there is no such file"):
        read_holdout(tmp_path / "losses.pt")
    with pytest.raises(DataError, match=r"must end in .npy, .pt, .csv"):
        write_holdout(tmp_path / "losses.json", LOSSES)
    with pytest.raises(DataError, match="none of 1 is a number"):
        write_holdout(tmp_path / "losses.npy", torch.tensor([math.nan]))
    assert not list(tmp_path.iterdir())

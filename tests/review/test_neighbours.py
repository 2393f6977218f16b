"""The nearest examples that the model agrees with, against a plain search."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rheostat.errors import StateError
from rheostat.records import read_json, write_json
from rheostat.review import SeenRun, find_neighbours, make_suspects, neighbours, open_run
from rheostat.review.neighbours import nearest, reserve_of
from rheostat.training import RunFolder, build_model


def penultimate(run: SeenRun, index: list[int]) -> torch.Tensor:
    """What the last layer of the run's LeNet is given, written out."""
    model = build_model("lenet", classes=len(run.data.classes), channels=run.data.channels, image_size=16).eval()
    model.load_state_dict(RunFolder(run.folder).weights())
    head = model.fc2
    assert isinstance(head, nn.Linear)
    model.fc2 = nn.Identity()
    rows = []
    for at in index:
        _, pixels = next(run.data.train.batches(torch.tensor([at]), 1))
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (run.mean, run.std))
        with torch.no_grad():
            rows.append(model((pixels / 255 - mean) / std)[0])
    return torch.stack(rows)


def test_they_are_those_of_a_plain_search(digits: SeenRun):
    listed = make_suspects(digits, 0.03)
    found = find_neighbours(digits, listed)

    reserve = reserve_of(digits, {suspect.index for suspect in listed.suspects}).tolist()
    labels = digits.data.train.labels.tolist()
    beside = penultimate(digits, reserve).double().numpy()
    own = penultimate(digits, [suspect.index for suspect in listed.suspects]).double().numpy()
    for position, suspect in enumerate(listed.suspects):
        for label, told in ((suspect.given, found.given_like), (suspect.predicted, found.predicted_like)):
            if told is found.predicted_like and label in (None, suspect.given):
                assert told[position].tolist() == [-1] * 4
                continue
            candidates = []
            for vector, index in zip(beside, reserve, strict=True):
                if labels[index] == label:
                    cosine = vector @ own[position] / math.sqrt((vector @ vector) * (own[position] @ own[position]))
                    candidates.append((-cosine, index))
            assert told[position].tolist() == [index for _, index in sorted(candidates)[:4]]


def test_the_reserve_agrees_with_its_labels_best_and_holds_no_suspect(digits: SeenRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "_PER_CLASS", 5)
    without = {1, 2, 4, 8}
    reserve = reserve_of(digits, without)
    labels, margin = digits.data.train.labels.tolist(), digits.log.margin.tolist()

    by_hand = []
    for label in range(10):
        # every seventh was taken for something else, and example 3 never looked at
        own = [at for at in range(len(labels)) if labels[at] == label and at % 7 and at != 3 and at not in without]
        by_hand += sorted(own, key=lambda at: -margin[at])[:5]
    assert sorted(reserve.tolist()) == sorted(by_hand)


def test_a_class_with_too_few_gives_what_it_has():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    reserve = torch.tensor([[1.0, 0.1], [-1.0, 0.0], [0.0, 1.0]])

    found = nearest(features, torch.tensor([0, 2]), reserve, torch.tensor([0, 0, 1]), torch.tensor([10, 11, 12]))

    assert found.tolist() == [[10, 11, -1, -1], [-1, -1, -1, -1]]


def test_only_suspects_and_reserve_go_through_the_model_once(digits: SeenRun, monkeypatch: pytest.MonkeyPatch):
    listed = make_suspects(digits, 0.03)
    monkeypatch.setattr(neighbours, "_PER_CLASS", 5)
    asked: list[int] = []
    batches = type(digits.data.train).batches

    def noted(self: Any, order: torch.Tensor, size: int) -> Any:
        asked.extend(order.tolist())
        return batches(self, order, size)

    monkeypatch.setattr(type(digits.data.train), "batches", noted)
    shares: list[float] = []
    find_neighbours(digits, listed, lambda share, _: shares.append(share))

    reserve = reserve_of(digits, {suspect.index for suspect in listed.suspects}).tolist()
    assert sorted(asked) == sorted([*(suspect.index for suspect in listed.suspects), *reserve])
    assert shares[-1] == 1.0


def test_they_are_kept_until_the_list_or_the_run_changes(digits: SeenRun, monkeypatch: pytest.MonkeyPatch):
    listed = make_suspects(digits, 0.03)
    first = find_neighbours(digits, listed)
    calls: list[int] = []
    inner = neighbours._features
    monkeypatch.setattr(neighbours, "_features", lambda *given: calls.append(1) or inner(*given))

    again = find_neighbours(digits, listed)
    assert calls == []
    np.testing.assert_array_equal(again.given_like, first.given_like)
    np.testing.assert_array_equal(again.predicted_like, first.predicted_like)

    find_neighbours(digits, make_suspects(digits, 0.05))
    assert len(calls) == 1
    (digits.folder / "suspects" / "neighbours.npz").write_bytes(b"damaged")
    find_neighbours(digits, make_suspects(digits, 0.05))
    assert len(calls) == 2
    state = RunFolder(digits.folder).checkpoint(digits.settings)
    assert state is not None
    RunFolder(digits.folder).save(state)
    find_neighbours(digits, make_suspects(digits, 0.05))
    assert len(calls) == 3


def test_an_image_that_cannot_be_decoded_has_none(damaged: SeenRun):
    listed = make_suspects(damaged, 0.5, audits=0.5)
    found = find_neighbours(damaged, listed)

    shown = {int(index) for index in np.concatenate([found.given_like, found.predicted_like]).flat}
    assert 5 not in shown
    for position, suspect in enumerate(listed.suspects):
        assert (found.given_like[position] >= 0).any() == (suspect.index != 5)


def test_the_global_random_state_stays(digits: SeenRun):
    listed = make_suspects(digits, 0.03)
    before = torch.get_rng_state()
    find_neighbours(digits, listed)

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("model", ["resnet18", "my-own-model"])
def test_a_model_that_cannot_be_built_again_is_told(digits: SeenRun, model: str):
    listed = make_suspects(digits, 0.03)
    told = read_json(digits.folder / "settings.json")
    write_json(digits.folder / "settings.json", told | {"model": model})

    with pytest.raises(StateError, match="cannot be built for"):
        find_neighbours(open_run(digits.folder), listed)


def test_logits_serve_where_there_is_no_linear_layer(digits: SeenRun, monkeypatch: pytest.MonkeyPatch):
    class Shades(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, :10]

    listed = make_suspects(digits, 0.03)
    monkeypatch.setattr(RunFolder, "model", lambda _, **form: Shades())
    found, known = neighbours._features(digits, torch.tensor([5, 6]), lambda *_: None)

    _, pixels = next(digits.data.train.batches(torch.tensor([5, 6]), 2))
    normal = (pixels / 255 - digits.mean[0]) / digits.std[0]
    torch.testing.assert_close(found, normal.flatten(1)[:, :10])
    assert known.all()
    assert listed.suspects

"""The study of wrong labels: its measures against other people's, its runs, and the form of its record."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from reproductions.selective_augment import mislabels, runs
from reproductions.selective_augment.__main__ import main
from reproductions.selective_augment.data import blobs, symmetric
from reproductions.selective_augment.mislabels import FIGURE, LAST_LOOK, RECIPES
from reproductions.selective_augment.rankings import by_cleanlab, by_detectors, standing
from reproductions.selective_augment.runs import FOLDS, fit, logits_of, out_of_sample
from rheostat.augment.scores import SUSPECT_SCORES
from rheostat.signals import ExampleLog

RECIPE = RECIPES["blobs"]


@pytest.mark.parametrize("budget", [0.05, 0.1, 0.31, 1.0])
def test_standing_agrees_with_scikit_learn(budget: float):
    rng = np.random.default_rng(0)
    wrong = rng.random(500) < 0.1
    score = rng.standard_normal(500) + wrong
    looked = np.zeros(500, bool)
    looked[np.argsort(-score)[: round(budget * 500)]] = True

    found = standing(score, wrong, budget)

    assert found["precision"] == pytest.approx(precision_score(wrong, looked))
    assert found["recall"] == pytest.approx(recall_score(wrong, looked))
    assert found["auroc"] == pytest.approx(roc_auc_score(wrong, score))


def test_equal_scores_stand_in_random_order():
    rng = np.random.default_rng(1)
    wrong = rng.random(200) < 0.3
    score = rng.integers(4, size=200) + wrong
    looked = 61  # within the examples of one score
    precisions = []
    for _ in range(4000):
        order = np.lexsort((rng.random(200), -score))
        precisions.append(wrong[order[:looked]].mean())

    found = standing(score, wrong, looked / 200)

    assert found["precision"] == pytest.approx(np.mean(precisions), abs=4 * np.std(precisions) / 4000**0.5)
    assert found["recall"] == pytest.approx(found["precision"] * looked / wrong.sum())
    assert found["auroc"] == pytest.approx(roc_auc_score(wrong, score))


def test_a_model_learns_only_from_the_examples_it_is_given():
    inputs = blobs(400)
    half = torch.arange(200)
    spoilt = inputs.truth.copy()
    spoilt[200:] = 0

    models = [fit(inputs.with_labels(labels), RECIPE, seed=3, among=half)[0] for labels in (inputs.truth, spoilt)]
    whole = fit(inputs.with_labels(spoilt), RECIPE, seed=3)[0]

    same, again, other = (torch.cat([value.flatten() for value in m.state_dict().values()]) for m in (*models, whole))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_a_log_changes_no_weight_and_no_global_random_state():
    run = blobs(300).with_labels(blobs(300).truth)
    before = torch.get_rng_state()

    logged = fit(run, RECIPE, seed=0, log=ExampleLog(300))[0]

    assert torch.equal(torch.get_rng_state(), before)
    plain = fit(run, RECIPE, seed=0)[0]
    for mine, other in zip(logged.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_the_log_holds_the_logits_of_the_steps_themselves():
    inputs = blobs(300)
    log = ExampleLog(300)
    epochs: list[int] = []

    fit(inputs.with_labels(inputs.truth), RECIPE, seed=0, log=log, after_epoch=lambda: epochs.append(int(log.looks[0])))

    assert epochs == list(range(1, RECIPE.epochs + 1))
    assert (log.looks == RECIPE.epochs).all()


def test_no_model_has_seen_what_it_is_asked_about(monkeypatch: pytest.MonkeyPatch):
    inputs = blobs(300)
    run = inputs.with_labels(inputs.truth)
    taught: list[set[int]] = []
    asked: list[set[int]] = []

    def fitted(*args: Any, among: torch.Tensor, **kwargs: Any) -> Any:
        taught.append(set(among.tolist()))
        return fit(*args, among=among, **kwargs)

    def answered(model: Any, run: Any, rows: torch.Tensor) -> torch.Tensor:
        asked.append(set(rows.tolist()))
        return logits_of(model, run, rows)

    monkeypatch.setattr(runs, "fit", fitted)
    monkeypatch.setattr(runs, "logits_of", answered)
    probabilities = out_of_sample(run, RECIPE, seed=0)

    assert len(taught) == len(asked) == FOLDS
    for learnt, held_out in zip(taught, asked, strict=True):
        assert not learnt & held_out
        assert len(learnt) + len(held_out) == 300
    assert set.union(*asked) == set(range(300))
    assert probabilities.sum(1) == pytest.approx(np.ones(300))
    assert (probabilities.argmax(1) == inputs.truth).mean() > 0.8  # each row is where its example is


def test_all_rankings_of_others_put_the_suspect_first():
    given = np.array([0] * 10 + [1] * 10 + [0])
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.1, 0.9]] * 10 + [[0.05, 0.95]])

    rankings = by_cleanlab(given, probabilities)

    assert len(rankings) == 6
    assert {name: int(score.argmax()) for name, score in rankings.items()} == dict.fromkeys(rankings, 20)
    assert rankings["confident learning"][20] > 1  # found, and not only ranked


def test_detectors_score_what_lies_further_out_higher():
    for name, score in by_detectors(torch.tensor([[9.0, 0.0, 0.0], [1.0, 0.9, 0.8]])).items():
        assert score[1] > score[0], name


def test_the_cells_of_the_study():
    cells = FIGURE.cells(3)

    assert len(cells) == 3 * (3 + 6 + 6)
    assert {cell["seed"] for cell in cells} == {0, 1, 2}
    assert {(cell["data"], cell["noise"]) for cell in cells if cell["rate"] is None} == {
        ("cifar10", "aggregate"),
        ("cifar10", "random1"),
        ("cifar10", "worst"),
    }


def test_a_quick_run_writes_a_record_of_the_same_form(tmp_path: Path):
    assert main(["mislabels", "--quick", "--seeds", "2", "--out", str(tmp_path)]) == 0

    record = json.loads((tmp_path / "mislabels-quick.json").read_text())
    assert record["complete"]
    assert [row["cell"]["seed"] for row in record["rows"]] == [0, 1]
    for row in record["rows"]:
        assert row["wrong"] == 0.1
        assert set(row["ours"]) == set(row["online"]) == {*SUSPECT_SCORES, LAST_LOOK} - {"aum"}
        for found in (*row["ours"].values(), *row["cleanlab"].values(), *row["detectors"].values()):
            assert set(found) == {"precision", "recall", "auroc"}
            assert all(0 <= value <= 1 for value in found.values())
        for name, course in row["online"].items():
            assert len(course["precision"]) == RECIPE.epochs
            assert course["precision"][-1] == row["ours"][name]["precision"]
        assert set(row["cpu_seconds"]) == {"training", "log", "cross_validation", "cleanlab", "pass"}
        assert row["ours"]["disagreement"]["precision"] > 0.9  # ten clouds that hardly touch
        assert row["ours"]["disagreement"]["auroc"] > 0.9 > row["detectors"]["Entropy"]["auroc"]


def test_the_wrong_labels_of_a_cell_depend_on_its_seed_alone():
    inputs = blobs(300)
    first, again, other = (mislabels.given_labels(inputs, "symmetric", 0.2, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
    assert (first != inputs.truth).sum() == 60
    assert (symmetric(inputs.truth, 0.2, classes=10, rng=np.random.default_rng([0, 200])) == first).all()


def test_a_study_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["mislables"])
    assert "there is no study 'mislables': take one of mislabels" in capsys.readouterr().err

"""Holdout losses by the model of a run on other data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from rheostat.errors import SettingsError, StateError
from rheostat.training import ImageData, RunFolder, prepare
from rheostat.training.data import ResidentImages
from rheostat.training.holdout import losses_of_run
from tests.training.toys import bars, run, settings


def halves(data: ImageData) -> tuple[ImageData, ImageData]:
    """The same data with either half of the training examples."""
    assert isinstance(data.train, ResidentImages)
    images, labels, half = data.train.images, data.train.labels, len(data.train.labels) // 2
    first = ResidentImages(images[:half], labels[:half])
    return replace(data, train=first), replace(data, train=ResidentImages(images[half:], labels[half:]))


def test_losses_are_those_of_the_run_in_its_own_normalisation(tmp_path: Path) -> None:
    one, other = halves(bars())
    run(tmp_path, data=one, epochs=2)
    other = replace(other, mean=(0.9,), std=(3.0,), removed=torch.arange(len(other.train.labels)) == 5)
    losses = losses_of_run(tmp_path, other)

    model = prepare(settings(), data=one).build()
    model.load_state_dict(RunFolder(tmp_path).weights())
    assert isinstance(other.train, ResidentImages)
    images = (other.train.images.float() / 255 - one.mean[0]) / one.std[0]
    with torch.no_grad():
        expected = F.cross_entropy(model.eval()(images), other.train.labels, reduction="none")
    assert losses[5].isnan()
    known = torch.arange(len(losses)) != 5
    torch.testing.assert_close(losses[known], expected[known])


def test_a_run_gives_the_policy_its_losses(tmp_path: Path) -> None:
    one, other = halves(bars())
    run(tmp_path / "holdout", data=one, epochs=2)
    asked = {"policy": "reducible-loss", "holdout": str(tmp_path / "holdout"), "keep": 0.5}
    summary = run(tmp_path / "run", data=other, epochs=2, **asked)
    assert 0 < summary["final"]["backwards"] < summary["final"]["candidates"]


def test_a_run_on_these_very_examples_is_no_holdout(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    with pytest.raises(StateError, match=r"trained on these very examples.*train it on other data"):
        prepare(settings(policy="reducible-loss", holdout=str(tmp_path)), data=bars())


def test_a_run_on_other_classes_is_no_holdout(tmp_path: Path) -> None:
    one, other = halves(bars())
    run(tmp_path, data=one, epochs=1)
    swapped = replace(other, classes=("0", "2", "1"))
    with pytest.raises(StateError, match=r"trained on the class '1' where these data have '2': .*in the same order"):
        losses_of_run(tmp_path, swapped)
    more = replace(other, classes=("0", "1", "2", "3"))
    with pytest.raises(StateError, match="cannot be built for 4 classes"):
        losses_of_run(tmp_path, more)


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path) -> None:
    one, other = halves(bars())
    run(tmp_path, data=one, epochs=1)
    (tmp_path / "summary.json").unlink()
    with pytest.raises(StateError, match="is not over"):
        losses_of_run(tmp_path, other)


def test_what_cannot_be_scored_is_said_before_anything_runs() -> None:
    with pytest.raises(SettingsError, match="source is 'training' and scale is given"):
        prepare(settings(source="training", scoring_scale=0.5), data=bars())

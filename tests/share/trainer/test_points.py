"""Branch points, and how long heads are trained."""

import pytest

from rheostat.errors import SettingsError
from rheostat.share.trainer import layer_work, usual_points
from rheostat.share.trainer.heads import epochs_of
from rheostat.share.trainer.points import checked_points
from tests.share.trainer.toys import network


def test_work_is_that_of_the_convolutions_and_the_classifier_by_hand() -> None:
    products = (3 * 4 * 9 * 144, 4 * 6 * 9 * 36, 6 * 8 * 9 * 36, 0, 8 * 5)
    assert layer_work(network()) == tuple(2 * count for count in products)


def test_usual_points_are_spread_over_the_work_with_both_ends() -> None:
    assert usual_points([1] * 13, 12) == (0, 2, 4, 6, 8, 10, 12)
    assert usual_points([6, 1, 1, 1, 1, 1, 1, 1], 7, points=3) == (0, 1, 7)
    assert usual_points([5, 1], 1) == (0, 1)


def test_points_that_are_given_are_put_in_order_and_checked() -> None:
    assert checked_points([5, 0, 3], 6) == (0, 3, 5)
    for points in ([], [6], [-1], [1, 1]):
        with pytest.raises(SettingsError, match="give each once, in"):
            checked_points(points, 6)


def test_every_head_costs_about_the_same_between_one_epoch_and_the_most() -> None:
    work = [50, 25, 15, 8, 1, 1]
    assert [epochs_of(work, at, passes=1.0, epochs=30) for at in range(6)] == [1, 2, 4, 10, 30, 30]
    assert [epochs_of(work, at, passes=3.0, epochs=30) for at in range(6)] == [3, 6, 12, 30, 30, 30]
    assert epochs_of(work, 0, passes=0.1, epochs=30) == 1

"""Settings of a package."""

from typing import Any

import pytest

from rheostat.errors import SettingsError
from rheostat.share.clips import Shares
from rheostat.share.trainer import PackageSettings, head_training


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"shares": Shares(0.6, 0.0, 0.4)}, "must leave something for validation"),
        ({"shares": Shares(0.6, 0.6, 0.4)}, "must be three that sum to 1"),
        ({"train_fps": 0.0}, "train_fps is 0.0: must be above 0"),
        ({"per_class": 1}, "per_class is 1: must be at least 2"),
        ({"balance": 0.5}, "balance is 0.5: must be at least 1"),
        ({"passes": 0.0}, "passes is 0.0: must be above 0"),
        ({"cache_gb": -1.0}, "cache_gb is -1.0: must be at least 0"),
        ({"event_seconds": 0.0}, "event_seconds is 0.0: must be above 0"),
        ({"event_frequency": 1.5}, "event_frequency is 1.5: must lie in (0, 1]"),
        ({"correlation": 1.5}, "correlation is 1.5: must lie in [0, 1]"),
        ({"threshold": 0.0}, "threshold is 0.0: must lie in (0, 1]"),
        ({"votes": ()}, "votes is (): must be different counts from 1 to 1000"),
        ({"votes": (0, 2)}, "votes is (0, 2): must be different counts from 1 to 1000"),
        ({"votes": (2, 2)}, "votes is (2, 2): must be different counts from 1 to 1000"),
        ({"votes": (1, 1001)}, "votes is (1, 1001): must be different counts from 1 to 1000"),
        ({"min_gap_seconds": -1.0}, "min_gap_seconds is -1.0: must be at least 0"),
        ({"training": head_training({"epochs": None, "max_backwards": 5, "schedule": "constant"})}, "give epochs"),
    ],
)
def test_a_value_outside_its_range_is_told(values: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PackageSettings(**values)
    assert told in str(caught.value)


def test_of_several_wrong_values_each_is_told() -> None:
    with pytest.raises(SettingsError, match=r"per_class is 0.*balance is 0"):
        PackageSettings(per_class=0, balance=0.0)


def test_heads_are_trained_with_values_of_their_own_unless_others_are_given() -> None:
    usual, other = head_training(), head_training({"lr": 0.5, "policy": "top-k", "keep": 0.3})
    assert (usual.optimizer, usual.policy, usual.track) == ("adamw", "uniform", "none")
    assert usual.patience is not None
    assert (other.lr, other.policy, other.keep) == (0.5, "top-k", 0.3)
    with pytest.raises(SettingsError, match="lr is -1"):
        head_training({"lr": -1})

"""The family of errors: caught as one, and as the builtin that each is."""

import pytest

from rheostat import errors
from rheostat.errors import (
    DataError,
    DivergedError,
    InfeasibleError,
    MissingExtraError,
    RheostatError,
    ScoreError,
    SettingsError,
    StateError,
    unknown_name,
)

BUILTIN = {
    SettingsError: ValueError,
    DataError: ValueError,
    ScoreError: ValueError,
    StateError: RuntimeError,
    DivergedError: ArithmeticError,
    InfeasibleError: ValueError,
    MissingExtraError: ImportError,
}


def test_the_family_is_complete() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {c for c in classes if issubclass(c, RheostatError)} == {RheostatError, *BUILTIN}


@pytest.mark.parametrize(("error", "builtin"), BUILTIN.items(), ids=lambda c: c.__name__)
def test_an_error_is_caught_as_ours_and_as_its_builtin(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, RheostatError)
    assert issubclass(error, builtin)
    assert f"{error.__name__} ({builtin.__name__})" in (errors.__doc__ or ""), "the hierarchy is drawn in the docstring"


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_in_order() -> None:
    error = unknown_name("policy", "top_k", ["uniform", "top-k", "random"])
    assert isinstance(error, SettingsError)
    assert str(error) == "unknown policy 'top_k': did you mean top-k? known are random, top-k, uniform"


def test_a_name_that_is_near_to_none_is_answered_without_a_guess() -> None:
    assert str(unknown_name("score", "qqq", ["entropy"])) == "unknown score 'qqq': known are entropy"


def test_names_too_many_to_list_are_offered_only_where_they_are_near() -> None:
    error = unknown_name("model", "resnet81", ["lenet"], also=["resnet18", "vit"], note="any name of timm")
    assert "did you mean resnet18" in str(error)
    assert str(error).endswith("known are lenet, any name of timm")

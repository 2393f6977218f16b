"""What a package lists as public is there, in order, and says what it is."""

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

import rheostat
from rheostat import signals

PACKAGES = ["rheostat", *(m.name for m in pkgutil.walk_packages(rheostat.__path__, "rheostat.") if m.ispkg)]
every_package = pytest.mark.parametrize("package", PACKAGES)


def public_names(package: str) -> dict[str, Any]:
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


def written_docstring(thing: Any) -> str:
    """The docstring that somebody wrote: not the signature that a dataclass or a named tuple gets by itself."""
    docstring = inspect.cleandoc(thing.__doc__ or "")
    return "" if docstring.startswith(f"{thing.__name__}(") else docstring


@every_package
def test_the_public_names_of_a_package_are_listed_once_and_in_order(package: str) -> None:
    listed = importlib.import_module(package).__all__
    assert list(listed) == sorted(set(listed))


@every_package
def test_every_public_class_and_function_is_documented(package: str) -> None:
    things = {
        name: thing
        for name, thing in public_names(package).items()
        if inspect.isroutine(thing) or isinstance(thing, type)
    }
    assert [name for name, thing in things.items() if not written_docstring(thing)] == []


def test_the_packages_are_found() -> None:
    assert {"rheostat.signals", "rheostat.select", "rheostat.select.policies"} <= set(PACKAGES)
    assert "SelectiveLoader" in public_names("rheostat.select")


def test_a_package_that_loads_its_names_late_has_no_others() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = signals.nonsense  # type: ignore[attr-defined]

"""A package that is not installed: one line that says which extra brings it."""

import sys

import pytest

from tests.cli.shown import Call


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["demo"], "PIL", "train"),
        (["train", "--data", "sklearn-digits"], "torch", "train"),
        (["run", "plan.json", "--source", "0"], "av", "edge"),
        (["run", "plan.json", "--source", "0"], "httpx", "edge"),
    ],
)
def test_a_missing_package_names_the_extra_of_what_was_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str], package: str, extra: str
):
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=f"{package}.part")

    monkeypatch.setattr("rheostat.cli.app", missing)

    shown = call(*arguments)

    assert (shown.code, shown.err) == (2, f"rheostat: this needs {package}: pip install 'rheostat[{extra}]'\n")


def test_a_module_of_nobody_is_a_defect_and_no_mistake_of_the_user(monkeypatch: pytest.MonkeyPatch):
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'rheostat.gone'", name="rheostat.gone")

    monkeypatch.setattr("rheostat.cli.app", missing)
    monkeypatch.setattr(sys, "argv", ["rheostat", "plan"])

    from rheostat import cli

    with pytest.raises(ModuleNotFoundError):
        cli.main()

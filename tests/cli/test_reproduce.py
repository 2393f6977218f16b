"""`rheostat reproduce`: what is published, made again from a checkout."""

import json
import sys
from pathlib import Path

import pytest

import rheostat
from tests.cli.shown import Call


def test_without_a_name_it_lists_what_there_is(call: Call):
    shown = call("reproduce")

    assert shown.code == 0
    names = [line.partition(":")[0] for line in shown.out.splitlines() if ": " in line]
    assert names == ["mainstream", "selective-augment", "selective-backprop"]


def test_a_name_hands_over_all_that_follows(call: Call, tmp_path: Path):
    shown = call("reproduce", "mainstream", "table1", "--workloads", "1", "--workers", "1", "--out", tmp_path)

    assert shown.code == 0, shown.err
    assert json.loads((tmp_path / "table1.json").read_text())["figure"] == "table1"


def test_help_after_the_name_is_the_reproductions_own(call: Call):
    shown = call("reproduce", "selective_backprop", "--help")

    assert shown.code == 0
    assert shown.out.startswith("usage: rheostat reproduce selective-backprop")


def test_its_exit_code_is_passed_on(call: Call):
    shown = call("reproduce", "mainstream", "fig99")

    assert shown.code == 2
    assert "there is no figure 'fig99'" in shown.err


def test_an_unknown_name_lists_the_known(call: Call):
    shown = call("reproduce", "imagenet")

    assert shown.code == 2
    assert "unknown reproduction 'imagenet'" in shown.err
    assert "known are mainstream, selective-augment, selective-backprop\n" in shown.err


def test_away_from_a_clone_it_says_where_they_are(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wheel = tmp_path / "site-packages" / "rheostat" / "__init__.py"  # no folder of reproductions is around it
    monkeypatch.setattr(rheostat, "__file__", str(wheel))
    monkeypatch.chdir(tmp_path)

    shown = call("reproduce", "mainstream")

    assert shown.code == 2
    assert "come with a clone of the repository" in shown.err


def test_in_a_clone_that_is_not_what_is_installed_it_takes_the_folder_typed_in(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "reproductions" / "small"
    package.mkdir(parents=True)
    (package.parent / "command.py").touch()
    (package / "__init__.py").write_text('"""A small study."""\n')
    (package / "__main__.py").touch()
    monkeypatch.setattr(rheostat, "__file__", str(tmp_path / "elsewhere" / "lib" / "rheostat" / "__init__.py"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    inside = tmp_path / "docs"
    inside.mkdir()
    monkeypatch.chdir(inside)

    shown = call("reproduce")

    assert shown.out.splitlines()[0] == "small: A small study."

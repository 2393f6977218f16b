"""The examples run as they are, and do what they are there to show."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_selection_in_a_loop_of_ones_own_learns_from_a_fraction_of_the_backwards(capsys):
    error = runpy.run_path(str(EXAMPLES / "own_loop.py"))["main"](epochs=20)

    candidates, backwards = (int(part.split()[0].replace(",", "")) for part in capsys.readouterr().out.split(", ")[:2])
    assert error < 0.12  # chance is 0.9
    assert candidates == 20 * 1200
    assert backwards < 0.4 * candidates


@pytest.mark.parametrize(
    ("example", "length", "chance"), [("lightning_loop", 120, 0.9), ("transformers_trainer", 8, 0.67)]
)
def test_selection_in_the_trainers_of_others_learns_from_a_fraction_of_the_backwards(capsys, example, length, chance):
    error = runpy.run_path(str(EXAMPLES / f"{example}.py"))["main"](length)

    told = capsys.readouterr().out.splitlines()[-1]
    candidates, backwards = (int(part.split()[0].replace(",", "")) for part in told.split(", ")[:2])
    assert error < 0.2 * chance
    assert backwards < 0.5 * candidates

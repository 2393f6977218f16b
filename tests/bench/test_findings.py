"""What is said of a comparison follows from its figures, wins and losses alike."""

import pytest

from rheostat.bench.findings import markdown_table, rows_of, sentences_of
from tests.bench.toys import run, two_seeds


def test_a_row_sums_up_an_arm():
    rows = {row.arm: row for row in rows_of(two_seeds())}
    row = rows["selective-backprop"]

    assert row.error == pytest.approx((0.05, 0.05, 0.05))
    assert (row.epochs, row.backwards, row.lower) == (3, 1000, 2)
    assert (row.reached, row.reached_share) == (500, pytest.approx(500 / 3000))
    assert (row.seconds, row.reached_seconds) == (pytest.approx(1.5), pytest.approx(1.0))
    assert rows["matched-random"].reached is None
    assert rows["plain"].lower == 0


def test_a_win_is_said_with_its_figures():
    said = " ".join(sentences_of(two_seeds()))

    assert "reaches plain's final error of 10.00% with 0.17 of its backwards" in said
    assert "ends at 5.00% (lower than plain in 2 of 2 seeds)" in said
    assert "it saves time too: 1.0 s to get there, 0.33 x the 3.0 s" in said
    assert (
        "matched-random, which keeps as many but any, never reaches it and ends at 20.00%: choosing is what helps"
        in said
    )
    assert "ends at 15.00% after 1.0 s; selective-backprop at 5.00% after 1.5 s: a win in error, a loss in time" in said


def test_a_loss_is_said_as_plainly():
    worse = [run(s, [250, 500, 1000], [0.5, 0.4, 0.3], seconds_each=9) for s in (0, 1)]
    said = " ".join(sentences_of(two_seeds(selective_backprop=worse)))

    assert "does not reach plain's final error of 10.00%; it ends at 30.00% (lower than plain in 0 of 2 seeds)" in said
    assert "saves time" not in said
    assert "choosing does not help here" in said
    assert "a loss in error, a loss in time" in said


def test_reaching_it_later_in_time_is_no_saving():
    slow = [run(s, [250, 500, 1000], [0.3, 0.1, 0.05], seconds_each=9) for s in (0, 1)]

    assert any("it saves no time" in sentence for sentence in sentences_of(two_seeds(selective_backprop=slow)))


def test_the_table_has_a_line_for_every_arm_and_says_never():
    lines = markdown_table(two_seeds()).splitlines()

    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| plain", "| selective-backprop", "| matched-random", "| plain-decayed",
    ]  # fmt: skip
    assert len({line.count("|") for line in lines}) == 1
    assert "never" in lines[4]
    assert "500 (0.17)" in lines[3]

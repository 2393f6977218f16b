"""Time to an error, read from records that are made up: what is claimed, and what is not."""

from typing import Any

import pytest

from benchmarks.saving_lines import Line, best_of, lines_of, paired, plain_seconds, wall_counts
from benchmarks.saving_places import CONTROL, GOVERNED, PLAIN, PRUNED
from benchmarks.saving_tables import beside_control, findings, pieces


def row(
    arm: str,
    epochs: int,
    error: float,
    cpu: float,
    *,
    seed: int = 0,
    wall: float = 1,
    backwards: float = 1,
    at: str = "mnist",
) -> dict[str, Any]:
    """A run of 1000 candidates per epoch; `wall` is in processor seconds, `backwards` in candidates."""
    return {
        "cell": {"place": at, "arm": arm, "epochs": epochs, "seed": seed},
        "error": error,
        "seconds": wall * cpu,
        "cpu_seconds": cpu,
        "candidates": 1000 * epochs,
        "forwards": 0,
        "backwards": 1000 * epochs * backwards,
        "by_epoch": [],
    }


def record(*rows: dict[str, Any]) -> dict[str, Any]:
    environment = {"processor": "P", "cores": 2, "packages": {"torch": "2"}, "commit": "c"}
    return {"bench": "saving", "environment": environment, "rows": list(rows)}


def line(arm: str, epochs: int, *rows: dict[str, Any]) -> Line:
    return next(line for line in lines_of(record(*rows)) if (line.arm, line.epochs) == (arm, epochs))


PLAIN_RUNS = (row(PLAIN, 4, 0.2, 40), row(PLAIN, 8, 0.1, 80))


@pytest.mark.parametrize(
    ("error", "seconds", "sign"),
    [
        (0.2, 2, "="),
        (0.1, 8, "="),
        (0.15, 2 * 4**0.41504, "="),  # log(0.2 / 0.15) / log(0.2 / 0.1) = 0.41504 of the way from 2 to 8
        (0.05, 8, "<"),
        (0.4, 1, ">"),
    ],
)
def test_a_longer_plain_run_that_is_worse_does_not_lengthen_the_time_of_plain(error: float, seconds: float, sign: str):
    curve = [(4, 0.25), (1, 0.3), (8, 0.1), (2, 0.2)]

    assert plain_seconds(curve, error) == (pytest.approx(seconds, rel=1e-4), sign)


def test_the_plain_curve_has_the_seeds_of_the_line():
    other_seed = (row(PLAIN, 4, 0.2, 4000, seed=1), row(PLAIN, 8, 0.1, 8000, seed=1))

    found = line(GOVERNED, 8, *PLAIN_RUNS, *other_seed, row(GOVERNED, 8, 0.1, 40))

    assert found.ratio == (pytest.approx(0.5), "=")
    assert found.seeds == {0}


def test_costs_per_candidate_are_paired_by_seed_and_the_median_is_taken():
    plain = [row(PLAIN, 8, 0.1, cpu, seed=seed) for seed, cpu in enumerate((100, 50, 80))]
    rows = [row(GOVERNED, 8, e, cpu, seed=s) for s, (e, cpu) in enumerate([(0.12, 90), (0.1, 60), (0.11, 80)])]

    found = paired(rows, plain)

    assert found is not None
    assert found.cost == pytest.approx((1.0, 0.9, 1.2))
    assert found.difference == pytest.approx((0.01, 0.0, 0.02))
    assert paired(rows, [row(PLAIN, 8, 0.1, 9, seed=7)]) is None


def test_without_a_plain_run_as_long_the_nearest_tells_the_cost_and_nothing_of_the_error():
    found = paired([row(GOVERNED, 7, 0.1, 35)], [row(PLAIN, 2, 0.3, 200), row(PLAIN, 8, 0.1, 80)])

    assert found is not None
    assert found.cost == pytest.approx((0.5, 0.5, 0.5))  # 5 ms a candidate against 10
    assert found.difference is None


@pytest.mark.parametrize(("cpu", "verdict"), [(82.4, "within"), (82.5, "**misses**")])
def test_a_place_without_a_bar_is_judged_by_the_cost_of_a_candidate(cpu: float, verdict: str):
    rows = (row(PLAIN, 4, 0.2, 40, at="linear"), row(PLAIN, 8, 0.1, 80, at="linear"))

    said = findings(record(*rows, row(GOVERNED, 8, 0.19, cpu, at="linear")))

    assert len(said) == 1  # no time to an error on a curve of two points
    assert "per candidate, governed (8 epochs, 1 seed) takes 1.03 of the processor seconds of plain" in said[0]
    assert "+9.00 points from plain's (+9.00 to +9.00)" in said[0]
    assert said[0].endswith(f"{verdict} the bar of 1.03.")


def test_every_governed_length_is_told_and_every_governed_arm_held_to_the_bar():
    rows = (row(GOVERNED, 4, 0.3, 8), row(GOVERNED, 8, 0.1, 40), row(PRUNED, 8, 0.2, 100))

    said = findings(record(*PLAIN_RUNS, *rows))

    # 4 epochs have the lower ratio, but plain's shortest is better than them: that says nothing of a saving
    assert "comes to 30.00% in > 0.20 of the processor time of the shortest plain run" in said[0]
    assert "the bar of 0.60" not in said[0]
    assert "0.50 of the processor time that the plain loop needs" in said[2]
    assert said[2].endswith("within the bar of 0.60.")
    assert f"Per candidate, {PRUNED} (8 epochs, 1 seed) takes 1.25" in said[4]
    assert said[4].endswith("**misses** the bar of 1.03.")


def test_the_best_is_one_that_the_plain_curve_can_judge_if_there_is_any():
    rows = (row(GOVERNED, 4, 0.3, 8), row(GOVERNED, 8, 0.1, 40))
    lines = [line(GOVERNED, epochs, *PLAIN_RUNS, *rows) for epochs in (4, 8)]

    assert [one.ratio for one in lines] == [(pytest.approx(0.2), ">"), (pytest.approx(0.5), "=")]
    assert best_of(lines) is lines[1]
    assert best_of(lines[:1]) is lines[0]


def test_another_governed_arm_that_is_better_is_the_best_that_was_tried():
    rows = (*PLAIN_RUNS, row(GOVERNED, 8, 0.1, 60))

    better = findings(record(*rows, row(PRUNED, 8, 0.1, 40)))
    worse = findings(record(*rows, row(PRUNED, 8, 0.1, 70)))

    assert f"best governed loader that was tried there is {PRUNED}: 10.00% in 0.50" in better[-1]
    assert "against 0.75" in better[-1]
    assert not any("was tried" in said for said in worse)


@pytest.mark.parametrize(
    ("governed", "control", "verdict"),
    [
        ((0.1, 40), (0.2, 38), "worse"),  # 0.5 of plain's time to its error, 0.95 to its own
        ((0.1, 40), (0.2, 12), "**not worse**"),  # a higher error, but in 0.3 of the time that plain takes to it
        ((0.1, 40), (0.1, 40), "**not worse**"),
        ((0.05, 40), (0.06, 40), "worse"),  # plain comes to neither: a higher error after no less time
        ((0.06, 40), (0.05, 40), "**not worse**"),
        ((0.05, 40), (0.06, 30), "not comparable"),
        ((0.1, 40), (0.3, 30), "worse"),  # at least 0.75, because plain's shortest is better
        ((0.1, 40), (0.3, 10), "not comparable"),
    ],
)
def test_the_control_is_judged_by_times_to_an_error(
    governed: tuple[float, float], control: tuple[float, float], verdict: str
):
    rows = (*PLAIN_RUNS, row(GOVERNED, 8, *governed), row(CONTROL, 8, *control))

    said = beside_control(line(GOVERNED, 8, *rows), line(CONTROL, 8, *rows))

    assert f": {verdict}" in said


@pytest.mark.parametrize(("backwards", "as_many"), [(0.2, True), (0.209, True), (0.212, False), (0.188, False)])
def test_as_many_is_said_of_numbers_within_a_twentieth(backwards: float, as_many: bool):
    rows = (*PLAIN_RUNS, row(GOVERNED, 8, 0.1, 40, backwards=0.2), row(CONTROL, 8, 0.2, 40, backwards=backwards))

    said = beside_control(line(GOVERNED, 8, *rows), line(CONTROL, 8, *rows))

    assert f"({8000 * backwards:,.0f} backwards against 1,600)" in said
    assert ("as many examples but any" in said) is as_many
    assert ("not as many" in said) is not as_many


def test_the_control_is_compared_over_the_seeds_of_both():
    second = [replace_seed(entry, 1) for entry in PLAIN_RUNS]
    rows = (*PLAIN_RUNS, *second, row(GOVERNED, 8, 0.1, 40), row(GOVERNED, 8, 0.1, 400, seed=1))

    said = findings(record(*rows, row(CONTROL, 8, 0.1, 48)))

    assert "0.60 of plain's time to that error against 0.50 (1 seed): worse." in said[-1]


def replace_seed(entry: dict[str, Any], seed: int) -> dict[str, Any]:
    return {**entry, "cell": {**entry["cell"], "seed": seed}}


@pytest.mark.parametrize(("wall", "counts"), [(1.1, True), (1.12, False)])
def test_wall_time_is_shown_where_it_keeps_in_step_with_the_processors(wall: float, counts: bool):
    found = record(*PLAIN_RUNS, row(GOVERNED, 8, 0.1, 40, wall=wall - 1e-9))

    told = pieces(found)

    assert wall_counts(found, "mnist") is counts
    assert ("wall s" in told["mnist"]) is counts
    assert ("of its wall-clock time" in told["findings"]) is counts
    assert ("wall-clock seconds of a run were 1.0 to 1.1 times" in told["conditions"]) is not counts


def test_the_table_has_the_number_of_seeds_and_as_many_cells_in_every_row():
    found = record(*PLAIN_RUNS, replace_seed(PLAIN_RUNS[0], 1), row(GOVERNED, 8, 0.1, 40))

    table = [[cell.strip() for cell in text.split("|")[1:-1]] for text in pieces(found)["mnist"].splitlines()]

    assert {len(cells) for cells in table} == {len(table[0])}
    assert [cells[table[0].index("seeds")] for cells in table[2:]] == ["2", "1", "1"]
    assert table[-1][table[0].index("CPU per candidate, of plain's")] == "0.50"

"""What is run for a plan, against the tree of the plan and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.errors import SettingsError
from rheostat.share.runner import Head, Stretch, program
from rheostat.share.tree import grow, plan_cost
from tests.share.runner.toys import make_plan
from tests.share.workloads import pair


def test_a_program_worked_by_hand() -> None:
    made = program(make_plan(deep=(4, 2), early=(1, 10), twin=(4, 5), alone=(0, 1)), 6)
    assert made.stem == (Stretch(0, 1, 10, ("deep", "early", "twin")), Stretch(1, 4, 5, ("deep", "twin")))
    assert made.heads == (Head("alone", 0, 1), Head("early", 1, 10), Head("deep", 4, 2), Head("twin", 4, 5))
    assert made.rates == (10, 5, 2, 1)
    assert str(made).splitlines()[0] == "stem   layers 0 to 0 at 10 fps for deep, early, twin"
    assert str(made).splitlines()[-1] == "head   twin from layer 4 at 5 fps"


def test_apps_that_share_nothing_have_no_stem() -> None:
    assert program(make_plan(a=(0, 3), b=(0, 3)), 6).stem == ()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.5, 1, 2, 5, 10])), min_size=1, max_size=8))
def test_a_program_is_the_tree_of_the_plan(apps: list[tuple[int, float]]) -> None:
    cuts, fps = [cut for cut, _ in apps], [rate for _, rate in apps]
    workload, plan = pair(cuts, fps)
    made, tree = program(plan, 4), grow(workload, plan)
    assert [(s.start, s.end, s.fps, s.apps) for s in made.stem] == [(s.start, s.end, s.fps, s.apps) for s in tree.stem]
    assert {head.app for head in made.heads} == {app.name for app in plan.apps}
    costs = np.array(workload.layer_cost)
    stem = sum(stretch.fps * costs[stretch.start : stretch.end].sum() for stretch in made.stem)
    heads = sum(head.fps * costs[head.frozen :].sum() for head in made.heads)
    assert stem + heads == pytest.approx(plan_cost(costs, cuts, fps))


def test_an_app_without_a_layer_of_its_own_is_refused() -> None:
    with pytest.raises(SettingsError, match="'a' of the plan has 6 frozen layers: must be below 6"):
        program(make_plan(a=(6, 1)), 6)

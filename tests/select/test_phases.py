"""When selection is on: warm-up, end, rounds that are kept whole."""

from typing import Any

import pytest

from rheostat.errors import SettingsError
from rheostat.select import Phases, SelectiveLoader, TopK
from tests.select.toys import READS_LOGITS, concatenated, in_order, indices


def rounds_selected(phases: Phases, epochs: int = 4, rounds: int = 5) -> list[list[int]]:
    """The rounds of each epoch that went through selection: there 1 of 4 examples is kept, elsewhere all 4 are."""
    batches = SelectiveLoader(in_order(4 * rounds, batch_size=4), READS_LOGITS, TopK(keep=0.25), 1, phases=phases)
    selected = []
    for _ in range(epochs):
        before = batches.stats.scoring_forwards
        trained = concatenated(indices(batches.with_kept()))
        sizes = [sum(i // 4 == round_ for i in trained) for round_ in range(rounds)]
        selected.append([round_ for round_, size in enumerate(sizes) if size == 1])
        assert set(sizes) <= {1, 4}
        assert batches.stats.scoring_forwards - before == 4 * sizes.count(1), "only what is selected costs a forward"
    return selected


ALL = [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("phases", "selected"),
    [
        (Phases(), [ALL, ALL, ALL, ALL]),
        (Phases(warmup=2), [[], [], ALL, ALL]),
        (Phases(end=1), [ALL, [], [], []]),
        (Phases(warmup=1, end=3), [[], ALL, ALL, []]),
        (Phases(every=1), [[], [], [], []]),
        (Phases(every=2), [[0, 2, 4]] * 4),
        (Phases(every=5, warmup=3), [[], [], [], [0, 1, 2, 3]]),
    ],
    ids=repr,
)
def test_selection_is_on_in_its_phase_only_and_costs_forwards_there_only(
    phases: Phases, selected: list[list[int]]
) -> None:
    assert rounds_selected(phases) == selected


def test_an_example_kept_without_selection_has_no_score() -> None:
    batches = SelectiveLoader(in_order(20), READS_LOGITS, TopK(keep=1.0), 10, phases=Phases(every=2, remainder="carry"))
    unscored = [kept.score.isnan().all().item() for _, kept in batches.with_kept()]
    assert unscored == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup": -1}, r"warmup is -1: .*0 or more"),
        ({"end": 0}, r"end is 0 and warmup 0: .*end >= 1"),
        ({"warmup": 3, "end": 3}, r"end is 3 and warmup 3: .*end >= 4"),
        ({"every": 0}, r"every is 0: .*k >= 1"),
        ({"remainder": "keep"}, r"remainder is 'keep': .*carry, drop, flush"),
        ({"max_age": -1}, r"max_age is -1: .*0 or more"),
    ],
)
@pytest.mark.usefixtures("annotations_not_enforced")
def test_a_phase_outside_its_range_is_refused_with_the_value_and_the_range(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Phases(**options)

"""The runner: what it says against each app run alone, what it runs against the plan, and what may go wrong."""

import gc
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat.errors import DataError, SettingsError, StateError
from rheostat.share.base import Base
from rheostat.share.package.document import Package
from rheostat.share.runner import Head, Result, Runner, Stretch, loaded, sessions
from rheostat.share.runner.loaded import probability
from tests.share.runner import toys
from tests.share.runner.toys import make_plan, picture

LONG = 20.0  # seconds that no test comes near


@pytest.fixture(params=[1, 3], ids=["one core", "three cores"])
def runner(request: pytest.FixtureRequest, base: Base, packages: dict[str, Package]) -> Iterator[Runner]:
    with Runner(base, packages, cores=request.param) as made:
        yield made


@pytest.fixture
def single(base: Base, packages: dict[str, Package]) -> Iterator[Runner]:
    with Runner(base, packages) as made:
        yield made


class Gate:
    """Stands before the preparation of pictures and holds the frames whose first pixel is in `held`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *held: int) -> None:
        self.open, self.held, self.prepared = threading.Event(), held, loaded.prepared
        monkeypatch.setattr(loaded, "prepared", self)

    def __call__(self, shown: Any, *others: Any) -> Any:
        if shown[0, 0, 0] in self.held:
            assert self.open.wait(LONG)
        return self.prepared(shown, *others)


def marked(number: int) -> np.ndarray:
    return np.full((toys.SIZE, toys.SIZE, 3), number, np.uint8)


def got(runner: Runner) -> Result:
    result = runner.get(LONG)
    assert result is not None
    return result


def test_every_app_says_what_it_says_alone(runner: Runner, base: Base, packages: dict[str, Package]) -> None:
    runner.load(make_plan(a=(0, 10), b=(4, 5), c=(2, 2)), 10)
    shown = {slot: picture(slot, 12, 20) for slot in range(20)}
    results = list(runner.run(shown.items()))
    assert [result.slot for result in results] == list(range(20))
    asked = Counter(app for result in results for app in result.scores)
    assert asked == {"a": 20, "b": 10, "c": 4}
    for result in results:
        assert result.error is None
        for app, frozen in (("a", 0), ("b", 4), ("c", 2)):
            if app in result.scores:
                alone = toys.score(base, packages[app], frozen, shown[result.slot])
                assert result.scores[app] == pytest.approx(alone, abs=1e-5)
        assert result.core_ms > 0
        assert result.prepare_ms > 0
        assert result.latency_s > 0


def test_what_runs_is_what_the_plan_says(runner: Runner) -> None:
    made = runner.load(make_plan(a=(4, 1), b=(4, 6), c=(2, 8)), 10)
    assert made == runner.program
    results = list(runner.run((slot, picture(slot)) for slot in range(100)))
    assert len(results) == 80  # a frame that no app looks at is not looked at
    usage = runner.usage()
    assert usage is not None
    assert {spent.part: spent.runs for spent in usage.parts} == {
        Stretch(0, 2, 8, ("a", "b", "c")): 80,
        Stretch(2, 4, 6, ("a", "b")): 60,
        Head("c", 2, 8): 80,
        Head("a", 4, 1): 10,
        Head("b", 4, 6): 60,
    }
    assert usage.frames == 80
    assert usage.core_ms == pytest.approx(sum(result.core_ms for result in results))
    assert usage.prepare_ms == pytest.approx(sum(result.prepare_ms for result in results))


def test_due_tells_what_a_frame_is_good_for(single: Runner) -> None:
    assert single.due(0) == ()
    single.load(make_plan(a=(4, 1), b=(0, 5)), 10)
    assert [single.due(slot) for slot in (5, 5, 6, 7, 15)] == [("a", "b"), ("a", "b"), (), ("b",), ("a", "b")]
    assert single.submit(16, picture(0))
    assert got(single).scores == {}
    assert single.submit(17, picture(0))
    assert set(got(single).scores) == {"b"}


def test_results_come_in_order_with_their_context(
    base: Base, packages: dict[str, Package], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, 10)
    with Runner(base, packages, cores=2) as runner:
        runner.load(make_plan(a=(4, 10)), 10)
        for slot in (10, 11, 12):
            assert runner.submit(slot, marked(slot), context=f"frame {slot}")
        while runner.usage().frames < 2:  # type: ignore[union-attr]
            pass  # 11 and 12 are done on the other core
        assert runner.get(0) is None
        assert runner.get(0.01) is None
        gate.open.set()
        assert [got(runner).context for _ in range(3)] == ["frame 10", "frame 11", "frame 12"]


def test_a_full_runner_takes_no_more_until_a_result_is_collected(
    single: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, 1)
    single.load(make_plan(a=(4, 10)), 10)
    taken = [single.submit(slot, marked(1)) for slot in range(4)]
    assert taken == [True, True, False, False]
    gate.open.set()
    assert got(single).slot == 0
    assert single.submit(9, marked(1))
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(single.submit, 10, marked(1), wait=True)
        assert [got(single).slot for _ in range(3)] == [1, 9, 10]
        assert waiting.result(LONG)


def test_a_new_plan_holds_between_two_frames_and_none_is_lost(runner: Runner) -> None:
    runner.load(make_plan(a=(4, 10), b=(2, 10)), 10)
    collected: list[Result] = []
    collector = threading.Thread(target=lambda: collected.extend(runner.results()))
    collector.start()
    plans = [make_plan(a=(2, 10), c=(3, 10)), make_plan(b=(0, 10), c=(4, 10))]
    with ThreadPoolExecutor(1) as other:
        slot = 0
        for plan in plans:
            loading = other.submit(runner.load, plan, 10)
            first = slot
            while not loading.done() or slot < first + 20:
                assert runner.submit(slot, picture(slot % 5), wait=True)
                slot += 1
            loading.result()
            for _ in range(3):  # some under this plan before the next one is loaded
                assert runner.submit(slot, picture(slot % 5), wait=True)
                slot += 1
        for last in range(slot, slot + 5):
            runner.submit(last, picture(0), wait=True)
    runner.close()
    collector.join(LONG)
    assert [result.slot for result in collected] == list(range(slot + 5))
    assert all(result.error is None for result in collected)
    told = ["".join(sorted(result.scores)) for result in collected]
    assert set(told) == {"ab", "ac", "bc"}
    assert "".join(dict.fromkeys(told)) == "abacbc"  # each plan in its time, and no mixture
    assert told == sorted(told)


def test_what_a_new_plan_needs_again_stays_open_and_the_rest_is_closed(
    single: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(
        sessions, "open_session", lambda *given, real=sessions.open_session: opened.append(1) or real(*given)
    )
    single.load(make_plan(a=(3, 10), b=(3, 5)), 10)
    assert len(opened) == 3
    single.load(make_plan(a=(3, 2), b=(3, 2)), 10)
    assert len(opened) == 3
    single.load(make_plan(a=(3, 10), c=(3, 10)), 10)
    assert len(opened) == 4
    gc.collect()
    assert len(single._sessions) == 3


def test_a_frame_that_is_no_picture_does_not_stop_the_runner(runner: Runner) -> None:
    runner.load(make_plan(a=(2, 10)), 10)
    runner.submit(0, np.zeros((4, 4), np.uint8), context="corrupt")
    runner.submit(1, picture(1))
    bad, good = got(runner), got(runner)
    assert isinstance(bad.error, DataError)
    assert (bad.slot, bad.scores, bad.context) == (0, {}, "corrupt")
    assert good.error is None
    assert set(good.scores) == {"a"}


def test_an_app_that_gives_nan_silences_no_other(base: Base, packages: dict[str, Package], tmp_path: Path) -> None:
    broken = {4: toys.classifier(2, np.random.default_rng(0), value=float("nan"))}
    package = toys.make_package(tmp_path / "nan", base, "nan", 9, heads=broken)
    with Runner(base, packages | {"nan": package}) as runner:
        runner.load(make_plan(a=(4, 10), nan=(4, 10)), 10)
        runner.submit(0, picture(0))
        result = got(runner)
    assert set(result.scores) == {"a"}
    assert isinstance(result.error, DataError)
    assert "no score from nan" in str(result.error)


def test_a_plan_that_cannot_be_run_is_refused_and_the_old_one_stays(
    single: Runner, base: Base, packages: dict[str, Package], tmp_path: Path
) -> None:
    single.load(make_plan(a=(2, 10)), 10)
    before = single.program
    with pytest.raises(SettingsError, match="app 'z' of the plan has no package: known are a, b, c"):
        single.load(make_plan(z=(2, 10)), 10)
    with pytest.raises(SettingsError, match="a rate is 10 fps: must be above 0 and at most 5"):
        single.load(make_plan(a=(2, 10)), 5)
    with pytest.raises(SettingsError, match="5 frozen layers"):
        single.load(make_plan(a=(5, 10)), 10)
    other = toys.make_base(tmp_path / "other", seed=7)
    stranger = toys.make_package(tmp_path / "stranger", other, "stranger", 1)
    with pytest.raises(StateError, match="'stranger' was trained on base"):
        single.load(make_plan(stranger=(2, 10)), 10, packages={"stranger": stranger})
    wrong = toys.make_package(tmp_path / "wrong", base, "wrong", 1, heads={2: packages["a"].content(0)})
    with pytest.raises(DataError, match="a network fails"):
        single.load(make_plan(wrong=(2, 10)), 10, packages={"wrong": wrong})
    assert single.program is before
    assert set(single.packages) == {"a", "b", "c"}
    single.submit(0, picture(0))
    assert set(got(single).scores) == {"a"}


def test_an_app_is_added_while_others_run(base: Base, packages: dict[str, Package]) -> None:
    with Runner(base, {"a": packages["a"]}) as runner:
        runner.load(make_plan(a=(2, 10)), 10)
        runner.load(make_plan(a=(2, 10), b=(3, 10)), 10, packages=packages)
        runner.submit(0, picture(0))
        assert set(got(runner).scores) == {"a", "b"}


def test_closing_finishes_what_is_in_flight(single: Runner) -> None:
    single.load(make_plan(a=(2, 10)), 10)
    single.submit(0, picture(0))
    single.submit(1, picture(1))
    single.close()
    single.close()
    assert [result.slot for result in single.results()] == [0, 1]
    assert single.get() is None
    assert not any(thread.name.startswith("rheostat-core") for thread in threading.enumerate())
    with pytest.raises(StateError, match="closed"):
        single.submit(2, picture(2))
    with pytest.raises(StateError, match="closed"):
        single.load(make_plan(a=(2, 10)), 10)


def test_frames_that_cannot_be_taken_are_refused(single: Runner, base: Base) -> None:
    with pytest.raises(StateError, match="no plan"):
        single.submit(0, picture(0))
    assert single.program is None
    assert single.usage() is None
    single.load(make_plan(a=(2, 10)), 10)
    single.submit(5, picture(0))
    with pytest.raises(SettingsError, match="slot is 5 after 5: must be above it"):
        single.submit(5, picture(0))
    with pytest.raises(SettingsError, match="cores is 0"):
        Runner(base, {}, cores=0)


def test_probability_is_the_softmax() -> None:
    logits = np.array([1.0, 3.0, -2.0], np.float32)
    assert probability(logits, 1) == pytest.approx(np.exp(3) / (np.exp(1) + np.exp(3) + np.exp(-2)))
    assert probability(np.array([0.0, 5000.0], np.float32), 1) == 1
    assert np.isnan(probability(np.array([0.0, np.inf], np.float32), 0))

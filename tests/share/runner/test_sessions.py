"""Open networks: shared, reused, closed, and refused with a reason."""

import gc
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from rheostat.errors import DataError, SettingsError
from rheostat.share.base import Base
from rheostat.share.package.document import Package
from rheostat.share.runner.sessions import PROVIDERS, Sessions, open_session, run
from tests.share.runner import toys


@pytest.fixture
def sessions(base: Base) -> Sessions:
    return Sessions(base, providers=PROVIDERS)


def test_a_network_is_opened_once_and_closed_when_nobody_holds_it(sessions: Sessions) -> None:
    first, second = sessions.stretch(0, 2), sessions.stretch(1, 3)
    assert sessions.stretch(0, 2) is first
    assert first is not second
    assert len(sessions) == 2
    del first
    gc.collect()
    assert len(sessions) == 1


def test_apps_with_the_same_head_share_it(sessions: Sessions, packages: dict[str, Package]) -> None:
    assert sessions.head(packages["a"], 3) is sessions.head(packages["a"], 3)
    assert sessions.head(packages["a"], 3) is not sessions.head(packages["b"], 3)


def test_a_session_starts_no_threads_and_gives_what_onnxruntime_gives(base: Base) -> None:
    session = open_session(base.content(0))
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    value = np.random.default_rng(0).standard_normal((1, 3, toys.SIZE, toys.SIZE), dtype=np.float32)
    given = run(session, value)
    np.testing.assert_allclose(given, toys.through([base.content(0)], value), atol=1e-5)


def test_what_cannot_be_run_is_refused(base: Base) -> None:
    with pytest.raises(DataError, match="a network is no ONNX file"):
        open_session(b"no network")
    unknown = [helper.make_node("Abacus", ["x"], ["y"])]
    with pytest.raises(DataError, match="onnxruntime refuses a network"):
        open_session(toys.network(unknown, {}, [3, 8, 8], [3, 8, 8]))
    with pytest.raises(SettingsError, match=r"unknown execution provider.*'Abacus'.*CPUExecutionProvider"):
        open_session(base.content(0), ["Abacus"])
    wrong = np.zeros((1, 7, 8, 8), np.float32)
    with pytest.raises(DataError, match="a network fails"):
        run(open_session(base.content(0)), wrong)


def test_a_head_that_does_not_tell_the_classes_is_refused(sessions: Sessions, base: Base, tmp_path: Path) -> None:
    wrong = {4: toys.classifier(3, np.random.default_rng(0))}
    package = toys.make_package(tmp_path / "wrong", base, "wrong", 9, heads=wrong)
    with pytest.raises(DataError, match="'wrong': its head at 4 gives 3 numbers per picture: must be 2"):
        sessions.head(package, 4)

"""The models against the published figures."""

from collections import defaultdict

import numpy as np
import pytest

from reproductions.mainstream.published import document, table
from rheostat.share.events import detection, miss_of_all, sample_counts


def test_published_reproduces_every_schedule_of_the_regression_test() -> None:
    """All 70 of them in the order in which the apps are listed, to the six decimals that were printed."""
    curves = {
        (row["app"], int(row["num_frozen"])): (float(row["p_hit_pareto"]), float(row["p_false_pos_pareto"]))
        for row in table("mpackages.csv")
    }
    checked: dict[str, int] = defaultdict(int)
    for setup in document("regtest_5fps_budget100.json")["setups"]:
        apps = setup["apps"]
        for scheduler, schedule in setup["expected"].items():
            p, g = np.array([curves[a["app"], k] for a, k in zip(apps, schedule["frozen"], strict=True)]).T
            found = detection(
                hit=p,
                false_positive=g,
                event_seconds=np.array([a["event_length_ms"] for a in apps]) / 1000,
                event_frequency=[a["event_frequency"] for a in apps],
                correlation=[a["correlation"] for a in apps],
                fps=schedule["fps"],
                stream_fps=setup["stream_fps"],
            )
            assert np.mean(1 - found.f1) == pytest.approx(schedule["metric"], rel=0, abs=5.1e-7)
            checked[scheduler] += 1
    assert checked == {"stems_cpp-5": 20, "stems-5": 20, "hifi-5": 20, "exhaustive-3": 10}


def test_published_reproduces_every_row_of_x_voting() -> None:
    """All 418 rows of Fig. 9 and its neighbours, to the four decimals that were printed."""
    curves = {
        (row["app"], row["num_frozen"]): (float(row["p_hit"]), float(row["p_false_pos"]))
        for row in table("mpackages_feb2018_xvoting.csv")
    }
    app = document("app_params.json")["single_app_defaults"]
    rows = table("fig9_xvoting.csv")
    assert len(rows) == 418
    for row in rows:
        name = row["dataset"]
        p, g = np.array([curves[name, k] for k in row["num_frozen"].split()]).T
        found = detection(
            hit=p,
            false_positive=g,
            event_seconds=app["event_length_ms"] / 1000,
            event_frequency=app["event_frequency"][name],
            correlation=app["correlation"][name],
            fps=[float(f) for f in row["fps"].split()],
            stream_fps=app["stream_fps"],
            votes=int(row["x_vote"]),
        )
        assert 1 - found.recall.mean() == pytest.approx(float(row["mean_fnr"]), rel=0, abs=5.1e-5)
        assert 1 - found.precision.mean() == pytest.approx(float(row["mean_1_minus_precision"]), rel=0, abs=5.1e-5)


# Fig. 5: the train events, and in how many of its frames each was a hit. The hits are not published; they are what the
# curve `dependent` gives as p of each event, times its length.
HITS = {286: 265, 77: 41, 92: 69, 437: 437, 274: 244, 255: 255, 251: 251, 153: 153}


def fig5_curve(name: str) -> np.ndarray:
    rows = [row for row in table("fig5_recall_vs_stride.csv") if (row["dataset"], row["curve"]) == ("train", name)]
    return np.array([float(r["recall"]) for r in sorted(rows, key=lambda r: float(r["stride_frames"]))])


def fig5_foretold(correlation_of_hit: str) -> np.ndarray:
    """Mean recall `[300]` over the events by the paper's equations, at strides of 1 to 300 frames."""
    frames, hits = np.array(list(HITS.items())).T
    p = (hits / frames)[:, None]
    q = {"dependent": np.ones_like(p), "independent": 1 - p, "correlation": np.full_like(p, 0.1664)}[correlation_of_hit]
    correlation = np.divide(q - (1 - p), p)
    fewer, more = sample_counts(frames[:, None], np.arange(1, 301))
    return 1 - ((1 - more) * miss_of_all(fewer, p, correlation) + more * miss_of_all(fewer + 1, p, correlation)).mean(0)


def test_the_events_of_fig_5_are_those_listed() -> None:
    parameters = document("app_params.json")
    assert sorted(HITS) == sorted(parameters["event_lengths_frames"]["train_fig5"])
    accuracy = parameters["fig5_constants"]["train_inception_313"]["accuracy"]
    assert sum(HITS.values()) / sum(HITS) == pytest.approx(accuracy, abs=1e-5)


def test_the_miss_formula_gives_the_dependent_curve_of_fig_5() -> None:
    np.testing.assert_allclose(fig5_foretold("dependent"), fig5_curve("dependent"), rtol=0, atol=5.1e-7)


@pytest.mark.parametrize("name", ["independent", "correlation"])
def test_the_other_curves_of_fig_5_weight_the_two_numbers_of_samples_otherwise(name: str) -> None:
    """Pitfall C: they weight them by the length of the event where Eq. 1 says stride; equal at n = 0 and at whole N."""
    apart = np.abs(fig5_foretold(name) - fig5_curve(name))
    assert apart[286:].max() < 0.003
    assert apart.mean() < 0.003
    assert 0.018 < apart.max() < 0.025


def test_the_miss_formula_is_nearer_to_the_measured_curve_of_fig_5_than_the_published_one() -> None:
    measured = fig5_curve("empirical")
    ours, theirs = (np.abs(c - measured).mean() for c in (fig5_foretold("correlation"), fig5_curve("correlation")))
    assert ours < 0.75 * theirs

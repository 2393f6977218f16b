import numpy as np
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from rheostat.share.node.metrics import Metrics, percentile
from rheostat.share.node.outbox import SinkStatus
from rheostat.share.node.sources import Phase, SourceCounts, SourceState


def told(metrics: Metrics) -> dict[str, float]:
    """What Prometheus reads, by name and label values."""
    samples = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                samples[" ".join([sample.name.removeprefix("rheostat_"), *sample.labels.values()])] = sample.value
    return samples


def test_what_the_source_counts_is_taken_over_once() -> None:
    metrics, state = Metrics(), SourceState(Phase.RUNNING, 0.0)
    metrics.source(SourceCounts(decoded=10, between=4, given=5, dropped=1), state)
    metrics.source(
        SourceCounts(decoded=12, between=4, given=6, dropped=2, corrupt=3, restarts=1, cpu_seconds=0.5), state
    )
    read = told(metrics)
    assert read["frames_decoded_total"] == 12
    assert (read["frames_between_slots_total"], read["frames_in_total"], read["frames_dropped_total"]) == (4, 6, 2)
    assert (read["frames_corrupt_total"], read["source_restarts_total"], read["decoder_cpu_seconds_total"]) == (
        3,
        1,
        0.5,
    )


def test_what_comes_later_and_is_older_counts_nothing_twice() -> None:
    metrics, state = Metrics(), SourceState(Phase.RUNNING, 0.0)
    for decoded in (12, 10, 12):  # two read the counts, and the one that read them first told last
        metrics.source(SourceCounts(decoded=decoded), state)
        metrics.sinks([SinkStatus("mqtt:h", waiting=0, refused=decoded, lost=decoded)])
    read = told(metrics)
    assert read["frames_decoded_total"] == 12
    assert (read["sink_refused_total mqtt:h"], read["sink_lost_total mqtt:h"]) == (12, 12)


def test_one_state_of_the_source_is_1() -> None:
    metrics = Metrics()
    for phase in (Phase.CONNECTING, Phase.STALLED):
        metrics.source(SourceCounts(), SourceState(phase, 0.0))
        states = {name: value for name, value in told(metrics).items() if name.startswith("source_state")}
        assert states == {f"source_state {other.value}": float(other is phase) for other in Phase}


def test_frames_and_events_are_counted_per_app() -> None:
    metrics = Metrics()
    metrics.skipped()
    metrics.analysed(["bus", "train"], 0.03)
    metrics.analysed(["bus"], 0.3)
    metrics.event("bus")
    metrics.evidence("clip", written=False)
    read = told(metrics)
    assert (read["frames_skipped_total"], read["frames_analysed_total bus"], read["frames_analysed_total train"]) == (
        1,
        2,
        1,
    )
    assert (read["events_total bus"], read["evidence_files_total clip failed"]) == (1, 1)
    assert (read["latency_seconds_bucket 0.05"], read["latency_seconds_bucket 0.5"]) == (1, 2)
    assert read["latency_seconds_sum"] == pytest.approx(0.33)


def test_a_new_plan_replaces_the_rates_of_the_last() -> None:
    metrics = Metrics()
    metrics.plan({"bus": 4.0, "train": 2.0}, budget=300.0, predicted=290.0)
    metrics.measured({"bus": 3.9, "train": 2.0}, used=280.0)
    metrics.plan({"bus": 5.0}, budget=200.0, predicted=190.0)
    metrics.measured({"bus": 4.8}, used=195.0)
    read = told(metrics)
    assert (read["planned_fps bus"], read["achieved_fps bus"], read["plans_total"]) == (5, 4.8, 2)
    assert not any("train" in name for name in read)
    names = ("budget_core_ms_per_second", "predicted_core_ms_per_second", "used_core_ms_per_second")
    assert [read[name] for name in names] == [200, 190, 195]


def test_sinks() -> None:
    metrics = Metrics()
    metrics.sinks([SinkStatus("mqtt:h", waiting=7, refused=1, lost=0)])
    metrics.sinks([SinkStatus("mqtt:h", waiting=3, refused=2, lost=4)])
    read = told(metrics)
    assert (read["sink_waiting mqtt:h"], read["sink_refused_total mqtt:h"], read["sink_lost_total mqtt:h"]) == (3, 2, 4)


def test_percentiles_are_those_of_the_last_latencies() -> None:
    metrics = Metrics()
    assert metrics.latency_percentiles() == {"p50": None, "p95": None, "p99": None}
    values = np.random.default_rng(0).random(3000)
    for value in values:
        metrics.analysed([], float(value))
    expected = np.quantile(values[-2000:], [0.5, 0.95, 0.99], method="inverted_cdf")
    assert list(metrics.latency_percentiles().values()) == [float(value) for value in expected]
    assert percentile([3.0], 0.99) == 3.0


def test_two_nodes_in_one_process_do_not_share_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.skipped()
    assert told(first)["frames_skipped_total"] == 1
    assert told(second)["frames_skipped_total"] == 0
    assert not any("rheostat" in family.name for family in REGISTRY.collect())

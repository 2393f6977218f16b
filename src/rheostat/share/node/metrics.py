"""What a node says of itself, for Prometheus and for its own page."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rheostat.share.node.outbox import SinkStatus
from rheostat.share.node.sources import Phase, SourceCounts, SourceState

LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_RECENT = 2000  # latencies that percentiles are taken of


class Metrics:
    """All metrics of one node, in a registry of their own; every method may be called from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=_RECENT)
        self._told: dict[tuple[str, str], float] = {}  # what counters of others were told, by who and which
        counter, gauge = self._counter, self._gauge
        self._frames = {
            "decoded": counter("frames_decoded", "Frames decoded"),
            "between": counter("frames_between_slots", "Frames decoded and not needed, for their slot had one"),
            "given": counter("frames_in", "Frames that reached the node"),
            "dropped": counter("frames_dropped", "Slots of a live source that a newer one replaced"),
            "corrupt": counter("frames_corrupt", "Packets and frames that could not be decoded"),
            "restarts": counter("source_restarts", "Times that the source was opened again"),
            "cpu_seconds": counter("decoder_cpu_seconds", "Processor time of the decoder"),
        }
        self._skipped = counter("frames_skipped", "Frames that apps were due at, and that the node was too busy for")
        self._analysed = counter("frames_analysed", "Frames that an app looked at", "app")
        self._events = counter("events", "Events that an app has started", "app")
        self._evidence = counter("evidence_files", "Files of evidence, by what became of them", "kind", "outcome")
        self._plans = counter("plans", "Plans that were put in place")
        self._latency = Histogram(
            "rheostat_latency_seconds",
            "From the decoding of a frame to the results of all apps that looked at it",
            buckets=LATENCY_SECONDS,
            registry=self.registry,
        )
        self._planned = gauge("planned_fps", "Rate of an app by the plan", "app")
        self._achieved = gauge("achieved_fps", "Rate of an app as measured", "app")
        self._budget = gauge("budget_core_ms_per_second", "Budget of the plan in core-milliseconds per second")
        self._predicted = gauge("predicted_core_ms_per_second", "Cost of the plan as predicted")
        self._used = gauge("used_core_ms_per_second", "Cost of the plan as measured")
        self._state = gauge("source_state", "1 for the state that the source is in", "state")
        self._waiting = gauge("sink_waiting", "Messages that a sink was not told yet", "sink")
        self._refused = counter("sink_refused", "Messages that a sink refused for good", "sink")
        self._lost = counter("sink_lost", "Messages that were too old to be kept for a sink", "sink")

    def source(self, counts: SourceCounts, state: SourceState) -> None:
        """Take over what the source counted since it was made."""
        with self._lock:
            for name, metric in self._frames.items():
                self._take_over(metric, ("source", name), getattr(counts, name))
        for phase in Phase:
            self._state.labels(phase.value).set(phase is state.phase)

    def skipped(self) -> None:
        """A frame was left out because the node was busy."""
        self._skipped.inc()

    def analysed(self, apps: Collection[str], latency_seconds: float) -> None:
        """Those apps looked at a frame, and so long after its decoding the last of them was done."""
        for app in apps:
            self._analysed.labels(app).inc()
        self._latency.observe(latency_seconds)
        with self._lock:
            self._latencies.append(latency_seconds)

    def event(self, app: str) -> None:
        """An app has started an event."""
        self._events.labels(app).inc()

    def evidence(self, kind: str, *, written: bool) -> None:
        """A file of evidence, `snapshot` or `clip`, was written, or could not be."""
        self._evidence.labels(kind, "written" if written else "failed").inc()

    def plan(self, planned_fps: Mapping[str, float], *, budget: float, predicted: float) -> None:
        """A plan was put in place.

        Args:
            planned_fps: Rate by app; apps that it does not name are no longer shown.
            budget: Core-milliseconds per second of stream that it may cost.
            predicted: What it is to cost, in the same unit.
        """
        self._plans.inc()
        self._budget.set(budget)
        self._predicted.set(predicted)
        self._planned.clear()
        self._achieved.clear()
        for app, fps in planned_fps.items():
            self._planned.labels(app).set(fps)

    def measured(self, achieved_fps: Mapping[str, float], *, used: float) -> None:
        """Rates by app, and core-milliseconds per second, over the last while."""
        for app, fps in achieved_fps.items():
            self._achieved.labels(app).set(fps)
        self._used.set(used)

    def sinks(self, status: Collection[SinkStatus]) -> None:
        """Take over how far the sinks have come."""
        with self._lock:
            for sink in status:
                self._waiting.labels(sink.sink).set(sink.waiting)
                self._take_over(self._refused.labels(sink.sink), (sink.sink, "refused"), sink.refused)
                self._take_over(self._lost.labels(sink.sink), (sink.sink, "lost"), sink.lost)

    def _take_over(self, metric: Counter, name: tuple[str, str], value: float) -> None:
        """Raise a counter to a value; of two that come at once the older may come last, and counts for nothing."""
        told = self._told.get(name, 0)
        metric.inc(max(0, value - told))
        self._told[name] = max(told, value)

    def latency_percentiles(self) -> dict[str, float | None]:
        """p50, p95 and p99 of the last 2000 frames that apps looked at, in seconds; None while there is none."""
        with self._lock:
            ordered = sorted(self._latencies)
        return {f"p{share}": percentile(ordered, share / 100) for share in (50, 95, 99)}

    def latency_ms(self) -> dict[str, float | None]:
        """The same in milliseconds."""
        seconds = self.latency_percentiles()
        return {name: None if value is None else round(1000 * value, 1) for name, value in seconds.items()}

    def exposition(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"rheostat_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"rheostat_{name}", text, labels, registry=self.registry)


def percentile(ordered: list[float], share: float) -> float | None:
    """The smallest of increasing values that at least a share in (0, 1] of all does not exceed; None of no values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None

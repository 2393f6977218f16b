"""One app as a node watches with it: its rule, its open event, and when it looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rheostat.share.node.events import EventRule, EventTracker, Record
from rheostat.share.package.document import Package
from rheostat.share.plan import AppPlan


@dataclass
class Watch:
    """An app that looks at the stream.

    Attributes:
        package: Where it comes from.
        plan: What it has in the plan of the moment.
        tracker: What it saw.
        event: Identifier of its open event, None while there is none or it could not be kept.
        events: How many it has started.
        achieved_fps: Looks per second of stream, over the last while; None before the first.
        looks: How often it has looked since then.
        since: Time of the stream at which its state last changed.
    """

    package: Package
    plan: AppPlan
    tracker: EventTracker
    event: str | None = None
    events: int = 0
    achieved_fps: float | None = None
    looks: int = 0
    since: float = 0.0

    @property
    def state(self) -> str:
        """`event`, `candidate` (hits, but not yet as many in a row as it takes), `quiet`, or `waiting` for a look."""
        if self.tracker.state.open:
            return "event"
        if self.tracker.state.run is not None:
            return "candidate"
        return "quiet" if self.tracker.looks else "waiting"

    def look(self, seconds: float, slot: int, score: float) -> tuple[Record, ...]:
        """Take in what the app says of a frame (see `EventTracker.feed`)."""
        before = self.state
        happened = self.tracker.feed(seconds, slot, score)
        self.looks += 1
        if self.state != before:
            self.since = seconds
        return happened

    def finish(self) -> tuple[Record, ...]:
        """End its open event, because it will not look again (see `EventTracker.finish`)."""
        before, looks = self.state, self.tracker.looks
        happened = self.tracker.finish()
        if self.state != before:
            self.since = looks[-1].seconds  # all that is known of when it was
        return happened

    def judged(self, seconds: float) -> float:
        """Looks per second over the last `seconds` of the stream; the count begins anew."""
        self.achieved_fps, self.looks = self.looks / seconds, 0
        return self.achieved_fps

    def told(self) -> dict[str, Any]:
        """What the live page shows of it."""
        rule, looks = self.tracker.rule, self.tracker.looks
        return {
            "name": self.plan.name,
            "state": self.state,
            "since": self.since,
            "score": looks[-1].score if looks else None,
            "threshold": rule.threshold,
            "votes": rule.votes,
            "streak": looks[-1].in_row if looks else 0,
            "frozen": self.plan.frozen,
            "planned_fps": self.plan.fps,
            "achieved_fps": self.achieved_fps,
            "f1": self.plan.f1,
            "events": self.events,
            "timeline": [[look.seconds, look.score, look.in_row] for look in looks],
        }


def rule_of(package: Package, plan: AppPlan) -> EventRule:
    """What makes an event of an app under a plan."""
    document = package.document
    return EventRule(document.threshold, plan.votes or 1, document.min_gap_seconds)


def watches_of(
    packages: Mapping[str, Package], apps: tuple[AppPlan, ...], before: Mapping[str, Watch]
) -> dict[str, Watch]:
    """The watches under a new plan. An app that was there goes on: its open event, its looks and its counts stay."""
    watches = {}
    for app in apps:
        package, watch = packages[app.name], before.get(app.name)
        rule = rule_of(package, app)
        if watch is None:
            watch = Watch(package, app, EventTracker(rule))
        watch.package, watch.plan, watch.tracker.rule = package, app, rule
        watches[app.name] = watch
    return watches

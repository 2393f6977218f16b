"""The node: one source, its apps, and all that comes of what they see.

::

    decoder (a process) ─► run: which apps are due? ─► runner (a thread per core) ─► collect: events ─► store ─► sinks
                            │ pictures                                                  │ pictures
                            └────────────────────────► evidence (two threads) ◄────────┘
    steer: what was lost, what is allowed, which apps there are ─► a new plan, put in place between two frames

Nothing in it grows with time: a live source keeps its newest frame, the runner a frame per core and one more, evidence
the seconds around an event, and the sinks read from the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from rheostat import __version__
from rheostat.errors import StateError
from rheostat.share.node.clip import as_jpeg
from rheostat.share.node.evidence import Evidence
from rheostat.share.node.fleet import Fleet, short_hash, what_runs
from rheostat.share.node.folder import Came, WatchedFolder, Went
from rheostat.share.node.governor import Budget, first, moved, within
from rheostat.share.node.keeper import Keeper
from rheostat.share.node.load import Load
from rheostat.share.node.metrics import Metrics
from rheostat.share.node.problems import Problems
from rheostat.share.node.recorder import EvidenceRule
from rheostat.share.node.retention import Retention, tidy
from rheostat.share.node.settings import NodeSettings
from rheostat.share.node.sinks import SinkWorker, open_sink
from rheostat.share.node.sources import Frame, Source, parse_source
from rheostat.share.node.steering import Steering
from rheostat.share.node.store import Event, Store
from rheostat.share.node.told import budget_told, event_told, source_told
from rheostat.share.node.watch import Watch, watches_of
from rheostat.share.package.document import read_package
from rheostat.share.picture import draw_svg
from rheostat.share.plan import Plan, as_json
from rheostat.share.runner import Result, Runner
from rheostat.share.tree import total_cost

log = logging.getLogger("rheostat.node")

READ_SECONDS = 0.25
FOLDER_SECONDS, RETRY_SECONDS, TIDY_SECONDS = 2.0, 5.0, 300.0
STALLED_SECONDS = 30.0  # without a frame of a live source: its events are over
DRAIN_SECONDS = 5.0  # that sinks have at the end for what they were not told yet
PICTURE_WIDTH = 960
FRAMES_TO_TELL = 50  # prepared under a plan, before their mean is taken for what a picture costs


class Node:
    """Runs apps on a source. A context manager; `run` returns when the source is over, or when it is told to stop.

    All methods but `run` and `close` may be called from any thread, while it runs.

    Args:
        fleet: The apps.
        plan: To begin with.
        settings: Of the node.
        finished: Told of every event that is over, from threads of the node.
        clock: Monotonic, in seconds.
        wall: The time of day, in seconds.

    Attributes:
        store: The events.

    Raises:
        SettingsError: A setting is wrong, or the budget is below the cost of the cheapest plan.
        StateError: Another node writes to the same folder, or a package does not fit the base.
    """

    def __init__(
        self,
        fleet: Fleet,
        plan: Plan,
        settings: NodeSettings,
        *,
        finished: Callable[[Event], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._clock, self._wall = settings, clock, wall
        self._began = clock()
        name = parse_source(settings.source, live=settings.live or None, loop=settings.loop)
        self._live = name.live
        self._metrics = Metrics()
        self._lock = threading.RLock()  # guards what the threads share; nothing is waited for while it is held
        self._keeping = threading.RLock()  # from a look to what is written of it; taken before `_lock`
        self._planning = threading.Lock()  # one change of the plan at a time
        self._steering, self._problems = Steering(), Problems(wall)
        self._gap = self._stalled = False
        self._watches: dict[str, Watch] = {}
        self._frame: Frame | None = None
        self._jpeg: tuple[int, bytes] | None = None
        self._load = Load()
        self._analysed = self._skipped = self._plans = self._drops = 0
        self._next_tidy = self._next_folder = self._next_retry = 0.0
        self._source_state = ""
        self._sinks: set[str] = set()  # of this run; the store may know others, of runs before
        places = {package.folder.resolve().parent for package in fleet.packages.values()}
        self._package_folders = tuple(sorted(places | ({settings.watch.resolve()} if settings.watch else set())))
        self._folder = None if settings.watch is None else WatchedFolder(settings.watch, fleet.packages.values())
        with ExitStack() as opened:
            self.store = opened.enter_context(Store(settings.out / "events.db", clock=wall))
            for address in settings.sink:
                worker = SinkWorker(open_sink(address), self.store.outbox, told=self._problems.tell)
                opened.callback(worker.close)
                self._sinks.add(worker.sink.name)
            opened.callback(self._drain)
            self._keeper = Keeper(self.store, self._metrics, name.shown, self._problems.tell, finished)
            self._keeper.evidence = evidence = self._new_evidence()
            if evidence is not None:
                opened.callback(evidence.close)
            self._runner = opened.enter_context(Runner(fleet.base, fleet.packages, cores=settings.cores_used))
            self._source = opened.enter_context(Source(name, stream_fps=fleet.stream_fps))
            budget = first(plan.budget, floor=fleet.least(), ceiling=settings.budget)
            if total_cost(fleet.workload, plan.apps) > budget.now * (1 + 1e-9):
                plan = fleet.plan(budget.now, plan)  # made for a larger budget, or on another box
            self._put_in_place(fleet, plan, budget)
            self._opened = opened.pop_all()
        for event in self.store.interrupted:
            log.warning("event %s of %s was open when the last node ended", event.id, event.app)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, in the order in which nothing is lost."""
        self._opened.close()

    def run(self, stop: threading.Event | None = None) -> None:
        """Look at the source until it is over; once. What goes wrong in a thread of the node is raised here.

        Args:
            stop: Set by whoever wants it to end.
        """
        stop = stop or threading.Event()
        threads = ThreadPoolExecutor(2, "rheostat-node")
        collecting, steering = threads.submit(self._collect), threads.submit(self._steering.run, self._plan_for)
        collecting.add_done_callback(lambda _: self._runner.close())  # else who waits for a place would wait for ever
        try:
            while not (stop.is_set() or self._source.state.over or collecting.done() or steering.done()):
                frame = self._source.read(READ_SECONDS)
                if frame is not None:
                    self._take(frame)
                self._keep_house()
        finally:
            self._steering.end()
            self._runner.close()
            threads.shutdown()
            with self._keeping:
                for watch in self._watches.values():
                    self._keeper.finish(watch)
            self._keep_house(last=True)
            collecting.result()
            steering.result()

    # what the page, the command line and other programs ask for

    def status(self) -> dict[str, Any]:
        """All that can be told at the moment, as JSON-able values (see `rheostat.console.view`)."""
        counts, state = self._source.counts, self._source.state
        sinks = [vars(sink) for sink in self.store.outbox.status()]
        with self._lock:
            return {
                "version": __version__,
                "uptime_s": round(self._clock() - self._began, 1),
                "source": source_told(self._source.name, counts, state, fps=self._load.fps, now=self._wall()),
                "stream_fps": self._fleet.stream_fps,
                "budget": budget_told(self._budget, used=self._load.used, cores=self._settings.cores_used),
                "latency_ms": self._metrics.latency_ms(),
                "frames": {"analysed": self._analysed, "skipped": self._skipped},
                "plan": as_json(self._plan),
                "plan_number": self._plans,
                "apps": [watch.told() for watch in self._watches.values()],
                "sinks": sinks,
                "problems": self._problems.told(),
            }

    def picture(self) -> bytes | None:
        """The newest frame as JPEG, at most `PICTURE_WIDTH` pixels wide; None before the first."""
        with self._lock:
            frame, made = self._frame, self._jpeg
        if frame is None:
            return None
        if made is None or made[0] != frame.number:
            made = frame.number, as_jpeg(frame.picture, quality=80, width=PICTURE_WIDTH)
            with self._lock:
                self._jpeg = made
        return made[1]

    def events(self, *, app: str | None = None, before: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Events, the latest first: of one app, or those that came before the one of an identifier."""
        return [event_told(event) for event in self.store.events(app=app, before=before, limit=limit)]

    def evidence(self, event: str, kind: Literal["snapshot", "clip"]) -> Path | None:
        """Path of a file of an event; None if there is none, or no such event."""
        try:
            name = getattr(self.store.event(event), kind)
        except StateError:
            return None
        if name is None or Path(name).name != name:  # a store may have been tampered with
            return None
        path = self._evidence_folder / name
        return path if path.is_file() else None

    def tree_svg(self) -> str:
        """The plan of the moment as a picture."""
        with self._lock:
            fleet, plan = self._fleet, self._plan
        return draw_svg(fleet.workload, plan)

    def metrics(self) -> bytes:
        """The metrics, in the text format of Prometheus."""
        self._metrics.source(self._source.counts, self._source.state)
        self._metrics.sinks(self.store.outbox.status())
        return self._metrics.exposition()

    def package_folders(self) -> tuple[Path, ...]:
        """Where packages lie that may be added over the network: beside those of the beginning, or where it watches."""
        return self._package_folders

    def add_app(self, folder: Path | str) -> str:
        """Run another app, or a newer package of one that runs, from the next plan on, and give its name.

        Raises:
            SettingsError: There is no package, or what the apps cost at least is above what may be spent.
            StateError: It was trained on another base, or cannot be run.
        """
        package = read_package(folder)
        with self._planning:
            self._adopt(self._fleet.with_app(package))
        return package.name

    def remove_app(self, name: str) -> None:
        """Run an app no longer; its open event ends.

        Raises:
            SettingsError: There is no such app, or no other.
        """
        with self._planning:
            self._adopt(self._fleet.without(name))

    def set_budget(self, budget: float) -> None:
        """Allow plans to cost so much, in core-milliseconds per second of stream.

        Raises:
            SettingsError: It is below the cost of the cheapest plan.
        """
        with self._planning:
            self._adopt(self._fleet, ceiling=budget)

    # the thread that runs: frames in

    def _take(self, frame: Frame) -> None:
        due = self._missed(frame)
        if self._keeper.evidence is not None:
            self._keeper.evidence.see(frame.seconds, frame.picture)
        wanted = len(self._runner.due(frame.slot))
        self._gap |= frame.gap  # told with the next frame that is looked at
        context = frame, wanted, self._gap
        taken = wanted > 0 and self._runner.submit(frame.slot, frame.picture, context, wait=not self._live)
        self._gap &= not taken
        with self._lock:
            self._frame, self._stalled = frame, False
            self._load.saw(frame.seconds)
            self._load.due += due if taken else due + wanted  # those of a frame on its way count once it is there
            self._analysed += taken
            self._skipped += wanted > 0 and not taken
        if wanted and not taken:
            self._metrics.skipped()

    def _missed(self, frame: Frame) -> int:
        """Looks that were due at slots which the source dropped because this node was too slow to ask for them."""
        drops, last = self._source.counts.dropped, self._frame
        dropped, self._drops = drops - self._drops, drops
        if last is None or frame.gap:
            return 0
        first = max(last.slot + 1, frame.slot - dropped)
        return sum(len(self._runner.due(slot)) for slot in range(first, frame.slot))

    def _keep_house(self, *, last: bool = False) -> None:
        now = self._clock()
        self._watch_source(now)
        if last or self._load.seconds >= self._settings.window_seconds:
            self._judge_load()
        if last or now >= self._next_retry:
            self._next_retry = now + RETRY_SECONDS
            with self._keeping:
                self._keeper.retry()
        if self._folder is not None and now >= self._next_folder:
            self._next_folder = now + FOLDER_SECONDS
            self._steering.later(self._follow_folder)
        if last:
            self._tidy()
        elif now >= self._next_tidy:
            self._next_tidy = now + TIDY_SECONDS
            self._steering.later(self._tidy)

    def _watch_source(self, now: float) -> None:
        """Tell when the source breaks; events of a live source that has long been silent are over."""
        state = self._source.state
        told = f"{state.phase.value}: {state.reason}" if state.reason else ""
        if told and told != self._source_state:
            self._problems.tell(f"the source is {told}")
        self._source_state = told
        frame = self._frame
        if not self._live or frame is None or self._stalled or now - frame.clock < STALLED_SECONDS:
            return
        with self._keeping:
            with self._lock:
                self._stalled = True
                self._load = replace(self._load, used=0.0, fps=0.0)
                for watch in self._watches.values():
                    watch.achieved_fps = 0.0
            for watch in self._watches.values():
                self._keeper.finish(watch)

    def _tidy(self) -> None:
        retention = Retention(days=self._settings.keep_days, megabytes=self._settings.keep_megabytes)
        self._problems.attempt(
            "tidying up", lambda: tidy(self._evidence_folder, self.store, retention, now=self._wall())
        )

    def _judge_load(self) -> None:
        usage = self._runner.usage()
        spent = 0.0 if usage is None else usage.core_ms + usage.prepare_ms
        with self._lock:
            load, budget = self._load, self._budget
            if not load.seconds:
                return
            achieved = {name: watch.judged(load.seconds) for name, watch in self._watches.items()}
            window = load.window(self._plan.cost)
            self._load = load = load.next(spent)
        self._metrics.measured(achieved, used=load.used)
        if self._live and self._settings.feedback:
            self._want(moved(budget, window))

    # the thread that collects: events out

    def _collect(self) -> None:
        for result in self._runner.results():
            self._judge(result)

    def _judge(self, result: Result) -> None:
        frame, due, gap = result.context
        if result.error is not None:
            self._problems.tell(f"a frame could not be looked at: {result.error}")
        self._metrics.analysed(result.scores, self._clock() - frame.clock)
        with self._keeping:
            with self._lock:
                for watch in self._watches.values() if gap else ():
                    watch.tracker.interrupted()
                happened = [
                    (watch, record)
                    for name, score in result.scores.items()
                    if (watch := self._watches.get(name)) is not None  # else it was removed meanwhile
                    for record in watch.look(frame.seconds, frame.slot, score)
                ]
                self._load.due += due
                self._load.done += due  # also where an app had nothing to say: that is no want of time
            for watch, record in happened:
                self._keeper.keep(watch, record, frame.picture)

    # the thread that steers: plans

    def _want(self, budget: Budget) -> None:
        with self._lock:
            if budget.now == self._budget.now:
                # its bounds may be of before the operator, or another app, moved them
                self._budget = replace(budget, ceiling=self._budget.ceiling, floor=self._budget.floor)
                return
        self._steering.want(budget)

    def _plan_for(self, budget: Budget) -> None:
        with self._planning:
            self._problems.attempt("planning anew", lambda: self._move_to(budget))

    def _move_to(self, budget: Budget) -> None:
        # meanwhile the operator may have allowed something else, the apps may be others, and pictures cost more
        fleet = self._as_measured(self._fleet)
        floor = fleet.least()
        ceiling = self._budget.ceiling
        if floor > ceiling:
            self._problems.tell(
                f"the cheapest plan costs {floor:.1f} core-ms per second, more than the {ceiling:g} that are allowed: "
                "raise the budget, or remove apps"
            )
        budget = replace(budget, now=max(floor, min(budget.now, ceiling)), floor=floor, ceiling=ceiling)
        self._put_in_place(fleet, fleet.plan(budget.now, self._plan), budget)

    def _adopt(self, fleet: Fleet, ceiling: float | None = None) -> None:
        """Run another fleet, or under another ceiling; `_planning` is held."""
        fleet = self._as_measured(fleet)
        budget = within(self._budget, floor=fleet.least(), ceiling=ceiling)
        self._put_in_place(fleet, fleet.plan(budget.now, self._plan), budget)

    def _as_measured(self, fleet: Fleet) -> Fleet:
        """The fleet with what preparing a picture of this source really costs, once that is known."""
        usage = self._runner.usage()
        if usage is None or usage.frames < FRAMES_TO_TELL:
            return fleet
        return replace(fleet, picture_cost=usage.prepare_ms / usage.frames)

    def _put_in_place(self, fleet: Fleet, plan: Plan, budget: Budget) -> None:
        """From the next frame on this is what runs."""
        fresh = self._plans == 0 or fleet.packages != self._fleet.packages or what_runs(plan) != what_runs(self._plan)
        if fresh:
            self._runner.load(plan, fleet.stream_fps, packages=fleet.packages)
        with self._keeping:
            with self._lock:
                before = self._watches
                self._watches = watches_of(fleet.packages, plan.apps, before)
                self._fleet, self._plan, self._budget = fleet, plan, budget
                if fresh:
                    self._plans += 1
                    self._load = self._load.anew()
                    for watch in self._watches.values():
                        watch.looks = 0
            self._keeper.plan = short_hash(plan)
            for name, watch in before.items():
                if name not in self._watches:
                    self._keeper.finish(watch)
        self._metrics.plan({app.name: app.fps for app in plan.apps}, budget=budget.now, predicted=plan.cost)
        if fresh:
            log.info("plan %d: mean F1 %.3f, cost %.1f of %.1f", self._plans, plan.mean_f1, plan.cost, budget.now)

    def _follow_folder(self) -> None:
        assert self._folder is not None
        folder = self._folder
        self._problems.attempt(
            "looking for packages", lambda: [self._follow(folder, change) for change in folder.changes()]
        )

    def _follow(self, folder: WatchedFolder, change: Came | Went) -> None:
        if isinstance(change, Went):
            if change.app in self._fleet.packages:  # else it could never be added
                self._problems.attempt(f"removing {change.app}", lambda: self.remove_app(change.app))
        elif not self._problems.attempt(f"adding {change.folder}", lambda: self.add_app(change.folder)):
            folder.forget(change.folder)  # tried again: its files may still be on their way

    # small things

    @property
    def _evidence_folder(self) -> Path:
        return self._settings.out / "evidence"

    def _new_evidence(self) -> Evidence | None:
        if not self._settings.clips:
            return None
        rule = EvidenceRule(pre_seconds=self._settings.pre_seconds, post_seconds=self._settings.post_seconds)
        return Evidence(self._evidence_folder, self._keeper.written, rule=rule, live=self._live)

    def _drain(self) -> None:
        """Give the sinks some time for what they were not told yet; the rest stays in the store."""
        until = self._clock() + DRAIN_SECONDS
        while self._clock() < until and any(s.waiting for s in self.store.outbox.status() if s.sink in self._sinks):
            time.sleep(0.05)

"""Event F1 of plans that were carried out, beside what was predicted for them, and keep a record.

    python -m benchmarks.detection --packages apps --clip gate.mp4 --clip hall.mp4 --record ...

The clips are played one after the other as one stream, of each the part that no head was trained on (or all of it, with
--whole). For every budget and way of sharing, packages are planned and a node runs the plan on that stream; its events
are held against the labels. Every plan is run from several first frames, because few events and one phase of sampling
say little; counts are summed. An event is detected if a reported one touches it; labels may be off by a frame.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.keep import keep
from rheostat.cli.packages import CameraApps, asked_for
from rheostat.errors import InfeasibleError
from rheostat.records import environment
from rheostat.share.clips import (
    LabelledEvent,
    Labels,
    Stretch,
    find_labels,
    pictures,
    read_labels,
    split_by_time,
    write_labels,
    write_video,
)
from rheostat.share.curve import STYLES
from rheostat.share.events import Judged
from rheostat.share.frames import Picture
from rheostat.share.node.fleet import Fleet, what_runs
from rheostat.share.node.trial import try_plan
from rheostat.share.plan import Plan
from rheostat.share.scheduler import plan

SHARINGS = ("any", "head", "max", "none")
SIZE = (640, 360)  # of the stream


def stream_of(clips: Sequence[Path], labels: Sequence[str], fps: float, folder: Path, *, whole: bool) -> Labels:
    """Write the clips' held-out time, one after the other, as one video of `fps` frames per second, with its labels."""
    shown: list[frozenset[str]] = []

    def frames() -> Iterator[Picture]:
        for clip in clips:
            known = read_labels(find_labels(clip))
            present = {label: known.presence(label) for label in labels}
            for stretch in [known.labelled] if whole else _held_out(known, labels):
                taken = -1
                for number, picture in pictures(clip, start=stretch.start, stop=stretch.end):
                    slot = int((number - stretch.start) / known.fps * fps + 1e-6)
                    if slot > taken:
                        taken = slot
                        shown.append(frozenset(label for label in labels if present[label][number]))
                        yield np.asarray(Image.fromarray(picture).resize(SIZE, Image.Resampling.BILINEAR))

    video = folder / "stream.mp4"
    write_video(video, frames(), fps)
    events = [
        LabelledEvent(label, start, end)
        for label in labels
        for start, end in _runs(np.array([label in there for there in shown]))
    ]
    found = Labels(video, fps, len(shown), Stretch(0, len(shown)), tuple(events))
    write_labels(found)
    return found


def _held_out(known: Labels, labels: Sequence[str]) -> Sequence[Stretch]:
    """What no head was trained on: the held-out time of the label that the clip shows."""
    (label,) = [label for label in labels if known.events_of(label)]
    return split_by_time(known, label).held_out


def _runs(present: Any) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def measure(
    asked: CameraApps,
    stream: Labels,
    budgets: Sequence[float],
    phases: Sequence[int],
    log: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Run the plan of every budget and way of sharing on the stream."""
    workload = asked.workload
    rows = []
    known: dict[Any, dict[str, Any]] = {}  # by what a plan runs
    for sharing in SHARINGS:
        for budget in budgets:
            try:
                found = plan(workload, budget=budget, sharing=sharing)
            except InfeasibleError as error:
                rows.append({"sharing": sharing, "budget": budget, "least": error.least})
                log(f"{sharing} at {budget:g}: nothing fits, the least is {error.least:.1f}")
                continue
            runs = what_runs(found)
            if runs not in known:
                known[runs] = _measured(asked, found, stream, phases)
            row = {"sharing": sharing, "budget": budget, "cost": found.cost, "predicted": found.mean_f1, **known[runs]}
            rows.append(row)
            log(
                f"{sharing} at {budget:g}: F1 {row['f1']:.3f}, predicted {found.mean_f1:.3f}; "
                f"cost {row['spent']:.1f}, predicted {found.cost:.1f}"
            )
    return rows


def _measured(asked: CameraApps, found: Plan, stream: Labels, phases: Sequence[int]) -> dict[str, Any]:
    fleet = Fleet.of(asked)
    trials = [try_plan(fleet, found, stream, start=phase) for phase in phases]
    judged = {app.name: sum((trial.apps[app.name].judged for trial in trials), Judged(0, 0, 0)) for app in found.apps}
    apps = {
        app.name: {
            "frozen": app.frozen,
            "fps": app.fps,
            "votes": app.votes,
            "predicted": app.f1,
            "f1": judged[app.name].f1,
            "recall": judged[app.name].recall,
            "precision": judged[app.name].precision,
        }
        for app in found.apps
    }
    spent = float(np.median([trial.cost for trial in trials]))
    return {"f1": float(np.mean([app["f1"] for app in apps.values()])), "spent": spent, "apps": apps}


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    names = {"any": "Mainstream", "head": "all but the head", "max": "max", "none": "none"}
    budgets = sorted({row["budget"] for row in record["rows"]})
    lines = [
        "| apps | budget, core-ms/s | " + " | ".join(names.values()) + " |",
        "|---:|---:|" + "---:|" * len(names),
    ]
    for apps in sorted({row["number"] for row in record["rows"]}):
        for budget in budgets:
            cells = []
            for sharing in SHARINGS:
                found = [
                    row
                    for row in record["rows"]
                    if (row["number"], row["budget"], row["sharing"]) == (apps, budget, sharing)
                ]
                cells.append(_cell(found[0]) if found else "")
            if any(cells):
                lines.append(f"| {apps} | {budget:g} | " + " | ".join(cells) + " |")
    ran = [row for row in record["rows"] if "f1" in row]
    errors = [abs(row["f1"] - row["predicted"]) for row in ran]
    off = [abs(row["spent"] / row["cost"] - 1) for row in ran]
    events = ", ".join(f"{number} of {name}" for name, number in record["events"].items())
    number = len(record["phases"])
    told = "each plan run once" if number == 1 else f"each plan run from {number} first frames"
    conditions = (
        f"Mean F1 as measured (predicted by the event model `{record['event_model']}`); {record['seconds']:.0f} s of "
        f"stream with {events} events, {told}; commit "
        f"{record['environment']['commit']}."
    )
    findings = (
        f"Prediction and measurement differ by {np.mean(errors):.3f} in the mean and {max(errors):.3f} at most; "
        f"measured cost is off the plan's by {np.median(off):.1%} in the median and {max(off):.1%} at most."
    )
    return {"table": "\n".join(lines), "conditions": conditions, "findings": findings}


def _cell(row: dict[str, Any]) -> str:
    return f"{row['f1']:.3f} ({row['predicted']:.3f})" if "f1" in row else "nothing fits"


def plots(record: dict[str, Any]) -> dict[str, str]:
    """F1 against the budget as measured, and as predicted (hollow), for each way of sharing and number of apps."""
    from matplotlib.figure import Figure

    from rheostat.figures import dress, svg

    numbers = sorted({row["number"] for row in record["rows"]})
    drawn = Figure(figsize=(max(8.4, 4.0 * len(numbers)), 3.6), layout="constrained")
    panels = np.atleast_1d(drawn.subplots(1, len(numbers), sharey=True))
    for panel, number in zip(panels, numbers, strict=True):
        dress(panel)
        for sharing, (colour, dashes, label) in STYLES.items():
            rows = [
                row for row in record["rows"] if (row["number"], row["sharing"]) == (number, sharing) and "f1" in row
            ]
            budgets = [row["budget"] for row in rows]
            panel.plot(
                budgets, [row["f1"] for row in rows], color=colour, ls=dashes, lw=1.8, marker="o", ms=4, label=label
            )
            panel.plot(budgets, [row["predicted"] for row in rows], "o", ms=4, color=colour, mfc="white", ls="none")
        panel.set_xscale("log")
        panel.set_xticks(
            every := sorted({row["budget"] for row in record["rows"]}), [f"{budget:g}" for budget in every]
        )
        panel.minorticks_off()
        panel.set_ylim(0, 1.03)
        panel.set_title("1 app" if number == 1 else f"{number} apps", fontsize=10)
        panel.set_xlabel("budget, core-ms per second")
    panels[0].set_ylabel("mean event F1; hollow: predicted")
    drawn.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4)
    return {"f1": svg(drawn)}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="folder of packages, with their base")
    parser.add_argument("--clip", type=Path, action="append", required=True, help="labelled video, to be repeated")
    parser.add_argument("--whole", action="store_true", help="play the clips from end to end: none was trained on")
    parser.add_argument("--apps", default="", help="numbers of apps, as 4,8: the first so many by name; all if empty")
    parser.add_argument("--budgets", required=True, help="core-milliseconds per second, as 20,40,80")
    parser.add_argument("--phases", default="0,3,7", help="slots that are left out at the beginning of each run")
    parser.add_argument("--event-model", default="paper", choices=("paper", "profiled"))
    parser.add_argument("--stream-fps", type=float, default=10.0)
    parser.add_argument("--record", type=Path, required=True)
    given = parser.parse_args()
    every = asked_for([given.packages], stream_fps=given.stream_fps, event_model=given.event_model, picture=SIZE)
    names = [package.name for package in every.packages]
    budgets = [float(budget) for budget in given.budgets.split(",")]
    phases = [int(phase) for phase in given.phases.split(",")]
    rows: list[dict[str, Any]] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        stream = stream_of(given.clip, names, given.stream_fps, Path(place), whole=given.whole)
        for number in [int(number) for number in given.apps.split(",") if number] or [len(names)]:
            folders = [package.folder for package in every.packages[:number]]
            asked = asked_for(folders, stream_fps=given.stream_fps, event_model=given.event_model, picture=SIZE)
            rows += [{"number": number, **row} for row in measure(asked, stream, budgets, phases)]
        record = {
            "bench": "detection",
            "event_model": given.event_model,
            "stream_fps": given.stream_fps,
            "seconds": stream.frames / stream.fps,
            "phases": phases,
            "events": {name: len(stream.events_of(name)) for name in names},
            "took_seconds": time.monotonic() - began,
            "rows": rows,
            "environment": environment(),
        }
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()

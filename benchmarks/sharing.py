"""Measure on this machine what sharing a base gives and costs, and keep a record.

    python -m benchmarks.sharing --base BASE --record benchmarks/results/sharing.json

Everything is run by the runner's own code on one core, and timed in processor time; what is compared takes turns, and
medians are reported. Frames per second are 1000 / core-ms. The apps' heads are the base's own last layers, of whose
classes two are kept; each app has a session and a copy of the weights, as it is with trained heads. The work shared at
a joint is its part of the profile. Some two minutes for EfficientNet-Lite0.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from benchmarks.keep import keep
from rheostat.records import environment
from rheostat.share.base import Base, read_base, stem_hash
from rheostat.share.frames import Picture, prepared
from rheostat.share.package.document import Package, PackageDocument
from rheostat.share.plan import Plan, read_plan
from rheostat.share.runner import Runner, program
from rheostat.share.runner.loaded import Loaded
from rheostat.share.runner.networks import merged, two_classes
from rheostat.share.runner.profile import Profile, interleaved, measure
from rheostat.share.runner.sessions import PROVIDERS, Floats, Sessions, open_session, run
from rheostat.share.tree import plan_cost

APPS = 8
STREAM = 10.0
FRAMES = 40  # of a random plan
GOALS = {"shared": 0.89, "speedup": 3.5, "of_ideal": 0.95, "cuts": 0.10, "difference": 1e-5, "prediction": 0.10}


@dataclass(frozen=True)
class StandIn(Package):
    """An app whose head is the base's own last layers, with two classes, and a mark that makes it its own network."""

    base: Base

    def content(self, frozen: int) -> bytes:
        """The base's layers from `frozen` on."""
        whole = onnx.load_model_from_string(merged(_contents(self.base)[frozen:]))
        whole.doc_string = self.name
        return whole.SerializeToString()


def _contents(base: Base) -> list[bytes]:
    """The layers of a base, the last one with two classes."""
    contents = [base.content(layer) for layer in range(len(base.layers))]
    return [*contents[:-1], two_classes(contents[-1])]


def stand_ins(base: Base) -> dict[str, Package]:
    """The apps, by name."""
    return {name: _stand_in(base, name) for name in (f"app-{number}" for number in range(APPS))}


def _stand_in(base: Base, name: str) -> StandIn:
    rates = {"hit": 0.9, "hit_interval": [0.9, 0.9], "false_positive": 0.1, "false_positive_interval": [0.1, 0.1]}
    points = [
        {
            "frozen": frozen,
            "file": "none",
            "sha256": hashlib.sha256(f"{name} {frozen}".encode()).hexdigest(),
            "stem": stem_hash(base.document, frozen),
            **rates,
        }
        for frozen in range(len(base.layers))
    ]
    document = {
        "schema": 1,
        "name": name,
        "base": {"name": base.document.name, "hash": base.document.hash},
        "preprocessing": base.document.preprocessing,
        "classes": ["class 0", "class 1"],
        "positive": "class 0",
        "stream_fps": STREAM,
        "events": {
            "seconds": 1.0,
            "frequency": 0.1,
            "count": 1,
            "correlation": {"lag_seconds": [1.0], "value": [0.0]},
        },
        "held_out": {"frames": 1, "events": 1, "seconds": 1.0},
        "branch_points": points,
    }
    return StandIn(base.folder, PackageDocument.model_validate(document), base)


def plan_of(frozen: Sequence[int], fps: Sequence[float]) -> Plan:
    """A plan of one app per entry."""
    found = {"votes": None, "f1": 1.0, "recall": 1.0, "precision": 1.0}
    apps = [
        {"name": f"app-{number}", "frozen": cut, "fps": rate, **found}
        for number, (cut, rate) in enumerate(zip(frozen, fps, strict=True))
    ]
    totals = {"mean_f1": 1.0, "min_f1": 1.0, "cost": 0.0, "budget": 1.0, "optimal": False, "bound": 1.0, "seconds": 0.0}
    return read_plan({"schema": 1, **totals, "apps": apps})


def pictures(base: Base, number: int) -> list[Picture]:
    """Random pictures of the size that the base takes."""
    wanted, rng = base.document.preprocessing, np.random.default_rng(0)
    return [rng.integers(0, 256, (wanted.height, wanted.width, 3), dtype=np.uint8) for _ in range(number)]


def record_of(base: Base, *, turns: int, plans: int, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure everything."""
    log("the profile")
    profile = measure(base)
    packages = stand_ins(base)
    unshared = _loaded(base, packages, 0)
    points = []
    for frozen in range(len(base.layers)):
        points.append(_point(base, packages, profile, frozen, unshared, turns))
        log(f"{frozen} layers shared: {points[-1]['core_ms'][-1]:.1f} core-ms for {APPS} apps")
    del unshared
    return {
        "bench": "sharing",
        "base": {"name": base.document.name, "hash": base.document.hash, "layers": [x.name for x in base.layers]},
        "turns": turns,
        "profile": profile.model_dump(mode="json", by_alias=True),
        "points": points,
        "cuts": _cuts(base, profile, turns),
        "difference": _difference(base),
        "plans": [_plan(base, packages, profile, seed) for seed in range(plans)],
        "onnxruntime": onnxruntime.__version__,
        "environment": environment(),
    }


def _loaded(base: Base, packages: dict[str, Package], frozen: int) -> Loaded:
    plan = plan_of([frozen] * APPS, [STREAM] * APPS)
    sessions = Sessions(base, providers=PROVIDERS)
    return Loaded(program(plan, len(base.layers)), list(packages), STREAM, base, packages, sessions)


def _point(
    base: Base, packages: dict[str, Package], profile: Profile, frozen: int, unshared: Loaded, turns: int
) -> dict[str, Any]:
    """Apps that all share the same layers: core-ms of a frame for 1 to 8 of them, beside 8 that share nothing.

    The parts alone, for the ideal, are timed the same way: the stem by itself and one head by itself, each again and
    again, so that its weights are at hand; and all of them one after the other without the runner, which is the ideal
    for networks that have to fetch their weights each time.
    """
    shared = _loaded(base, packages, frozen) if frozen else unshared
    picture, names = pictures(base, 1)[0], list(packages)
    value = prepared(picture, base.document.preprocessing)
    stem = open_session(merged([base.content(layer) for layer in range(frozen)])) if frozen else None
    heads = [open_session(packages[name].content(frozen)) for name in names]
    crossing = value if stem is None else run(stem, value)
    parts = [*([] if stem is None else [(stem, value)]), *((head, crossing) for head in heads)]
    looks = [lambda number=number: shared.look(picture, names[:number]).core_ms for number in range(1, APPS + 1)]
    found = []
    for _ in range(turns + 1):
        together = [look() for look in looks]
        apart = unshared.look(picture, names).core_ms
        alone = (0.0 if stem is None else _alone(lambda: run(stem, value))), _alone(lambda: run(heads[0], crossing))
        in_turn = _alone(lambda: [run(one, given) for one, given in parts])
        found.append([*together, apart, *alone, in_turn])
    rows = np.array(found[1:])
    together, apart, stem_ms, head_ms = rows[:, :APPS], rows[:, APPS], rows[:, APPS + 1], rows[:, APPS + 2]
    ideal = stem_ms[:, None] + head_ms[:, None] * np.arange(1, APPS + 1)
    return {
        "frozen": frozen,
        "shared": sum(profile.core_ms[:frozen]) / sum(profile.core_ms),
        "core_ms": np.median(together, axis=0).tolist(),
        "unshared_ms": float(np.median(apart)),
        "speedup": float(np.median(apart / together[:, -1])),
        "stem_ms": float(np.median(stem_ms)),
        "head_ms": float(np.median(head_ms)),
        "of_ideal": float(np.median(ideal[:, -1] / together[:, -1])),
        "of_in_turn": float(np.median(rows[:, APPS + 3] / together[:, -1])),
    }


def _alone(work: Callable[[], object]) -> float:
    return interleaved([work], turns=3)[0]


def _cuts(base: Base, profile: Profile, turns: int) -> list[dict[str, Any]]:
    """The base in five networks instead of one: cut into parts of like cost, and at random."""
    rng, layers = np.random.default_rng(0), len(base.layers)
    sums = np.cumsum(profile.core_ms) / sum(profile.core_ms)
    even = sorted({int(np.abs(sums[:-1] - part / 5).argmin()) + 1 for part in range(1, 5)})
    chosen = [even, *(sorted(rng.choice(np.arange(1, layers), 4, replace=False).tolist()) for _ in range(7))]
    contents = _contents(base)
    works = [_chain(base, contents, cuts) for cuts in ([], *chosen)]
    times = np.array([interleaved(works, turns=1) for _ in range(3 * turns)])
    extra = np.median(times[:, 1:] / times[:, :1], axis=0) - 1
    return [{"at": cuts, "extra": float(part)} for cuts, part in zip(chosen, extra, strict=True)]


def _chain(base: Base, contents: Sequence[bytes], cuts: Sequence[int]) -> Callable[[], Floats]:
    """One picture through the layers, cut so."""
    ends = [0, *cuts, len(contents)]
    sessions = [open_session(merged(contents[start:end])) for start, end in pairwise(ends)]
    pixels = prepared(pictures(base, 1)[0], base.document.preprocessing)

    def go() -> Floats:
        value = pixels
        for session in sessions:
            value = run(session, value)
        return value

    return go


def _difference(base: Base) -> float:
    """Largest difference of a logit between all layers one by one and the whole base as one network."""
    contents = [base.content(layer) for layer in range(len(base.layers))]
    one_by_one = _chain(base, contents, range(1, len(contents)))
    return float(np.abs(one_by_one() - _chain(base, contents, [])()).max())


def _plan(base: Base, packages: dict[str, Package], profile: Profile, seed: int) -> dict[str, Any]:
    """A random plan, run by the runner: what a second of stream costs, and what was predicted.

    The whole base runs beside it: `whole_ms`. Where that is another time than in the profile, the machine has changed
    its pace since, and `measured` is to be compared with `predicted` times that change.
    """
    rng = np.random.default_rng(seed)
    apps = int(rng.integers(2, APPS + 1))
    frozen = rng.integers(0, len(base.layers), apps).tolist()
    fps = rng.choice([1.0, 2.0, 3.0, 5.0, 7.0, 10.0], apps).tolist()
    whole, wholes, spent = _chain(base, _contents(base), []), [], 0.0
    with Runner(base, packages) as runner:
        runner.load(plan_of(frozen, fps), STREAM)
        for slot, picture in enumerate(pictures(base, FRAMES)):
            began = time.thread_time()
            whole()
            wholes.append(time.thread_time() - began)
            spent += sum(result.core_ms for result in runner.run([(slot, picture)]))
    predicted, whole_ms = plan_cost(profile.core_ms, frozen, fps), float(np.median(wholes)) * 1000
    measured = spent / FRAMES * STREAM
    return {
        "frozen": frozen,
        "fps": fps,
        "predicted": predicted,
        "measured": measured,
        "whole_ms": whole_ms,
        "ratio": measured / (predicted * whole_ms / profile.whole_ms),
    }


def findings(record: dict[str, Any]) -> dict[str, float]:
    """The figures that the goals are about."""
    deep = [point for point in record["points"] if point["shared"] >= GOALS["shared"]]
    best = max(deep or record["points"][-1:], key=lambda point: point["speedup"])
    first = deep[0] if deep else best
    return {
        "shared": first["shared"],
        "speedup": first["speedup"],
        "best_speedup": best["speedup"],
        "of_ideal": float(np.median([point["of_ideal"] for point in record["points"][1:]])),
        "least_of_ideal": min(point["of_ideal"] for point in record["points"][1:]),
        "of_in_turn": float(np.median([point["of_in_turn"] for point in record["points"][1:]])),
        "least_of_in_turn": min(point["of_in_turn"] for point in record["points"][1:]),
        "cuts": record["cuts"][0]["extra"],
        "most_cuts": max(cut["extra"] for cut in record["cuts"]),
        "difference": record["difference"],
        "prediction": max(abs(plan["ratio"] - 1) for plan in record["plans"]),
        "raw_prediction": max(abs(plan["measured"] / plan["predicted"] - 1) for plan in record["plans"]),
    }


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """The parts of a page that are rendered from the record."""
    counts = (1, 2, 4, 8)
    lines = [
        f"| layers shared | of the work | {' | '.join(f'{n} apps' for n in counts)} | of ideal | against No-Sharing |",
        f"|---:|---:|{'---:|' * len(counts)}---:|---:|",
    ]
    for point in record["points"]:
        rates = " | ".join(f"{1000 / point['core_ms'][n - 1]:.0f}" for n in counts)
        ratios = f"{point['of_ideal']:.2f} | {point['speedup']:.2f} x"
        lines.append(f"| {point['frozen']} | {point['shared']:.0%} | {rates} | {ratios} |")
    plans = ["| apps | predicted core-ms per second | measured | ratio at equal pace |", "|---:|---:|---:|---:|"]
    for plan in record["plans"]:
        apps, ratio = len(plan["frozen"]), plan["ratio"]
        plans.append(f"| {apps} | {plan['predicted']:.0f} | {plan['measured']:.0f} | {ratio:.3f} |")
    found, cuts = findings(record), [cut["extra"] for cut in record["cuts"]]
    told = (
        f"Eight apps that share {found['shared']:.0%} of the work run at {found['speedup']:.1f} times the frame rate "
        f"of eight that share nothing. The parts by themselves would take {found['of_ideal']:.0%} of the time that "
        f"they take together (median of the joints; least {found['least_of_ideal']:.0%}), each timed again and again "
        f"with its weights at hand; one after the other, as different networks must, {found['of_in_turn']:.0%} (least "
        f"{found['least_of_in_turn']:.0%}). Four cuts into parts of like "
        f"cost make the base {cuts[0]:.0%} slower, seven random sets {min(cuts[1:]):.0%} to {max(cuts[1:]):.0%}. A "
        f"chain of all "
        f"layers differs from the whole by at most {found['difference']:.0e} in an output. Predicted and measured cost "
        f"of {len(record['plans'])} random plans differ by at most {found['prediction']:.0%}."
    )
    base, made = record["base"], record["environment"]
    conditions = (
        f"{base['name']} in {len(base['layers'])} layers, one core of {made['processor']}, "
        f"onnxruntime {record['onnxruntime']}, medians over {record['turns']} turns, commit {made['commit']}."
    )
    return {"table": "\n".join(lines), "plans": "\n".join(plans), "findings": told, "conditions": conditions}


def plots(record: dict[str, Any]) -> dict[str, str]:
    """Frames per second against the shared part, a line per number of apps: the shape of thesis Figure 2(a)."""
    from matplotlib.figure import Figure

    from rheostat.figures import dress, svg

    drawn = Figure(figsize=(8.4, 3.8), layout="constrained")
    axes = drawn.subplots()
    dress(axes)
    shared = [point["shared"] for point in record["points"]]
    shades = ("#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b", "#041b3d")
    for number, shade in enumerate(shades, 1):
        rates = [1000 / point["core_ms"][number - 1] for point in record["points"]]
        label = "1 app" if number == 1 else f"{number} apps"
        axes.plot(shared, rates, color=shade, lw=1.8, marker="o", ms=3, label=label)
    axes.set_ylim(0)
    axes.set_xlabel("shared part of the work")
    axes.set_ylabel("frames per second on one core")
    drawn.legend(frameon=False, loc="outside right upper")
    return {"throughput": svg(drawn)}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of a base")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--plans", type=int, default=8, help="random plans to run")
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/sharing.json"))
    given = parser.parse_args()
    record = record_of(read_base(given.base), turns=given.turns, plans=given.plans)
    keep(given.record, record, pieces)
    for name, value in findings(record).items():
        print(f"{name:16} {value:.3g}")


if __name__ == "__main__":
    main()

"""Claimed | ours, a line per claim, with the control and a decayed baseline beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reproductions.mainstream.tables import markdown
from reproductions.selective_backprop.published import CLAIMS
from reproductions.selective_backprop.views import (
    Reached,
    Record,
    Rows,
    bar_of,
    data_of,
    end_of,
    factors_of,
    lengths_of,
    lower,
    reached,
    runs_of,
)
from reproductions.selective_backprop.workloads import CONTROL, DECAYED, KATH18, PLAIN, SELECTIVE, THESIS, WORKLOADS


class Found(NamedTuple):
    """What the record says of one claim.

    Attributes:
        ours: Of Selective-Backprop.
        control: Of `matched-random` under the same conditions.
        decayed: Of plain training with the learning rate decayed to zero.
        verdict: ``holds``, ``does not hold``, ``mixed``, or ``not shown``.
    """

    ours: str
    control: str
    decayed: str
    verdict: str


def claims(record: Record) -> str:
    """The table of all claims that the record has the runs for."""
    lines = []
    for name, judge in JUDGES.items():
        found = judge(record)
        if found is not None:
            lines.append([f"{CLAIMS[name].text} ({CLAIMS[name].source})", *found])
    return markdown(["claimed", "ours", CONTROL, "plain, decayed to zero", "verdict"], lines)


def backwards(record: Record) -> Found | None:
    """Backwards to plain's final error."""
    data = record["setting"]["scale"]["main"]
    plain_rows, rows, random = (runs_of(record, data, arm, THESIS) for arm in (PLAIN, SELECTIVE, CONTROL))
    if not (plain_rows and rows and random):
        return None
    bar, whole = bar_of(record, data, 1.0), end_of(plain_rows).backwards
    ours = reached(rows, bar)
    verdict = "not shown"
    if ours is not None:
        verdict = "holds" if ours.backwards <= (CLAIMS["backwards"].number or 0) * whole else "does not hold"
    return Found(_share(ours, whole), _share(reached(random, bar), whole), _needed(record, data, bar, whole), verdict)


def error_and_time(record: Record) -> Found | None:
    """Final error and time, by the thesis's learning rate."""
    both = [data for data in data_of(record, THESIS) if runs_of(record, data, SELECTIVE, THESIS)]
    if not both:
        return None
    ours, control, decayed, held = [], [], [], []
    for data in both:
        plain = runs_of(record, data, PLAIN, THESIS)
        rows, random = runs_of(record, data, SELECTIVE, THESIS), runs_of(record, data, CONTROL, THESIS)
        end, base = end_of(rows), end_of(plain)
        wins, number = lower(rows, plain)
        time = end.seconds / base.seconds
        told = f"{end.error:.2%} against {base.error:.2%}, lower in {wins} of {number}, in {time:.2f} of the time"
        ours.append(f"{_label(data)}: {told}")
        control.append(f"{end_of(random).error:.2%}" if random else "")
        same = lengths_of(record, data).at("seconds", end.seconds)
        decayed.append("" if same is None else f"{same:.2%} at the same time")
        held.append(wins == number and time < 1)
    return Found("; ".join(ours), _joined(control), _joined(decayed), _verdict(held))


def speed_up(record: Record) -> Found | None:
    """The largest speed-up to an error above plain's."""
    found = _speed_ups(record, SELECTIVE)
    if not found:
        return None
    random, best = _speed_ups(record, CONTROL), max(found.values())
    decayed = []
    for data in data_of(record, THESIS):
        lengths = lengths_of(record, data)
        for factor in factors_of(record, data)[1:] if lengths.error else ():
            bar = bar_of(record, data, factor)
            sign, needed = lengths.needs("seconds", bar)
            plain = reached(runs_of(record, data, PLAIN, THESIS), bar)
            if plain is not None and sign != ">":
                decayed.append(plain.seconds / needed)
    return Found(
        _range(list(found.values())),
        _range(list(random.values())),
        _range(decayed),
        "holds in part" if 1 < best < (CLAIMS["speed-up"].number or 0) else "holds" if best > 1 else "does not hold",
    )


def over_kath18(record: Record) -> Found | None:
    """Time to an error, Kath18's over Selective-Backprop's."""
    ours, theirs = _speed_ups(record, SELECTIVE), _speed_ups(record, KATH18)
    random = _speed_ups(record, CONTROL)
    ratios = [ours[key] / theirs[key] for key in ours if key in theirs]
    alone = sum(key not in theirs for key in ours)
    if not ratios and not alone:
        return None
    controls = [random[key] / theirs[key] for key in random if key in theirs]
    told = _range(ratios) + (f"; {alone} more errors that Kath18 does not get to" if alone else "")
    held = [ratio >= (CLAIMS["kath18"].number or 0) for ratio in ratios] + [True] * alone
    return Found(told, _range(controls), "", _verdict(held))


def stale(record: Record) -> Found | None:
    """Time and error with stale scores, at equal backwards."""
    data = record["setting"]["scale"]["main"]
    rows, fresh = (runs_of(record, data, arm, DECAYED) for arm in ("stale", SELECTIVE))
    if not (rows and fresh):
        return None
    one, other = end_of(rows), end_of(fresh)
    faster = other.seconds / one.seconds - 1
    told = f"{faster:.0%} faster, error {one.error:.2%} against {other.error:.2%}"
    held = [faster >= (CLAIMS["stale"].number or 0), one.error <= other.error]
    return Found(told, _error(record, data, CONTROL), _plain_beside(record, data, one.seconds), _verdict(held))


def against(*pairs: tuple[str, str]) -> Callable[[Record], Found | None]:
    """Judges by final error at equal backwards, seed by seed, whether the first of each pair is better."""

    def judge(record: Record) -> Found | None:
        data = record["setting"]["scale"]["main"]
        told, held, seconds = [], [], 0.0
        for arm, other in pairs:
            rows, others = (runs_of(record, data, one, DECAYED) for one in (arm, other))
            if not (rows and others):
                continue
            wins, number = lower(rows, others)
            one, two = end_of(rows), end_of(others)
            told.append(f"{arm} {one.error:.2%}, {other} {two.error:.2%}, the first lower in {wins} of {number}")
            held += [seed < wins for seed in range(number)]
            seconds = seconds or one.seconds
        if not told:
            return None
        beside = _plain_beside(record, data, seconds)
        return Found("; ".join(told), _error(record, data, CONTROL), beside, _verdict(held))

    return judge


def label_errors(*, small: bool) -> Callable[[Record], Found | None]:
    """Judges, beside plain training of as many backwards, whether errors are lower (`small`) or higher (not)."""

    def judge(record: Record) -> Found | None:
        scale = record["setting"]["scale"]
        data, share = scale["noisy"], scale["noise_share"]
        ours, control, decayed, held = [], [], [], []
        for rate in scale["small_rates"] if small else scale["rates"]:
            rows, random, plain = (
                runs_of(record, data, arm, DECAYED, share=share, noise=rate) for arm in (SELECTIVE, CONTROL, PLAIN)
            )
            if not (rate and rows and random and plain):
                continue
            wins, number = lower(rows, plain) if small else lower(plain, rows)
            kept = sum(row["corrupted"] for row in rows) / len(rows)
            ours.append(f"{rate:.0%} wrong: {end_of(rows).error:.2%}, {kept:.1%} of the kept are wrong")
            control.append(f"{end_of(random).error:.2%}")
            decayed.append(f"{end_of(plain).error:.2%} with as many backwards")
            held += [seed < wins for seed in range(number)]
        return Found("; ".join(ours), _joined(control), _joined(decayed), _verdict(held)) if ours else None

    return judge


JUDGES: dict[str, Callable[[Record], Found | None]] = {
    "backwards": backwards,
    "error": error_and_time,
    "speed-up": speed_up,
    "kath18": over_kath18,
    "stale": stale,
    "self-pacing": against((SELECTIVE, "percentile")),
    "probabilistic": against((SELECTIVE, "top-k"), ("percentile", "top-k")),
    "no reweighting": against((SELECTIVE, "reweighted"), ("kath18-biased", KATH18)),
    "small label error": label_errors(small=True),
    "label noise": label_errors(small=False),
}


def _speed_ups(record: Record, arm: str) -> dict[tuple[str, float], float]:
    """Processor time of plain over that of an arm, by workload and by target error, where it gets there."""
    found = {}
    for data in data_of(record, THESIS):
        rows = runs_of(record, data, arm, THESIS)
        for factor in factors_of(record, data)[1:] if rows else ():
            bar = bar_of(record, data, factor)
            plain, ours = reached(runs_of(record, data, PLAIN, THESIS), bar), reached(rows, bar)
            if plain is not None and ours is not None:
                found[data, factor] = plain.seconds / ours.seconds
    return found


def _share(at: Reached | None, whole: float) -> str:
    return "never" if at is None else f"{at.backwards / whole:.2f}"


def _needed(record: Record, data: str, bar: float, whole: float) -> str:
    lengths = lengths_of(record, data)
    if not lengths.error:
        return ""
    sign, needed = lengths.needs("backwards", bar)
    return "never" if sign == ">" else f"{sign} {needed / whole:.2f}".strip()


def _error(record: Record, data: str, arm: str) -> str:
    rows: Rows = runs_of(record, data, arm, DECAYED)
    return f"{end_of(rows).error:.2%}" if rows else ""


def _plain_beside(record: Record, data: str, seconds: float) -> str:
    error = lengths_of(record, data).at("seconds", seconds)
    return "" if error is None else f"{error:.2%} at the same time"


def _range(values: Sequence[float]) -> str:
    if not values:
        return "never"
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return f"{low} x" if low == high else f"{low} to {high} x"


def _joined(values: Sequence[str]) -> str:
    return "; ".join(value for value in values if value)


def _verdict(held: Sequence[bool]) -> str:
    if not held:
        return "not shown"
    return "holds" if all(held) else "mixed" if any(held) else "does not hold"


def _label(data: str) -> str:
    return WORKLOADS[data].label

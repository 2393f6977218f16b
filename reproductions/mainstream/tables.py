"""What the page shows of a record: tables and sentences in Markdown, each a function of the record alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reproductions.mainstream.schedules import NEAR

Record = dict[str, Any]
Rows = dict[tuple[int, int], dict[str, Any]]


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def listed(*sentences: str) -> str:
    """A bullet per sentence."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def conditions(record: Record) -> str:
    """On what the record was computed."""
    where = record["environment"]
    partly = "" if record["complete"] else ", not all cells yet"
    return f"{where['processor']}, {where['cores']} cores, Python {where['python']}, commit {where['commit']}{partly}."


def fig3(record: Record) -> str:
    """How far from the published curve, and how far from the measured one."""
    header = ["curve", "theirs apart from published", "Eq. 1 apart from published", "theirs", "Eq. 1"]
    header[3:] = [f"{name}, from measured" for name in header[3:]]
    lines = []
    for row in record["rows"]:
        published, measured = row["from_published"], row["from_measured"]
        lines.append(
            [
                f"{row['cell']['dataset']}, {row['cell']['curve']}",
                _small(published["event"]["max"]),
                f"{published['stride']['max']:.4f}",
                f"{measured['event']['mean']:.4f}",
                f"{measured['stride']['mean']:.4f}",
            ]
        )
    return markdown(header, lines)


def fig4a(record: Record) -> str:
    """Relative errors of the three ways to foretell throughput."""
    header = ["net", "settings", "latencies, one rate", "latencies, stem at its own rate", "shares fitted to the rates"]
    lines = [
        [row["cell"]["net"], str(len(row["apps"])), *(_errors(row[way]["relative_error"]) for way in FORETOLD)]
        for row in record["rows"]
    ]
    return markdown(header, lines)


FORETOLD = ("one_rate", "own_rate_of_stem", "own_share")


def fig4a_shares(record: Record) -> str:
    """Where the latencies of layers and the measured rates disagree most."""
    sentences = []
    for row in record["rows"]:
        share = row["own_share"]
        depth = max(list(share["by_rates"])[1:], key=lambda k: abs(share["by_rates"][k] - share["by_latency"][k]))
        most = max(row["apps"])
        together = (
            most * dict(zip(zip(row["apps"], row["frozen"], strict=True), row["published"], strict=True))[most, 0]
        )
        sentences.append(
            f"{row['cell']['net']}: {most} nets that share nothing make {together / share['alone']:.2f} times the "
            f"frames per second of one, where the formula has 1. By the latencies {share['by_latency'][depth]:.0%} of "
            f"the cost lies behind layer {depth} of {row['layers']}, by the rates {share['by_rates'][depth]:.0%}."
        )
    return listed(*sentences)


def fig4b(record: Record) -> str:
    """Hit rates at some depths."""
    depths = (0, 27, 51, 75, 81, 84)
    lines = []
    for row in record["rows"]:
        at = dict(zip(row["frozen"], row["hit_without_dominated"], strict=True))
        lines.append([row["cell"]["app"], *(f"{at[k]:.3f}" for k in depths), str(row["dominated"])])
    layers = record["rows"][0]["layers"]
    return markdown(["app", *(f"{k / layers:.0%} ({k})" for k in depths), "dominated"], lines)


def table1(record: Record) -> str:
    """The paper's columns, then ours."""
    header = [
        "app",
        "images",
        "mean event, frames",
        "shortest",
        "frequency",
        "instances",
        "hit / false positive, first",
    ]
    header += ["head (81)", "deepest (84)"]
    lines = []
    for row in record["rows"]:
        rates = [f"{rate['hit']:.3f} / {rate['false_positive']:.3f}" for rate in row["rates"].values()]
        paper = ["-" if value is None else f"{value:g}" for value in row["paper"].values()]
        lines.append([row["cell"]["app"], *paper, str(row["instances"]), *rates])
    return markdown(header, lines)


def table1_workloads(record: Record) -> str:
    """What the workloads draw from."""
    rows = record["rows"]
    low, high = (f(row["event_seconds"][at] for row in rows) for at, f in ((0, min), (1, max)))
    rare, often = (f(row["event_frequency"][at] for row in rows) for at, f in ((0, min), (1, max)))
    return (
        f"{sum(row['instances'] for row in rows):,} instances in all, with events of {low:g} to {high:g} s and a "
        f"frequency of {rare:g} to {often:g}, whatever the data set."
    )


def regtest(record: Record) -> str:
    """How the optimal plans compare with each published solver."""
    sentences = []
    for solver in ("stems_cpp-5", "exhaustive-3", "stems-5", "hifi-5"):
        pairs = [(row["published"][solver], row["exact"]) for row in record["rows"] if solver in row["published"]]
        apart = np.array([theirs - ours for theirs, ours in pairs])
        worse = int((apart > NEAR).sum())
        printed = f"{np.abs(apart[apart <= NEAR]).max():.1e} apart, which is within the printed digits"
        verdict = f"{worse} of theirs worse by up to {apart.max():.6f}, the others" if worse else "the same optimum,"
        sentences.append(f"`{solver}`, {len(pairs)} set-ups: {verdict} at most {printed}.")
    return listed(*sentences)


def correlation(record: Record) -> str:
    """By lag, with intervals."""
    header = ["frames apart", "pairs", "miss after miss", "correlation", "95 % interval"]
    (row,) = record["rows"]
    lines = [
        [
            str(lag["lag"]),
            f"{lag['pairs']:,}",
            f"{lag['miss_after_miss']:.3f}",
            f"{lag['correlation']:.3f}",
            f"{lag['low']:.3f} to {lag['high']:.3f}",
        ]
        for lag in row["lags"]
    ]
    pooled = row["pooled"]
    pooled_line = ["all pairs", f"{pooled['pairs']:,}", f"{pooled['miss_after_miss']:.3f}"]
    return markdown(header, [*lines, [*pooled_line, f"{pooled['correlation']:.3f}", ""]])


def correlation_findings(record: Record) -> str:
    """The pooled figure beside the published ones."""
    (row,) = record["rows"]
    published, pooled, constants = row["published"], row["pooled"], row["published"]["correlation"]
    return listed(
        f"Chance of a miss after a miss over all pairs of frames of one event: published "
        f"{published['miss_after_miss']:.7f}, ours {pooled['miss_after_miss']:.7f}.",
        f"With the hit rate of {pooled['hit']:.5f} (95 % interval {row['hit_interval'][0]:.3f} to "
        f"{row['hit_interval'][1]:.3f}) that is a correlation of {pooled['correlation']:.3f}. The constants in the "
        f"published code are {constants['pedestrian']} (pedestrian) and {constants['train']} (train); we could not "
        f"derive them from what is published.",
    )


def observed(record: Record) -> str:
    """Measured and foretold rates of both modes."""
    header = ["mode", "apps", "measured, frames per second", "foretold", "capacity, ms/s", "relative error"]
    lines = []
    for row in record["rows"]:
        found = row["one_rate"]
        ends = (0, -1)
        lines.append(
            [
                row["cell"]["mode"],
                " and ".join(str(row["apps"][at]) for at in ends),
                " and ".join(f"{row['published'][at]:.2f}" for at in ends),
                " and ".join(f"{found['fps'][at]:.2f}" for at in ends),
                f"{found['capacity_ms_per_second']:.0f}",
                _errors(found["relative_error"]),
            ]
        )
    return markdown(header, lines)


def _errors(error: dict[str, float]) -> str:
    return f"{error['mean']:.1%}, at most {error['max']:.1%}"


def _small(value: float) -> str:
    return f"{value:.1e}"


PIECES: dict[tuple[str, str], Callable[[Record], str]] = {
    ("fig3", "table"): fig3,
    ("fig4a", "table"): fig4a,
    ("fig4a", "shares"): fig4a_shares,
    ("fig4b", "table"): fig4b,
    ("table1", "table"): table1,
    ("table1", "workloads"): table1_workloads,
    ("regtest", "findings"): regtest,
    ("correlation", "table"): correlation,
    ("correlation", "findings"): correlation_findings,
    ("observed", "table"): observed,
}

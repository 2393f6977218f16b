"""How often the intervals of a review hold the truth, over simulated reviews, and keep a record.

    python -m benchmarks.coverage --record benchmarks/results/coverage.json

Each simulated review draws a data set, a ranking, the audits and the order, stops where it is told, and skips at
random; then the truth is compared with the stated 95 % intervals of the noise rate and of the suspects' precision.
Beside the width of the first stands that of an exact interval from the same audits alone, as if the suspects told
nothing.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keep import keep
from rheostat.augment.estimates import estimate, wrong_in_population
from rheostat.augment.sampling import Bools, Floats, in_rounds
from rheostat.records import environment

SIZES = (1_000, 50_000)
NOISE = (0.01, 0.05, 0.09, 0.20, 0.40)
RANKINGS = {
    "good": "two overlapping normal distributions, three deviations apart",
    "useless": "at random",
    "adversarial": "every wrong label after every right one",
}
REVIEWS: dict[str, dict[str, float]] = {
    "5 %, a tenth audits": {"budget": 0.05, "audits": 0.1, "done": 1.0, "skipped": 0.0},
    "5 %, a tenth audits, stopped after 30 %, a tenth skipped": {
        "budget": 0.05,
        "audits": 0.1,
        "done": 0.3,
        "skipped": 0.1,
    },
    "10 %, 3 in 10 audits, stopped after 75 %": {"budget": 0.1, "audits": 0.3, "done": 0.75, "skipped": 0.0},
    "30 %, a tenth audits, a fifth skipped": {"budget": 0.3, "audits": 0.1, "done": 1.0, "skipped": 0.2},
}


def scores(wrong: Bools, ranking: str, rng: np.random.Generator) -> Floats:
    """Scores `[N]` that rank as asked, higher = more suspect."""
    noise = rng.standard_normal(len(wrong))
    if ranking == "good":
        return noise + 3.0 * wrong
    return noise if ranking == "useless" else rng.random(len(wrong)) - wrong


def simulate(
    size: int, noise: float, ranking: str, review: dict[str, float], times: int, rng: np.random.Generator
) -> dict[str, float]:
    """Coverage and mean width of the intervals over simulated reviews of data sets with one number of wrong labels."""
    covered, precise, width, alone = np.zeros(times), np.zeros(times), np.zeros(times), np.zeros(times)
    rate = round(noise * size) / size
    for turn in range(times):
        wrong = np.zeros(size, bool)
        wrong[rng.permutation(size)[: round(noise * size)]] = True
        listed = in_rounds(
            scores(wrong, ranking, rng),
            review["budget"],
            rounds=5,
            audits=review["audits"],
            reviewed=(),
            seed=int(rng.integers(2**31)),
        )
        passed = listed.index[: round(review["done"] * len(listed))]
        is_skipped = rng.random(len(passed)) < review["skipped"]
        decided = passed[~is_skipped]
        found = estimate(
            listed,
            dict(zip(decided.tolist(), wrong[decided].tolist(), strict=True)),
            skipped=passed[is_skipped].tolist(),
        )
        suspects = listed.index[(listed.ranked >= 0) & (listed.ranked <= found.round)]
        truth = wrong[suspects].mean()
        low, high = found.noise_interval
        covered[turn], width[turn] = low - 1e-12 <= rate <= high + 1e-12, high - low
        precise[turn] = found.precision_interval[0] - 1e-12 <= truth <= found.precision_interval[1] + 1e-12
        audited = np.intersect1d(listed.index[listed.audit], decided)
        least, most = wrong_in_population(size, len(audited), int(wrong[audited].sum()), 0.95)
        alone[turn] = (most - least) / size
    return {
        "covered": float(covered.mean()),
        "precision_covered": float(precise.mean()),
        "width": float(width.mean()),
        "audits_alone": float(alone.mean()),
    }


def measure(times: int, seed: int = 0) -> dict[str, Any]:
    """All sizes, noise rates, rankings and reviews."""
    rng = np.random.default_rng(seed)
    cases = []
    for size, name, ranking, noise in itertools.product(SIZES, REVIEWS, RANKINGS, NOISE):
        found = simulate(size, noise, ranking, REVIEWS[name], times, rng)
        cases.append({"size": size, "review": name, "ranking": ranking, "noise": noise, **found})
    return {
        "bench": "coverage",
        "times": times,
        "reviews": REVIEWS,
        "rankings": RANKINGS,
        "cases": cases,
        "environment": environment(),
    }


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    noise = ", ".join(f"{100 * rate:g}" for rate in sorted({case["noise"] for case in record["cases"]}))
    width = f"mean width at {noise} % noise, in points"
    lines = [
        f"| examples | review | ranking | noise rate covered, least (mean) | precision | {width} | audits alone |",
        "|---:|---|---|---:|---:|---|---|",
    ]
    sizes = sorted({case["size"] for case in record["cases"]})
    for size, review, ranking in itertools.product(sizes, record["reviews"], record["rankings"]):
        mine = [
            case
            for case in record["cases"]
            if (case["size"], case["review"], case["ranking"]) == (size, review, ranking)
        ]
        covered = [case["covered"] for case in mine]
        widths = ", ".join(f"{100 * case['width']:.1f}" for case in mine)
        alone = ", ".join(f"{100 * case['audits_alone']:.1f}" for case in mine)
        lines.append(
            f"| {size:,} | {review} | {ranking} | {min(covered):.3f} ({np.mean(covered):.3f}) "
            f"| {min(case['precision_covered'] for case in mine):.3f} | {widths} | {alone} |"
        )
    covered = [case["covered"] for case in record["cases"]]
    conditions = (
        f"{record['times']:,} simulated reviews of each of {len(covered)} cases; stated confidence 95 %; the noise "
        f"rate was covered in {min(covered):.1%} of the reviews of the worst case, {np.mean(covered):.1%} of all. "
        "Rankings: "
        + "; ".join(f"{name}, {what}" for name, what in record["rankings"].items())
        + f". Commit {record['environment']['commit']}."
    )
    return {"table": "\n".join(lines), "conditions": conditions}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/coverage.json"))
    parser.add_argument("--times", type=int, default=1_000)
    given = parser.parse_args()
    record = measure(given.times)
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()

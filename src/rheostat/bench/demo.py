"""The demo: the whole story on data that are installed already."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rheostat.bench.compare import OnRun, arms_of, compare
from rheostat.bench.report import write_report
from rheostat.records import write_json
from rheostat.settings import TrainSettings
from rheostat.training import prepare

SETTINGS = TrainSettings.checked(
    {
        "data": "sklearn-digits",
        "model": "lenet",
        "image_size": 28,
        "epochs": 40,
        "batch_size": 32,
        "lr": 0.03,
        "device": "cpu",
    }
)
SHARE = 0.4
SEEDS = 5
_RUNS = ".demo-runs"  # a name of its own: it is removed at the end


def run_demo(folder: Path, *, jobs: int = 2, on_run: OnRun | None = None) -> tuple[dict[str, Any], Path]:
    """Compare Selective-Backprop with plain training and its control on scikit-learn's digits.

    Args:
        folder: Where the runs and the report go; an interrupted demo goes on.
        jobs: Runs side by side.
        on_run: Told after every finished run.

    Returns:
        The record of the comparison, and the path of its HTML page.
    """
    examples = len(prepare(SETTINGS).data.train.labels)
    arms = arms_of(SETTINGS, ["selective-backprop", "matched-random"], examples=examples, share=SHARE)
    record = compare(arms, range(SEEDS), folder / _RUNS, jobs=jobs, on_run=on_run)
    write_json(folder / "record.json", record)
    report = folder / "report.html"
    write_report(
        record,
        report,
        title="Rheostat: which examples get a backward pass",
        lead=(
            "LeNet on the 1,797 handwritten digits that scikit-learn ships, half of them for training. "
            "Selective-Backprop looks at every example with a forward pass and trains on those it gets wrong; it may "
            f"spend {SHARE:g} of the backward passes of plain training."
        ),
    )
    shutil.rmtree(folder / _RUNS)  # they are for going on with; the next demo starts afresh
    return record, report

"""What watching every example costs: `ExampleLog.observe` as a share of a training step, and keep a record.

    python -m benchmarks.watching

Every step of a plain training loop is followed by a look at its batch, from the logits that the step has made anyway.
Both are timed on the spot, so that an observation finds the processor's caches as training leaves them and what else
the machine does hits both alike. The log works on several calls at once, so times are of blocks of calls, given per
call, and the share is the median of those of the blocks.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.keep import keep, summary
from rheostat.records import environment
from rheostat.signals import ExampleLog
from rheostat.training import build_model

BATCH = 128
EXAMPLES = 50_000
CLASSES = 10
BAR = 0.02
BLOCK = 16  # calls that the log works on at once
SETTINGS = (("lenet", 1, 28, 40), ("resnet18", 3, 32, 2))  # model, channels, image size, blocks after a first


def measured(model_name: str, channels: int, image_size: int, blocks: int) -> dict[str, Any]:
    """Time the steps of a training loop and the looks in it, with random images and labels."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(model_name, classes=CLASSES, channels=channels, image_size=image_size)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    log = ExampleLog(EXAMPLES)
    images = torch.randn(BATCH, channels, image_size, image_size, generator=generator)
    labels = torch.randint(0, CLASSES, (BATCH,), generator=generator)
    order = torch.randperm(EXAMPLES, generator=generator)
    spent: dict[str, list[float]] = {"step": [], "look": []}
    for call in range((1 + blocks) * BLOCK):
        index = order[call * BATCH % (EXAMPLES - BATCH) :][:BATCH]
        start = time.process_time()
        optimizer.zero_grad()
        logits = model(images)
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
        trained = time.process_time()
        log.observe(index, logits, labels, epoch=0)
        watched = time.process_time()
        spent["step"].append(trained - start)
        spent["look"].append(watched - trained)
    step, look = (
        [sum(seconds[at : at + BLOCK]) / BLOCK for at in range(BLOCK, len(seconds), BLOCK)]
        for seconds in spent.values()
    )
    return {
        "model": model_name,
        "input": [channels, image_size, image_size],
        "steps": blocks * BLOCK,
        "seconds": {"step": summary(step), "look": summary(look)},
        "share": summary([a / b for a, b in zip(look, step, strict=True)]),
    }


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    lines = ["| model | input | step | look at the batch | share of the step | bar |", "|---|---|---:|---:|---:|---:|"]
    for row in record["rows"]:
        size = " x ".join(map(str, row["input"]))
        step, look = (row["seconds"][name]["median"] for name in ("step", "look"))
        lines.append(
            f"| {row['model']} | {size} | {step * 1e3:.1f} ms | {look * 1e3:.2f} ms | {row['share']['median']:.2%} | "
            f"{record['bar']:.0%} |"
        )
    at, setting = record["environment"], record["setting"]
    conditions = (
        f"Batches of {setting['batch_size']}, a log of {setting['examples']:,} examples, a look right after each step; "
        f"processor time of one thread, medians over blocks of {setting['block']} steps; {at['processor']}, "
        f"torch {at['packages']['torch']}, commit {at['commit']}."
    )
    return {"table": "\n".join(lines), "conditions": conditions}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/watching.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    record = {
        "bench": "watching",
        "setting": {"batch_size": BATCH, "examples": EXAMPLES, "classes": CLASSES, "block": BLOCK},
        "bar": BAR,
        "rows": [measured(*setting) for setting in SETTINGS],
        "environment": environment(),
    }
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()

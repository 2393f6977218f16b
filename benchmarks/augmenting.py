"""What batched operations cost, beside torchvision's TrivialAugmentWide and beside a training step; keep a record.

    OMP_NUM_THREADS=1 python -m benchmarks.augmenting

An operation of TrivialAugment's fourteen, a level of 31 and a sign are drawn for every image, by us for the whole
batch, by torchvision for one image after another. torchvision has two versions of it, and each takes PIL images and
uint8 tensors; the ratio is to whichever of the four is fastest, without the time of turning images into what it takes,
and of making a batch of what it gives. Ways take turns, in a fresh order each time, so that what else the machine does
hits all alike. The share of a training step is that of the medians, one batch augmented right before each step.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.keep import keep, summary
from rheostat.augment.operations import OPERATIONS, apply, magnitude_at
from rheostat.records import environment
from rheostat.training import build_model
from rheostat.training.torchvision_ops import ensure_torchvision_imports

BATCH = 128
LEVELS = 31
TRIVIAL = 14  # the first of OPERATIONS, which are those of TrivialAugment
SIZES = (32, 96)
TURNS = {32: 60, 96: 30}
STEPS = 7
BARS = {"ratio": 3.0, "share": 0.15}
OURS = "rheostat, one batch"


def some_images(size: int, generator: torch.Generator) -> Tensor:
    """Clouds of colour with a little noise, as uint8."""
    clouds = torch.rand(BATCH, 3, 6, 6, generator=generator)
    smooth = F.interpolate(clouds, size=size, mode="bicubic") * 220
    noise = 12 * torch.randn(smooth.shape, generator=generator)
    return (smooth + noise).clamp(0, 255).to(torch.uint8)


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """TrivialAugment of a batch."""
    count = len(images)
    operation = torch.randint(0, TRIVIAL, (count,), generator=generator)
    level = torch.randint(0, LEVELS, (count,), generator=generator) / (LEVELS - 1)
    sign = 2 * torch.randint(0, 2, (count,), generator=generator) - 1
    return apply(images, operation, magnitude_at(operation, level, sign), generator)


def ways_of(size: int, generator: torch.Generator) -> dict[str, Callable[[], object]]:
    """All ways to augment the same images."""
    ensure_torchvision_imports()
    from PIL import Image
    from torchvision.transforms import TrivialAugmentWide, v2

    images = some_images(size, generator)
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    ways: dict[str, Callable[[], object]] = {OURS: lambda: augmented(images, generator)}
    for version, one in (("v1", TrivialAugmentWide()), ("v2", v2.TrivialAugmentWide())):
        ways[f"torchvision {version}, PIL images"] = lambda one=one: [one(picture) for picture in pictures]
        ways[f"torchvision {version}, uint8 tensors"] = lambda one=one: [one(image) for image in images]
    return ways


def operations_of(size: int, generator: torch.Generator) -> dict[str, Callable[[], object]]:
    """Each operation on a whole batch, at random levels."""
    images = some_images(size, generator)
    level = torch.rand(BATCH, generator=generator)

    def way(at: int) -> Callable[[], object]:
        operation = torch.full((BATCH,), at)
        magnitude = magnitude_at(operation, level, torch.ones(BATCH))
        return lambda: apply(images, operation, magnitude, generator)

    return {name: way(at) for at, name in enumerate(OPERATIONS)}


def interleaved(
    ways: Mapping[str, Callable[[], object]], turns: int, generator: torch.Generator
) -> dict[str, list[float]]:
    """Seconds of processor time of each way in each turn, after one turn that warms up."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for _ in range(turns + 1):
        for at in torch.randperm(len(names), generator=generator).tolist():
            start = time.process_time()
            ways[names[at]]()
            spent[names[at]].append(time.process_time() - start)
    return {name: seconds[1:] for name, seconds in spent.items()}


def beside_a_step(generator: torch.Generator) -> dict[str, Any]:
    """Seconds of steps of ResNet-18, forward, backward and SGD, and of augmenting the batch of each."""
    model = build_model("resnet18", classes=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = some_images(32, generator)
    labels = torch.randint(0, 10, (BATCH,), generator=generator)
    spent: dict[str, list[float]] = {"augment": [], "step": []}
    for _ in range(STEPS + 1):
        start = time.process_time()
        varied = augmented(images, generator)
        done = time.process_time()
        optimizer.zero_grad()
        F.cross_entropy(model(varied.float() / 255 - 0.5), labels).backward()
        optimizer.step()
        spent["augment"].append(done - start)
        spent["step"].append(time.process_time() - done)
    seconds = {name: summary(each[1:]) for name, each in spent.items()}
    share = seconds["augment"]["median"] / seconds["step"]["median"]
    return {"model": "resnet18", "steps": STEPS, "seconds": seconds, "share": share}


def at_size(size: int, generator: torch.Generator) -> dict[str, Any]:
    """Everything at one size of images."""
    spent = interleaved(ways_of(size, generator), TURNS[size], generator)
    seconds = {name: summary(each) for name, each in spent.items()}
    fastest = min((name for name in spent if name != OURS), key=lambda name: seconds[name]["median"])
    ratios = [theirs / ours for theirs, ours in zip(spent[fastest], spent[OURS], strict=True)]
    alone = interleaved(operations_of(size, generator), TURNS[size], generator)
    return {
        "size": size,
        "turns": TURNS[size],
        "seconds": seconds,
        "fastest": fastest,
        "ratio": summary(ratios),
        "operations": {name: summary(each) for name, each in alone.items()},
    }


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    sizes, step, at = record["sizes"], record["step"], record["environment"]

    def row(name: str, cells: list[str]) -> str:
        return f"| {name} | {' | '.join(cells)} |"

    heads = [f"{found['size']} x {found['size']}" for found in sizes]
    ruler = "|---|" + "---:|" * len(sizes)
    table = [row("images per second", heads), ruler]
    for name in sizes[0]["seconds"]:
        speeds = [record["batch_size"] / found["seconds"][name]["median"] for found in sizes]
        table.append(row(name, [f"{speed:,.0f}" for speed in speeds]))
    table.append(row("times the fastest of torchvision", [_spread(found["ratio"], "{:.1f}") for found in sizes]))
    alone = [row("us per image", heads), ruler]
    for name in sizes[0]["operations"]:
        each = [found["operations"][name]["median"] / record["batch_size"] * 1e6 for found in sizes]
        alone.append(row(name, [f"{us:.1f}" for us in each]))
    spent = {name: each["median"] for name, each in step["seconds"].items()}
    packages = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return {
        "table": "\n".join(table),
        "operations": "\n".join(alone),
        "step": (
            f"Augmenting a batch of {record['batch_size']} images of 32 x 32 takes {spent['augment'] * 1e3:.1f} ms, "
            f"{step['share']:.2%} of a training step of {step['model']}, which takes {spent['step']:.2f} s on the same "
            f"thread."
        ),
        "conditions": (
            f"Batches of {record['batch_size']}, one thread, medians of processor time over "
            f"{' and '.join(str(found['turns']) for found in sizes)} turns (quartiles in brackets), all ways in every "
            f"turn; {at['processor']}, torch {at['packages']['torch']}, {packages}, commit {at['commit']}."
        ),
    }


def _spread(values: Mapping[str, Any], form: str) -> str:
    low, high = (form.format(value) for value in values["quartiles"])
    return f"{form.format(values['median'])} ({low} to {high})"


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/augmenting.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # torchvision and fresh weights draw from the global generator
    record = {
        "bench": "augmenting",
        "batch_size": BATCH,
        "bars": BARS,
        "sizes": [at_size(size, generator) for size in SIZES],
        "step": beside_a_step(generator),
        "versions": {name: importlib.metadata.version(name) for name in ("torchvision", "pillow")},
        "environment": environment(),
    }
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()

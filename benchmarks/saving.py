"""Does selection save time? Every arm beside a curve of plain runs of several lengths, in processor and wall seconds.

A cell is one training run by the project's own loop, one thread, the learning rate falling to zero over its epochs.
Seeds are the outer loop, so that arms and lengths are interleaved. Evaluation is left out of the seconds.

    python benchmarks/saving.py mnist cifar10 --seeds 5       the record; after Ctrl-C the same command goes on
    python benchmarks/saving.py mnist --seeds 5 --out FOLDER

The data are looked for beside the checkout, in ../shared/data, and on the hub otherwise.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # where benchmarks and reproductions are

from benchmarks.saving_places import DEFAULT, MAIN, PLACES, PLAIN, TRIED_SEEDS  # noqa: E402
from benchmarks.saving_tables import findings, pieces, plots  # noqa: E402
from reproductions.running import Cell, Figure, Row, produce  # noqa: E402
from rheostat.settings import TrainSettings  # noqa: E402
from rheostat.training import ImageData, load_data, prepare, train  # noqa: E402
from rheostat.training.data import RelabelledImages, ResidentImages  # noqa: E402

__all__ = ["pieces", "plots"]  # which `benchmarks/render.py` asks the script of a record for

_KINDS = ("data", "scoring", "training")


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        same = before == after and stride == 1
        self.past = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(inner)) + self.past(x))


def resnet_8(classes: int) -> nn.Module:
    """Residual blocks of 16, 32 and 64 channels after a first convolution of stride 2, for images of 32 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        _Block(16, 16, 1),
        _Block(16, 32, 2),
        _Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


@functools.cache
def _data(name: str) -> ImageData:
    """The images of a place, with its labels."""
    place = PLACES[name]
    local = ROOT.parent / "shared" / "data" / place.data
    data = load_data(str(local) if local.exists() else place.hub)
    data = replace(data, train=_first(data.train, place.train), test=_first(data.test, place.test))
    if not place.noise:
        return data
    labels, rng = data.train.labels, torch.Generator().manual_seed(0)
    wrong = torch.rand(len(labels), generator=rng) < place.noise
    other = torch.randint(1, len(data.classes), labels.shape, generator=rng)
    given = torch.where(wrong, (labels + other) % len(data.classes), labels)
    return replace(data, train=RelabelledImages(data.train, given))


def _first(split: Any, number: int) -> Any:
    assert isinstance(split, ResidentImages), "these data fit into memory"
    return ResidentImages(split.images[:number], split.labels[:number]) if number else split


def _model(name: str, data: ImageData) -> Callable[[], nn.Module] | None:
    classes, inputs = len(data.classes), data.channels * data.image_size**2
    own: dict[str, Callable[[], nn.Module]] = {
        "resnet-8": lambda: resnet_8(classes),
        "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes)),
    }
    return own.get(name)


def cells(names: Sequence[str], seeds: int) -> list[Cell]:
    """All runs, seed by seed; of what was only tried, two seeds."""
    return [
        {"place": name, "arm": arm, "epochs": epochs, "seed": seed}
        for seed in range(seeds)
        for name in names
        for arm, lengths in {PLAIN: PLACES[name].plain, **PLACES[name].arms}.items()
        for epochs in lengths
        if arm in MAIN or seed < TRIED_SEEDS
    ]


def row(cell: Cell) -> Row:
    """One run."""
    torch.set_num_threads(1)
    place = PLACES[cell["place"]]
    data = _data(cell["place"])
    settings = TrainSettings.checked(
        {
            "data": place.data,
            **place.settings,
            **place.options[cell["arm"]],
            "epochs": cell["epochs"],
            "seed": cell["seed"],
        }
    )
    summary = train(prepare(settings, data=data, model=_model(settings.model, data)))
    final = summary["final"]
    return {
        "commit": summary["environment"]["commit"],
        "error": final["test_error"],
        "seconds": sum(final["seconds"][kind] for kind in _KINDS),
        "cpu_seconds": sum(final["cpu_seconds"][kind] for kind in _KINDS),
        "candidates": final["candidates"],
        "forwards": final["forwards"]["scoring"],
        "backwards": final["backwards"],
        "by_epoch": [
            {
                "kept_share": epoch["kept_share"],
                "modes": epoch["modes"],
                "break_even": epoch["selection"]["break_even"],
                "predicted": epoch["selection"]["predicted_speedup"],
                "actual": epoch["selection"]["actual_speedup"],
            }
            for epoch in summary["epochs"]
        ],
    }


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", help=f"any of {', '.join(PLACES)}; default: {', '.join(DEFAULT)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()
    names = given.places or list(DEFAULT)
    unknown = [name for name in names if name not in PLACES]
    if unknown or given.seeds < 1:
        parser.error(f"places are {', '.join(PLACES)}, and there is at least 1 seed")
    for name in names:  # a record each, so that places can be measured side by side or one after the other
        figure = Figure(
            name=f"saving-{name}",
            what="Time to an error, with selection and without",
            claimed=(),
            cells=functools.partial(cells, [name]),
            row=row,
            setting={"place": PLACES[name].what},
            bench="saving",
        )
        record = produce(
            figure, given.out, workers=1, workloads=given.seeds, fresh=False, say=functools.partial(print, flush=True)
        )
        print("\n".join(findings(record)))


if __name__ == "__main__":
    main()

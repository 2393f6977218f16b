"""Clips of the procedural camera, and a package for each of twelve things that it shows, for `benchmarks.detection`.

    python -m benchmarks.camera --out camera
    python -m benchmarks.detection --packages camera/apps --clip camera/test.mp4 --whole --apps 4,8,12 ...

Training and test clip are drawn from different seeds. The base is EfficientNet-Lite0 at 128 x 128 pixels. What is there
already is left as it is, and interrupted packages go on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rheostat.share.base import BASE_FILE, read_base
from rheostat.share.camera import write_clip
from rheostat.share.package import read_package
from rheostat.share.package.document import PACKAGE_FILE
from rheostat.share.package.inspection import table
from rheostat.share.stem import load_base, write_base
from rheostat.share.trainer import PackageSettings, head_training, layer_work, make_package, usual_points

# in the order in which `benchmarks.detection` takes the first 4, 8 and 12: by the names of their folders
APPS = (
    "train", "bus", "red car", "pedestrian", "truck", "cyclist", "taxi", "blue car", "barrier down", "dog",
    "freight train", "umbrella",
)  # fmt: skip
SIZE, POINTS = 128, 5
CLIPS = {"train": (480.0, 1), "test": (300.0, 2)}  # seconds and seed


def main() -> None:
    """Make what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for name, (seconds, seed) in CLIPS.items():
        if not (given.out / f"{name}.labels.json").exists():
            write_clip(given.out, name=name, seconds=seconds, seed=seed)
    network = load_base("efficientnet-lite0", size=SIZE)
    folder = given.out / "apps" / "base"
    base = read_base(folder) if (folder / BASE_FILE).exists() else write_base(network, folder)
    points = usual_points(layer_work(network), network.head_start, POINTS)
    for number, app in enumerate(APPS, 1):
        out = given.out / "apps" / f"{number:02}-{app.replace(' ', '-')}"
        if not (out / PACKAGE_FILE).exists():
            began = time.process_time()
            settings = PackageSettings(votes=(1, 2, 3), training=head_training({"device": "cpu"}))
            make_package(
                network, base, [given.out / "train.mp4"], out,
                name=app, positive=app, branch_points=points, settings=settings,
            )  # fmt: skip
            print(f"{app}: {time.process_time() - began:.0f} s of processor time")
        print(table(read_package(out)), end="\n\n")


if __name__ == "__main__":
    main()

"""The command that makes the package of an app, and shows one."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from rheostat.cli.flags import with_settings
from rheostat.cli.terminal import Json, out, progress_bar, resumable
from rheostat.errors import SettingsError
from rheostat.records import write_bytes
from rheostat.settings import HEAD_TRAINING, TrainSettings
from rheostat.share.base import BASE_FILE, Base, BaseDocument, read_base
from rheostat.share.package.document import Package, read_package

commands = typer.Typer()

# of the training loop, what a head can be told; the rest follows from the data or is the package's own
TRAINING = (
    "policy", "floor", "keep", "p", "beta", "history", "reference", "score", "warmup",
    "augment", "epochs", "patience", "batch_size", "optimizer", "lr", "weight_decay", "schedule", "device", "seed",
)  # fmt: skip


@commands.command(
    epilog="Example, with gate.labels.json beside gate.mp4: rheostat package --data gate.mp4 --name vehicle "
    "--out apps/vehicle; then rheostat package --inspect apps/vehicle --svg vehicle.svg"
)
@with_settings(
    without=tuple(name for name in TrainSettings.model_fields if name not in TRAINING), defaults=HEAD_TRAINING
)
def package(
    given: dict[str, Any],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Video with its labels beside it (NAME.labels.json), several to be repeated: those without such an "
            "event show what is none. Or one folder with a folder of pictures per class.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Folder of the package.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Of the app; the label if left out.", show_default=False)] = None,
    label: Annotated[
        str | None, typer.Option(help="What makes an event, in the labels; the name if left out.", show_default=False)
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="efficientnet-lite0, timm:NAME, the folder of a run of rheostat train, or that of a base beside other "
            "packages."
        ),
    ] = "efficientnet-lite0",
    size: Annotated[
        int | None,
        typer.Option(help="Side of the pictures that the base takes; its own if left out.", show_default=False),
    ] = None,
    branch_points: Annotated[
        str | None,
        typer.Option(help="Frozen layers to train heads for, as 0,5,11; spread over the work if left out."),
    ] = None,
    train_fps: Annotated[float, typer.Option(help="Frames per second of video to train on, at most.")] = 5.0,
    per_class: Annotated[int, typer.Option(help="Examples of each class to train on, at most.")] = 150,
    threshold: Annotated[float, typer.Option(help="Score from which on a frame is a hit.")] = 0.5,
    votes: Annotated[str, typer.Option(help="Hits in a row that a plan may ask for.")] = "1,2,3",
    min_gap_seconds: Annotated[float, typer.Option(help="Hits of one event may be that far apart.")] = 1.0,
    event_seconds: Annotated[
        float | None, typer.Option(help="Length of an event, where pictures do not tell.", show_default=False)
    ] = None,
    event_frequency: Annotated[
        float | None, typer.Option(help="Share of the time that events fill, likewise.", show_default=False)
    ] = None,
    inspect: Annotated[
        Path | None, typer.Option(help="Show the package in this folder instead of making one.", show_default=False)
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option(help="Also draw accuracy against the branch point into this file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train an event detector on a base that others share: a head per branch point, each judged on later time."""
    if inspect is not None:
        _show(read_package(inspect), svg, as_json=as_json)
        return
    name, label = name or label, label or name
    if not data or output is None or name is None or label is None:
        missing = [flag for flag, value in (("--data", data), ("--out", output), ("--name", name)) if not value]
        raise SettingsError(f"{', '.join(missing)} missing: give --data, --out and --name, or --inspect a package")
    from rheostat.share.stem import load_base, write_base
    from rheostat.share.trainer import PackageSettings, head_training, make_package

    settings = PackageSettings(
        train_fps=train_fps,
        per_class=per_class,
        event_seconds=event_seconds,
        event_frequency=event_frequency,
        threshold=threshold,
        votes=_counts("votes", votes),
        min_gap_seconds=min_gap_seconds,
        training=head_training(given),
    )
    points = None if branch_points is None else _counts("branch points", branch_points)
    with resumable("the same command"), progress_bar(shown=not as_json) as progress:
        progress(0.0, "loading the base")
        there = _exported(Path(base), size)
        network = load_base(there.name, size=there.preprocessing.height) if there else load_base(base, size=size)
        called = Path(base).resolve().name if there else f"{network.name}{f'-{size}' if size else ''}"
        folder = output.parent / re.sub(r"[^\w.-]+", "-", called)
        exported = _there(folder) or write_base(network, folder, progress=progress)
        made = make_package(
            network, exported, data, output,
            name=name, positive=label, branch_points=points, settings=settings, progress=progress,
        )  # fmt: skip
    _show(made, svg, as_json=as_json)
    if not as_json:
        out.print(f"plan it, with others beside it: rheostat plan {output.parent}", highlight=False, markup=False)


def _exported(folder: Path, size: int | None) -> BaseDocument | None:
    """What is said of the base in a folder, whose name tells where its weights are; None if no base lies there."""
    from rheostat.share.stem.bases import INSTALLED

    if not (folder / BASE_FILE).exists():
        return None
    base = read_base(folder).document
    if base.name != INSTALLED and not base.name.startswith("timm:"):
        raise SettingsError(
            f"base {folder} is the export of the run {base.name!r}, which nothing learns on: name the folder of that "
            "run"
        )
    if size not in (None, base.preprocessing.height):
        raise SettingsError(
            f"size is {size}: the base in {folder} takes pictures of {base.preprocessing.height} pixels; leave --size "
            f"out, or give --base {base.name}"
        )
    return base


def _there(folder: Path) -> Base | None:
    """The base in a folder, if it was exported there before; whether it is the right one is seen when it is used."""
    return read_base(folder) if (folder / BASE_FILE).exists() else None


def _counts(name: str, given: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in given.split(","))
    except ValueError:
        raise SettingsError(f"{name} is {given!r}: must be whole numbers joined by commas, e.g. 0,5,11") from None


def _show(package: Package, svg: Path | None, *, as_json: bool) -> None:
    from rheostat.share.package.inspection import picture, table

    if svg is not None:
        import_module("matplotlib")
        write_bytes(svg, picture(package).encode())
    if as_json:
        told = package.document.model_dump(mode="json", by_alias=True)
        typer.echo(json.dumps({"folder": str(package.folder), **told}))
        return
    out.print(table(package), highlight=False, markup=False)
    if svg is not None:
        out.print(f"written: {svg}", highlight=False, markup=False)

"""The commands that train: train, bench."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rheostat.cli.flags import checked, with_settings
from rheostat.cli.terminal import Jobs, Json, err, out, progress_bar, resumable, speaks
from rheostat.errors import SettingsError
from rheostat.records import read_json, write_bytes, write_json
from rheostat.settings import TrainSettings

_NAMED = 5  # images that cannot be used, before the rest is only counted

commands = typer.Typer()
bench = typer.Typer(
    help="Measure, side by side, and keep a record.",
    no_args_is_help=True,
    epilog="Example: rheostat bench overhead --turns 20",
)
commands.add_typer(bench, name="bench")


@commands.command(
    epilog="Example: rheostat train --data sklearn-digits --image-size 28 --epochs 8 --floor 0.1 --out runs/digits"
)
@with_settings()
def train(
    given: dict[str, Any],
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; flags override it.")] = None,
    output: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; a new one under runs/ if left out.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder of a run to go on with, bit for bit.")] = None,
    as_json: Json = False,
) -> None:
    """Train a model on the examples that have something to teach."""
    if resume is not None:
        if output is not None:
            raise SettingsError("--out and --resume exclude each other: a resumed run stays in its folder")
        if config is not None:
            raise SettingsError(
                "--config and --resume exclude each other: a resumed run keeps its settings; what may change, such as "
                "--epochs, is given as a flag"
            )
        given = read_json(resume / "settings.json") | given
    settings = checked(given, config)

    from rheostat.training import prepare
    from rheostat.training import train as run
    from rheostat.training.processes import join, leave

    folder = join(settings.device).agreed(lambda: resume or output or _new_folder(settings))
    with resumable(f"rheostat train --resume {folder}", folder), progress_bar(shown=not as_json) as progress:
        progress(0.0, "loading data")
        summary = run(prepare(settings, folder), resume=resume is not None, progress=progress)
    leave()
    if not speaks():
        return
    chosen, sources = _plot_of_choices(summary, folder), _plot_of_sources(summary, folder)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **summary}))
        return
    _print_run(summary, folder, chosen, sources)


@bench.command(
    "select",
    epilog="Example: rheostat bench select --data sklearn-digits --image-size 28 --epochs 16 --share 0.4 --seeds 2",
)
@with_settings(without=("policy", "seed", "track", "max_backwards"))
def bench_select(
    given: dict[str, Any],
    policies: Annotated[
        str, typer.Option(help="Policies to compare, joined by commas.")
    ] = "selective-backprop,matched-random",
    share: Annotated[float, typer.Option(help="Backwards of each policy as a share of the plain loop's.")] = 0.4,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per arm, with the seeds 0, 1, ...")] = 5,
    jobs: Jobs = 2,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; flags override it.")] = None,
    output: Annotated[Path, typer.Option("--out", help="Folder of the comparison; an interrupted one goes on.")] = Path(
        "runs/bench-select"
    ),
    record: Annotated[Path | None, typer.Option(help="Also write the record to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Compare policies with plain training: error against backwards and seconds, kept share over time."""
    from rheostat.bench import arms_of, compare, write_report
    from rheostat.training import prepare

    base, asked = checked(given, config), [name.strip() for name in policies.split(",")]
    with resumable("the same command"), progress_bar(shown=not as_json) as progress:
        progress(0.0, "loading data")
        plain = arms_of(base, asked, examples=1_000_000, share=share)[0]  # finds what is wrong at once
        examples = len(prepare(plain.settings).data.train.labels)
        arms = arms_of(base, asked, examples=examples, share=share)
        found = compare(arms, range(seeds), output, jobs=jobs, on_run=_counting(progress))
    write_json(output / "record.json", found)
    if record is not None:
        write_json(record, found)
    lead = f"{base.model} on {base.data}: every policy stopped at {share:g} of the plain loop's backwards."
    write_report(found, output / "report.html", title="Which examples get a backward pass", lead=lead)
    _print_comparison(found, output / "report.html", as_json=as_json)


@bench.command("overhead", epilog="Example: rheostat bench overhead --turns 20 --record overhead.json")
def bench_overhead(
    turns: Annotated[int, typer.Option(min=1, help="Repetitions; medians are reported.")] = 60,
    model: Annotated[str, typer.Option(help="lenet, or resnet18 with rounds of four training batches.")] = "lenet",
    record: Annotated[Path | None, typer.Option(help="Also write the record to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure what SelectiveLoader adds to the forwards and backwards it cannot avoid (processor time)."""
    from rheostat.bench import measure_overhead

    with progress_bar(shown=not as_json) as progress:
        found = measure_overhead(turns, name=model, progress=progress)
    if record is not None:
        write_json(record, found)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, ratio in found["ratios"].items():
        low, high = ratio["quartiles"]
        out.print(
            f"{name}: {ratio['median']:.3f} (half of {turns} turns within {low:.3f} to {high:.3f})", highlight=False
        )


def _new_folder(settings: TrainSettings) -> Path:
    """The first free name under runs/."""
    data = settings.data.rstrip("/").rpartition("/")[2]
    model = settings.model.replace("/", "-").replace(":", "-")
    base = Path("runs") / f"{data}-{model}-{settings.policy}-s{settings.seed}"
    free = base
    number = 1
    while free.exists():
        number += 1
        free = base.with_name(f"{base.name}-{number}")
    return free


def _counting(progress: Callable[[float, str], None]) -> Callable[[int, int, str], None]:
    return lambda finished, number, name: progress(finished / number, f"{finished} of {number} runs, last {name}")


def _plot_of_choices(summary: dict[str, Any], folder: Path) -> Path | None:
    """Draw which operations were chosen over time, where any were."""
    records = [epoch["augment"] for epoch in summary["epochs"] if "augment" in epoch]
    if not any(record["operations"] for record in records):
        return None
    from rheostat.augment.plots import chosen_over_time

    write_bytes(folder / "augment.svg", chosen_over_time(records).encode())
    return folder / "augment.svg"


def _plot_of_sources(summary: dict[str, Any], folder: Path) -> Path | None:
    """Draw where the scores came from over time, where that was for the run to decide."""
    if not summary["settings"]["govern"]:
        return None
    from rheostat.select.plots import sources_over_time

    write_bytes(folder / "selection.svg", sources_over_time(summary["epochs"]).encode())
    return folder / "selection.svg"


def _said_of_selection(final: dict[str, Any], *, govern: bool) -> str | None:
    """What selection has saved, in one line; None where nothing was selected or measured."""
    modes, measured = final.get("modes", {}), final.get("selection", {})  # records of earlier versions have neither
    if measured.get("actual_speedup") is None or (set(modes) <= {"off"} and not govern):
        return None
    if set(modes) <= {"off"}:
        return "selection: off throughout, because at no time it promised to save enough"
    of = sum(modes.values())
    sources = ", ".join(f"{name} {number / of:.0%}" for name, number in modes.items())
    told = f"selection: {measured['actual_speedup']:.2f} x the speed of the plain loop, candidate for candidate"
    if measured["predicted_speedup"] is not None and measured["break_even"] is not None:
        told += (
            f", {measured['predicted_speedup']:.2f} x at the end (it pays below a kept share of "
            f"{measured['break_even']:.2f})"
        )
    return f"{told}; scores from: {sources}"


def _print_run(summary: dict[str, Any], folder: Path, chosen: Path | None, sources: Path | None) -> None:
    final, seconds = summary["final"], summary["final"]["cpu_seconds"]
    table = Table("epoch", "backwards", "kept", "train loss", "test error", box=None, header_style="bold")
    epochs = summary["epochs"]
    shown = epochs if len(epochs) <= 8 else [*epochs[:3], None, *epochs[-4:]]
    for record in shown:
        if record is None:
            table.add_row(*["..."] * 5)
            continue
        table.add_row(
            str(record["epoch"]),
            f"{record['backwards']:,}",
            f"{record['kept_share']:.0%}",
            f"{record['train_loss']:.3f}",
            f"{record['test_error']:.2%}",
        )
    out.print(table)
    out.print(
        f"\ntest error {final['test_error']:.2%} after {final['backwards']:,} backwards of {final['candidates']:,} "
        f"candidates; processor seconds: scoring {seconds['scoring']:.1f}, training {seconds['training']:.1f}, "
        f"evaluation {seconds['evaluation']:.1f}\nrun folder: {folder}",
        highlight=False,
        markup=False,
    )
    if summary["data"]["note"]:
        out.print(f"data: {summary['data']['note']}", highlight=False, markup=False)
    told = _said_of_selection(final, govern=summary["settings"]["govern"])
    if told is not None:
        out.print(told + (f"; over time: {sources}" if sources else ""), highlight=False, markup=False)
    if "augment" in final:
        views = final["augment"]
        aside = f", {views['quarantined']:,} examples in quarantine" if views["quarantined"] else ""
        share = "none was complete" if views["share"] is None else f"{views['share']:.0%} of the views"
        told = f"augmented in the last epoch: {share}{aside}"
        out.print(told + (f"; what was chosen: {chosen}" if chosen else ""), highlight=False, markup=False)
    _print_skipped(summary["data"]["skipped"])


def _print_skipped(skipped: list[dict[str, Any]]) -> None:
    """Name the images that were left out, the first of many."""
    if not skipped:
        return
    for one in skipped[:_NAMED]:
        err.print(f"left out of the {one['split']} split: {one['reason']}", highlight=False, markup=False)
    more = f", {len(skipped) - _NAMED} of them not listed here" if len(skipped) > _NAMED else ""
    images = "1 image" if len(skipped) == 1 else f"{len(skipped):,} images"
    err.print(f"{images} could not be used{more}: see summary.json", highlight=False, markup=False)


def _print_comparison(record: dict[str, Any], report: Path, *, as_json: bool) -> None:
    from rheostat.bench import sentences_of, table_of

    if as_json:
        typer.echo(json.dumps(record))
        return
    header, cells = table_of(record)
    shown = [at for at, name in enumerate(header) if name not in ("epochs", "range")]  # a terminal is narrow
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    for at in shown:
        table.add_column("\n".join(header[at].rsplit(" ", 1)), no_wrap=True)
    for row in cells:
        table.add_row(*(row[at] for at in shown))
    out.print(table)
    for sentence in sentences_of(record):
        out.print(f"- {sentence}", highlight=False, markup=False)
    out.print(f"\nreport: {report}", highlight=False, markup=False)

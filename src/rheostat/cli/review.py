"""The commands that find likely label errors in a run, and put them before a person."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from rheostat.cli.terminal import Json, ended_by_signals, err, out, progress_bar
from rheostat.errors import RheostatError, SettingsError, StateError

if TYPE_CHECKING:
    from rheostat.augment.decision import Decision
    from rheostat.review import Neighbours, SeenRun, SuspectList

commands = typer.Typer()

_MOST_PAIRS = 10
_DONE = {"keep": "kept", "relabel": "relabelled", "remove": "removed", "skip": "skipped"}

Run = Annotated[Path, typer.Argument(help="Folder of a run, finished or interrupted.")]


@commands.command(epilog="Example: rheostat suspects runs/digits --budget 0.05 --export csv,label-studio")
def suspects(
    run: Run,
    budget: Annotated[float, typer.Option(help="Share of the examples to review, above 0 to 1.")] = 0.05,
    score: Annotated[
        str,
        typer.Option(help="What ranks: disagreement, aum, relative-loss, forgetting, difficulty, max-softmax, energy."),
    ] = "disagreement",
    rounds: Annotated[int, typer.Option(help="Rounds of the review; after each the estimates are at their best.")] = 5,
    audits: Annotated[
        float, typer.Option(help="Share drawn at random, which tells how many labels are wrong in all.")
    ] = 0.1,
    export: Annotated[
        str, typer.Option(help="What to write beside the sheet: csv, jsonl, label-studio, fiftyone, joined by commas.")
    ] = "csv,jsonl",
    as_json: Json = False,
) -> None:
    """List the training examples whose labels are likely wrong, out of what a run saw: nothing is trained or run."""
    from rheostat.review import export as write_exports
    from rheostat.review import make_suspects, open_run, write_sheet
    from rheostat.review.exports import checked_kinds

    kinds = checked_kinds([name.strip() for name in export.split(",")] if export else [])
    with progress_bar(shown=not as_json) as progress:
        progress(0.0, "loading data")
        seen = open_run(run)
        listed = make_suspects(seen, budget, rounds=rounds, audits=audits, score=score)
        decided = seen.decided()
        progress(0.3, "writing")
        sheet, damaged = write_sheet(seen, listed)
        files, left_out = write_exports(kinds, seen, listed, decided)
    told = _told(seen, listed, decided) | {
        "files": {"sheet": str(sheet), **{kind: str(path) for kind, path in files.items()}},
        "undecodable": {str(index): reason for index, reason in (damaged | left_out).items()},
    }
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _print(told, run)


@commands.command(
    epilog="Example: rheostat review runs/digits; then rheostat review runs/digits --export decisions.csv"
)
def review(
    run: Run,
    host: Annotated[
        str, typer.Option(help="Where to serve the page; beyond this machine it takes a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 = any that is free.")] = 8401,
    token: Annotated[
        str | None,
        typer.Option(envvar="RHEOSTAT_TOKEN", help="Guards the page; made up where one is needed.", show_default=False),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Share of the examples to review, above 0 to 1; that of the list, or 0.05, if left out."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the decisions to this .csv or .jsonl file, and serve nothing.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Settle likely label errors in a browser, one key each; every decision is stored at once. Ends with Ctrl-C."""
    from rheostat.review import open_run

    if export is not None:
        _export(run, export, as_json=as_json)
        return
    import_module("rheostat.console.review")  # if it is missing, say so before the work
    with progress_bar(shown=not as_json) as progress:
        progress(0.0, "loading data")
        seen = open_run(run)
        listed = _listed(seen, budget)
        beside = _beside(seen, listed, progress)
    _serve(seen, listed, beside, host=host, port=port, token=token)
    decided = seen.decided()
    told = _told(seen, listed, decided)
    if as_json:
        typer.echo(json.dumps(told))
        return
    _print_decided(told)
    if decided:
        _say(f"train with them: rheostat train --config {run / 'settings.json'} --labels {seen.labels_to_train_with}")


def _listed(seen: SeenRun, budget: float | None) -> SuspectList:
    """The list in the run folder, or a new one if there is none, or it is of another budget than was asked for."""
    from rheostat.review import make_suspects, read_suspects

    there = read_suspects(seen.folder)
    if there is None:
        return make_suspects(seen, 0.05 if budget is None else budget)
    return make_suspects(
        seen,
        there.budget if budget is None else budget,
        rounds=there.rounds,
        audits=there.audits,
        score=there.score,
        seed=there.seed,
    )


def _beside(seen: SeenRun, listed: SuspectList, progress: Callable[[float, str], None]) -> Neighbours | None:
    """The nearest examples; a review goes without them where the model cannot be had."""
    from rheostat.review import find_neighbours

    try:
        return find_neighbours(seen, listed, progress)
    except RheostatError as error:
        err.print(f"without nearest examples: {error}", style="yellow", highlight=False, markup=False)
        return None


def _serve(
    seen: SeenRun, listed: SuspectList, beside: Neighbours | None, *, host: str, port: int, token: str | None
) -> None:
    """Until Ctrl-C or a service manager's signal."""
    from rheostat.console.review import serve
    from rheostat.review import Desk

    with (
        seen.open_store() as store,
        serve(Desk(seen, listed, store, beside), host=host, port=port, token=token) as served,
        ended_by_signals(ended := threading.Event()),
    ):
        err.print(f"review page: {served.url} (Ctrl-C ends it)", highlight=False, markup=False)
        ended.wait()


def _export(run: Path, path: Path, *, as_json: bool) -> None:
    from rheostat.augment.decision_files import write_csv, write_jsonl
    from rheostat.augment.decisions import read_decisions
    from rheostat.review.run import STORE

    if path.suffix not in (".csv", ".jsonl"):
        raise SettingsError(f"export is {path}: decisions are written as .csv or .jsonl")
    if not (run / STORE).exists():
        raise StateError(f"nothing has been decided about {run}: begin with `rheostat review {run}`")
    data, decided = read_decisions(run / STORE)
    assert data is not None  # a store always tells
    (write_csv if path.suffix == ".csv" else write_jsonl)(path, data, decided)
    if as_json:
        typer.echo(json.dumps({"file": str(path), "decisions": len(decided)}))
    else:
        _say(f"{len(decided):,} decisions written: {path}")


def _told(seen: SeenRun, listed: SuspectList, decided: dict[int, Decision]) -> dict[str, Any]:
    """What there is to say about a list and its review, as JSON."""
    made = [one.decision for one in decided.values()]
    return {
        "folder": str(seen.folder),
        "examples": listed.size,
        "seen": listed.seen,
        "budget": listed.budget,
        "score": listed.score,
        "listed": len(listed.suspects),
        "audits": sum(suspect.audit for suspect in listed.suspects),
        "pairs": [
            {"given": listed.classes[given], "predicted": listed.classes[predicted], "suspects": number}
            for given, predicted, number in listed.pairs()
        ],
        "decided": {name: made.count(decision) for decision, name in _DONE.items()},
        "estimate": _estimate(listed, decided) if decided else None,
    }


def _estimate(listed: SuspectList, decided: dict[int, Decision]) -> dict[str, Any]:
    found = listed.estimate(decided)
    told: dict[str, Any] = {"reviewed": found.reviewed, "wrong": found.wrong, "confidence": found.confidence}
    for name, share, interval in (
        ("noise_rate", found.noise_rate, found.noise_interval),
        ("precision", found.precision, found.precision_interval),
    ):
        told[name] = None if math.isnan(share) else {"estimate": share, "interval": list(interval)}
    return told | {"note": found.note}


def _print(told: dict[str, Any], run: Path) -> None:
    unseen = told["examples"] - told["seen"]
    looked = f", {unseen:,} of them never looked at" if unseen else ""
    _say(f"{told['examples']:,} examples{looked}; {told['listed']:,} to review, {told['audits']:,} drawn at random")
    if told["pairs"]:
        table = Table("given", "predicted", "suspects", box=None, header_style="bold")
        table.columns[2].justify = "right"
        for pair in told["pairs"][:_MOST_PAIRS]:
            table.add_row(pair["given"], pair["predicted"], f"{pair['suspects']:,}")
        out.print(table, markup=False)
        others = told["pairs"][_MOST_PAIRS:]
        if others:
            number = sum(pair["suspects"] for pair in others)
            _say(f"and {number:,} suspect{'s' * (number != 1)} of {len(others):,} other pair{'s' * (len(others) != 1)}")
    _print_decided(told)
    damaged = told["undecodable"]
    if damaged:
        first = next(iter(damaged.values()))
        _say(f"{len(damaged):,} of the images cannot be decoded, and have no picture: {first}")
    for path in told["files"].values():
        _say(f"written: {path}")
    _say(f"review them: rheostat review {run}")


def _print_decided(told: dict[str, Any]) -> None:
    counts = [f"{number:,} {name}" for name, number in told["decided"].items() if number]
    if not counts:
        _say("how many of them are wrong is unknown until some are reviewed")
        return
    _say(f"decided: {', '.join(counts)}")
    found = told["estimate"]
    for name, of in (("precision", "suspects with a wrong label"), ("noise_rate", "all examples with a wrong label")):
        if found[name] is not None:
            low, high = found[name]["interval"]
            share = found[name]["estimate"]
            _say(f"{of}: {share:.1%} ({low:.1%} to {high:.1%} at {found['confidence']:.0%} confidence)")
    if found["note"]:
        _say(found["note"])


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)

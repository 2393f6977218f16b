"""The suspects of a run as one HTML sheet that needs nothing else: to look at, to print, to send."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from rheostat.records import write_bytes
from rheostat.review.listing import FOLDER, Suspect, SuspectList
from rheostat.review.pictures import thumbnail_of
from rheostat.review.run import SeenRun
from rheostat.training.decoding import UndecodableError

MOST_SHOWN = 1000  # a sheet of them is of some 3 MB and opens at once
_MOST_PAIRS = 16
_SIDE = 192  # pixels of a thumbnail, twice what the page shows


def write_sheet(run: SeenRun, listed: SuspectList, most: int = MOST_SHOWN) -> tuple[Path, dict[int, str]]:
    """Write the sheet of a list into its run folder.

    Audits stand among the suspects and are not marked: whoever reviews them must not know them.

    Args:
        run: The run that the list is of.
        listed: The suspects.
        most: Number of suspects shown, the first ones in the order of review.

    Returns:
        The file, and what is wrong with the images that cannot be decoded, by index; they have a place without picture.
    """
    damaged: dict[int, str] = {}
    shown = [_card(run, listed, suspect, damaged) for suspect in listed.suspects[:most]]
    pairs = listed.pairs()
    largest = max((number for _, _, number in pairs), default=1)
    template = jinja2.Template(
        files("rheostat.review").joinpath("sheet.html.j2").read_text(encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = template.render(
        run=run.folder.resolve().name,
        data=Path(run.settings.data).name,
        lead=_lead(run, listed, len(damaged)),
        listed=listed,
        pairs=[
            (listed.classes[given], listed.classes[predicted], number, number / largest)
            for given, predicted, number in pairs[:_MOST_PAIRS]
        ],
        more_pairs=pairs[_MOST_PAIRS:],
        shown=shown,
    )
    path = run.folder / FOLDER / "suspects.html"
    write_bytes(path, page.encode())
    return path, damaged


def _lead(run: SeenRun, listed: SuspectList, damaged: int) -> str:
    number, unseen = len(listed.suspects), listed.size - listed.seen
    share = f"{number:,} of {listed.size:,} training examples ({100 * number / listed.size:.3g} %)"
    name = run.folder.resolve().name
    sentences = [f"{share}, found in what {run.settings.model} saw of them while it trained (run {name})."]
    if unseen:
        sentences.append(f"The model never saw {unseen:,} of all examples without augmentation.")
    if listed.audits > 0:
        sentences.append("Some were drawn at random, and are not marked: they tell how many labels are wrong in all.")
    if damaged:
        sentences.append(f"The images of {damaged:,} cannot be decoded.")
    return " ".join(sentences)


def _card(run: SeenRun, listed: SuspectList, suspect: Suspect, damaged: dict[int, str]) -> dict[str, Any]:
    image = None
    try:
        image = thumbnail_of(run.data, suspect.index, _SIDE)
    except UndecodableError as error:
        damaged[suspect.index] = str(error)
    return {
        "number": suspect.position + 1,
        "index": suspect.index,
        "image": None if image is None else image.uri,
        "small": image is not None and image.media_type == "image/png",
        "given": listed.classes[suspect.given],
        "predicted": None if suspect.predicted is None else listed.classes[suspect.predicted],
        "p_given": percent(suspect.p_given),
        "p_predicted": percent(suspect.p_predicted),
        "agrees": suspect.given == suspect.predicted,
        "why": suspect.why,
    }


def percent(share: float | None) -> str:
    """A probability in whole percent; what is not certain is not shown as certain."""
    if share is None:
        return ""
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "< 1 %"
    if whole == 100 and share < 1:
        return "> 99 %"
    return f"{whole} %"

"""Likely label errors of a run, put before a person: suspects, exports, decisions.

The names below load on first use, so that the list of exports can be had without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheostat.lazy import lazily

if TYPE_CHECKING:
    from rheostat.review.desk import Desk
    from rheostat.review.exports import export
    from rheostat.review.listing import Suspect, SuspectList, make_suspects, read_suspects
    from rheostat.review.neighbours import Neighbours, find_neighbours
    from rheostat.review.run import SeenRun, open_run
    from rheostat.review.sheet import write_sheet

__all__ = [
    "Desk",
    "Neighbours",
    "SeenRun",
    "Suspect",
    "SuspectList",
    "export",
    "find_neighbours",
    "make_suspects",
    "open_run",
    "read_suspects",
    "write_sheet",
]

__getattr__ = lazily(
    __name__,
    {
        "Desk": "desk",
        "Neighbours": "neighbours",
        "SeenRun": "run",
        "Suspect": "listing",
        "SuspectList": "listing",
        "export": "exports",
        "find_neighbours": "neighbours",
        "make_suspects": "listing",
        "open_run": "run",
        "read_suspects": "listing",
        "write_sheet": "sheet",
    },
)

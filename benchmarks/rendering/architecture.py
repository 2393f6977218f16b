"""The rooms of the house and who imports whom, from the imports in the source and the contract on layers."""

from __future__ import annotations

import itertools
import tomllib
from collections import Counter
from functools import cache
from html import escape
from typing import Any

import grimp

from benchmarks.rendering.source import ROOT, docstring_of, first_paragraph

_BASIS = "basis"  # what the lowest layers hold, which nearly every room uses: drawn as one
_WIDE, _HIGH, _ROW, _MARGIN, _GAP = 130, 40, 82, 16, 50
# where a room stands, so that no arrow runs through a box; the row is its layer
_COLUMN = {
    "reproductions": 0.8,
    "cli": 1.6,
    "integrations": 0,
    "console": -1,
    "demo": 1.6,
    "share": 0,
    "bench": 1,
    "review": 2,
    "training": 1,
    "select": 0.5,
    "augment": 1.5,
    "signals": 1,
    _BASIS: 1,
}
_ASIDE = 3  # where a room stands that is new
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#5b6b7b"/></marker></defs>'
)
_STACKS = ("torch", "numpy", "pydantic", "onnxruntime", "av", "PIL", "fastapi", "typer", "datasets", "timm")


def piece(name: str) -> str:
    """`rooms`: a table of what each is for and imports; `torch`: which of them may import torch."""
    return {"rooms": _rooms_table, "torch": _torch_table}[name]()


def layers() -> list[list[str]]:
    """The rooms by layer, from the top, as the contract in `pyproject.toml` has them; the lowest ones are the basis."""
    contract = _contracts()["rooms import downward only"]
    told = [layer.replace("|", ":").split(":") for layer in contract["layers"]]
    names = [[one.strip().removeprefix("rheostat.") for one in layer] for layer in told]
    return [*names[:-2], [_BASIS]]


def basis() -> list[str]:
    """The single modules that the lowest two layers are made of."""
    contract = _contracts()["rooms import downward only"]
    return [one.strip().removeprefix("rheostat.") for layer in contract["layers"][-2:] for one in layer.split(":")]


@cache
def imports() -> dict[tuple[str, str], int]:
    """How many imports there are from one room into another: in modules, in functions, for type checkers alike."""
    graph = _graph()
    found: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = room_of(module), room_of(imported)
            if None not in pair and pair[0] != pair[1]:
                found[pair[0] or "", pair[1] or ""] += 1
    return dict(found)


def room_of(module: str) -> str | None:
    """The room that a module is in; None for what is not ours, and for the package that is all rooms."""
    top, _, rest = module.partition(".")
    if top != "rheostat":
        return top if top == "reproductions" else None
    room = rest.partition(".")[0]
    if room in ("", "__main__"):
        return None
    return _BASIS if room in basis() else room


def arrows() -> list[tuple[str, str]]:
    """Imports that no longer way through other rooms implies: enough of them to see the order, few enough to see it."""
    below: dict[str, set[str]] = {}
    for row in reversed(layers()):
        for room in row:
            direct = {b for a, b in imports() if a == room}
            below[room] = direct.union(*(below.get(b, set()) for b in direct))
    told = [pair for pair in imports() if pair[1] != _BASIS]
    return sorted((a, b) for a, b in told if not any(b in below[c] for a_, c in told if a_ == a and c != b))


def drawing() -> str:
    """The rooms by layer, with an arrow where one imports another; the basis is under all of them."""
    rows = layers()
    column = {room: _COLUMN.get(room, _ASIDE) for row in rows for room in row}
    left, right = min(column.values()), max(column.values())
    width = (right - left) * (_WIDE + _GAP) + _WIDE + 2 * _MARGIN
    place = {
        room: (_MARGIN + _WIDE / 2 + (column[room] - left) * (_WIDE + _GAP), _MARGIN + at * _ROW)
        for at, row in enumerate(rows)
        for room in row
    }
    height = 2 * _MARGIN + _ROW * (len(rows) - 1) + _HIGH
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">',
            _TIP,
            f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
            *(_arrow(place[a], place[b]) for a, b in arrows()),
            *(_box(room, *place[room], width) for room in place),
            "</svg>",
            "",
        ]
    )


def _arrow(one: tuple[float, float], other: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = one, other
    y += _HIGH
    long = to_y - y > 2 * _ROW and to_x < x  # around the boxes in between
    out, into = (to_y - y, _HIGH / 2) if long else (min(_ROW, (to_y - y) / 2),) * 2
    return (
        f'<path d="M{x:g} {y:g}C{x:g} {y + out:g} {to_x:g} {to_y - into:g} {to_x:g} {to_y - 1:g}" '
        'fill="none" stroke="#5b6b7b" stroke-width="1.4" marker-end="url(#tip)"/>'
    )


def _box(room: str, x: float, y: float, width: float) -> str:
    x, wide = (width / 2, width - 2 * _MARGIN) if room == _BASIS else (x, _WIDE)
    said = ", ".join(sorted(basis())) if room == _BASIS else room
    colour = "#dbe8dc" if room in free_of_torch() or room == _BASIS else "#f3e3d3"
    return (
        f'<rect x="{x - wide / 2:g}" y="{y:g}" width="{wide:g}" height="{_HIGH}" rx="6" fill="{colour}" '
        f'stroke="#33414e"/><text x="{x:g}" y="{y + 25:g}" text-anchor="middle" font-size="15" fill="#1d2730">'
        f"{escape(said)}</text>"
    )


def free_of_torch() -> set[str]:
    """The rooms of which no module imports torch, in a function either."""
    rooms = {room for row in layers() for room in row} - {_BASIS}
    return rooms - {room for module in _importers("torch") if (room := room_of(module)) is not None}


def _rooms_table() -> str:
    lines = ["| room | what it is for | imports | brings in |", "|---|---|---|---|"]
    for room in itertools.chain.from_iterable(layers()[:-1]):
        known = [b for row in layers() for b in row if (room, b) in imports()]
        stacks = [name for name in _STACKS if any(room_of(module) == room for module in _importers(name))]
        said = first_paragraph(docstring_of(f"rheostat.{room}")) if room != "reproductions" else _REPRODUCTIONS
        lines.append(f"| `{room}` | {said} | {', '.join(known)} | {', '.join(stacks)} |")
    lines.append(f"| basis | {_said_of_basis()} | | {', '.join(_brought_by_basis())} |")
    return "\n".join(lines)


def _torch_table() -> str:
    promised = {
        one.removeprefix("rheostat.") for one in _contracts()["an edge node installs no torch"]["source_modules"]
    }
    lines = ["| room | with torch | without, by contract |", "|---|---|---|"]
    for room in ("share", "augment", "signals", "console"):
        inside = sorted({_part(m, room) for m in _importers("torch") if room_of(m) == room})
        kept = sorted(one.partition(".")[2] or "all of it" for one in promised if one.partition(".")[0] == room)
        lines.append(f"| `{room}` | {_listed(inside) or 'nothing'} | {_listed(kept)} |")
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return ", ".join(name if " " in name else f"`{name}`" for name in names)


def _part(module: str, room: str) -> str:
    """The first name below a room."""
    return module.removeprefix(f"rheostat.{room}.").partition(".")[0]


def _said_of_basis() -> str:
    return "; ".join(
        f"`{one}`: {first_paragraph(docstring_of(f'rheostat.{one}')).rstrip('.')}" for one in sorted(basis())
    )


def _brought_by_basis() -> list[str]:
    return [name for name in _STACKS if any(room_of(module) == _BASIS for module in _importers(name))]


def _importers(package: str) -> set[str]:
    graph = _graph()
    return set(graph.find_modules_that_directly_import(package)) if package in graph.modules else set()


@cache
def _graph() -> Any:
    return grimp.build_graph("rheostat", "reproductions", include_external_packages=True, cache_dir=None)


@cache
def _contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["name"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


_REPRODUCTIONS = "Published figures beside ours: data, code and records; in a clone, not in the wheel."

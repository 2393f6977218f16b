"""Pictures of a plan: its tree in a terminal, and as an SVG file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from xml.etree import ElementTree

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from rheostat.share.plan import Plan, Workload
from rheostat.share.rows import Row, amount, cells_of, columns_of, headline, rows_of, short, spending, told, users
from rheostat.share.tree import Segment, Tree, grow

_WIDEST = 100  # columns of a terminal that are used
_LINES = {False: ("┃  ", "┣━ ", "┗━ ", "…"), True: ("|  ", "+- ", "`- ", "...")}  # by whether ASCII has to do

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _GAP = 1160, 24, 700, 116, 20, 8
_COLUMNS = (948, 990, 1062, 1136)  # right edges of rate, votes, F1, cost
_NAME = 172
_INK, _FAINT, _STEM, _STEM_OF_ONE = "#1f2933", "#616e7c", "#37474f", "#90a4ae"
_F1_COLOURS = np.array([[0xD9, 0x77, 0x00], [0x80, 0x73, 0xAC], [0x08, 0x30, 0x6B]])  # orange to blue, ever darker


def draw_text(workload: Workload, plan: Plan) -> TextPicture:
    """Draw a plan for a terminal: the stem downwards, and the apps where they leave it.

    Print it with rich, which tells it the width and whether the terminal knows more than ASCII; `str` gives 80 columns.

    Raises:
        SettingsError: The plan is not one for this workload.
    """
    return TextPicture(grow(workload, plan), plan)


class TextPicture:
    """The tree of a plan as lines of text."""

    def __init__(self, tree: Tree, plan: Plan) -> None:
        self.tree, self.plan = tree, plan

    def __str__(self) -> str:
        return "\n".join(line.plain for line in self.lines(80))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(min(options.max_width, _WIDEST), ascii_only=options.ascii_only or options.legacy_windows)

    def lines(self, width: int, *, ascii_only: bool = False) -> Iterator[Text]:
        """Give the lines of the picture, none wider than `width` columns (of which it needs 53)."""
        along, off, last, ellipsis = _LINES[ascii_only]

        def line(art: str, name: str, *cells: str, style: str = "") -> Text:
            columns = "".join(f"{cell:>{size}}" for cell, size in zip(cells, (9, 7, 6, 10, 10), strict=True))
            name = name.encode("ascii", "replace").decode() if ascii_only else name
            shortened = short(name, max(8, width - len(art) - len(columns)), ellipsis)
            return Text.assemble((art, "bold"), (shortened + columns, style), no_wrap=True, overflow="ignore")

        yield Text(headline(self.plan), style="bold")
        yield Text(spending(self.plan))
        rows = rows_of(self.tree.branches)
        yield line("", "", "layers", *columns_of(chain(*rows.values())), style="dim")
        if drawn := self.tree.pictures:
            yield line(along, "pictures", "none", f"{drawn.fps:g}", "", "", amount(drawn.cost), style="bold")
        segments = {segment.end: segment for segment in self.tree.stem}
        for branch in self.tree.branches:
            if segment := segments.get(branch.frozen):
                layers = f"{segment.start}-{segment.end}"
                yield line(
                    along, users(segment), layers, f"{segment.fps:g}", "", "", amount(segment.cost), style="bold"
                )
            for row in rows[branch.frozen]:
                at_end = branch is self.tree.branches[-1] and row is rows[branch.frozen][-1]
                layers = f"{branch.frozen}-{self.tree.layers}" if branch.frozen < self.tree.layers else "none"
                yield line(last if at_end else off, row.name, layers, *cells_of(row))


def draw_svg(workload: Workload, plan: Plan) -> str:
    """Draw a plan as a standalone SVG: the stem from left to right along the layers, a line per app to its F1.

    A segment is as long as its layers cost, with a least length; a line is as thick as its rate, and coloured by F1.

    Raises:
        SettingsError: The plan is not one for this workload.
    """
    tree = grow(workload, plan)
    rows = rows_of(tree.branches)
    fastest = max(app.fps for app in plan.apps)
    place = _places(workload.layer_cost, tree)
    height = _TOP + 40 + sum(_ROW * len(here) + _GAP for here in rows.values()) + 44
    size = {"width": str(_WIDTH), "height": str(height), "viewBox": f"0 0 {_WIDTH} {height}"}
    look = {"font-family": "system-ui, 'Segoe UI', Roboto, Arial, sans-serif", "font-size": "13", "fill": _INK}
    svg = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size, **look})
    _add(svg, "title", f"Plan of {headline(plan)}; {spending(plan)}")
    _add(svg, "desc", _described(tree))
    _add(svg, "rect", width=_WIDTH, height=height, fill="#ffffff")
    _write(svg, _LEFT, 30, f"{headline(plan)}; {spending(plan)}", font_size=16, font_weight="bold")
    way = f"stream of {workload.stream_fps:g} fps, from left to right through the layers of the base"
    drawn = tree.pictures
    pictures = "" if drawn is None else f"; pictures at {drawn.fps:g} fps cost {amount(drawn.cost)}"
    said = f"{way}; above the stem its rate and cost, under a joint the layers before it{pictures}"
    _write(svg, _LEFT, 50, said, fill=_FAINT)
    _write(svg, _RIGHT + 16, _TOP + 4, "app", fill=_FAINT)
    for name, right in zip(columns_of(chain(*rows.values())), _COLUMNS, strict=True):
        _write(svg, right, _TOP + 4, name, text_anchor="end", fill=_FAINT)
    y = _TOP + 46
    for branch in reversed(tree.branches):  # the deepest nearest to the stem: so no two lines cross
        x = place[branch.frozen]
        bottom = y + _ROW * (len(rows[branch.frozen]) - 1)
        _stroke(svg, x, _TOP, x, bottom, 2, "#b0b8c1")
        for row in rows[branch.frozen]:
            _draw_row(svg, row, x, y, 1.5 + 4.5 * row.fps[1] / fastest)
            y += _ROW
        y += _GAP
    for segment in tree.stem:
        _draw_segment(svg, segment, place[segment.start], place[segment.end], 4 + 12 * segment.fps / fastest)
    _draw_joints(svg, {cut: place[cut] for cut in sorted({0, *(branch.frozen for branch in tree.branches)})})
    _draw_legend(svg, height - 20, fastest)
    return ElementTree.tostring(svg, encoding="unicode") + "\n"


def _places(layer_cost: Sequence[float], tree: Tree) -> dict[int, float]:
    """Where each cut lies from left to right: in proportion to cost, but no two closer than can be told apart."""
    cuts = sorted({0, tree.layers, *(branch.frozen for branch in tree.branches)})
    costs = np.add.reduceat(np.asarray(layer_cost, dtype=float), cuts[:-1])
    share = costs / costs.sum() if costs.sum() > 0 else np.full(len(costs), 1 / len(costs))
    least = min(46.0, 0.8 * (_RIGHT - _LEFT) / len(costs))
    widths = least + share * (_RIGHT - _LEFT - least * len(costs))
    return {cut: round(float(x), 1) for cut, x in zip(cuts, _LEFT + np.cumsum([0, *widths]), strict=True)}


def _draw_segment(svg: ElementTree.Element, segment: Segment, start: float, end: float, width: float) -> None:
    said_of = (
        f"{users(segment)}: layers {segment.start}-{segment.end}, {segment.fps:g} fps, cost {amount(segment.cost)}"
    )
    colour = _STEM if segment.shared else _STEM_OF_ONE
    _add(_stroke(svg, start, _TOP, end, _TOP, width, colour), "title", said_of)
    for height, said, colour in ((30, f"{segment.fps:g} fps", _INK), (16, amount(segment.cost), _FAINT)):
        if end - start >= 6 * len(said):
            _write(svg, (start + end) / 2, _TOP - height, said, text_anchor="middle", font_size=11, fill=colour)


def _draw_joints(svg: ElementTree.Element, joints: dict[int, float]) -> None:
    free = 0.0  # where the label of the last joint ends
    radius = 4 if len(joints) <= 40 else 2
    for cut, x in joints.items():
        _add(svg, "circle", cx=x, cy=_TOP, r=radius, fill="#ffffff", stroke=_STEM, stroke_width=2)
        label = str(cut) if cut else "input"
        if x >= free:
            _write(svg, x + 6, _TOP + 22, label, fill=_FAINT, font_size=11)
            free = x + 12 + 7 * len(label)


def _draw_row(svg: ElementTree.Element, row: Row, x: float, y: float, width: float) -> None:
    colour = _colour(row.mean_f1)
    group = _add(svg, "g")
    _add(group, "title", told(row))
    _stroke(group, x, y, _RIGHT, y, width, colour)
    _add(group, "circle", cx=_RIGHT, cy=y, r=5, fill=colour)
    label = _add(group, "svg", x=_RIGHT + 16, y=y - 10, width=_NAME, height=_ROW)  # cuts off what is wider
    _write(label, 0, 14, short(row.name, 21, "\u2026").rstrip())
    for right, said in zip(_COLUMNS, cells_of(row), strict=True):
        _write(group, right, y + 4, said, text_anchor="end")


def _draw_legend(svg: ElementTree.Element, y: float, fastest: float) -> None:
    _write(svg, _LEFT, y + 4, "F1: 0", fill=_FAINT)
    for step in range(40):
        _add(svg, "rect", x=_LEFT + 38 + 3 * step, y=y - 5, width=3.5, height=10, fill=_colour(step / 39))
    _write(svg, _LEFT + 164, y + 4, "1", fill=_FAINT)
    samples = ((220, 1.5 + 4.5 / 4, _FAINT, f"{fastest / 4:.2g} fps"), (340, 6, _FAINT, f"{fastest:g} fps"))
    stems = ((460, 12, _STEM, "stem of several apps"), (660, 12, _STEM_OF_ONE, "stem of one app"))
    for x, width, colour, said in (*samples, *stems):
        _stroke(svg, x, y, x + 40, y, width, colour)
        _write(svg, x + 48, y + 4, said, fill=_FAINT)


def _colour(f1: float) -> str:
    red, green, blue = (round(float(np.interp(f1, (0, 0.5, 1), channel))) for channel in _F1_COLOURS.T)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _described(tree: Tree) -> str:
    """The picture in words, for those who cannot see it."""
    stem = [f"layers {segment.start}-{segment.end} at {segment.fps:g} fps" for segment in tree.stem]
    leaving = [
        f"after layer {branch.frozen}: " + "; ".join(map(told, rows))
        for branch, rows in zip(tree.branches, rows_of(tree.branches).values(), strict=True)
    ]
    return ". ".join([f"Stem: {', '.join(stem) or 'none'}", *leaving]) + "."


def _stroke(
    parent: ElementTree.Element, x1: float, y1: float, x2: float, y2: float, width: float, colour: str
) -> ElementTree.Element:
    return _add(parent, "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=round(width, 2))


def _write(parent: ElementTree.Element, x: float, y: float, said: str, **attributes: str | float) -> None:
    _add(parent, "text", said, x=x, y=y, **attributes)


def _add(parent: ElementTree.Element, tag: str, said: str = "", **attributes: str | float) -> ElementTree.Element:
    named = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    element = ElementTree.SubElement(parent, tag, named)
    element.text = said or None
    return element

"""What all plots have in common: colours, bare axes, and the same file for the same figure. Needs matplotlib."""

from __future__ import annotations

import io

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, GRID = "#1c2733", "#e4e8ec"


def dress(axes: Axes) -> None:
    """A grid behind the data, no frame on top and at the right, quiet ticks."""
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines:
        axes.spines[side].set_visible(side in ("left", "bottom"))
        axes.spines[side].set_color(GRID)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def svg(figure: Figure) -> str:
    """The figure as an SVG document, without a date or random identifiers."""
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "rheostat", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def inline(svg: str) -> str:
    """An SVG document without its prologue, for use within HTML."""
    return svg[svg.index("<svg") :]

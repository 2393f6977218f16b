"""What is in a package, for people: a table, and a plot of how good it is against how much it shares."""

from __future__ import annotations

from collections.abc import Sequence

from rheostat.share.package.document import Interval, Package, PackageDocument

_HIT, _FALSE_POSITIVE = "#0072b2", "#d55e00"  # of Okabe and Ito
_ASIDE = 0.06  # layers by which the two series are drawn apart, so that both intervals can be seen
_HEADINGS = ("branch point", "hit", "95 %", "false positive", "95 %", "head", "")


def table(package: Package) -> str:
    """Show a package as text: what it looks for, then a line per variant.

    Rates are shares of the held-out frames; their intervals take each event, or gap, for one observation (see
    `rheostat.share.package.statistics.judge`). The size of a head is that of its file; "-" where that is missing.
    """
    document = package.document
    rows = [_HEADINGS, *(_cells(package, at) for at in range(len(document.branch_points)))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_heading(document), "", *lines])


def picture(package: Package) -> str:
    """Draw hit and false-positive rate against the branch point, with their intervals, as an SVG document.

    Points that another one dominates are hollow.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    from rheostat.figures import INK, dress, svg

    document = package.document
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    axes = figure.subplots()
    dress(axes)
    frozen = [variant.frozen for variant in document.branch_points]
    for colour, dashes, label, aside, shares, intervals in (
        (_HIT, "-", "hit", -_ASIDE, *_series(document, "hit")),
        (_FALSE_POSITIVE, (0, (3, 2)), "false positive", _ASIDE, *_series(document, "false_positive")),
    ):
        places = [at + aside for at in frozen]
        reach = [
            [max(share - low, 0.0) for share, (low, _) in zip(shares, intervals, strict=True)],
            [max(high - share, 0.0) for share, (_, high) in zip(shares, intervals, strict=True)],
        ]
        axes.errorbar(places, shares, yerr=reach, fmt="none", ecolor=colour, elinewidth=1, alpha=0.5, capsize=2)
        axes.plot(places, shares, color=colour, ls=dashes, lw=1.8, label=label)
        for variant, place, share in zip(document.branch_points, places, shares, strict=True):
            inside = "white" if variant.dominated else colour
            axes.plot(place, share, marker="o", ms=5, color=colour, markerfacecolor=inside, ls="none")
    if any(variant.dominated for variant in document.branch_points):
        axes.plot([], [], marker="o", ms=5, color=INK, markerfacecolor="white", ls="none", label="dominated")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks(frozen)
    axes.set_xlabel(f"layers of {document.base.name} that are shared")
    axes.set_ylabel("share of held-out frames")
    figure.legend(frameon=False, loc="outside right upper")
    return svg(figure)


def _heading(document: PackageDocument) -> list[str]:
    events, held_out = document.events, document.held_out
    rests = "given by hand" if events.count == 0 else f"{events.count} labelled"
    judged = f"{held_out.events} event{'s' * (held_out.events != 1)}"
    return [
        f"{document.name}: looks for {document.positive!r} on {document.base.name} ({document.base.hash[:12]})",
        f"events of {events.seconds:.1f} s, {events.frequency:.1%} of the time ({rests})",
        f"judged on {held_out.frames} frames with {judged}, {held_out.seconds:.0f} s",
        *([document.note] if document.note else []),
    ]


def _cells(package: Package, at: int) -> Sequence[str]:
    variant = package.document.branch_points[at]
    return (
        str(variant.frozen),
        f"{variant.hit:.3f}",
        _interval(variant.hit_interval),
        f"{variant.false_positive:.3f}",
        _interval(variant.false_positive_interval),
        _size(package, variant.file),
        "dominated" if variant.dominated else "",
    )


def _interval(ends: Interval) -> str:
    low, high = ends
    return f"{low:.2f}-{high:.2f}"


def _size(package: Package, file: str) -> str:
    path = package.folder / file
    return f"{path.stat().st_size / 1e6:.2f} MB" if path.exists() else "-"


def _series(document: PackageDocument, figure: str) -> tuple[list[float], list[Interval]]:
    points = document.branch_points
    return [getattr(one, figure) for one in points], [getattr(one, f"{figure}_interval") for one in points]

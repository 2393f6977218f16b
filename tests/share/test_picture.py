"""Pictures of plans: every app where it leaves the stem, in a terminal of any kind and in an SVG file."""

import io
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from rheostat.errors import SettingsError
from rheostat.share.picture import draw_svg, draw_text
from rheostat.share.plan import Plan, Workload
from rheostat.share.rows import MOST_ROWS
from tests.share.workloads import pair

COSTS = [4.0, 3.0, 2.0, 1.0]
SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=60)


def thirty() -> tuple[Workload, Plan]:
    return pair([number % 5 for number in range(30)], [1 + number % 9 for number in range(30)], COSTS, votes=3)


def thousand() -> tuple[Workload, Plan]:
    """Few apps at the input, hundreds elsewhere."""
    cuts = [0] * 5 + [1 + number % 4 for number in range(995)]
    return pair(cuts, [1 + number % 9 for number in range(1000)], COSTS)


def printed(workload: Workload, plan: Plan, encoding: str = "utf-8", width: int = 80) -> str:
    """What reaches a terminal that knows no more than `encoding`."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=terminal, width=width, legacy_windows=False).print(draw_text(workload, plan))
    terminal.seek(0)
    return terminal.read()


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def lines_of(svg: str) -> list[ElementTree.Element]:
    """The lines of apps: those inside of a group."""
    return [line for group in ElementTree.fromstring(svg).iter(f"{SVG}g") for line in group.iter(f"{SVG}line")]


def test_the_terminal_shows_the_stem_downwards_and_each_app_where_it_leaves() -> None:
    assert str(draw_text(*pair([1, 3, 3], [10, 2, 5], COSTS, votes=3))).split("\n") == [
        "3 apps: mean F1 0.810 (optimal), lowest 0.810",
        "cost 50.0 of 60.0",
        "                                         layers    fps votes        F1      cost",
        "┃  stem of 3 apps                           0-1     10                      40.0",
        "┣━ app-0                                    1-4     10     3     0.810      60.0",
        "┃  stem of 2 apps                           1-3      5                      25.0",
        "┣━ app-1                                    3-4      2     3     0.810       2.0",
        "┗━ app-2                                    3-4      5     3     0.810       5.0",
    ]


def test_a_terminal_that_knows_only_ascii_gets_the_same_in_ascii() -> None:
    drawn = printed(*pair([1, 3, 3], [10, 2, 5], COSTS, names=["bus", "b\u00fcs", "b" * 70]), encoding="ascii")
    assert [line[:9].rstrip() for line in drawn.splitlines()[3:]] == [
        "|  stem o",
        "+- bus",
        "|  stem o",
        "+- b?s",
        "`- bbbbbb",
    ]
    assert "bbb...  " in drawn


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    workload, plan = pair([1, 3, 2], [10, 2, 5], COSTS, names=["x" * 300, "\u5bb6" * 30, "short"])
    drawn = printed(workload, plan, width=width)
    assert max(map(cell_len, drawn.splitlines())) <= min(width, 100)
    assert re.search("┣━ x+…", drawn)
    assert re.search("┗━ \u5bb6+ ?…", drawn)
    assert len(drawn.splitlines()) == 3 + 3 + 3  # nothing was wrapped


def test_thirty_apps_fit_a_terminal_of_80_columns() -> None:
    lines = printed(*thirty()).splitlines()
    assert max(map(cell_len, lines)) == 80
    assert [sum(f" app-{number} " in line for line in lines) for number in range(30)] == [1] * 30


def test_a_name_is_no_markup() -> None:
    workload, plan = pair([1, 2], [1, 2], COSTS, names=["[red]bus[/red]", "[/oops]"])
    drawn = printed(workload, plan)
    assert "[red]bus[/red]" in drawn
    assert "[/oops]" in drawn


def test_an_app_that_shares_everything_has_no_layers_of_its_own() -> None:
    assert re.search(r"app-0 +none +3 ", str(draw_text(*pair([4], [3], COSTS))))


def test_the_part_of_a_stem_for_one_app_names_it() -> None:
    assert "stem of app-1 alone" in str(draw_text(*pair([1, 3], [1, 4], COSTS)))


def test_the_votes_column_is_named_where_there_are_votes() -> None:
    assert "votes" not in str(draw_text(*pair([1], [1], COSTS)))
    assert "votes" not in texts(draw_svg(*pair([1], [1], COSTS)))
    assert "votes" in texts(draw_svg(*pair([1], [1], COSTS, votes=2)))


def test_a_plan_that_is_not_proven_optimal_says_how_good_one_could_be() -> None:
    workload, plan = pair([1], [1], COSTS)
    unsure = plan.model_copy(update={"optimal": False, "bound": 0.9})
    assert "mean F1 0.810 (at best 0.900), lowest 0.810" in str(draw_text(workload, unsure))
    fair = unsure.model_copy(update={"objective": "min"})
    assert "mean F1 0.810, lowest 0.810 (at best 0.900)" in str(draw_text(workload, fair))


def test_many_apps_are_drawn_as_groups_where_they_are_most() -> None:
    lines = str(draw_text(*thousand())).splitlines()
    assert len(lines) <= MOST_ROWS
    assert [sum(f" app-{number} " in line for line in lines) for number in range(5)] == [1] * 5  # few at the input
    groups = [line for line in lines if re.search(r"━ \d+ apps", line)]
    assert [re.findall(r"\d+ apps", line)[0] for line in groups] == ["249 apps", "249 apps", "249 apps", "248 apps"]
    assert all(" 1-9 " in line for line in groups)
    drawn = lines_of(draw_svg(*thousand()))
    assert len(drawn) == 5 + 4


def test_the_svg_is_standalone_and_says_what_it_shows() -> None:
    svg = draw_svg(*pair([1, 3], [10, 2], COSTS))
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "Plan of 2 apps: mean F1 0.810 (optimal), lowest 0.810; cost 50.0 of 60.0"
    assert root[1].tag == f"{SVG}desc"
    assert root[1].text == (
        "Stem: layers 0-1 at 10 fps, layers 1-3 at 2 fps. after layer 1: app-0: 10 fps, F1 0.810, cost 60.0. "
        "after layer 3: app-1: 2 fps, F1 0.810, cost 2.0."
    )
    assert root.get("role") == "img"
    assert not re.search(r"<script|href|url\(|@import|\bid=", svg)


@pytest.mark.parametrize("made", [thirty(), pair([0, 0], [1, 2], COSTS), pair([4, 4], [1, 2], [0.0] * 4)])
def test_every_app_has_its_line_in_the_svg(made: tuple[Workload, Plan]) -> None:
    svg = draw_svg(*made)
    assert [texts(svg).count(app.name) for app in made[1].apps] == [1] * len(made[1].apps)
    assert len(lines_of(svg)) == len(made[1].apps)
    assert "nan" not in svg


def test_lines_lie_apart_and_inside_of_the_picture() -> None:
    svg = draw_svg(*thirty())
    heights = sorted(float(line.attrib["y1"]) for line in lines_of(svg))
    assert min(after - before for before, after in pairwise(heights)) >= 20
    assert heights[-1] + 20 < float(ElementTree.fromstring(svg).attrib["height"])


def test_a_line_is_thicker_at_a_higher_rate_and_starts_where_the_app_leaves() -> None:
    lines = {
        (group.find(f"{SVG}title").text or "")[:5]: group.find(f"{SVG}line").attrib
        for group in ElementTree.fromstring(draw_svg(*pair([1, 3, 3], [10, 2, 5], COSTS))).iter(f"{SVG}g")
    }
    widths = [float(lines[f"app-{number}"]["stroke-width"]) for number in range(3)]
    assert widths[0] > widths[2] > widths[1]
    starts = [float(lines[f"app-{number}"]["x1"]) for number in range(3)]
    assert starts[0] < starts[1] == starts[2]


def test_no_line_crosses_another_apps_way_down() -> None:
    """The way down from a joint passes only rows of apps that leave deeper, whose lines begin further right."""
    root = ElementTree.fromstring(draw_svg(*thirty()))
    apps = [line.attrib for line in lines_of(draw_svg(*thirty()))]
    ways = [line.attrib for line in root.findall(f"{SVG}line") if line.attrib["x1"] == line.attrib["x2"]]
    assert len(ways) == 5
    for way in ways:
        for line in apps:
            if float(line["y1"]) < float(way["y2"]):
                assert float(line["x1"]) >= float(way["x1"])


def test_a_long_segment_costs_more_and_a_cheap_one_can_still_be_seen() -> None:
    svg = draw_svg(*pair([1, 2, 3], [1, 1, 1], [100.0, 0.0, 50.0, 50.0]))
    stem = [
        line.attrib
        for line in ElementTree.fromstring(svg).findall(f"{SVG}line")
        if "layers" in "".join(line.itertext())
    ]
    lengths = [float(line["x2"]) - float(line["x1"]) for line in stem]
    assert lengths[0] > lengths[2] > lengths[1] > 30


def test_f1_is_coloured_from_orange_to_a_darker_blue() -> None:
    colours = [lines_of(draw_svg(*pair([1], [1], COSTS, f1=f1)))[0].attrib["stroke"] for f1 in (0, 0.5, 1)]
    assert len(set(colours)) == 3
    red, green, blue = zip(*((int(c[1:3], 16), int(c[3:5], 16), int(c[5:7], 16)) for c in colours), strict=True)
    luminance = [0.21 * r + 0.72 * g + 0.07 * b for r, g, b in zip(red, green, blue, strict=True)]
    assert luminance[0] > luminance[1] > luminance[2]  # so it can be told without seeing colours
    assert red[0] > blue[0]
    assert blue[2] > red[2]


@settings(deadline=None)
@given(NAMES)
def test_any_name_survives_the_svg(name: str) -> None:
    titles = [
        e.text or "" for e in ElementTree.fromstring(draw_svg(*pair([1], [1], COSTS, names=[name]))).iter(f"{SVG}title")
    ]
    assert any(title.startswith(f"{name}: 1 fps") for title in titles)


def test_a_base_with_many_branch_points_is_drawn() -> None:
    made = pair(list(range(200)), [1.0] * 200, [1.0] * 200)
    joints = [e for e in ElementTree.fromstring(draw_svg(*made)).iter(f"{SVG}circle") if e.get("stroke")]
    places = [float(joint.attrib["cx"]) for joint in joints]
    assert len(places) == 200
    assert places == sorted(set(places))


def test_a_plan_of_another_workload_is_not_drawn() -> None:
    workload, _ = pair([1], [1], COSTS)
    other = pair([1, 1], [1, 1], COSTS)[1]
    for draw in (draw_text, draw_svg):
        with pytest.raises(SettingsError, match="not in the workload"):
            draw(workload, other)

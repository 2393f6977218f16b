"""Records are made cell by cell, and go on where they were."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from reproductions.mainstream import pages, tables
from reproductions.mainstream.__main__ import RESULTS, main
from reproductions.mainstream.figures import FIGURES
from reproductions.running import Figure, produce

KEYS = {"figure", "what", "claimed", "setting", "environment", "complete", "rows"}
computed: list[int] = []
interrupted_at: set[int] = set()


def square(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["number"] in interrupted_at:
        raise KeyboardInterrupt
    computed.append(cell["number"])
    return {"square": cell["number"] ** 2 / 3}


@pytest.fixture(autouse=True)
def _forget():
    computed.clear()
    interrupted_at.clear()


def made(out: Path, numbers: list[int], *, workers: int = 1, fresh: bool = False) -> dict[str, Any]:
    figure = Figure("squares", "numbers", (), lambda _: [{"number": n} for n in numbers], square, {})
    return produce(figure, out, workers=workers, workloads=1, fresh=fresh, say=lambda line: None)


def test_an_interruption_loses_no_cell(tmp_path: Path):
    interrupted_at.add(3)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, [1, 2, 3, 4])
    kept = json.loads((tmp_path / "squares.json").read_text())
    assert [row["cell"]["number"] for row in kept["rows"]] == [1, 2]
    assert not kept["complete"]

    interrupted_at.clear()
    record = made(tmp_path, [1, 2, 3, 4])

    assert computed == [1, 2, 3, 4]
    assert [row["cell"]["number"] for row in record["rows"]] == [1, 2, 3, 4]
    assert record["complete"]
    assert json.loads((tmp_path / "squares.json").read_text()) == record


def test_only_missing_cells_are_computed_unless_asked_for_afresh(tmp_path: Path):
    made(tmp_path, [1, 2])
    computed.clear()

    record = made(tmp_path, [2, 5])
    assert computed == [5]
    assert [row["cell"]["number"] for row in record["rows"]] == [2, 5]

    made(tmp_path, [2, 5], fresh=True)
    assert computed == [5, 2, 5]


def test_rows_of_an_earlier_commit_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for commit, numbers in (("aaa", [1]), ("bbb", [1, 2]), ("ccc", [1, 2, 3]), ("ddd", [1, 2, 3])):
        monkeypatch.setattr("reproductions.running.environment", lambda commit=commit: {"commit": commit})
        record = made(tmp_path, numbers)
    assert record["environment"] == {"commit": "ccc"}, "nothing was computed at ddd"
    assert [row.get("commit") for row in record["rows"]] == ["aaa", "bbb", None]


def test_several_processes_give_the_same_record(tmp_path: Path):
    alone, together = (made(tmp_path / str(w), [3, 1, 2], workers=w) for w in (1, 2))

    assert together["rows"] == alone["rows"]


def test_the_command_makes_a_record_and_leaves_a_whole_one_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = ["correlation", "fig4b", "--workers", "1", "--out", str(tmp_path)]
    assert main(asked) == 0
    before = (tmp_path / "correlation.json").read_bytes()
    record = json.loads(before)
    assert set(record) == KEYS
    assert record["rows"][0]["pooled"]["miss_after_miss"] == pytest.approx(0.326033779849, abs=5.1e-8)

    assert main(asked) == 0
    assert (tmp_path / "correlation.json").read_bytes() == before
    assert "fig4b: 9 cells, 9 of them there already" in capsys.readouterr().err


def test_a_part_of_fig_6_goes_by_any_of_its_three_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "reproductions.mainstream.__main__.produce",
        lambda figure, out, *, workloads, **_: asked.append((figure.name, workloads)),
    )

    assert main(["fig6", "fig8", "--workloads", "2", "--out", str(tmp_path)]) == 0
    assert asked == [("fig6-8", 2)]


def test_an_interruption_is_said_and_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    interrupted_at.add(1)
    figure = Figure("fig3", "numbers", (), lambda _: [{"number": 1}], square, {})
    monkeypatch.setitem(FIGURES, "fig3", figure)

    assert main(["fig3", "--out", str(tmp_path)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fig5"], "there is no figure 'fig5': take one of table1, fig3"),
        (["--workers", "0"], "0 is not a whole number from 1 on"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", FIGURES)
def test_the_records_in_git_are_whole(name: str):
    record = json.loads((RESULTS / f"{name}.json").read_text())

    assert set(record) == KEYS
    assert record["complete"]
    assert record["what"] == FIGURES[name].what
    assert [row["cell"] for row in record["rows"]] == FIGURES[name].cells(100)
    assert pages.piece(record, "conditions").endswith(f"commit {record['environment']['commit']}.")


def test_every_piece_has_a_record():
    assert {figure for figure, _ in pages._PIECES} == set(FIGURES)


def test_a_table_says_what_the_record_says():
    row = {"app": "bus", "frozen": [0, 27, 51, 75, 81, 84], "hit_without_dominated": [0.9, 0.8, 0.7, 0.6, 0.5, 0.123]}
    shown = tables.fig4b({"rows": [{**row, "cell": {"app": "bus"}, "dominated": 2, "layers": 85}]})

    assert shown.splitlines()[-1] == "| bus | 0.900 | 0.800 | 0.700 | 0.600 | 0.500 | 0.123 | 2 |"


@pytest.mark.parametrize("name", ["fig3", "correlation"])
def test_a_plot_is_an_image_and_the_same_every_time(name: str):
    record = json.loads((RESULTS / f"{name}.json").read_text())

    once, again = pages.plots_of(record), pages.plots_of(record)

    assert once == again
    assert all(ElementTree.fromstring(drawn).tag.endswith("svg") for drawn in once.values())
    assert once


def test_a_record_without_a_plot_has_none():
    assert pages.plots_of({"figure": "table1"}) == {}

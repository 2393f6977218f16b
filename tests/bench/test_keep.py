"""What the measurements share, and where one of them could lose or mistake what it measured."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import edge, fleet, frozen
from benchmarks.keep import keep, summary
from benchmarks.rendering import headlines, performance
from benchmarks.rendering.source import ROOT
from benchmarks.saving_lines import ratio_text
from rheostat.errors import DataError
from rheostat.records import read_json
from tests.share.folders import a_base, a_package
from tests.share.placement.toys import a_workload


def test_a_record_is_on_the_disk_before_its_pieces_are_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def faulty(record: dict[str, Any]) -> dict[str, str]:
        raise KeyError(record["bench"])

    with pytest.raises(KeyError):
        keep(tmp_path / "x.json", {"bench": "x"}, faulty)
    assert read_json(tmp_path / "x.json") == {"bench": "x"}
    keep(tmp_path / "x.json", {"bench": "y"}, lambda record: {"table": f"| {record['bench']} |"})
    assert capsys.readouterr().out == "| y |\n\n"
    assert read_json(tmp_path / "x.json") == {"bench": "y"}


def test_a_summary_is_median_and_quartiles() -> None:
    assert summary([4.0, 0.0, 1.0, 3.0, 2.0]) == {"median": 2.0, "quartiles": [1.0, 3.0]}


def test_a_ratio_has_a_sign_where_it_is_a_bound() -> None:
    assert [ratio_text((0.5, sign)) for sign in "=<>"] == ["0.50", "< 0.50", "> 0.50"]


def test_a_base_beside_packages_of_clips_is_loaded_at_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = a_base(tmp_path / "base", name="timm:toy")
    a_package(tmp_path / "car", base, "car")
    asked: list[Any] = []

    def load(name: str, **given: Any) -> None:
        asked.append((name, given))
        raise DataError("enough")

    monkeypatch.setattr(frozen, "load_base", load)
    with pytest.raises(DataError, match="enough"):
        frozen.of_clips(tmp_path)
    assert asked == [("timm:toy", {"size": base.document.preprocessing.height})]


def test_a_node_that_failed_is_told_by_its_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env" / "lib" / "python" / "site-packages").mkdir(parents=True)
    real = subprocess.Popen
    done = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(edge.subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(edge.subprocess, "Popen", lambda _, **given: real(["false"], **given))
    monkeypatch.setattr(edge, "resident_mb", lambda _: 0.0)
    with pytest.raises(SystemExit, match="exit code 1, torch is not installed"):
        edge.measure(tmp_path / "plan.json", "gate.mp4", tmp_path)


def test_the_cheapest_plan_of_each_kind_of_camera_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = a_workload(0), a_workload(1)
    found = fleet._least({"a": one, "b": other, "c": one})
    assert found == {"a": fleet.least_budget(one), "b": fleet.least_budget(other), "c": fleet.least_budget(one)}
    asked: list[Any] = []
    monkeypatch.setattr(fleet, "least_budget", lambda workload: asked.append(workload) or 0.0)
    assert fleet._least({"a": one, "b": other, "c": one}) == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert asked == [one, other]


def test_pages_name_what_the_records_measured() -> None:
    edge_record = read_json(ROOT / "benchmarks/results/edge.json")
    assert f"memory of a node with {edge_record['apps']} apps" in headlines.piece("table")
    installing = performance.piece("installing")
    assert "`rheostat` in an empty environment" in installing
    assert "rheostat[core]" not in installing

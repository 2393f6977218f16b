"""A package as people see it."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rheostat.share.package.document import Package
from rheostat.share.package.inspection import picture, table
from tests.share.folders import a_base, a_package, a_variant


@pytest.fixture
def package(tmp_path: Path) -> Package:
    base = a_base(tmp_path / "base")
    variants = [
        a_variant(base, 1, hit=0.5, hit_interval=[0.25, 0.75], dominated=True),
        a_variant(base, 3, hit=0.875, false_positive=0.0625, false_positive_interval=[0.0, 0.5]),
    ]
    return a_package(tmp_path / "vehicle", base, branch_points=variants, note="seen at the gate")


def test_the_table_has_a_line_per_variant_with_intervals(package: Package) -> None:
    *heading, _, _, first, second = table(package).splitlines()
    assert heading[0].startswith("vehicle: looks for 'vehicle' on toy (")
    assert heading[1:] == [
        "events of 4.0 s, 25.0% of the time (3 labelled)",
        "judged on 100 frames with 2 events, 8 s",
        "seen at the gate",
    ]
    assert first.split() == ["1", "0.500", "0.25-0.75", "0.100", "0.02-0.30", "0.00", "MB", "dominated"]
    assert second.split() == ["3", "0.875", "0.70-0.99", "0.062", "0.00-0.50", "0.00", "MB"]


def test_sizes_are_those_of_the_files_and_a_missing_one_is_no_error(package: Package) -> None:
    (package.folder / "head-01.onnx").write_bytes(bytes(1_234_567))
    (package.folder / "head-03.onnx").unlink()
    *_, first, second = table(package).splitlines()
    assert "1.23 MB" in first
    assert second.split()[-1] == "-"


def test_statistics_that_were_given_by_hand_say_so(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    events = {"seconds": 2.0, "frequency": 0.1, "count": 0, "correlation": {"lag_seconds": [0.0], "value": [1.0]}}
    assert "given by hand" in table(a_package(tmp_path / "p", base, events=events))


def test_one_event_is_no_plural(tmp_path: Path) -> None:
    held_out = {"frames": 100, "events": 1, "seconds": 8.0}
    assert "with 1 event, 8 s" in table(a_package(tmp_path / "p", a_base(tmp_path / "base"), held_out=held_out))


def test_the_picture_has_both_series_their_intervals_and_hollow_points(package: Package) -> None:
    drawn = picture(package)
    ET.fromstring(drawn)
    for told in ("hit", "false positive", "layers of toy that are shared", "share of held-out frames"):
        assert told in drawn
    assert drawn == picture(package), "the same bytes for the same package"
    hollow = len(re.findall("fill: #ffffff; stroke: #", drawn))
    assert hollow == 3, "one of two points is dominated, in both series, and the legend says so"

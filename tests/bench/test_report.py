"""The plots and the page of a comparison."""

import re
from pathlib import Path
from xml.etree import ElementTree

from rheostat.bench.plots import plots_of
from rheostat.bench.report import write_report
from tests.bench.toys import run, two_seeds


def labels_of(svg: str) -> set[str]:
    return {text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_there_are_three_plots_and_each_names_its_arms():
    plots = plots_of(two_seeds())
    arms = {"plain", "selective-backprop", "matched-random", "plain-decayed"}

    assert list(plots) == ["error-against-backwards", "error-against-seconds", "kept-share"]
    assert arms <= labels_of(plots["error-against-backwards"])
    assert arms <= labels_of(plots["error-against-seconds"])
    kept = labels_of(plots["kept-share"])
    assert {"selective-backprop", "matched-random"} <= kept
    assert "plain" not in kept  # it keeps everything


def test_a_plot_depends_on_its_record_alone():
    assert plots_of(two_seeds()) == plots_of(two_seeds())
    other = [run(s, [250, 500, 1000], [0.3, 0.1, 0.08]) for s in (0, 1)]
    assert plots_of(two_seeds()) != plots_of(two_seeds(selective_backprop=other))


def test_the_page_is_whole_and_asks_for_nothing_from_outside(tmp_path: Path):
    write_report(two_seeds(), tmp_path / "page.html", title="A <title>", lead="what was done")
    page = (tmp_path / "page.html").read_text()

    assert "A &lt;title&gt;" in page
    assert page.count("<svg") == 3
    assert "reaches plain&#39;s final error of 10.00% with 0.17 of its backwards" in page
    assert "c0ffee" in page
    outside = re.findall(r"""(?:src|href)=["'](?!#)([^"']+)""", page)
    assert outside == []

"""No figure stands in the documentation that is neither rendered from a record nor said to be something else.

A figure is a number with a unit of measurement, a decimal fraction, a power of ten, or a share in words. Rendered
pieces are left out, because another test holds them to their records; so are code, addresses and formulas. What remains
must be listed in `constants.toml`: as a setting, default or definition of ours; as published, with its source; or as
held by a record or a test, with its file.
"""

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, prose, text_of

KINDS = {"setting", "default", "definition", "example", "published", "record", "test"}
CONSTANTS = tomllib.loads((Path(__file__).parent / "constants.toml").read_text(encoding="utf-8"))["constant"]
_WORDS = (
    "half|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    "eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand"
)
_UNITS = (
    "%|per cent|percent|[xX]|times|points?|[mun]?s|seconds?|minutes?|hours?|days?|[kKMGT]i?B|bytes|core-ms|"
    "core-milliseconds|fps|Hz|nats?|PFLOPs?"
)
_FIGURE = re.compile(
    rf"(?<![\w.:/-])(?:\d[\d.,]* ?|(?:{_WORDS}) )(?:{_UNITS})(?![\w-])"
    r"|(?<![\w.:/-])\d+\.\d+(?![\w.])|(?<![\w.])\d+(?:\.\d+)?e-?\d+"
    r"|\b(?:by|an?) (?:half|third|quarter|fifth|sixth|seventh|eighth|ninth|tenth|twentieth)s?\b"
    rf"|\b(?:{_WORDS}) of the (?:{_WORDS})\b"
)
_NAMES = re.compile(
    r"arXiv:\d{4}\.\d{5}|Apache-2\.0|sections? \d+(?:\.\d+)*|Python \d\.\d+|rheostat 0\.\d|Version \d+\.\d+\.x"
)


def figures_in(text: str) -> list[str]:
    """Every figure of a text, with the words before it."""
    text = _NAMES.sub("", text)
    return [text[max(0, found.start() - 40) : found.end()].replace("\n", " ") for found in _FIGURE.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_figure_stands_on_a_page_without_a_record_or_a_reason(page: Path):
    text = " ".join(prose(text_of(page)).split())
    for constant in CONSTANTS:
        if ROOT / constant["page"] == page:
            assert constant["text"] in text, f"constants.toml lists {constant['text']!r}, which {page.name} has not"
            text = text.replace(constant["text"], "")

    assert figures_in(text) == []


def test_every_constant_says_what_it_is_and_names_what_holds_it():
    for constant in CONSTANTS:
        assert constant["kind"] in KINDS
        assert (ROOT / constant["page"]).is_file()
        if constant["kind"] == "published":
            assert constant["by"]
        if constant["kind"] in ("record", "test"):
            assert (ROOT / constant["by"]).is_file()


@pytest.mark.parametrize(
    "said",
    [
        "faster by 12 %", "takes 3 s", "in 0.4 of the time", "87X", "1,200 MB", "to 5e-6", "by a tenth", "six minutes",
        "eleven of the twelve rows", "a third of the cost", "2.5 core-ms", "ninety per cent",
    ],
)  # fmt: skip
def test_a_figure_is_seen(said: str):
    assert figures_in(f"It is {said}, we say.") != []


@pytest.mark.parametrize(
    "said", ["three seeds", "in 2018", "section 3.2", "arXiv:1910.00762", "10 apps", "Apache-2.0", "16 operations"]
)
def test_what_is_counted_or_named_is_none(said: str):
    assert figures_in(f"It has {said}, we say.") == []


def test_what_is_rendered_is_left_out_and_what_stands_beside_it_is_not():
    text = "a 1 % b\n<!-- coverage:table -->\n| 2 % |\n<!-- /coverage:table -->\n`3 %` c 4 %\n```sh\nsleep 5 s\n```\n"

    assert [found[-3:] for found in figures_in(prose(text))] == ["1 %", "4 %"]

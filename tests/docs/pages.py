"""The pages of the documentation, and what tests look at in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>[^>]+) -->\n)?"
    r"(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```",
    re.S | re.M,
)
_RENDERED = re.compile(r"<!-- (?P<name>[\w/-]+:\w+) -->\n.*?<!-- /(?P=name) -->", re.S)


class Block(NamedTuple):
    """A block of code; `why` says why no test runs it, where none does."""

    page: Path
    at: int
    language: str
    text: str
    why: str | None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix().removeprefix('docs/')}-{self.at}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(*languages: str) -> Iterator[Block]:
    """All fenced blocks, of these languages if any are named."""
    for page in PAGES:
        for at, found in enumerate(_FENCE.finditer(text_of(page))):
            if not languages or found["language"] in languages:
                yield Block(page, at, found["language"], found["text"], found["why"])


def without_code(text: str) -> str:
    """What is left without blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "`", _FENCE.sub("", text))


def prose(text: str) -> str:
    """What a person wrote as text: no rendered pieces, no code, no addresses of links, no formulas."""
    text = without_code(_RENDERED.sub("", text))
    text = re.sub(r"^(?: {4,}|\t)(?![-*\d]).*$", "", text, flags=re.M)  # code by indentation
    text = re.sub(r"\]\([^)\s]*\)", "]", text)
    return re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.S)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: dict[str, int] = {}
    told = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", _FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.replace("`", "").replace("*", ""))
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = found[slug] = found.get(slug, -1) + 1
        told.add(f"{slug}-{number}" if number else slug)
    return told

"""Pages say what the records and the code say, and lead where they say they do."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rendering import api, architecture, commands, formats, source
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, prose, text_of, without_code
from tests.test_public_names import PACKAGES, public_names

RENDER: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks" / "render.py"))
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@every_page
def test_every_table_is_what_its_record_or_the_code_says(page: Path):
    text = text_of(page)

    assert RENDER["rendered"](text) == text, "run python benchmarks/render.py"


def test_rendering_replaces_what_stands_between_the_comments():
    asked = "a\n<!-- overhead:table -->\nold\n<!-- /overhead:table -->\nb"

    fresh = RENDER["rendered"](asked)

    assert "old" not in fresh
    assert "| selective: candidates x t_score" in fresh
    assert fresh.startswith("a\n<!-- overhead:table -->\n")
    assert fresh.endswith("\n<!-- /overhead:table -->\nb")


@every_page
def test_every_link_within_the_repository_leads_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", without_code(text_of(page))):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert file.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(text_of(file)), f"{page.name} links to {target}: {file.name} has no such heading"


def test_anchors_are_those_of_github():
    page = "# A `b` (c): d, *e*!\n## Same\n## Same\n```sh\n# no heading\n```\n### [Link](x.md) here\n"

    assert anchors(page) == {"a-b-c-d-e", "same", "same-1", "link-here"}


def test_every_page_can_be_reached_from_the_index():
    reached, next_pages = set(), [DOCS / "README.md"]
    while next_pages:
        page = next_pages.pop()
        reached.add(page)
        for target in re.findall(r"\]\((?!https?://|mailto:)([^)#\s]+)[^)]*\)", without_code(text_of(page))):
            file = (page.parent / target).resolve()
            file = file / "README.md" if file.is_dir() else file
            if file.suffix == ".md" and file.exists() and file not in reached:
                next_pages.append(file)

    assert {page for page in PAGES if page.parent.name != "decisions"} <= reached


def test_nothing_is_told_on_two_pages():
    told: dict[str, Path] = {}
    for page in PAGES:
        text = re.sub(r"^(?:#|\|).*$|^\s*[-*] ", "", prose(text_of(page)), flags=re.M)
        for sentence in {" ".join(one.split()) for one in re.split(r"(?<=[.:;!?])\s|\n\n", text)}:
            if len(sentence) >= 60:
                assert sentence not in told, f"{page.name} and {told[sentence].name} both say: {sentence}"
                told[sentence] = page


@pytest.mark.parametrize("name", ["select", "augment", "suspects", "share", "node", "integrations"])
def test_the_page_of_a_dial_says_how_to_use_it_what_can_be_chosen_and_when_not_to(name: str):
    headings = re.findall(r"^## (.+)$", text_of(DOCS / f"{name}.md"), re.M)

    assert headings[0] == "Use"
    assert "Options" in headings
    assert headings[-1] == "When not to use it"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_decision_is_on_disk_under_the_number_that_a_page_gives(page: Path):
    for number, target in re.findall(r"\[decision (\d+)\]\(([^)]+)\)", text_of(page)):
        assert int(target.rpartition("/")[2][:4]) == int(number), f"{page.name} calls {target} decision {number}"


def test_the_picture_of_the_rooms_is_that_of_the_imports():
    assert (DOCS / "images" / "architecture.svg").read_text() == architecture.drawing(), (
        "run python benchmarks/render.py"
    )


def test_every_arrow_is_an_import_and_every_import_is_a_way_of_arrows_downward():
    layer = {room: at for at, row in enumerate(architecture.layers()) for room in row}
    ways = {room: {room} for room in layer}
    for a, b in sorted(architecture.arrows(), key=lambda pair: -layer[pair[0]]):
        assert (a, b) in architecture.imports()
        ways[a] |= ways[b]

    for a, b in architecture.imports():
        assert layer[a] < layer[b], f"{a} imports {b}"
        assert b in ways[a] or b == "basis"


def test_every_room_of_the_source_is_in_the_picture():
    known = {room for row in architecture.layers() for room in row} | {*architecture.basis()}
    there = {path.stem for path in (ROOT / "src" / "rheostat").iterdir() if path.suffix == ".py" or path.is_dir()}

    assert there - {"__init__", "__main__", "__pycache__", "py"} <= known


def test_every_command_has_its_place_on_the_page():
    asked = set(re.findall(r"<!-- commands:(\w+) -->", text_of(DOCS / "commands.md")))

    assert asked == {"index"} | {typed.replace(" ", "_") for typed in commands.commands()}


def test_every_object_of_a_file_has_its_place_on_the_page():
    asked = set(re.findall(r"<!-- formats:(\w+) -->", text_of(DOCS / "formats.md")))

    assert asked == {*formats.OBJECTS, "suspect_columns", "decision_columns"}


def test_every_room_has_a_page_with_all_its_public_names():
    for room, packages in api.rooms().items():
        text = text_of(DOCS / "api" / f"{room}.md")
        for package in packages:
            assert all(f"`{named.name}`" in text for named in source.public_names(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_names_read_from_the_source_are_those_that_are_imported(package: str):
    read = {named.name: named.docstring for named in source.public_names(package)}

    assert [*read] == [*public_names(package)]
    for name, thing in public_names(package).items():
        if isinstance(thing, type) and read[name]:
            assert (thing.__doc__ or "").strip().startswith(read[name].split("\n", 1)[0])


@pytest.mark.parametrize("package", source.packages())
def test_no_public_class_or_function_is_without_a_docstring(package: str):
    silent = [
        named.name
        for named in source.public_names(package)
        if not named.docstring and type(named.node).__name__ in ("ClassDef", "FunctionDef", "AsyncFunctionDef")
    ]

    assert silent == []

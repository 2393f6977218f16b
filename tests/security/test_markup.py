"""Names from a stranger in what is drawn and written for people: they stay text."""

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from rheostat.review import make_suspects, open_run, write_sheet
from rheostat.share.package.inspection import picture
from rheostat.share.picture import draw_svg
from tests.review.conftest import cache_of_the_test  # noqa: F401 - a fixture
from tests.review.toys import pets, run_folder
from tests.share.folders import a_base, a_package
from tests.share.workloads import pair

EVIL = "<img src=x onerror=alert(1)>'&<script>alert(2)"


class _Tags(HTMLParser):
    """What a browser would take for tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_names_are_text_in_sheets_drawings_and_plots(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    for split in folder.iterdir():
        if split.is_dir():
            next(iter(sorted(path for path in split.iterdir() if path.is_dir()))).rename(split / EVIL)
    seen = open_run(run_folder(tmp_path / "run", str(folder)))
    page, _ = write_sheet(seen, make_suspects(seen, 1.0))
    base = a_base(tmp_path / "base", name=EVIL)
    drawn = [
        draw_svg(*pair([1, 3], [10, 2], names=[EVIL, "other"])),
        picture(a_package(tmp_path / "app", base, name=EVIL)),
    ]
    for text in (page.read_text(), *drawn):
        assert "&lt;img src=x" in text  # it is there
        found = _Tags()
        found.feed(text)
        assert not found.names & {"script", "iframe", "object"}
        assert not {name for name in found.attributes if name.startswith("on")}
    for text in drawn:
        assert "img" not in {element.tag for element in ElementTree.fromstring(text).iter()}

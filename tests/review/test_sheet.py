"""The sheet of suspects."""

import html
import re

from rheostat.review import SeenRun, make_suspects, write_sheet
from rheostat.review.sheet import percent
from tests.review.toys import DAMAGED


def cards(page: str) -> list[str]:
    return re.findall(r"<li( class=\"agrees\")?>\s*<div class=\"picture\">.*?</li>", page, re.DOTALL)


def test_the_sheet_shows_every_suspect_and_needs_nothing_else(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)

    path, damaged = write_sheet(of_pets, listed)

    page = path.read_text()
    assert path == of_pets.folder / "suspects" / "suspects.html"
    assert damaged == {}
    assert len(cards(page)) == len(listed.suspects) == page.count("<img ")
    assert [int(at) for at in re.findall(r"· example (\d+)<", page)] == [suspect.index for suspect in listed.suspects]
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert all(source.startswith("data:image/") for source in sources)
    assert "<script" not in page
    assert "dog &amp; son" in page
    assert "dog & son" not in page
    assert "21 of 42 training examples (50 %)" in page
    assert "never saw 1 of all examples" in page


def test_given_and_predicted_stand_with_their_probabilities(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)
    suspect = next(one for one in listed.suspects if one.given != one.predicted and one.given == 0)

    page = write_sheet(of_pets, listed)[0].read_text()

    card = html.unescape(page[page.index(f"· example {suspect.index}<") :].partition("</li>")[0])
    assert f">cat</b><span>given · {percent(suspect.p_given)}</span>" in card
    assert f">dog & son</b><span>predicted · {percent(suspect.p_predicted)}</span>" in card
    assert suspect.why in card


def test_class_pairs_are_counted_at_the_top(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)

    page = write_sheet(of_pets, listed)[0].read_text()

    top = page.partition('<ol class="cards">')[0]
    found = re.findall(r'title="([^"]*) → ([^"]*)">.*?<b>(\d+)</b>', top)
    named = [(listed.classes[given], listed.classes[predicted], number) for given, predicted, number in listed.pairs()]
    assert [(a.replace("&amp;", "&"), b.replace("&amp;", "&"), int(number)) for a, b, number in found] == named


def test_audits_are_not_marked(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5, audits=0.5)
    page = write_sheet(of_pets, listed)[0].read_text()
    assert any(suspect.audit for suspect in listed.suspects)

    assert "audit" not in page


def test_a_long_list_is_capped_and_says_so(of_pets: SeenRun):
    listed = make_suspects(of_pets, 0.5)

    page = write_sheet(of_pets, listed, most=4)[0].read_text()

    assert len(cards(page)) == 4
    assert "the first 4 of 21" in page
    assert "the first" not in write_sheet(of_pets, listed, most=21)[0].read_text()


def test_an_image_that_cannot_be_decoded_is_named_and_counted_and_leaves_its_place(damaged: SeenRun):
    listed = make_suspects(damaged, 1.0)

    path, wrong = write_sheet(damaged, listed)

    page = path.read_text()
    assert list(wrong) == [DAMAGED]
    assert "005.png" in wrong[DAMAGED]
    assert page.count("<img ") == 41
    assert len(cards(page)) == 42
    assert "The images of 1 cannot be decoded" in page


def test_what_is_not_certain_is_not_shown_as_certain():
    assert [percent(share) for share in (None, 0.0, 0.001, 0.124, 0.999, 1.0)] == [
        "", "0 %", "< 1 %", "12 %", "> 99 %", "100 %",
    ]  # fmt: skip

"""What the review page looks like, at any size and with anything in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from rheostat.console import Server
from tests.console.review.fakes import CLASSES, FakeDesk
from tests.console.review.steps import Visit, all_stored, at, press
from tests.console.test_page import FAINT, expect_text, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "<img src=x onerror=\"document.title='owned'\">"
MOST_NODES = 900  # in the page, however many suspects there are


def test_fifty_thousand_suspects_are_scrolled_with_few_nodes_and_requests(visit: Visit):
    desk = FakeDesk(50_000, budget=2500)
    page = visit(desk)
    at(page, 0)
    expect_text(page.locator("#place"), "Suspect 1 of 50,000")
    nodes = "document.querySelectorAll('*').length"
    assert page.evaluate("document.querySelector('#spacer').offsetHeight") == 50_000 * 60
    assert page.evaluate(nodes) < MOST_NODES
    asked = len(desk.asked_for)
    for place in (24_999, 49_990, 12_345, 40_000, 7):
        page.evaluate(f"document.querySelector('#strip').scrollTop = {place * 60}")
        wait_until(
            page,
            f"[...document.querySelectorAll('.row .soft')].some(row => row.textContent.startsWith('#{place + 1:,} '))",
        )
        assert page.evaluate(nodes) < MOST_NODES
    assert len(desk.asked_for) - asked <= 10  # at most two pages each
    asked = len(desk.asked_for)
    page.evaluate("""() => {
      for (let place = 0; place < 3_000_000; place += 20_000) {  // dragged over all of it, without a rest
        document.querySelector("#strip").scrollTop = place;
        document.querySelector("#strip").dispatchEvent(new Event("scroll"));
      }
    }""")
    wait_until(page, "[...document.querySelectorAll('.row .soft')].some(row => row.textContent.startsWith('#49,6'))")
    assert len(desk.asked_for) - asked <= 2
    assert max(count for _, count in desk.asked_for) <= 60
    page.evaluate(f"document.querySelector('#strip').scrollTop = {40_000 * 60}")
    page.locator(".row", has_text="#40,003 ").click()
    at(page, 40_002)
    press(page, "k")
    at(page, 40_003)
    asked = len(desk.asked_for)
    for _ in range(100):
        page.keyboard.press("ArrowDown")
    at(page, 40_103)
    assert len(desk.asked_for) - asked <= 4
    assert page.evaluate(nodes) < MOST_NODES
    assert (
        page.evaluate("document.querySelector('.row[aria-current=true]').innerText")
        .split("\n")[1]
        .startswith("#40,104")
    )


def test_of_many_classes_one_is_chosen_by_its_first_letters(visit: Visit):
    names = (*[f"class {number}" for number in range(95)], "red fox", "arctic fox", "foxhound", "firefox", EVIL)
    desk = FakeDesk(5, classes=names)
    page = visit(desk)
    at(page, 0)
    press(page, "5")
    expect_text(page.locator("#said"), "There are 100 classes: press / and type the first letters of one.")
    press(page, "/")
    expect_text(page.locator("#chooser-more"), "and 40 more: type on")
    page.keyboard.type("fox")
    assert page.locator("#chooser-list li span:first-child").all_inner_texts() == [
        *["foxhound", "red fox", "arctic fox", "firefox"]
    ]
    page.keyboard.press("ArrowDown")
    assert page.locator("#chooser-text").get_attribute("aria-activedescendant") == "option-95"
    page.keyboard.press("Enter")
    at(page, 1)
    press(page, "/")
    page.keyboard.type("zebra")
    expect_text(page.locator("#chooser-more"), "No class is called so.")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="As predicted").click()
    at(page, 2)
    all_stored(page)
    assert [entry[:3] for entry in desk.log] == [("relabel", 6, 95), ("relabel", 13, desk.rows[1]["predicted"])]


def test_help_lists_the_keys_and_keys_do_nothing_behind_it(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "?")
    expect_text(page.locator("#keys"), "keep: the given label is right")
    expect_text(page.locator("#help"), "drawn at random")
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    page.locator("#help").wait_for(state="hidden")
    assert desk.log == []
    press(page, "k")
    at(page, 1)


def test_buttons_do_what_keys_do(page: Page, desk: FakeDesk):
    at(page, 0)
    for name in ("Keep", "Remove", "Skip"):
        page.get_by_role("button", name=re.compile(rf"\b{name}$")).click()
        page.locator("#stage[data-ready=true]").wait_for()
    page.locator("#classes button").nth(7).click()
    at(page, 4)
    page.get_by_role("button", name="Previous suspect").click()
    at(page, 3)
    page.get_by_role("button", name="Next suspect").click()
    at(page, 4)
    all_stored(page)
    assert [entry[0] for entry in desk.log] == ["keep", "remove", "skip", "relabel"]
    page.get_by_role("button", name=re.compile("Undo$")).click()
    at(page, 3)


def test_the_page_asks_nobody_else_and_complains_of_nothing(browser: Browser, server: Server, desk: FakeDesk):
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(server.url)
    at(page, 0)
    press(page, "k", "u", "?", "Escape")
    page.locator("#pair").select_option("3 5")
    page.locator("#bulk-open").click()
    page.close()
    assert {re.sub(r"^(\w+://[^/]+).*", r"\1", url) for url in asked} == {server.address}
    assert [line for line in said if "400" not in line] == []  # the broken picture


def test_names_are_text_and_never_markup(visit: Visit):
    desk = FakeDesk(6, classes=(*CLASSES[:3], EVIL, *CLASSES[4:]))
    desk.rows[0]["why"] = f"at odds with {EVIL}"
    page = visit(desk)
    at(page, 0)
    expect_text(page.locator("#why-line"), EVIL)
    expect_text(page.locator("#given-like-title"), EVIL)
    expect_text(page.locator("#classes"), EVIL)
    page.locator("#pair").select_option("3 5")
    page.locator("#bulk-open").click()
    expect_text(page.locator("#bulk-pair"), EVIL)
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "runs/cifar10-noisy - Review - Rheostat"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(visit: Visit, width: int):
    long = "a-class-whose-name-does-not-fit-anywhere-" * 4
    desk = FakeDesk(30, classes=(long, *CLASSES[1:3], long, *CLASSES[4:]))
    page = visit(desk)
    page.set_viewport_size({"width": width, "height": 844})
    at(page, 0)
    desk.decide(6, "remove", None, by="tab-other", expected=None)
    press(page, "k")
    page.locator("#notices li").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width == 390:  # the strip lies on its side, and the whole flow is in reach of a thumb
        page.locator("#notices .quiet").click()
        place = page.locator("#actions").bounding_box()
        assert place is not None
        assert place["y"] + place["height"] <= 844
        assert page.locator(".row").nth(3).evaluate("row => row.getBoundingClientRect().left") > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_written_can_be_read(page: Page, desk: FakeDesk, scheme: str):
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    at(page, 0)
    desk.decide(34, "keep", None, by="tab-other", expected=None)
    press(page, "k", "x", "6", "s", "k")
    page.locator("#notices li, #verdict").first.wait_for(state="attached")
    press(page, "ArrowLeft")
    page.locator("#verdict").wait_for()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(17, 23, 29)") == (scheme == "dark")
    assert page.evaluate(FAINT) == []


def test_deciding_moves_nothing(page: Page, desk: FakeDesk):
    at(page, 0)
    places = (
        "['#screen-of-example', '#labels', '#classes', '#actions', '#near', '#progress', '#strip']"
        ".map(q => document.querySelector(q).getBoundingClientRect().top)"
    )
    page.locator("#curve svg").first.wait_for()
    before = page.evaluate(places)
    press(page, "k", "x", "6", "s")
    at(page, 4)
    all_stored(page)
    expect_text(page.locator("#done-count"), "3 of 25")
    assert page.evaluate(places) == before

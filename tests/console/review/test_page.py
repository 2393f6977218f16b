"""The review page in Chromium, as a person who settles labels goes through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheostat.console import Server
from tests.console.review.fakes import BROKEN, FakeDesk
from tests.console.review.steps import Visit, all_stored, at, eventually, marks, press
from tests.console.test_page import expect_text, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_one_key_each_stores_decisions_in_order_and_goes_on(page: Page, desk: FakeDesk):
    at(page, 0)
    keys = {"k": 1, "6": 2, "x": 3, "s": 4, "p": 5}
    for key, following in keys.items():
        press(page, key)
        at(page, following)
    all_stored(page)
    index = [row["index"] for row in desk.rows]
    assert [entry[:3] for entry in desk.log] == [
        ("keep", index[0], None),
        ("relabel", index[1], 5),
        ("remove", index[2], None),
        ("skip", index[3], None),
        ("relabel", index[4], desk.rows[4]["predicted"]),
    ]
    assert len({entry[3] for entry in desk.log}) == 1  # one tab
    assert marks(page) == {"1": "k", "2": "→", "3": "x", "4": "s", "5": "→"}
    expect_text(page.locator("#done-count"), "4 of 25 reviewed")
    expect_text(page.locator("#done-rest"), "21 left")
    expect_text(page.locator("#done-parts"), "1 kept2 relabelled1 removed1 skipped")
    expect_text(page.locator("#estimates"), "7.5 % (4.5 to 11)")
    assert "1 kept, 2 relabelled, 1 removed, 1 skipped; 21 left" in (
        page.locator("#done-bar").get_attribute("aria-label") or ""
    )
    expect_text(page.locator("#announcer"), "Suspect 6 of 30: given")


def test_the_stage_shows_the_picture_the_labels_and_why(page: Page, desk: FakeDesk):
    at(page, 0)
    expect_text(page.locator("#labels [data-of=given]"), "cat")
    expect_text(page.locator("#labels [data-of=predicted]"), "dog")
    expect_text(page.locator("#labels [data-of=predicted]"), "95 %")
    expect_text(page.locator("#why-line"), "at odds with cat in all 12 looks")
    expect_text(page.locator("#name"), "train/00006.png")
    picture = page.locator("#screen-of-example img").first
    assert picture.evaluate("image => [image.naturalWidth, getComputedStyle(image).imageRendering]") == [
        32,
        "pixelated",
    ]
    line = page.locator("#curve path.own").last
    chart = page.locator("#curve svg[role=img]")
    assert chart.get_attribute("aria-label") == "Loss in 12 epochs: last 5.12, the median of cat 0.06"
    shown = chart.locator("path.own").get_attribute("d") or ""
    assert (shown.count("M"), shown.count("L")) == (2, 9)  # 11 looks of 12 epochs: a gap
    assert line.count() == 1
    expect_text(page.locator("#given-like-title"), "Nearest that are cat")
    expect_text(page.locator("#predicted-like-title"), "Nearest that are dog")
    wait_until(page, "[...document.querySelectorAll('.near img')].filter(image => image.naturalWidth).length === 8")


def test_the_key_of_the_given_class_keeps_it_and_a_digit_without_a_class_does_nothing(visit: Visit):
    desk = FakeDesk(6, classes=("circle", "square", "star", "cat", "hat", "dog"))
    page = visit(desk)
    at(page, 0)
    press(page, "9")
    expect_text(page.locator("#said"), "No class has the key 9: there are 6.")
    press(page, "4")
    at(page, 1)
    all_stored(page)
    assert [entry[:3] for entry in desk.log] == [("keep", 6, None)]


def test_the_tenth_class_has_the_key_0(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "0")
    at(page, 1)
    all_stored(page)
    assert desk.log[0][:3] == ("relabel", 6, 9)


def test_arrows_move_without_deciding_and_what_is_decided_can_be_decided_anew(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "k", "ArrowLeft")
    at(page, 0)
    expect_text(page.locator("#verdict"), "kept")
    press(page, "x")  # goes on to the next that is open, also over decided ones
    at(page, 1)
    press(page, "ArrowDown", "k", "ArrowUp", "ArrowUp", "s")
    at(page, 3)
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    expect_text(page.locator("#said"), "This is the first one of the list.")
    all_stored(page)
    assert [entry[:2] for entry in desk.log] == [("keep", 6), ("remove", 6), ("keep", 20), ("skip", 13)]


def test_a_key_that_is_held_decides_once(page: Page, desk: FakeDesk):
    at(page, 0)
    for _ in range(4):
        page.keyboard.down("k")
    page.keyboard.up("k")
    at(page, 1)
    all_stored(page)
    assert len(desk.log) == 1


def test_nothing_is_decided_before_its_picture_is_there(browser: Browser, server: Server, desk: FakeDesk):
    page = browser.new_page()
    held: list[Any] = []
    page.route("**/api/pictures/6?*", lambda route: held.append(route))
    page.goto(server.url)
    expect_text(page.locator("#place"), "Suspect 1 of")
    page.keyboard.press("k")
    expect_text(page.locator("#said"), "Wait: the picture is not there yet.")
    assert desk.log == []
    for route in held:
        route.continue_()
    press(page, "k")
    at(page, 1)
    page.close()


def test_a_key_while_the_next_one_is_on_its_way_is_not_taken_for_the_one_that_leaves(page: Page, desk: FakeDesk):
    at(page, 0)
    held: list[Any] = []
    page.route("**/api/suspects?*", lambda route: held.append(route))
    page.locator("#which").select_option("open")
    eventually(page, lambda: held)
    page.keyboard.press("k")
    expect_text(page.locator("#said"), "Wait: the picture is not there yet.")
    page.unroute("**/api/suspects?*")  # and those that were held go on
    press(page, "x")
    at(page, 1)
    all_stored(page)
    assert [entry[:2] for entry in desk.log] == [("remove", 6)]


def test_undo_takes_back_one_after_the_other_and_returns_to_it(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "k", "x", "6")
    at(page, 3)
    all_stored(page)
    for position in (2, 1, 0):
        press(page, "u")
        at(page, position)
        expect_text(page.locator("#said"), f"Undone: example {desk.rows[position]['index']}.")
    page.locator("#verdict").wait_for(state="hidden")
    assert desk.progress()["reviewed"] == 0
    eventually(page, lambda: marks(page) == {})
    press(page, "u")
    expect_text(page.locator("#said"), "There is nothing to undo in this tab.")


def test_a_picture_that_cannot_be_read_is_told_and_may_be_removed(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, *["ArrowRight"] * 5)
    at(page, 5)
    assert desk.rows[5]["index"] == BROKEN
    expect_text(page.locator("#screen-of-example"), "No picture: training image 41 cannot be decoded")
    press(page, "x")
    at(page, 6)
    all_stored(page)
    assert desk.log[0][:2] == ("remove", BROKEN)


def test_open_ones_leave_the_list_when_they_are_decided(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "k")
    page.locator("#which").select_option("open")
    at(page, 1)
    press(page, "x", "s")  # the menu does not swallow keys
    at(page, 3)
    all_stored(page)
    wait_until(page, "document.querySelector('.row .soft').textContent.startsWith('#4 ')")
    press(page, "ArrowRight", "ArrowLeft", "ArrowLeft")
    expect_text(page.locator("#said"), "This is the first one of the list.")
    at(page, 3)
    page.locator("#which").select_option("skipped")
    at(page, 2)
    press(page, "k")
    expect_text(page.locator("#said"), "No skipped one is left.")


def test_a_pair_is_listed_decided_as_one_and_undone_as_one(page: Page, desk: FakeDesk):
    at(page, 0)
    assert page.locator("#bulk-open").is_disabled()
    press(page, "k")
    page.locator("#pair").select_option("3 5")
    at(page, 3)
    pair = [row["index"] for row in desk.rows if (row["given"], row["predicted"]) == (3, 5)]
    wait_until(page, f"document.querySelectorAll('.row').length === {len(pair)}")
    expect_text(page.locator("#bulk-open"), "Decide all 9 open")
    page.locator("#bulk-open").click()
    expect_text(page.locator("#bulk-title"), "Decide 9 suspects at once?")
    expect_text(page.locator("#bulk-pair"), "given cat and predicted as dog")
    assert page.locator("#bulk-go").is_disabled()
    page.keyboard.press("Escape")
    assert len(desk.log) == 1
    page.locator("#bulk-open").click()
    page.get_by_label("relabel as dog").check()
    page.get_by_role("button", name="Decide 9", exact=True).click()
    expect_text(
        page.locator("#said"), "9 examples relabelled as dog at once. Nothing is left to decide of these classes."
    )
    assert desk.log[-1][:5] == ("pair", 3, 5, "relabel", 5)
    assert desk.progress()["relabelled"] == 9
    eventually(page, lambda: list(marks(page).values()) == ["k", *["→"] * 9])
    press(page, "u")
    expect_text(page.locator("#said"), "Undone: 9 examples at once.")
    at(page, 3)
    assert desk.progress()["relabelled"] == 0
    assert desk.settled(0) is not None


def test_when_all_are_decided_the_page_says_so_and_the_budget_is_spent(visit: Visit):
    desk = FakeDesk(3, budget=2)
    page = visit(desk)
    at(page, 0)
    press(page, "ArrowRight", "k")
    at(page, 2)
    press(page, "k")
    at(page, 0)  # from the top
    expect_text(page.locator("#done-rest"), "the budget is spent")
    press(page, "x")
    expect_text(page.locator("#said"), "Example 6 removed. Nothing is left to decide.")
    expect_text(page.locator("#done-rest"), "the budget is spent, and 1 more")
    assert len(desk.log) == 3

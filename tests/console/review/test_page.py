"""The review page in Chromium, as a person who settles labels sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from rheostat.console import Server
from rheostat.console.review import serve
from tests.console.review.fakes import BROKEN, CLASSES, FakeDesk
from tests.console.test_page import FAINT, expect_text, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

EVIL = "<img src=x onerror=\"document.title='owned'\">"
Visit = Callable[[FakeDesk], Any]  # of a page
MOST_NODES = 900  # in the page, however many suspects there are


def at(page: Page, position: int) -> None:
    """Wait until a suspect is on the stage and its picture can be judged."""
    expect_text(page.locator("#place"), f"Suspect {position + 1:,} of")
    wait_until(page, f"document.querySelector('#place').textContent.startsWith('Suspect {position + 1:,} of')")
    page.locator("#stage[data-ready=true]").wait_for()


def press(page: Page, *keys: str) -> None:
    """Press keys, each when there is something to judge."""
    for key in keys:
        page.locator("#stage[data-ready=true]").wait_for()
        page.keyboard.press(key)


def all_stored(page: Page) -> None:
    wait_until(page, "document.querySelector('#stored').textContent === 'all stored'")


def eventually(page: Page, condition: Callable[[], Any]) -> None:
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(40)
    pytest.fail("never came true")


def marks(page: Page) -> dict[str, str]:
    """What the rows in sight are marked with, by their number in the review."""
    rows = page.evaluate("[...document.querySelectorAll('.row')].map(row => row.innerText.split('\\n'))")
    return {
        match[1]: row[-1]
        for row in rows
        if (match := re.match(r"#([\d,]+) ", row[1] if len(row) > 1 else ""))
        if len(row) == 3
    }


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


def test_undo_takes_back_one_after_the_other_and_returns_to_it(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "k", "x", "6")
    at(page, 3)
    all_stored(page)
    for position in (2, 1, 0):
        press(page, "u")
        at(page, position)
        expect_text(page.locator("#said"), f"Undone: example {desk.rows[position]['index']}.")
    assert page.locator("#verdict").is_hidden()
    assert desk.progress()["reviewed"] == 0
    eventually(page, lambda: marks(page) == {})
    press(page, "u")
    expect_text(page.locator("#said"), "There is nothing to undo in this tab.")


def test_a_reload_is_the_same_tab_and_a_copy_is_another(page: Page, desk: FakeDesk):
    at(page, 0)
    press(page, "k")
    at(page, 1)
    all_stored(page)
    page.reload()
    at(page, 1)
    press(page, "u")
    at(page, 0)
    press(page, "k")
    at(page, 1)
    other = page.context.new_page()
    other.goto(page.url)
    at(other, 1)
    press(other, "u")
    expect_text(other.locator("#said"), "There is nothing to undo in this tab.")


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


def test_two_tabs_see_each_others_decisions(page: Page, desk: FakeDesk):
    other = page.context.new_page()
    other.goto(page.url)
    at(page, 0)
    at(other, 0)
    press(other, "k", "x")
    at(other, 2)
    eventually(page, lambda: marks(page) == {"1": "k", "2": "x"})
    expect_text(page.locator("#verdict"), "kept")
    expect_text(page.locator("#said"), "This one was kept in another tab meanwhile.")
    expect_text(page.locator("#done-count"), "2 of 25 reviewed")
    press(page, "ArrowRight", "ArrowRight")
    press(other, "u")
    eventually(page, lambda: marks(page) == {"1": "k"})


def test_of_two_tabs_the_slower_is_refused_and_told_what_the_other_decided(page: Page, desk: FakeDesk):
    at(page, 0)
    desk.decide(6, "relabel", 9, by="tab-other", expected=None)
    press(page, "x")
    notice = page.locator("#notices li")
    expect_text(notice, "Example 6 was relabelled as truck in another tab meanwhile, so it was not removed here.")
    assert [entry[0] for entry in desk.log] == ["relabel"]
    at(page, 1)
    eventually(page, lambda: marks(page) == {"1": "→"})
    notice.get_by_role("button", name="Show it").click()
    at(page, 0)
    expect_text(page.locator("#verdict"), "relabelled as truck")
    press(page, "x")  # knowing it
    at(page, 1)
    all_stored(page)
    assert desk.log[-1][:2] == ("remove", 6)
    assert notice.count() == 0


def test_two_tabs_that_decide_alike_do_not_disagree(page: Page, desk: FakeDesk):
    at(page, 0)
    desk.decide(6, "keep", None, by="tab-other", expected=None)
    press(page, "k")
    at(page, 1)
    all_stored(page)
    assert page.locator("#notices li").count() == 0
    assert len(desk.log) == 1


def test_while_the_server_is_away_decisions_are_kept_and_then_stored_in_order(browser: Browser):
    desk = FakeDesk()
    first = serve(desk, port=0)
    page = browser.new_page()
    page.goto(first.url)
    at(page, 0)
    press(page, "k")
    at(page, 1)
    all_stored(page)
    page.wait_for_timeout(300)  # the next ones are at hand
    first.close()
    press(page, "x", "6")
    expect_text(
        page.locator("#banner"), "Connection to the server lost; trying again. 2 decisions are kept in this page"
    )
    expect_text(page.locator("#stored"), "2 waiting")
    assert marks(page) == {"1": "k", "2": "x", "3": "→"}
    press(page, "u")  # not sent yet
    at(page, 2)
    expect_text(page.locator("#stored"), "1 waiting")
    expect_text(page.locator("#said"), "Taken back before it was stored: example 20 is not relabelled as dog.")
    assert len(desk.log) == 1
    with serve(desk, port=first.port):
        page.locator("#banner").wait_for(state="hidden")
        all_stored(page)
        assert [entry[:2] for entry in desk.log] == [("keep", 6), ("remove", 13)]
        page.close()


def test_what_a_closed_page_could_not_send_is_sent_by_the_next(browser: Browser):
    desk = FakeDesk()
    first = serve(desk, port=0)
    context = browser.new_context()
    page = context.new_page()
    page.goto(first.url)
    at(page, 0)
    first.close()
    press(page, "x")
    expect_text(page.locator("#stored"), "1 waiting")
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]  # the person is told, and leaves all the same
    another = FakeDesk(key="another")
    with serve(another, port=first.port):
        page = context.new_page()
        page.goto(first.url)
        at(page, 0)
        all_stored(page)
        assert another.log == []  # it was not meant
        page.close()
    with serve(desk, port=first.port):
        page = context.new_page()
        page.goto(first.url)
        all_stored(page)
        eventually(page, lambda: [entry[:2] for entry in desk.log] == [("remove", 6)])
        context.close()


def test_an_answer_that_was_lost_is_no_conflict(page: Page, desk: FakeDesk):
    at(page, 0)
    lost: list[int] = []

    def lose_first(route: Any) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)  # stored, and nobody hears of it
        route.abort()

    page.route("**/api/decisions?*", lose_first)
    press(page, "k")
    at(page, 1)
    all_stored(page)
    assert (lost, len(desk.log)) == ([200], 1)
    assert page.locator("#notices li").count() == 0


def test_what_cannot_be_stored_is_told_and_tried_again(page: Page, desk: FakeDesk):
    at(page, 0)
    desk.failing = "store decisions.db cannot be written: database or disk is full"
    press(page, "k", "x")
    expect_text(
        page.locator("#banner"), "says: store decisions.db cannot be written: database or disk is full. 2 decisions"
    )
    desk.failing = None
    page.locator("#banner").wait_for(state="hidden")
    all_stored(page)
    assert [entry[:2] for entry in desk.log] == [("keep", 6), ("remove", 13)]


def test_a_page_whose_address_serves_another_review_decides_nothing_there(browser: Browser):
    first = serve(FakeDesk(key="one"), port=0)
    page = browser.new_page()
    page.goto(first.url)
    at(page, 0)
    first.close()
    other = FakeDesk(key="two")
    with serve(other, port=first.port):
        press(page, "k")
        expect_text(
            page.locator("#banner"), "Another review is served here now: reload the page to see it. 1 decision is kept"
        )
        assert other.log == []
        page.close()


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
    assert page.locator("#help").is_hidden()
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

"""Two tabs, a server that goes away, answers that are lost: no decision is, and none is made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheostat.console.review import serve
from tests.console.review.fakes import FakeDesk
from tests.console.review.steps import all_stored, at, eventually, marks, press
from tests.console.test_page import expect_text

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page


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

"""The live page in Chromium, as an operator sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from rheostat.console import Server, serve
from tests.console.fakes import FakeNode

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

EVIL = "<img src=x onerror=\"document.title='owned'\">"
LOADED = "image => image.complete && image.naturalWidth > 0"
# what is written on the page, with too little contrast to what is behind it (WCAG 2: 4.5 for text of this size)
FAINT = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    element.getClientRects().length && !element.disabled
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const [one, other] = [light(rgb(colour)), light(behind(element))].sort((a, b) => b - a);
    return [element.textContent.trim(), (one + 0.05) / (other + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
}"""


def row(page: Page, name: str) -> Locator:
    return page.locator(".app", has=page.get_by_role("heading", name=name, exact=True))


def expect_text(found: Locator, text: str) -> None:
    from playwright.sync_api import expect

    expect(found).to_contain_text(text)


def wait_until(page: Page, condition: str) -> None:
    """Wait for a condition; playwright's own waiting evaluates text in the page, which the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(40)
    pytest.fail(f"never came true: {condition}")


def test_the_page_shows_the_picture_the_apps_and_the_budget_and_asks_nobody_else(
    browser: Browser, server: Server, node: FakeNode
):
    node.sample("vehicle", 0.1, 0.7, 0.2, 0.9, 0.95)
    node.apps["person"]["achieved_fps"] = 1.2
    node.sample("person", 0.1, 0.1, 0.1, 0.1, 0.62)
    node.end(node.begin("vehicle"))
    node.end(node.begin("person"))
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(server.url)

    wait_until(page, f"({LOADED})(document.querySelector('#frame'))")
    wait_until(page, f"({LOADED})(document.querySelector('#tree-picture'))")
    wait_until(page, f"[...document.querySelectorAll('.thumb img')].filter({LOADED}).length === 2")
    expect_text(row(page, "vehicle").locator(".pill"), "event")
    expect_text(row(page, "vehicle").locator(".why"), "2 hits in a row, 2 needed")
    expect_text(row(page, "person").locator(".pill"), "candidate")
    expect_text(row(page, "person").locator(".why"), "score 0.62: 1 of 2 hits in a row")
    expect_text(row(page, "person").locator(".votes"), "1 of 2 votes")
    assert row(page, "person").locator(".pips .on").count() == 1
    expect_text(row(page, "person").locator(".rate"), "1.2 of 2 fps, behind")
    expect_text(row(page, "person").locator(".rest"), "2 frozen · F1 0.90 · 1 event")
    assert "behind" not in row(page, "vehicle").locator(".rate").inner_text()
    assert page.locator("#budget-bar").get_attribute("aria-label") == "101 core-ms/s used, 120 planned for, 200 allowed"
    assert page.locator("#plan-rows tr").all_inner_texts() == [
        "vehicle\t4\t3.9\t3\t2\t0.81\t0.90\t0.74",
        "person\t2\t1.2\t2\t2\t0.81\t0.90\t0.74",
    ]
    page.locator("#overlay").wait_for(state="hidden")
    assert page.locator(".event").count() == 2
    page.close()
    assert {re.sub(r"^(\w+://[^/]+).*", r"\1", url) for url in asked} == {server.address}
    assert said == []


def test_an_app_whose_window_holds_few_looks_is_behind_only_if_one_is_missing(page: Page, node: FakeNode):
    node.apps["person"] |= {"planned_fps": 0.5, "achieved_fps": 0.5}
    node.sample("person", *[0.1] * 5)
    node.apps["person"]["achieved_fps"] = 0.4  # two looks in a window of 5 s, as the next has three
    node.now += 1.9
    node.sample("vehicle", 0.1)
    expect_text(row(page, "person").locator(".rate"), "0.4 of 0.5 fps")
    assert "behind" not in row(page, "person").locator(".rate").inner_text()
    node.now += 4.0
    node.apps["vehicle"]["timeline"] = []
    node.sample("vehicle", 0.1)
    expect_text(row(page, "person").locator(".rate"), "0.4 of 0.5 fps, behind")


def test_a_timeline_marks_misses_hits_and_where_the_votes_were_reached(page: Page, node: FakeNode):
    node.sample("vehicle", 0.1, 0.7, 0.2, 0.9, 0.95, 0.99, 0.3)
    expect_text(row(page, "vehicle").locator(".why"), "score 0.30 is below 0.50")
    chart = row(page, "vehicle").locator(".timeline")
    marks = {
        kind: (chart.locator(f"path.{kind}").get_attribute("d") or "").count("M") for kind in ("miss", "hit", "fired")
    }
    assert marks == {"miss": 3, "hit": 2, "fired": 2}
    assert "newest 0.30, threshold 0.50, 4 hits in the last 7 samples" in (chart.get_attribute("aria-label") or "")
    level = float(chart.locator("line.threshold").get_attribute("y1") or "nan")
    heights = [
        float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", chart.locator("path.score").get_attribute("d") or "")
    ]
    assert [height < level for height in heights] == [False, True, False, True, True, True, False]
    chart.hover(position={"x": 5, "y": 20})
    expect_text(chart.locator(".readout"), "s: 0.10, miss")


def test_a_gap_in_the_samples_is_a_gap_in_the_line(page: Page, node: FakeNode):
    node.sample("vehicle", 0.1, 0.2)
    node.apps["vehicle"]["timeline"] += [[10.0, 0.3, 0], [10.25, 0.4, 0]]
    line = row(page, "vehicle").locator("path.score")
    wait_until(page, "(document.querySelector('path.score')?.getAttribute('d') ?? '').split('L').length === 3")
    assert (line.get_attribute("d") or "").count("M") == 2


def test_an_event_that_begins_is_in_the_title_and_in_the_list_until_it_ends(page: Page, node: FakeNode):
    wait_until(page, "document.title === 'crossing.mp4 - Rheostat'")
    page.locator("#no-events").wait_for()
    node.sample("vehicle", 0.9, 0.95)
    event = node.begin("vehicle")
    wait_until(page, "document.title === '● vehicle - Rheostat'")
    expect_text(page.locator(".event .pill"), "open")
    expect_text(page.locator("#announcer"), "vehicle: an event began")
    node.sample("person", 0.9, 0.95)
    wait_until(page, "document.title === '● 2 events - Rheostat'")
    node.sample("vehicle", 0.1)
    node.sample("person", 0.1)
    node.end(event)
    wait_until(page, "document.title === 'crossing.mp4 - Rheostat'")
    page.locator(".event[data-state=closed]").wait_for()
    expect_text(page.locator(".event"), "1.9 s · peak 0.97 · 7 hits")


def test_a_clip_is_opened_sought_and_closed_by_keyboard(page: Page, node: FakeNode):
    node.end(node.begin("vehicle"))
    node.begin("person")
    page.locator(".event").nth(1).focus()
    page.keyboard.press("Enter")
    wait_until(page, "document.querySelector('dialog[open] video')?.readyState >= 2")
    expect_text(page.locator("#evidence-title"), "vehicle, event 1")
    assert page.evaluate("document.querySelector('dialog video').paused")  # reduced motion is asked for
    page.evaluate("document.querySelector('dialog video').currentTime = 1.5")
    wait_until(page, "(video => !video.seeking && video.currentTime === 1.5)(document.querySelector('dialog video'))")
    assert page.locator("#older-event").is_disabled()
    page.locator("#newer-event").press("Enter")
    expect_text(page.locator("#evidence-screen"), "The clip is written when the event ends.")
    page.locator("#older-event").press("Enter")
    page.locator("#evidence video").wait_for()
    page.keyboard.press("Escape")
    page.locator("video").wait_for(state="detached")
    assert page.evaluate("document.activeElement.classList.contains('event')")


def test_events_are_filtered_by_app_and_older_ones_come_on_demand(page: Page, node: FakeNode):
    for _ in range(30):
        node.end(node.begin("vehicle", snapshot=False))
    node.end(node.begin("person"))
    page.locator("#older").wait_for()
    page.evaluate("(older => { older.click(); older.click(); })(document.querySelector('#older'))")  # it comes but once
    wait_until(page, "document.querySelectorAll('.event').length === 31")
    page.locator("#older").wait_for(state="hidden")
    node.end(node.begin("person"))
    wait_until(page, "document.querySelectorAll('.event').length === 32")  # the older ones stay
    assert "person" in page.locator(".event").first.inner_text()
    page.locator("#event-filter").select_option("person")
    wait_until(page, "document.querySelectorAll('.event').length === 2")
    node.end(node.begin("person"))
    wait_until(page, "document.querySelectorAll('.event').length === 3")
    page.locator("#event-filter").select_option("")
    wait_until(page, "document.querySelectorAll('.event').length === 24")


def test_a_source_that_stalls_says_why_and_since_when(page: Page, node: FakeNode):
    node.sample("vehicle", 0.1)
    node.source |= {"state": "stalled", "reason": "no frame for 10 s; trying again", "since_s": 14.2}
    expect_text(page.locator("#overlay"), "stalled for 14 s")
    expect_text(page.locator("#overlay"), "no frame for 10 s; trying again")
    expect_text(page.locator("#source-state"), "stalled")
    node.source["state"] = "running"
    page.locator("#overlay").wait_for(state="hidden")


def test_a_lost_connection_is_told_and_found_again(browser: Browser, node: FakeNode):
    first = serve(node, port=0)
    page = browser.new_page()
    page.goto(first.url)
    row(page, "vehicle").wait_for()
    page.locator("#banner").wait_for(state="hidden")
    first.close()
    page.locator("#banner").wait_for()
    expect_text(page.locator("#banner"), "Connection to the node lost")
    node.sample("vehicle", 0.9, 0.95)
    with serve(node, port=first.port):
        page.locator("#banner").wait_for(state="hidden")
        expect_text(row(page, "vehicle").locator(".pill"), "event")
        assert not page.evaluate("document.body.classList.contains('stale')")
        page.close()


def test_without_the_stream_single_requests_keep_the_page_alive(browser: Browser, server: Server, node: FakeNode):
    page = browser.new_page()
    page.route("**/api/stream", lambda route: route.fulfill(status=502))
    page.goto(server.url)
    row(page, "vehicle").wait_for()
    node.sample("vehicle", 0.9, 0.95)
    expect_text(row(page, "vehicle").locator(".pill"), "event")
    page.close()


def test_names_and_reasons_are_text_and_never_markup(page: Page, node: FakeNode):
    node._join(EVIL)
    node.source |= {"state": "failed", "reason": EVIL, "name": EVIL}
    node.sample(EVIL, 0.9, 0.95)
    node.end(node.begin(EVIL, note=EVIL))
    expect_text(page.locator("#overlay-reason"), EVIL)
    expect_text(page.locator(".event"), EVIL)
    wait_until(page, f"({LOADED})(document.querySelector('#tree-picture'))")
    page.locator(".event").click()
    expect_text(page.locator("#evidence"), f"{EVIL}, event 1")
    page.keyboard.press("Escape")
    row(page, EVIL).get_by_role("button").click()
    expect_text(page.locator("#remove-name"), EVIL)
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("#app-rows h3").all_inner_texts()[-1] == EVIL
    assert page.title() == f"● {EVIL} - Rheostat"
    page.get_by_role("button", name="Remove", exact=True).last.click()
    wait_until(page, "document.querySelectorAll('.app').length === 2")
    assert node.asked == [("remove", EVIL)]


def test_an_app_is_added_by_its_folder_and_a_wrong_folder_is_told(page: Page, node: FakeNode):
    page.get_by_role("button", name="Add app").click()
    page.get_by_label("Folder of its package").fill("/srv/holiday")
    page.keyboard.press("Enter")
    expect_text(page.locator("#add-wrong"), "/srv/holiday is not a package: it has no package.json")
    page.get_by_label("Folder of its package").fill("/srv/package-bus")
    page.get_by_role("button", name="Add", exact=True).click()
    row(page, "package-bus").wait_for()
    page.locator("#add-dialog").wait_for(state="hidden")
    wait_until(page, "document.querySelector('#plan-number').textContent === 'number 3'")
    wait_until(page, "document.querySelector('#tree-picture').src.includes('plan=3&')")


def test_an_app_is_removed_only_after_asking(page: Page, node: FakeNode):
    page.get_by_role("button", name="Remove person").click()
    page.get_by_role("button", name="Cancel").click()
    assert node.asked == []
    page.get_by_role("button", name="Remove person").click()
    page.locator("#remove-form").get_by_role("button", name="Remove").click()
    row(page, "person").wait_for(state="detached")
    assert node.asked == [("remove", "person")]


def test_a_node_without_apps_says_so(page: Page, node: FakeNode):
    for name in ("vehicle", "person"):
        node.remove_app(name)
    page.locator("#no-apps").wait_for()
    expect_text(page.locator("#plan-number"), "none yet")
    page.locator("#tree-picture").wait_for(state="hidden")


def test_a_node_that_fails_is_not_mistaken_for_one_that_is_gone(page: Page, node: FakeNode):
    row(page, "vehicle").wait_for()
    node.budget["used"] = float("nan")  # no JSON
    expect_text(page.locator("#banner"), "cannot tell its state: the node could not answer: its log says why")
    node.budget["used"] = 101.3
    page.locator("#banner").wait_for(state="hidden")


def test_the_budget_is_set_and_one_that_does_not_do_is_told(page: Page, node: FakeNode):
    field = page.get_by_label("At most, in core-ms/s")
    wait_until(page, "document.querySelector('#budget-ceiling').value === '200'")
    field.fill("5")
    field.press("Enter")
    expect_text(page.locator("#budget-said"), "no plan fits a budget of 5: the least is 10")
    assert field.input_value() == "5"  # what was typed stays
    field.fill("150")
    page.get_by_role("button", name="Set").click()
    expect_text(page.locator("#budget-said"), "Set to 150.")
    expect_text(page.locator("#budget-facts"), "150 core-ms/s")
    node.budget["ceiling"] = 300.0  # somebody else
    wait_until(page, "document.querySelector('#budget-ceiling').value === '300'")
    node.budget |= {"floor": 310.0, "now": 310.0}  # pictures turn out dearer than was thought
    expect_text(page.locator("#budget-why"), "Even the cheapest plan costs more than is allowed")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, node: FakeNode, width: int):
    node._join("a name that is so long that it does not fit into any row of the page " * 2)
    node.sample("vehicle", 0.9, 0.95)
    node.begin("vehicle", note="a-note-without-any-space-" * 9)
    page.set_viewport_size({"width": width, "height": 844})
    page.locator(".event").wait_for()
    wait_until(page, f"({LOADED})(document.querySelector('#tree-picture'))")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_written_can_be_read(page: Page, node: FakeNode, scheme: str):
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    node._join("bus")
    node.sample("vehicle", 0.9, 0.95)
    node.apps["person"]["achieved_fps"] = 0.5
    node.sample("person", 0.1, 0.9)
    node.budget["state"] = "behind"
    node.begin("vehicle")
    node.end(node.begin("person", snapshot=False), state="interrupted")
    page.locator(".event").first.wait_for()
    expect_text(page.locator("#budget-state"), "behind")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(17, 23, 29)") == (scheme == "dark")
    assert page.evaluate(FAINT) == []


def test_a_state_that_changes_moves_nothing(page: Page, node: FakeNode):
    node.sample("vehicle", 0.1)
    node.sample("person", 0.1)
    expect_text(row(page, "person").locator(".pill"), "quiet")
    places = (
        "['#budget', '#events', '.app:nth-child(2)'].map(q => document.querySelector(q).getBoundingClientRect().top)"
    )
    before = page.evaluate(places)
    node.sample("vehicle", 0.9, 0.95, 0.97)
    node.source |= {"state": "stalled", "reason": "no frame"}
    expect_text(row(page, "vehicle").locator(".pill"), "event")
    assert page.evaluate(places) == before


def test_the_address_with_the_token_opens_the_page_and_leaves_no_token_behind(browser: Browser, node: FakeNode):
    with serve(node, port=0, token="correct-horse-battery") as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{server.address}/")
        page.get_by_label("Token").fill("correct-horse-battery")
        page.get_by_role("button", name="Open").click()
        row(page, "vehicle").wait_for()
        assert page.url == f"{server.address}/"
        assert page.evaluate("document.cookie") == ""
        node.budget["used"] = 55.0
        expect_text(page.locator("#budget-facts"), "55")
        context.close()
        assert httpx.get(f"{server.address}/api/status").status_code == 401

"""What a person does on the review page, and waits for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.review.fakes import FakeDesk
from tests.console.test_page import expect_text, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[[FakeDesk], Any]  # of a page


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

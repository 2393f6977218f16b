"""A served review whose desk a test can put into any state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from rheostat.console import Server
from rheostat.console.review import ReviewDesk, serve
from tests.console.conftest import DESKTOP
from tests.console.review.fakes import FakeDesk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


class Stage:
    """Where the desk of the present test stands, so that one server can serve the desks of many tests."""

    desk: FakeDesk = FakeDesk()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def served(stage: Stage) -> Iterator[Server]:
    with serve(cast("ReviewDesk", stage), port=0) as server:
        yield server


@pytest.fixture
def desk(stage: Stage) -> FakeDesk:
    stage.desk = FakeDesk()
    return stage.desk


@pytest.fixture
def server(served: Server, desk: FakeDesk) -> Server:
    """A review without a token; behind it is `desk`."""
    return served


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address) as asking:
        yield asking


@pytest.fixture(scope="module")
def window(browser: Browser) -> BrowserContext:
    """A browser on a desktop, which the tests share because a fresh one for each takes longer than most of them."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    context.set_default_timeout(8000)
    context.new_page()  # for `page`
    return context


@pytest.fixture
def context(window: BrowserContext) -> Iterator[BrowserContext]:
    """The browser, with one page; others that a test opens are closed after it."""
    yield window
    for page in window.pages[1:]:
        page.close()


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Iterator[Page]:
    """The review page of `server`, freshly opened; nothing is stored in its browser."""
    page = context.pages[0]
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(server.url)
    yield page
    page.unroute_all()
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")  # it asks no more; what it had stored is gone with it


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Callable[[FakeDesk], Page]]:
    """Opens the review page of another desk."""
    with ExitStack() as served:

        def open_page(desk: FakeDesk) -> Page:
            server = served.enter_context(serve(desk, port=0))
            page = context.new_page()
            served.callback(page.close)  # before its server: a page that loses it asks on and on
            page.goto(server.url)
            return page

        yield open_page

"""A served console with a node behind it that a test can put into any state, and a browser to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from rheostat.console import LiveNode, Server, serve
from tests.console.fakes import FakeNode

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize


DESKTOP: ViewportSize = {"width": 1280, "height": 900}


class Stage:
    """Where the node of the present test stands, so that one server can serve the nodes of many tests."""

    node: FakeNode

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def served(stage: Stage) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch, serve(cast("LiveNode", stage), port=0) as server:
        patch.setattr("rheostat.console.app._PERIOD_S", 0.1)  # a test shall not wait for the next state
        yield server


@pytest.fixture
def node(tmp_path: Path, stage: Stage) -> FakeNode:
    stage.node = FakeNode(tmp_path, "vehicle", "person")
    return stage.node


@pytest.fixture
def server(served: Server, node: FakeNode) -> Server:
    """A console without a token; behind it is `node`."""
    return served


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address) as asking:
        yield asking


@pytest.fixture(scope="module")  # not longer: while playwright runs, its thread has a running event loop
def browser() -> Iterator[Browser]:
    """Chromium as the system has it: playwright's own is not downloaded."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def window(browser: Browser) -> Page:
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    context.set_default_timeout(8000)
    return context.new_page()


@pytest.fixture
def page(window: Page, server: Server) -> Page:
    """The live page of `server`, freshly opened on a desktop."""
    window.set_viewport_size(DESKTOP)
    window.emulate_media(color_scheme="light")
    window.goto(server.url)
    return window

"""A real browser for the tests of pages: the system's chromium, driven by Playwright, and axe-core.

Playwright drives it because it waits for events instead of seconds, emulates dark schemes, phones and paper, reports
what a page asks the network for, and needs no second program that must fit the browser. Selenium would need Debian's
chromium-driver beside chromium. Playwright's own download of a browser is never used.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Names of the browser's program; .ci/browser.sh installs the first.
CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE, DESK = 360, 1280
#: Nothing but this machine can be reached, and the browser does nothing of its own.
ARGUMENTS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: Rules of axe-core: WCAG 2.2 to level AA, and what its makers recommend beyond.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def program() -> str:
    """The browser's program. Where there is none, the test is skipped; with CI=true it fails."""
    for name in CANDIDATES:
        if path := shutil.which(name):
            return path
    missing = f"no browser on the PATH ({', '.join(CANDIDATES)})"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; .ci/browser.sh installs one")
    pytest.skip(missing)


@contextmanager
def started() -> "Iterator[Browser]":
    """A headless browser with an empty profile. While it runs, this thread cannot run an event loop of its own."""
    path = program()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that was opened, what the browser complained of, and what it asked for."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def fits(self) -> bool:
        """Whether nothing is wider than the window."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        return width <= self.page.evaluate("innerWidth") and width <= self.page.viewport_size["width"]


@contextmanager
def visit(
    browser: "Browser", url: str, width: int = DESK, *, dark: bool = False, audit: bool = False
) -> Iterator[Visit]:
    """Open a page in a profile of its own; ``audit`` lifts the page's policy, so that axe-core can be put into it."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        is_mobile=width < 600,
        has_touch=width < 600,
        bypass_csp=audit,
    )
    try:
        opened = Visit(context.new_page())
        opened.page.goto(url)
        yield opened
    finally:
        context.close()


def violations(page: "Page") -> list[str]:
    """What axe-core objects to: rule, element and reason."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": list(RULES), "resultTypes": ["violations"]}
    broken = Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}: {node['target']}: {node['failureSummary']}" for rule in broken for node in rule["nodes"]]

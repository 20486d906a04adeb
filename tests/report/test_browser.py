"""The report as a person sees it: in a real browser, on a phone and a desk, light, dark and printed."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import DESK, PHONE, violations, visit
from tests.report.conftest import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OPEN_ALL = "document.querySelectorAll('details').forEach(run => { run.open = true; })"
#: Figures that have no height, or nothing drawn in them.
EMPTY = """[...document.querySelectorAll('svg')].filter(
    svg => svg.getBoundingClientRect().height < 50 || !svg.querySelector('path')).length"""
READOUT = ".readout"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everybody_can_read_it(browser: "Browser", two_page: Path, width: int, dark: bool) -> None:
    """No objection by axe-core, nothing wider than the window, and every figure is drawn."""
    with visit(browser, two_page.as_uri(), width, dark=dark, audit=True) as opened:
        opened.page.evaluate(OPEN_ALL)
        assert violations(opened.page) == []
        assert opened.fits()
        assert opened.page.locator("svg").count() >= 5 and opened.page.evaluate(EMPTY) == 0


def test_an_objection_is_seen(browser: "Browser", one_page: Path) -> None:
    """The audit is not blind: text that is too pale, and a heading below none, are objected to."""
    with visit(browser, one_page.as_uri(), audit=True) as opened:
        assert violations(opened.page) == []
        opened.page.add_style_tag(content=":root { --soft: #bbb !important; }")
        opened.page.evaluate("document.querySelector('h2').outerHTML = '<h4>Findings</h4>'")
        rules = {text.split(":")[0] for text in violations(opened.page)}
        assert rules >= {"color-contrast", "heading-order"}


def test_answers_come_first(browser: "Browser", one_page: Path) -> None:
    """The first screen of a phone has answers; the picture follows them, and how the run was set comes after it."""
    with visit(browser, one_page.as_uri(), PHONE) as opened:
        first = opened.page.locator(".findings li").first
        assert first.bounding_box()["y"] < 900 and "settles at" in opened.page.locator(".findings").first.inner_text()
        places = [
            opened.page.locator(what).first.bounding_box()["y"] for what in (".findings", ".chart", "dl", ".methods")
        ]
        assert places == sorted(places)


def test_values_are_read_out(browser: "Browser", one_page: Path) -> None:
    with visit(browser, one_page.as_uri()) as opened:
        page = opened.page
        read = page.locator(READOUT)
        assert "arrow keys" in read.inner_text()
        page.locator(".chart svg").focus()
        page.keyboard.press("Home")
        assert read.inner_text().startswith("Step 1: logged reward")
        page.keyboard.press("End")
        assert read.inner_text().startswith("Step 120: forecast; expected reward")
        box = page.locator(".chart svg").bounding_box()
        page.locator(".chart svg").hover(position={"x": 74 / 720 * box["width"], "y": 100})
        assert read.inner_text().startswith("Step 1: logged reward")
        page.keyboard.press("Escape")
        assert "arrow keys" in read.inner_text()
        assert opened.complaints == []


def test_methods_are_copied(browser: "Browser", one_page: Path) -> None:
    """What the button copies is what a paste brings: the paragraph on methods, and nothing else."""
    with visit(browser, one_page.as_uri()) as opened:
        page = opened.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy methods").click()
        page.get_by_text("Copied.").wait_for()
        pasted = page.evaluate("navigator.clipboard.readText()")
        assert pasted == page.locator(".methods").inner_text()
        assert pasted.startswith("The reward curve was modelled by") and "Cited: " in pasted
        assert opened.complaints == []


def test_methods_are_copied_where_the_page_has_no_clipboard(browser: "Browser", one_page: Path) -> None:
    with visit(browser, one_page.as_uri()) as opened:
        page = opened.page
        page.context.grant_permissions(["clipboard-read"])
        page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject(new Error('closed')))")
        page.get_by_role("button", name="Copy methods").click()
        page.get_by_text("Copied.").wait_for()
        assert page.evaluate("getSelection().toString()").startswith("The reward curve was modelled by")
        assert page.evaluate("navigator.clipboard.readText()").startswith("The reward curve was modelled by")


def test_a_link_of_the_table_opens_its_run(browser: "Browser", two_page: Path) -> None:
    with visit(browser, two_page.as_uri()) as opened:
        page = opened.page
        assert page.title().startswith("GRPO training: 2 runs")
        page.locator("td a[href='#run-2']").click()
        page.locator("#run-2[open]").wait_for()
        assert page.locator("#run-1[open]").count() == 0
        assert opened.complaints == []


def test_print_has_everything_but_the_controls(browser: "Browser", two_page: Path) -> None:
    with visit(browser, two_page.as_uri(), dark=True) as opened:
        page = opened.page
        page.emulate_media(media="print")
        assert page.locator("#run-1 figure").first.bounding_box()["height"] > 100
        assert not any(button.is_visible() for button in page.get_by_role("button").all())
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        pages = page.pdf(format="A4").count(b"/Type /Page\n")
        assert pages >= 4, pages


def test_nothing_of_a_name_runs_and_nothing_is_asked_for(browser: "Browser", two_page: Path) -> None:
    """A hostile name is text; the page's policy is not touched; the only request is that for the page."""
    with visit(browser, two_page.as_uri()) as opened:
        opened.page.evaluate(OPEN_ALL)
        assert "<script>alert(1)</script>" in HOSTILE
        assert "<script>alert(1)</script>" in opened.page.locator("main").inner_text()
        assert opened.complaints == []
        assert opened.requests == [two_page.as_uri()]

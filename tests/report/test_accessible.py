"""A page that can be read: contrast by WCAG 2.2 AA, alt texts with numbers, headings that say what was found, print."""

import re

import pytest
import xarray as xr
from matplotlib.colors import to_hex

from bayes_grpo import describe_run, pair_fits, report_html
from bayes_grpo.analysis.diagnosis.modes import answers
from bayes_grpo.analysis.figures import CURVE, DATA, LEVEL
from bayes_grpo.report.figures import DARK_PAGE, DARK_TEXT, in_the_dark
from tests.common import ROOT

STYLE = (ROOT / "bayes_grpo" / "report" / "style.css").read_text(encoding="utf-8")
#: Least contrast of text, and of what must be seen to understand a figure or to find a control.
TEXT, GRAPHIC = 4.5, 3.0
#: Colours of areas that are told by their place and their name in the key, too.
FAINT = {"#E69F00", "#56B4E9", "#CC79A7", "#C8C8C8"}


def colours(scheme: str) -> dict[str, str]:
    """Variables of a scheme: light, dark or print; those that it does not state are the light ones."""
    light, dark, printed = re.findall(r":root \{(.*?)\}", STYLE)
    chosen = {"light": light, "dark": light + dark, "print": light + printed}[scheme]
    return dict(re.findall(r"--(\w+): (#\w+)", chosen))


def channels(colour: str) -> tuple[float, ...]:
    """Red, green and blue from 0 to 1; matplotlib's greys are numbers."""
    if not colour.startswith("#"):
        return (float(colour),) * 3
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))


def over(colour: str, ground: str, opacity: float) -> str:
    """A colour that is seen through, on its ground."""
    mixed = (opacity * a + (1 - opacity) * b for a, b in zip(channels(colour), channels(ground), strict=True))
    return "#" + "".join(f"{round(255 * value):02x}" for value in mixed)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, ground: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    low, high = sorted((luminance(colour), luminance(ground)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_that_of_the_standard() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21) and contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_contrast_of_the_page(scheme: str) -> None:
    """Text of every kind on every ground that it stands on; lines, dots and the focus ring on the page."""
    found = colours(scheme)
    for ground in ("page", "tint"):
        for text in ("text", "soft", "link", "alert"):
            assert contrast(found[text], found[ground]) >= TEXT, (text, ground)
    opacity = float(re.search(r"\.chart \.dots \{[^}]*opacity: ([.\d]+)", STYLE)[1])
    assert contrast(over(found["dot"], found["page"], opacity), found["page"]) >= GRAPHIC
    for line in ("curve", "level", "soft", "link"):
        assert contrast(found[line], found["page"]) >= GRAPHIC, line


def test_contrast_of_the_figures() -> None:
    """Figures stand on the page; in the dark their colours change with it."""
    light, dark = colours("light"), colours("dark")
    assert (dark["page"], dark["text"]) == (DARK_PAGE, DARK_TEXT)
    assert (in_the_dark("#ffffff"), in_the_dark("#000000")) == (DARK_PAGE, DARK_TEXT)
    for colour in (CURVE, LEVEL, over(DATA, "#fff", 0.7), *(answer.colour for answer in answers().values())):
        assert contrast(colour, light["page"]) >= GRAPHIC or colour in FAINT, colour
        assert contrast(in_the_dark(to_hex(colour)), dark["page"]) >= (GRAPHIC if colour not in FAINT else 1.5), colour


def test_figures_follow_the_scheme(page: str) -> None:
    """No colour of a figure stands alone: each has a light and a dark one, and a page in the dark has no white card."""
    figures = re.findall(r'<div class="card"[^>]*>(<svg.*?</svg>)', page, re.DOTALL)
    assert figures
    for figure in figures:
        root, _, inside = figure.partition(">")
        inks = dict(re.findall(r"(--ink-\d+): (light-dark\(#\w{6}, #\w{6}\))", root))
        assert f"light-dark(#ffffff, {DARK_PAGE})" in inks.values() and "fill: var(--ink-0)" in root
        styles = re.findall(r'style="([^"]*)"', inside)
        assert not [style for style in styles if re.search(r": #[0-9a-f]{3,8}\b", style)]
        assert set(re.findall(r"var\((--ink-\d+)\)", " ".join(styles))) <= set(inks)


@pytest.fixture(scope="module")
def page(ahead_fit: xr.DataTree) -> str:
    return report_html([describe_run(pair_fits([ahead_fit])[0])])


def test_every_figure_has_an_alt_text_with_numbers(page: str) -> None:
    figures = re.findall(r"<svg\b[^>]*>", page)
    outer = [tag for tag in figures if 'role="img"' in tag]
    assert len(outer) >= 3 and page.count("<img") == 0
    for tag in outer:
        alt = re.search(r'aria-label="([^"]+)"', tag)[1]
        assert len(alt) > 40 and re.search(r"\d", alt), alt


def test_headings_say_what_was_found(page: str) -> None:
    headings = dict(re.findall(r'<h2 class="part">([^<]+) <span class="says"><bdi>(.*?)</bdi></span></h2>', page))
    assert headings["Which failure is it?"].startswith("Diagnosis: ")
    assert headings["Trajectory and forecast"].startswith("At step ")
    assert len(headings) >= 3
    order = [int(level) for level in re.findall(r"<h([1-4])\b", page)]
    assert order[0] == 1 and order.count(1) == 1


def test_methods_can_be_copied_and_are_printed_without_the_button(page: str) -> None:
    (target,) = re.findall(r'<button type="button" data-copy="([\w-]+)">Copy methods</button>', page)
    assert f'<div class="methods" id="{target}">' in page
    assert '<p class="copying" hidden>' in page  # shown by the script: without one there is nothing to click
    printed = STYLE[STYLE.index("@media print") :]
    assert re.search(r"\.copying \{ display: none; \}", printed)
    assert "details::details-content" in printed and "break-inside: avoid" in printed

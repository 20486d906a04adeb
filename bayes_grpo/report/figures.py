"""Matplotlib figures as SVG that can stand in a page: no clashing ids, no scripts, no references out of the page."""

import io
import re
from typing import NamedTuple
from xml.etree import ElementTree

import matplotlib.style
import numpy as np
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

#: Grounds and text of the page in the dark (style.css). White and black become these, and greys what lies between.
DARK_PAGE, DARK_TEXT = "#161616", "#e6e6e6"
#: Least contrast of a colour on the dark ground, that of text (WCAG 2.2, level AA).
_CONTRAST = 4.5
#: Vertices of one line or band beyond which it goes into the SVG as pixels.
MOST_VERTICES = 2500
_DIGITS = re.compile(r"(-?\d+\.\d)\d+")
_COLOUR = re.compile(r"(?<=: )#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_XLINK = "{http://www.w3.org/1999/xlink}href"


class Drawn(NamedTuple):
    """A figure for the page: its SVG, the numbers in words, and a caption."""

    svg: str
    alt: str
    caption: str


def inline_svg(figure: Figure, prefix: str, alt: str) -> str:
    """SVG element of a figure, light and dark; ids start with ``prefix``, ``alt`` is its accessible name."""
    for artist in figure.findobj(lambda artist: isinstance(artist, Line2D | Collection)):
        count = np.size(artist.get_xdata()) if isinstance(artist, Line2D) else _vertices(artist)
        if count > MOST_VERTICES:
            artist.set_rasterized(True)
    buffer = io.BytesIO()
    with matplotlib.style.context({"svg.hashsalt": "bayes_grpo", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    used = _used(root)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name, value in list(element.attrib.items()):
            if name == "id":
                if value in used:
                    element.set("id", f"{prefix}-{value}")
                else:
                    del element.attrib["id"]
            elif name == _XLINK:
                del element.attrib[name]
                element.set("href", f"#{prefix}-{value[1:]}" if value.startswith("#") else value)
            elif name in ("d", "x", "y"):
                element.set(name, _DIGITS.sub(r"\1", value) if element.tag != "image" else value)
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": alt, "style": _follow_scheme(root)}
    return ElementTree.tostring(root, encoding="unicode")


def _follow_scheme(root: ElementTree.Element) -> str:
    """Let colours follow the page's scheme, in place; the root's style, which holds each colour once."""
    names: dict[str, str] = {"#000000": "--ink-0"}  # what states no colour is black

    def named(match: re.Match[str]) -> str:
        return f"var({names.setdefault(match[0], f'--ink-{len(names)}')})"

    for element in root.iter():
        if "style" in element.attrib:
            element.set("style", _COLOUR.sub(named, element.attrib["style"]))
    inks = [f"{name}: light-dark({colour}, {in_the_dark(colour)})" for colour, name in names.items()]
    return "; ".join([*inks, "fill: var(--ink-0)"])


def in_the_dark(colour: str) -> str:
    """A colour as it is on a dark page: greys are turned round, other colours lightened as far as they need it."""
    channels, page, text = np.array(to_rgb(colour)), np.array(to_rgb(DARK_PAGE)), np.array(to_rgb(DARK_TEXT))
    if np.ptp(channels) == 0:
        return _hex(text + (page - text) * channels)
    mixed = (channels + share * (1 - channels) for share in np.linspace(0, 1, 21))
    return next(_hex(shade) for shade in mixed if contrast(shade, page) >= _CONTRAST)


def _hex(channels: np.ndarray) -> str:
    red, green, blue = channels.tolist()
    return to_hex((red, green, blue))


def contrast(first: np.ndarray, second: np.ndarray) -> float:
    """Contrast ratio of two colours, red, green and blue from 0 to 1 (WCAG 2.2)."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: np.ndarray) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _vertices(collection: object) -> int:
    assert isinstance(collection, Collection)
    return sum(np.shape(path.vertices)[0] for path in collection.get_paths())


def _used(root: ElementTree.Element) -> set[str]:
    """Ids that something refers to."""
    out = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            out |= {value[1:]} if name == _XLINK and value.startswith("#") else set(_REFERENCE.findall(value))
    return out

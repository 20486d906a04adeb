"""Matplotlib figures as SVG that can stand in a page: no clashing ids, no scripts, no references out of the page."""

import io
import re
from typing import NamedTuple
from xml.etree import ElementTree

import matplotlib.style
import numpy as np
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

#: Vertices of one line or band beyond which it goes into the SVG as pixels.
MOST_VERTICES = 2500
_DIGITS = re.compile(r"(-?\d+\.\d)\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_XLINK = "{http://www.w3.org/1999/xlink}href"


class Drawn(NamedTuple):
    """A figure for the page: its SVG, the numbers in words, and a caption."""

    svg: str
    alt: str
    caption: str


def inline_svg(figure: Figure, prefix: str, alt: str) -> str:
    """SVG element of a figure; ids start with ``prefix``, ``alt`` is its accessible name."""
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
    root.attrib |= {"role": "img", "aria-label": alt}
    return ElementTree.tostring(root, encoding="unicode")


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

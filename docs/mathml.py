"""Equations as MathML, which browsers draw without a script: MathJax would be fetched from the network."""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)

#: Code, tables and equations that are wider than the window scroll; this lets the keyboard scroll them as well.
FOCUS = """addEventListener("DOMContentLoaded", () => {
  for (const wide of document.querySelectorAll("pre, .table-wrapper, .equation")) wide.tabIndex = 0;
});"""


def _converted(node: nodes.Element, *, block: bool) -> str:
    try:
        return tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logger.warning("an equation cannot be drawn: %s: %s", error, node.astext(), location=node)
        return ""


def _inline(translator: Any, node: nodes.Element) -> None:
    translator.body.append(_converted(node, block=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<div class="equation" style="overflow-x: auto">{_converted(node, block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.add_js_file(None, body=FOCUS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

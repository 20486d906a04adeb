"""Sphinx configuration. Neither the build nor the pages need the network."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the extension mathml

project = "bayes_grpo"
author = "the bayes_grpo authors"
copyright = "2026, the bayes_grpo authors"
release = installed_version("bayes-grpo")

extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_math_renderer = "mathml"

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False

"""Sphinx configuration. The build needs no network."""

from importlib.metadata import version as installed_version

project = "bayes_grpo"
author = "the bayes_grpo authors"
copyright = "2026, the bayes_grpo authors"
release = installed_version("bayes-grpo")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False

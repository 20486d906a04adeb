"""Sphinx configuration. Neither the build nor the pages need the network. The build executes docs/questions."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from bayes_grpo.inference.progress import use_compilation_cache

sys.path.insert(0, str(Path(__file__).parent))  # for mathml and gallery_figures
use_compilation_cache()

project = "bayes_grpo"
author = "the bayes_grpo authors"
copyright = "2026, the bayes_grpo authors"
release = installed_version("bayes-grpo")

extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "sphinx.ext.napoleon", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "questions/*"]
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["gallery.css"]

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False

sphinx_gallery_conf = {
    "examples_dirs": "questions",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "within_subsection_order": "gallery_figures.ReadingOrder",
    "image_scrapers": ("matplotlib", "gallery_figures.figures"),
    "reset_modules": (),
    "ignore_repr_types": "'int'",  # what writing a file returns
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "inspect_global_variables": False,
}

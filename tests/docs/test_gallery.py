"""The gallery, docs/questions, whose pages the build executes: its commands, its titles and its figures."""

import ast
import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from bayes_grpo.cli import _parser
from tests.common import ROOT


def gallery() -> ModuleType:
    """The module of order and figures."""
    spec = importlib.util.spec_from_file_location("gallery_figures", ROOT / "docs" / "gallery_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = sorted((ROOT / "docs" / "questions").glob("*.py"))


def test_each_page_has_a_title_and_an_answer_in_one_paragraph() -> None:
    """The gallery shows both; the answer is what the picture's tooltip says."""
    assert sorted(gallery().PAGES) == [page.stem for page in PAGES]
    for page in PAGES:
        _, title, rule, _, answer, *_ = ast.parse(page.read_text(encoding="utf-8")).body[0].value.value.split("\n")
        assert set(rule) == {"="} and len(rule) == len(title), page.name
        assert len(answer) > 40, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_understood(page: Path) -> None:
    text = re.sub(r"\n# ?", " ", page.read_text(encoding="utf-8"))
    for command in re.findall(r"``bayes-grpo ([^`]+)``", text):
        assert callable(_parser().parse_args(shlex.split(command.replace("...", ""))).run), command


def test_figures_are_shown_once(tmp_path: Path) -> None:
    """Those that pyplot knows are shown by its own scraper."""
    module = gallery()
    paths = iter(str(tmp_path / f"{i}.png") for i in range(9))
    shown = {"example_globals": {"first": Figure(), "other": pyplot.figure(), "n": 3}, "image_path_iterator": paths}
    pyplot.close("all")
    assert "0.png" in module.figures(None, shown, {"src_dir": str(tmp_path)})
    shown["example_globals"]["second"] = Figure()
    assert "1.png" in module.figures(None, shown, {"src_dir": str(tmp_path)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png"]

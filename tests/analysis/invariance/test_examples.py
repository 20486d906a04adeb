"""The examples of the docstrings, in one folder, so that the fits of the first are kept for the others."""

import doctest
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayes_grpo import invariance, plot_invariance, summarise_invariance

FUNCTIONS = [invariance, summarise_invariance, plot_invariance]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_examples(function: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (example,) = [found for found in doctest.DocTestFinder().find(function) if found.examples]
    told: list[str] = []
    done = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=told.append)
    assert done.attempted == len(example.examples) > 5 and done.failed == 0, "".join(told)


def test_no_example_of_the_room_is_left_out() -> None:
    """Its modules are not looked through for examples, as others are."""
    files = [Path(inspect.getfile(inspect.unwrap(function))) for function in FUNCTIONS]
    texts = {path: path.read_text(encoding="utf-8") for path in files[0].parent.glob("*.py")}
    assert {path for path, text in texts.items() if ">>>" in text} == set(files)
    assert sum(">>> import bayes_grpo" in line for text in texts.values() for line in text.splitlines()) == 3

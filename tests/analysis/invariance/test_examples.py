"""The examples of the docstrings, in one folder, so that the fits of the first are kept for the others."""

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayes_grpo import invariance, plot_invariance, summarise_invariance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("function", [invariance, summarise_invariance, plot_invariance])
def test_examples(function: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (example,) = [found for found in doctest.DocTestFinder().find(function) if found.examples]
    told: list[str] = []
    done = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=told.append)
    assert done.attempted == len(example.examples) > 5 and done.failed == 0, "".join(told)

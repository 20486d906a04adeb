"""The public names: one list, and what every public function of an answer documents."""

import ast
import importlib
import inspect
import re

import pytest

import bayes_grpo
from tests.common import ROOT

#: Rooms whose public functions have all sections and an example.
ROOMS = ("analysis", "report")
ANSWERS = [name for name, home in bayes_grpo._HOMES.items() if home.split(".")[0] in ROOMS and name.islower()]


def test_imports_for_type_checkers_are_the_list() -> None:
    tree = ast.parse((ROOT / "bayes_grpo" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name
            typed[alias.name] = node.module.removeprefix("bayes_grpo.")
    assert typed == bayes_grpo._HOMES
    assert list(bayes_grpo._HOMES) == sorted(bayes_grpo._HOMES) == bayes_grpo.__all__


@pytest.mark.parametrize("name", bayes_grpo.__all__)
def test_every_public_name_can_be_imported_and_is_defined_where_the_list_says(name: str) -> None:
    thing = getattr(bayes_grpo, name)
    assert getattr(importlib.import_module(f"bayes_grpo.{bayes_grpo._HOMES[name]}"), name) is thing
    assert thing.__module__ == f"bayes_grpo.{bayes_grpo._HOMES[name]}"
    assert name in dir(bayes_grpo)


def test_what_is_not_listed_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = bayes_grpo.nothing


@pytest.mark.parametrize("name", [name for name in ANSWERS if name.startswith("summarise_")])
def test_summaries_have_one_signature(name: str) -> None:
    first, second, *others = inspect.signature(getattr(bayes_grpo, name)).parameters.values()
    assert (first.name, second.name, second.default) == ("result", "fit", None)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in others)


@pytest.mark.parametrize("name", ANSWERS)
def test_public_functions_document_parameters_results_faults_and_an_example(name: str) -> None:
    function = getattr(bayes_grpo, name)
    text = inspect.getdoc(function) or ""
    sections = re.findall(r"^(\w+)\n-{3,}$", text, re.MULTILINE)
    assert {"Parameters", "Returns", "Examples"} <= set(sections), sections
    assert ">>> import bayes_grpo" in text and f"bayes_grpo.{name}(" in text
    parameters = text[text.index("Parameters\n") : text.index("Returns\n")]
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"^(\w+, )*\*{{0,2}}{parameter}(, \w+)*( :|$)", parameters, re.MULTILINE), parameter
    if "raise InputError" in inspect.getsource(function):
        assert "Raises" in sections

"""The house keeps its levels: a package imports lower levels only, and no modules import each other in a circle."""

import ast
from pathlib import Path

import pytest

from tests.common import ROOT

PACKAGE = ROOT / "bayes_grpo"
#: Rooms by level; a room imports itself and the levels below it.
LEVELS = {
    "errors": 0,
    "runs": 1,
    "laws": 1,
    "models": 2,
    "readers": 2,
    "bandit": 2,
    "inference": 3,
    "analysis": 4,
    "report": 5,
    "trl": 5,
    "": 6,
    "cli": 7,
    "__main__": 8,
}
#: Inside the analysis: shared modules, then a fit's own summary, then the questions that use it, then decisions.
QUESTIONS = {
    "intervals": 0,
    "differences": 0,
    "collapses": 1,
    "notes": 0,
    "figures": 1,
    "tables": 1,
    "switching": 0,
    "alarms": 1,
    "posterior": 2,
    "decisions": 4,
}
ANSWERS = 3


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below the package; the package itself is ''."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a module imports, also inside functions, but not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {
        entry.removeprefix("bayes_grpo").removeprefix(".") for entry in found if entry.split(".")[0] == "bayes_grpo"
    }
    return {entry if entry in known else entry.rpartition(".")[0] for entry in inside} - {name}


MODULES = modules()
IMPORTS = {name: imported(name, path, set(MODULES)) for name, path in MODULES.items()}


def room(name: str) -> str:
    return name.split(".")[0]


def test_the_top_level_has_at_most_twelve_entries() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__pycache__")} - {"py.typed"}
    assert {Path(entry).stem if entry != "__init__.py" else "" for entry in entries} == set(LEVELS)
    assert len(entries - {"__main__.py"}) <= 12  # that one is a door of Python's, not a room


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    own = room(name)
    for other in IMPORTS[name]:
        there = room(other)
        assert there == own or LEVELS[there] < LEVELS[own], f"{name or 'bayes_grpo'} imports {other}"


@pytest.mark.parametrize("name", sorted(n for n in MODULES if room(n) == "analysis" and n != "analysis"))
def test_questions_of_the_analysis_do_not_import_each_other(name: str) -> None:
    own = name.split(".")[1]
    for other in IMPORTS[name]:
        if room(other) == "analysis" and other != "analysis":
            there = other.split(".")[1]
            assert there == own or QUESTIONS.get(there, ANSWERS) < QUESTIONS.get(own, ANSWERS), (
                f"{name} imports {other}"
            )


def test_no_modules_import_each_other_in_a_circle() -> None:
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name in done:
            return
        for other in sorted(IMPORTS.get(name, ())):
            walk(other, (*above, name))
        done.add(name)

    for name in sorted(MODULES):
        walk(name, ())


def test_the_core_knows_neither_torch_nor_a_plotting_stack() -> None:
    """At import time no room but trl imports torch, transformers or trl; only figures and report import matplotlib."""
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        for node in tree.body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {entry.split(".")[0] for entry in names}
            if room(name) != "trl":
                assert not roots & {"torch", "transformers", "trl"}, name
            if room(name) != "report" and "figure" not in name.rpartition(".")[2]:
                assert "matplotlib" not in roots, name


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_string_stands_alone(name: str) -> None:
    """A sentence that was broken over two lines without parentheses loses its end, and nothing else would say so."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        statements = [entry for field in ("body", "orelse", "finalbody") for entry in _statements(node, field)]
        for statement in statements[isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) :]:
            value = statement.value if isinstance(statement, ast.Expr) else None
            text = isinstance(value, ast.JoinedStr) or (
                isinstance(value, ast.Constant) and isinstance(value.value, str)
            )
            assert not text, f"{name or 'bayes_grpo'}, line {statement.lineno}"


def _statements(node: ast.AST, field: str) -> list[ast.stmt]:
    found = getattr(node, field, [])
    return found if isinstance(found, list) else []

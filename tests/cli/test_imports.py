"""What is imported when: nothing heavy before it is needed. Each case is a process of its own."""

import subprocess
import sys

import pytest

from bayes_grpo.cli import _parser
from bayes_grpo.readers import EXAMPLE
from tests.common import LIMIT

#: What takes a second or more to import, or is not needed by most users.
ARRAYS = {"numpy", "scipy", "pandas", "xarray"}
HEAVY = {"torch", "transformers", "trl", "matplotlib", "pymc", "pytensor", "nutpie", "numpyro", "jax", "arviz", "ray"}


def imported(code: str) -> set[str]:
    """Packages of ARRAYS and HEAVY that are imported after the code has run."""
    program = f"import sys\n{code}\nsys.stderr.write(' '.join(set(sys.modules) & {ARRAYS | HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_the_package_and_the_command_line_import_nothing_heavy() -> None:
    assert imported("import bayes_grpo, bayes_grpo.cli; dir(bayes_grpo); bayes_grpo.InputError") == set()


def test_help_imports_nothing_heavy() -> None:
    """That of the command, and of every one of its commands."""
    commands = sorted(_parser()._subparsers._group_actions[0].choices)
    assert {"fit", "forecast", "report"} < set(commands)
    code = (
        "from bayes_grpo.cli import main\n"
        f"for words in [[], *([name] for name in {commands!r}), ['simulate', 'bandit']]:\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as ended: assert ended.code == 0\n"
    )
    assert imported(code) == set()
    assert imported("from bayes_grpo.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass") == set()


def test_the_package_is_run_as_the_command_is() -> None:
    """Where the folder of scripts is not on the path, and with its exit codes."""
    module = [sys.executable, "-m", "bayes_grpo"]
    done = subprocess.run([*module, "--version"], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0 and done.stdout.startswith("bayes-grpo ")
    bad = subprocess.run([*module, "inspect", "no-such-file.csv"], capture_output=True, text=True, timeout=LIMIT)
    assert bad.returncode == 2 and "no-such-file.csv" in bad.stderr and "Traceback" not in bad.stderr


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import bayes_grpo; bayes_grpo.example_run()", ARRAYS),
        ("import bayes_grpo; bayes_grpo.list_models()", ARRAYS | {"jax"}),
        ("import bayes_grpo; bayes_grpo.fit, bayes_grpo.forecast, bayes_grpo.diagnose", ARRAYS | {"jax"}),
    ],
    ids=["reading", "models", "fitting"],
)
def test_each_step_imports_what_it_needs(code: str, allowed: set[str]) -> None:
    """Reading needs no JAX; fitting and forecasting neither PyMC nor ArviZ nor a plotting stack."""
    assert imported(code) <= allowed


@pytest.mark.parametrize(
    ("commands", "allowed"),
    [
        ([["diagnose", str(EXAMPLE), "--json"], ["entropy-ceiling", str(EXAMPLE), "--json"]], ARRAYS),
        ([["ask", str(EXAMPLE), "--json"], ["forecast", str(EXAMPLE), "--until", "400", "--json"]], ARRAYS | {"jax"}),
    ],
    ids=["diagnose and entropy-ceiling", "ask and forecast"],
)
def test_answers_from_a_log_import_no_more_than_they_need(commands: list[list[str]], allowed: set[str]) -> None:
    """A diagnosis and the entropy ceiling need no JAX.

    SciPy's statistics and optimisers take longer to import than the answers; SciPy itself is imported where Dask is
    installed, for xarray looks for it.
    """
    code = (
        "import contextlib, io, sys\nfrom bayes_grpo.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        f"    assert [main(words) for words in {commands!r}] == [0] * {len(commands)}\n"
        "assert not {'scipy.stats', 'scipy.optimize', 'scipy.sparse.csgraph', 'arviz_stats'} & set(sys.modules)"
    )
    assert imported(code) <= allowed

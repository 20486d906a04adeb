"""The pages: their Python blocks run, and their commands have the options that the command line has.

Blocks of a page run one after another in one namespace, in a folder that holds what they name: logs, saved fits and a
model file. Fits are made with few draws.
"""

import contextlib
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.cli import _parser
from bayes_grpo.laws.law import LAWS
from tests.common import QUICK, ROOT

PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
#: What stands in a block that is not run: it needs a trainer or many runs, or samples a PyMC model in a way that takes
#: long.
NEEDS_MORE = ("trainer", "pm.sample", "my_package", "invariance(")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def runnable(page: str) -> list[str]:
    return [block for block in blocks(page, "python") if not any(word in block for word in NEEDS_MORE)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ringing_fit: xr.DataTree, ahead_fit: xr.DataTree) -> Path:
    """Files by the names that the pages use."""
    (tmp_path / "path" / "to").mkdir(parents=True)
    log = "step,reward,entropy\n" + "".join(
        f"{step},{reward},{1 - reward}\n"
        for step, reward in zip(
            ringing_fit["observed_data"]["optimizer_step"].values,
            ringing_fit["observed_data"]["reward"].values,
            strict=True,
        )
    )
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run.csv").write_text(log)
    for name in ("path/to/trl_output", "path/to/run", "trl_output"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(log)
    for name, fit in (("fit.nc", ringing_fit), ("oscillator.nc", ringing_fit), ("s_curve.nc", ahead_fit)):
        bayes_grpo.save_fit(fit, tmp_path / name)
    bayes_grpo.save_runs(bayes_grpo.example_run().assign_coords(run=["run_7"]), tmp_path / "run.nc")
    (tmp_path / "mine.toml").write_text(bayes_grpo.load_model("oscillator").text)
    for example in (ROOT / "docs" / "examples").glob("*.*"):
        shutil.copy(example, tmp_path)
    monkeypatch.delitem(LAWS, "richards", raising=False)  # other tests have loaded the example from its own place
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in QUICK.items():
        monkeypatch.setitem(bayes_grpo.fit.__kwdefaults__, name, value)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_python_blocks_run(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any("pymc" in block for block in runnable(page)):
        # So few draws are not always believed; chains, which would then be run, take minutes.
        monkeypatch.setitem(bayes_grpo.fit.__kwdefaults__, "method", "importance")
    run = bayes_grpo.read_run("path/to/run", hyperparameters={"reward_lower": 0, "reward_upper": 1})
    names: dict[str, object] = {"runs": run, "bayes_grpo": bayes_grpo}
    for block in runnable(page):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block, page, "exec"), names)


def commands(page: str) -> list[str]:
    """Commands of `bayes-grpo` in console blocks, without comments and pipes."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    called = [
        re.sub(r"\s+#.*|\s*[|>].*", "", line[2:]) for line in lines if re.match(r"\$ (\.venv/bin/)?bayes-grpo ", line)
    ]
    return [line.partition(" ")[2].replace("[", "").replace("]", "").replace("...", "RUN") for line in called]


@pytest.mark.parametrize(("page", "command"), [(page, line) for page in PAGES for line in commands(page)])
def test_commands_are_understood(page: str, command: str) -> None:
    options = _parser().parse_args(shlex.split(command))
    assert callable(options.run)


def test_pages_name_no_file_that_is_not_there() -> None:
    """Paths of the repository in back ticks, such as `case_studies/bandit` or `bayes_grpo/laws/units.py`."""
    missing = []
    folders = ("docs", "case_studies", "benchmarks")
    for page in (*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"`((?:bayes_grpo|case_studies|tests|docs|models|benchmarks)/[\w./-]+)`", text):
            if not (ROOT / path).exists() and not re.search(r"[A-Z]{3}", path):
                missing.append((page.name, path))
    assert not missing

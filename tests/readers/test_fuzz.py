"""Fuzzing: every mutation of every small log, facts file and model file gives a result or an InputError, nothing else.

The examples are fixed (derandomized) and few. With BAYES_GRPO_FUZZ=N in the environment there are N new ones for each
file, for as long a run as is wanted: `BAYES_GRPO_FUZZ=5000 pytest tests/readers/test_fuzz.py`.
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_grpo import InputError, list_models, load_model, read_run
from bayes_grpo.readers import EXAMPLE
from bayes_grpo.runs.fields import RUN_FIELDS, STEP_FIELDS
from tests.readers.consoles.printed import ms_swift, nemo, prime, skyrl, slime
from tests.readers.files import EXAMPLES, jsonl, trainer_state

COUNT = os.environ.get("BAYES_GRPO_FUZZ")
FUZZ = settings(
    max_examples=int(COUNT or 12),
    derandomize=COUNT is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

#: What stands in the place of a number, a word or a mark.
NASTY = st.sampled_from(
    [
        *("NaN", "-Infinity", "1e400", "-1e308", "1e-400", "9" * 400, "0x10", "1_0", "-0", "+", "1.2.3", "\u0663"),
        *("null", "true", "None", "[]", "{}", "[[[1]]]", '{"a":{"a":{}}}', '""', '"\\ud800"', "'", '"', "\\", "\\x"),
        *("", " ", "\n", "\r", "\t", "\x00", "\x1b[2J", "\u202e", "\ufeff", ",", ";", ":", "=", "|", "/", "..", "#"),
        *("step", "reward", "inf", "nan", "__class__", "step" * 500, "[" * 2_000, "{" * 2_000, "1e5", "999999999999"),
    ]
)
_TOKEN = re.compile(rb"-?[\d.]+(?:e-?\d+)?|\w+|[^\w\s]|\n")
CONSOLES = {
    "ms_swift": ms_swift(1, 1, 20, ""),
    "slime": slime(2, "(pid=1) "),
    "skyrl": skyrl(1, 60, ""),
    "nemo": nemo(12, "=", "Accuracy"),
    "prime": prime("12:00:00", "SUCCESS", ""),
}


def console(name: str):
    def write(folder: Path) -> Path:
        path = folder / "console.log"
        path.write_text(CONSOLES[name], encoding="utf-8")
        return path

    return write


def bundled(folder: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, folder / "bundled"))


def stated(text: str, name: str):
    """A log with a file of hyperparameters beside it."""

    def write(folder: Path) -> Path:
        jsonl(folder)
        (folder / name).write_text(text, encoding="utf-8")
        return folder

    return write


LOGS = (
    EXAMPLES
    | {f"console of {name}": console(name) for name in CONSOLES}
    | {
        "bundled": bundled,
        "facts as TOML": stated("group_size = 8\nmomentum = 0.9\nreward_lower = 0\n", "hyperparameters.toml"),
        "facts as JSON": stated('{"group_size": 8, "reward_upper": 1, "name": "x"}', "hyperparameters.json"),
        "checkpoints": lambda folder: trainer_state(_made(folder / "out" / "checkpoint-12")).parents[1],
    }
)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp("corpus")) for name, write in LOGS.items()}


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """Content with some of its tokens replaced, left out, doubled or exchanged, and perhaps a line moved or cut."""
    tokens = [(match.start(), match.end()) for match in _TOKEN.finditer(content)]
    if not tokens:
        return content + draw(NASTY).encode(errors="surrogatepass")
    places = draw(st.lists(st.integers(0, len(tokens) - 1), min_size=1, max_size=6, unique=True))
    for place in sorted(places, reverse=True):
        start, end = tokens[place]
        kind = draw(st.sampled_from(("replace", "replace", "leave out", "double", "exchange")))
        other = tokens[draw(st.integers(0, len(tokens) - 1))]
        if kind == "replace":
            new = draw(NASTY).encode(errors="surrogatepass")
        else:
            new = {"leave out": b"", "double": content[start:end] * 2, "exchange": content[slice(*other)]}[kind]
        content = content[:start] + new + content[end:]
    if draw(st.booleans()):
        lines = content.split(b"\n")
        a, b = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        lines[a], lines[b] = lines[b], lines[a]
        content = b"\n".join(lines)
    return content


@pytest.mark.parametrize("name", LOGS)
@FUZZ
@given(data=st.data())
def test_a_mutated_log_gives_a_run_or_an_input_error(name: str, corpus: dict[str, Path], data, tmp_path: Path) -> None:
    target = tmp_path / "log" / corpus[name].name
    shutil.rmtree(target.parent, ignore_errors=True)
    (shutil.copytree if corpus[name].is_dir() else shutil.copy)(corpus[name], _made(target.parent) / target.name)
    files = sorted(path for path in target.parent.rglob("*") if path.is_file())
    victim = data.draw(st.sampled_from(files))
    victim.write_bytes(data.draw(mutated(victim.read_bytes())))
    try:
        runs = read_run(target)
    except InputError as error:
        assert len(str(error)) < 20_000
        return
    assert np.isfinite(runs["reward"].values).sum() >= 5
    for field, about in (RUN_FIELDS | STEP_FIELDS).items():
        if field in runs:
            values = np.asarray(runs[field].values)
            assert not about.forbids(values[np.isfinite(values)]).any() and not np.isinf(values).any(), field


@pytest.mark.parametrize("name", [spec.name for spec in list_models()])
@settings(FUZZ, max_examples=int(COUNT or 6))
@given(data=st.data())
def test_a_mutated_model_file_gives_a_model_or_an_input_error(name: str, data, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_bytes(data.draw(mutated(load_model(name).text.encode())))
    try:
        spec = load_model(path)
    except InputError as error:
        assert "model.toml" in str(error)
        return
    assert set(spec.parameters) == set(spec.law.parameters())

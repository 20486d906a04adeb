"""The contract of all formats.

Each finds its own example, reads it as it was written, and survives any damage to it.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import read_log
from bayes_grpo.readers.contract import Trainer, dialects, formats, trainers
from bayes_grpo.readers.find_logs import find
from bayes_grpo.readers.log import Source
from bayes_grpo.runs.fields import RUN_FIELDS, SPREADS, STEP_FIELDS
from tests.common import ROOT
from tests.readers.files import EXAMPLES, NO_FILES, RATES, REWARDS, STEPS, N

MODULES = {module.__name__.rpartition(".")[2]: module for module in formats()}


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every example, written once."""
    return {name: write(tmp_path_factory.mktemp(name)) for name, write in EXAMPLES.items()}


def files_of(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def state_of(path: Path) -> dict[str, str]:
    folder = path if path.is_dir() else path.parent
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files_of(folder)}


def test_every_format_has_an_example_and_keeps_the_contract() -> None:
    assert set(MODULES) == set(EXAMPLES) | NO_FILES
    assert len({module.ORDER for module in formats()}) == len(formats()), "two formats are asked in no certain order"
    for module in formats():
        assert module.NAME and module.__doc__
        assert module.recognises.__doc__ and module.read.__doc__
    names = [trainer.name for trainer in trainers()]
    assert len(names) == len(set(names)) >= 18
    for dialect in dialects():
        assert dialect.NAME and dialect.__doc__ and dialect.rows.__doc__ and dialect.COUNTED in (True, False)
    assert len({dialect.ORDER for dialect in dialects()}) == len(dialects())


@pytest.mark.parametrize("trainer", trainers(), ids=lambda trainer: trainer.name)
def test_every_trainer_keeps_the_contract(trainer: Trainer) -> None:
    """Names of known variables, keys in lower case, patterns that compile, a base that is there, a version."""
    every = {*STEP_FIELDS}
    assert set(trainer.names) <= every and set(trainer.derived) <= every
    assert set(trainer.constants) <= set(RUN_FIELDS) and set(trainer.from_keys) <= set(RUN_FIELDS)
    assert not trainer.based_on or trainer.based_on in {other.name for other in trainers()}
    assert trainer.checked and trainer.marks and trainer.step_unit in ("optimizer", "rollout")
    keys = [*trainer.marks, *(key for known in trainer.names.values() for key in known)]
    assert all(key == key.lower() for key in keys if not key.startswith(("^", "config/")))
    assert all(re.compile(key) for key in [*keys, trainer.components] if key.startswith("^"))
    assert trainer.hyperparameters({}).keys() <= set(RUN_FIELDS)
    assert all(value is None for value in trainer.hyperparameters({}).values())
    assert trainer.spread("reward_std", ["reward_std"], {}).meaning in SPREADS


def test_the_documentation_names_every_format_trainer_and_variable() -> None:
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    names = [module.NAME for module in formats()] + [trainer.name for trainer in trainers()]
    names += [f"`{field}`" for field in (*STEP_FIELDS, *RUN_FIELDS)]
    assert [name for name in names if name not in text] == []
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("| ")]
    for trainer in trainers():
        assert any(row[1].startswith(trainer.name) and row[2] == trainer.checked for row in rows), trainer.name
    assert [dialect.NAME for dialect in dialects() if dialect.NAME not in text] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_read_as_it_was_written(name: str, examples: dict[str, Path]) -> None:
    path = examples[name]
    before = state_of(path)
    assert [log.format for log in find(path).logs] == [MODULES[name]]
    readings, faults = read_log(path)
    assert not faults and len(readings) == 1
    reading = readings[0]
    run = reading.run.isel(run=0)
    assert run["optimizer_step"].values.tolist() == STEPS
    np.testing.assert_allclose(run["reward"].values, REWARDS, rtol=1e-6)
    if "learning_rate" in run:
        np.testing.assert_allclose(run["learning_rate"].values, RATES, rtol=1e-6)
    else:
        assert name in ("completions", "notebook", "wandb_table"), name
    assert reading.format == MODULES[name].NAME
    assert all(origin for origin in reading.origins.values())
    assert state_of(path) == before, "reading changed what lies on the disk"


@pytest.mark.parametrize("name", EXAMPLES)
def test_rows_come_from_read_alone(name: str, examples: dict[str, Path]) -> None:
    """The contract's read() gives logs whose rows are dicts with text keys."""
    for log in MODULES[name].read(Source(examples[name])):
        rows = [entry for entry in log.rows if isinstance(entry, dict)]
        assert len(rows) >= N and all(isinstance(key, str) for row in rows for key in row)


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_damage_ends_in_data_or_one_clear_error(name: str, examples: dict[str, Path], data, tmp_path: Path) -> None:
    """Cut short, bytes overwritten, a stretch left out or doubled: read, or refused by name."""
    example = examples[name]
    target = tmp_path / "damaged" / example.name
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    (shutil.copytree if example.is_dir() else shutil.copy)(example, target)
    victim = data.draw(st.sampled_from(files_of(target)))
    content = bytearray(victim.read_bytes())
    places = st.integers(0, max(0, len(content) - 1))
    kind = data.draw(st.sampled_from(("cut", "overwrite", "leave out", "double", "nothing")))
    if kind == "cut":
        content = content[: data.draw(places)]
    elif kind == "overwrite":
        for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=20)):
            content[at : at + 1] = bytes([value])
    elif kind != "nothing":
        start, end = sorted((data.draw(places), data.draw(places)))
        content = content[:start] + content[end:] if kind == "leave out" else content[:end] + content[start:]
    victim.write_bytes(content)
    try:
        run = read_run(target)
    except InputError as error:
        assert str(tmp_path) in str(error) and len(str(error)) < 4000
        return
    steps = run["optimizer_step"].values[0]
    steps = steps[np.isfinite(steps)]
    assert (np.diff(steps) >= 0).all() and np.isfinite(run["reward"].values).sum() >= 5


@pytest.mark.parametrize("name", EXAMPLES)
def test_empty_files_and_wrong_formats_are_refused(name: str, examples: dict[str, Path], tmp_path: Path) -> None:
    """The example's files emptied, and another format's content under its name."""
    for content in (b"", b"\n\n", b"\x80\x04\x95pickle", os.urandom(4096)):
        target = tmp_path / "other" / examples[name].name
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        (shutil.copytree if examples[name].is_dir() else shutil.copy)(examples[name], target)
        for file in files_of(target):
            file.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_run(target)
        assert str(target) in str(caught.value)

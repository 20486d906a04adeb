"""Traced programs that one process leaves to the next: never a wrong one, and no error where there is none."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import monitoring

from bayes_grpo.inference import programs
from bayes_grpo.inference.programs import FOLDER, Program
from bayes_grpo.models.files import load_model


class Pair(NamedTuple):
    first: jax.Array
    second: jax.Array


class Counter:
    """How often a function was traced."""

    count = 0


def function(counter: Counter):
    """The same function as another process would make it."""

    def traced(values, scale, size):
        counter.count += 1
        total = (values["x"] ** 2).sum()
        return Pair(values["x"] * scale, total * jnp.arange(size)), {"total": total}

    return traced


class Outside:
    pass


@dataclass(frozen=True)
class OutsideLaw:
    rate: float = 1.0


@pytest.fixture
def folder(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / FOLDER
    jax.config.update("jax_compilation_cache_dir", before)


def program(counter: Counter, *identity):
    return Program(function(counter), *identity, static=1, returns=(Pair,))


def plain(*arguments):
    return jax.jit(function(Counter()), static_argnums=2)(*arguments)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


VALUES = {"x": np.linspace(0.1, 0.9, 7)}


def same(results) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, results), strict=True))


def test_what_one_process_traced_the_next_one_loads_and_computes_the_same(folder):
    first, second = Counter(), Counter()
    results = [program(first)(VALUES, 3.0, 4), program(second)(VALUES, 3.0, 4)]
    assert (first.count, second.count, len(files(folder))) == (1, 0, 1)
    assert same(results) and same([plain(VALUES, 3.0, 4), results[0]])
    assert isinstance(results[1][0], Pair)


def test_results_are_taken_as_arguments_without_a_second_compilation(folder):
    lowered = []
    monitoring.register_event_duration_secs_listener(
        lambda event, _, **given: lowered.append(event) if "jaxpr_to_mlir" in event else None
    )
    made = program(Counter())
    moved, _ = made(VALUES, 3.0, 4)
    before = len(lowered)
    assert before > 0
    made({"x": moved.first}, 3.0, 4)
    assert len(lowered) == before and len(files(folder)) == 1


@pytest.mark.parametrize(
    "values, scale, size, identity",
    [
        ({"x": np.linspace(0.1, 0.9, 8)}, 3.0, 4, ("a",)),
        ({"x": np.linspace(0.1, 0.9, 7).astype(np.float32)}, 3.0, 4, ("a",)),
        (VALUES, 3, 4, ("a",)),
        (VALUES, 3.0, 5, ("a",)),
        (VALUES, 3.0, 4, ("b",)),
    ],
    ids=("shape", "precision", "kind of a number", "constant", "identity"),
)
def test_a_program_for_other_arguments_is_not_taken(folder, values, scale, size, identity):
    program(Counter(), "a")(VALUES, 3.0, 4)
    other = Counter()
    result = program(other, *identity)(values, scale, size)
    assert other.count == 1 and len(files(folder)) == 2
    assert same([result, plain(values, scale, size)])


@pytest.mark.parametrize("damage", [b"", b"short", None], ids=("empty", "short", "flipped"))
def test_a_damaged_file_is_traced_again_and_replaced(folder, damage):
    expected = program(Counter())(VALUES, 3.0, 4)
    (path,) = files(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:] if damage is None else damage)
    again = Counter()
    assert same([expected, program(again)(VALUES, 3.0, 4)])
    later = Counter()
    assert same([expected, program(later)(VALUES, 3.0, 4)])
    assert (again.count, later.count) == (1, 0)


def test_a_folder_that_cannot_be_made_changes_no_result(folder):
    folder.write_text("a file stands where the folder would be")
    traced = Counter()
    assert same([program(traced)(VALUES, 3.0, 4), plain(VALUES, 3.0, 4)])
    assert traced.count == 1


def test_a_function_that_cannot_be_serialised_is_compiled_as_ever(folder):
    def called_back(x):
        return jax.pure_callback(lambda value: value + 1, jax.ShapeDtypeStruct((3,), float), x)

    assert list(Program(called_back)(np.zeros(3))) == [1.0, 1.0, 1.0]
    assert files(folder) == []


def test_an_interrupt_inside_jax_is_an_interrupt(folder):
    def pressed(_):
        raise KeyboardInterrupt

    def called_back(x):
        return jax.pure_callback(pressed, jax.ShapeDtypeStruct((3,), float), x)

    with pytest.raises(KeyboardInterrupt):
        jax.block_until_ready(Program(called_back)(np.zeros(3)))


@pytest.mark.parametrize("part", [Outside(), OutsideLaw(), (1, ("a", OutsideLaw()))], ids=("object", "law", "inside"))
def test_programs_of_laws_from_outside_the_package_are_not_kept(folder, part):
    traced = Counter()
    program(traced, part)(VALUES, 3.0, 4)
    assert traced.count == 1 and files(folder) == []


def test_every_model_of_the_package_has_a_name_of_its_own_that_a_new_process_would_give_it():
    models = [load_model(name) for name in ("s_curve", "overdamped", "bounded_overdamped", "oscillator", "pooled")]
    names = [Program(function(Counter()), model.structure)._name for model in models]
    assert len(set(names)) == len(names)
    assert not any(" at 0x" in name for name in names)
    assert all(programs._of_package(model.structure) for model in models)


def test_nothing_is_kept_where_jax_keeps_nothing(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    for address in (None, "gs://bucket/cache"):
        jax.config.update("jax_compilation_cache_dir", address)
        try:
            assert programs._folder() is None
        finally:
            jax.config.update("jax_compilation_cache_dir", before)


def test_a_changed_source_is_another_state(tmp_path, monkeypatch):
    (tmp_path / "laws").mkdir()
    source = tmp_path / "laws" / "law.py"
    monkeypatch.setattr(programs, "_PACKAGE", tmp_path)
    states = []
    for text in ("rate = 1", "rate = 2", "rate = 1"):
        source.write_text(text)
        states.append(programs._state.__wrapped__())
    assert states[0] == states[2] != states[1]


def test_programs_of_old_states_are_removed(folder, monkeypatch):
    for state in range(7):
        monkeypatch.setattr(programs, "_state", lambda state=state: f"state {state}")
        program(Counter())(VALUES, 3.0, 4)
        os.utime(folder / f"state {state}", (state, state))
    assert [path.name for path in sorted(folder.iterdir())] == ["state 3", "state 4", "state 5", "state 6"]


def test_threads_that_come_at_the_same_time_trace_once(folder):
    counter = Counter()
    made = program(counter)
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(pool.map(lambda _: made(VALUES, 3.0, 4), range(8)))
    assert (counter.count, len(files(folder))) == (1, 1)
    assert all(same([plain(VALUES, 3.0, 4), result]) for result in results)

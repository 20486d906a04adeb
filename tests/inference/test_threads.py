"""Parts on all cores: the same numbers as in one go, in their order."""

import os
from threading import Barrier, get_ident

import jax
import numpy as np
import pytest

from bayes_grpo import example_run, load_model
from bayes_grpo.inference import threads
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.importance import sampler
from bayes_grpo.inference.importance.density import RunDensity
from bayes_grpo.inference.importance.draws import SETTINGS, draw_importance
from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.prior import draw_prior
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.inference.threads import on_all_cores, usable_cores

MODEL = load_model("overdamped")


def test_parts_are_computed_at_the_same_time_and_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part waits until another has begun, which one thread could never see."""
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    both = Barrier(2, timeout=10)
    found = list(on_all_cores(lambda part: (both.wait(), part)[1], range(6)))
    assert found == list(range(6))


@pytest.mark.parametrize("cores, backend", [(1, "cpu"), (2, "gpu")])
def test_one_core_or_an_accelerator_computes_in_turn(monkeypatch: pytest.MonkeyPatch, cores: int, backend: str) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert list(on_all_cores(lambda part: (part, get_ident()), range(3))) == [(part, get_ident()) for part in range(3)]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are bound to cores on Linux only")
def test_a_process_that_is_bound_to_a_core_uses_one() -> None:
    before = os.sched_getaffinity(0)
    assert usable_cores() == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_what_a_part_raises_ends_the_whole() -> None:
    with pytest.raises(ZeroDivisionError):
        list(on_all_cores(lambda part: 1 / part, (1, 0, 2)))


def test_repetitions_in_parts_have_the_densities_of_both_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data, target = prepare(example_run(), MODEL).data, target_of(MODEL)
    points, _ = target.draw_prior(np.random.default_rng(1), data, SETTINGS.repetitions, SETTINGS.points)
    density, shapes = RunDensity(target, [data], SETTINGS, lambda _: None), []
    evaluate = target.evaluate
    monkeypatch.setattr(target, "evaluate", lambda points, data: shapes.append(points.shape) or evaluate(points, data))
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(threads, "usable_cores", lambda cores=cores: cores)
        found.append(density(points))
    assert shapes == [points.shape, *[(1, *points.shape[1:])] * SETTINGS.repetitions]
    for together, parts in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_array_equal(together, parts)
    assert np.ptp(found[0].log_likelihood) > 1


def test_repetitions_that_move_apart_draw_what_they_draw_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data, found, shapes = prepare(example_run(), MODEL).data, [], []
    advance = sampler.advance
    monkeypatch.setattr(
        sampler, "advance", lambda state, *given: shapes.append(len(state.points)) or advance(state, *given)
    )
    for cores in (1, 2):
        monkeypatch.setattr(threads, "usable_cores", lambda cores=cores: cores)
        found.append(draw_importance(MODEL, data, Sampler("importance", seed=4, draws=200)))
    assert set(shapes) == {1, SETTINGS.repetitions} and shapes.count(1) == 2 * shapes.count(2)
    for together, apart in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_array_equal(together, apart)


def test_draws_in_batches_are_the_same_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """600 draws are three batches, the last with copies."""
    data = prepare(example_run(), MODEL).data
    values = draw_prior(MODEL, data, 600, np.random.default_rng(2))
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(threads, "usable_cores", lambda cores=cores: cores)
        found.append(evaluator(MODEL).account(values, data, np.random.default_rng(3)))
    for one, two in zip(*found, strict=True):
        assert one.shape[0] == 600
        np.testing.assert_array_equal(one, two)

"""Time of one likelihood value with its gradient, next to tinygp and celerite2, in one process.

All compute the same number: a damped oscillator observed with noise at n steps, started in its stationary state, and
its gradient by damping, stiffness, noise and observation noise. Contestants take turns, so a slow moment of the
machine hits all; each figure is the least time of many, the ratio is to bayes_grpo at a constant learning rate.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import bayes_grpo  # noqa: F401  (64-bit JAX)
from bayes_grpo.laws import kalman
from bayes_grpo.laws import oscillator as dynamics

MASS = 9.5
LENGTHS = (100, 300, 500, 1000, 3000, 10_000)
POINT = (0.8, 0.02, 0.004, 0.3)  # damping, stiffness, noise, observation sd


def ours(n: int, values: np.ndarray, rate: np.ndarray | None) -> Callable:
    """Constant learning rate: one transition for all rows; a schedule: one for each row."""
    one = jnp.ones(n)

    def value(p):
        damping, stiffness, noise, sd = p
        if rate is None:
            motion = dynamics.second_order(jnp.ones(1), MASS, damping, stiffness, noise)
            motion = jax.tree.map(lambda entry: jnp.broadcast_to(entry, (n,)), motion)
        else:
            motion = dynamics.second_order(one, MASS, damping, stiffness * rate, noise * rate**2)
        seen = kalman.Observations(jnp.asarray(values), sd**2 * one, one)
        start = kalman.filter_start(0.0, 0.0, noise / (2 * damping * stiffness), noise / (2 * damping * MASS))
        return kalman.filter_from(start, motion, seen).log_density.sum()

    return jax.jit(jax.value_and_grad(value))


def shape(p):
    damping, stiffness, noise, _ = p
    w0 = jnp.sqrt(stiffness / MASS)
    return w0, jnp.sqrt(MASS * stiffness) / damping, jnp.sqrt(noise / (2 * damping * stiffness))


def tinygp(n: int, values: np.ndarray) -> Callable:
    from tinygp import GaussianProcess, kernels

    steps = jnp.arange(float(n))

    def value(p):
        w0, quality, scale = shape(p)
        kernel = kernels.quasisep.SHO(omega=w0, quality=quality, sigma=scale)
        return GaussianProcess(kernel, steps, diag=p[3] ** 2).log_probability(jnp.asarray(values))

    return jax.jit(jax.value_and_grad(value))


def celerite2_jax(n: int, values: np.ndarray) -> Callable:
    import celerite2.jax

    steps = jnp.arange(float(n))

    def value(p):
        w0, quality, scale = shape(p)
        term = celerite2.jax.terms.SHOTerm(sigma=scale, w0=w0, Q=quality)
        gp = celerite2.jax.GaussianProcess(term, mean=0.0)
        gp.compute(steps, diag=p[3] ** 2 * jnp.ones(n))
        return gp.log_likelihood(jnp.asarray(values))

    return jax.jit(jax.value_and_grad(value))


def least(calls: dict[str, Callable], point, seconds: float) -> dict[str, float]:
    """Least time of a call in microseconds, the contestants in turn."""
    best = dict.fromkeys(calls, np.inf)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            began = time.perf_counter()
            jax.block_until_ready(call(point))
            best[name] = min(best[name], time.perf_counter() - began)
    return {name: 1e6 * value for name, value in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--seconds", type=float, default=5, help="measuring time for each length")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    point = tuple(jnp.asarray(value) for value in POINT)
    print(
        f"{'n':>6}  {'bayes_grpo':>11} {'schedule':>11} {'tinygp':>11} {'celerite2':>11}"
        "   tinygp / ours  celerite2 / ours"
    )
    rows = []
    for n in options.lengths:
        values = np.random.default_rng(0).normal(size=n)
        calls = {
            "bayes_grpo": ours(n, values, None),
            "bayes_grpo_schedule": ours(n, values, np.linspace(1.0, 0.5, n)),
            "tinygp": tinygp(n, values),
            "celerite2": celerite2_jax(n, values),
        }
        found = {name: call(point) for name, call in calls.items()}
        for name in ("tinygp", "celerite2"):
            assert np.allclose(found[name][0], found["bayes_grpo"][0], rtol=1e-9), (name, n)
            assert np.allclose(found[name][1], found["bayes_grpo"][1], rtol=1e-6), (name, n)
        t = least(calls, point, options.seconds)
        rows.append({"n": n} | t)
        us = " ".join(f"{value:8.0f} us" for value in t.values())
        print(
            f"{n:6d}  {us}   {t['tinygp'] / t['bayes_grpo']:13.2f}  {t['celerite2'] / t['bayes_grpo']:16.2f}",
            flush=True,
        )
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

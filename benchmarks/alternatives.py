"""Pathfinder and tempered sequential Monte Carlo by blackjax against the package's importance sampling.

Needs blackjax, which the package does not. All move in the coordinates of `bayes_grpo.inference.importance.target`, and
begin at draws from the prior. Errors are the largest distance of a parameter's mean from that of four other importance
samplings together, in posterior standard deviations; times are processor seconds once compiled.

    pip install blackjax
    python -m benchmarks.alternatives --runs 10 --models overdamped s_curve
"""

import argparse
import time

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.smc import adaptive_tempered, resampling
from blackjax.vi import multipathfinder

import bayes_grpo
from bayes_grpo.inference.importance.draws import draw_importance
from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.sampler_settings import Sampler
from benchmarks.posterior import simulated

ROWS = 500
#: Paths and draws of each; particles, steps of Metropolis at each power, and share of particles that stay effective.
PATHS, DRAWS = 8, 1000
PARTICLES, STEPS, SHARE = 1536, 10, 0.5


def pathfinder(target, key, start, data):
    """Weighted points, their log weights and k-hat, of multi-path Pathfinder (Zhang et al. 2022)."""

    def density(point):
        at = target._at(point, data)
        total = at.log_prior + at.log_likelihood
        return jnp.where(jnp.isfinite(total), total, -1e10)

    state, _ = multipathfinder.multi_approximate(key, density, start[:PATHS], DRAWS)
    log_weight, khat = multipathfinder.psis_weights(state)
    return state.samples.reshape(PATHS * DRAWS, -1), log_weight, khat


def sequential(target, key, start, data):
    """Points of adaptive tempered SMC with random-walk Metropolis scaled by the particles' covariance."""
    walk = blackjax.additive_step_random_walk.build_kernel()

    def step(key, state, density, factor):
        return walk(key, state, density, lambda key, point: factor @ jax.random.normal(key, point.shape))

    kernel = adaptive_tempered.build_kernel(
        lambda point: target._at(point, data).log_prior,
        lambda point: jnp.nan_to_num(target._at(point, data).log_likelihood, nan=-1e10, neginf=-1e10),
        step,
        blackjax.additive_step_random_walk.init,
        resampling.systematic,
        SHARE,
    )

    def again(carry):
        key, state = carry
        key, now = jax.random.split(key)
        dimension = start.shape[1]
        factor = (
            2.38 / np.sqrt(dimension) * jnp.linalg.cholesky(jnp.cov(state.particles.T) + 1e-10 * jnp.eye(dimension))
        )
        return key, kernel(now, state, STEPS, {"factor": factor[None]})[0]

    begin = (key, adaptive_tempered.init(start))
    _, state = jax.lax.while_loop(lambda carry: carry[1].tempering_param < 1, again, begin)
    return state.particles, jnp.zeros(PARTICLES), jnp.nan


def ours(spec, data, seed):
    """Means and sds of parameters, k-hat and importance ESS of the package's own."""
    drawn = draw_importance(spec, data, Sampler("importance", seed=seed))
    weights = np.exp(drawn.log_weight)
    return moments(drawn.points, weights / weights.sum()), drawn.quality.khat, drawn.quality.importance_ess


def moments(values, weights):
    """Mean and standard deviation of each parameter."""
    means = np.array([(weights * value).sum() for value in values.values()])
    squares = np.array(
        [(weights * (value - mean) ** 2).sum() for value, mean in zip(values.values(), means, strict=True)]
    )
    return means, np.sqrt(squares)


def compared(model, count):
    """A line a method: medians over the runs."""
    spec = bayes_grpo.load_model(model)
    target = target_of(spec)
    methods = {
        name: jax.jit(lambda *given, method=method: method(target, *given))
        for name, method in {"Pathfinder": pathfinder, "tempered SMC": sequential}.items()
    }
    rows: dict[str, list] = {"importance": [], **{name: [] for name in methods}}
    for seed in range(-1, count):  # the first compiles
        data = prepare(simulated(ROWS, seed + 1), spec).data
        others = [ours(spec, data, 100 + other)[0] for other in range(4)]
        mean, sd = np.mean([pair[0] for pair in others], axis=0), np.mean([pair[1] for pair in others], axis=0)
        began = time.process_time()
        (means, _), khat, ess = ours(spec, data, seed + 1)
        rows["importance"].append((khat, ess, np.abs((means - mean) / sd).max(), time.process_time() - began))
        start = target.draw_prior(np.random.default_rng(seed + 1), data, PARTICLES)[0]
        for name, method in methods.items():
            began = time.process_time()
            points, log_weight, khat = jax.block_until_ready(method(jax.random.key(seed + 1), start, data))
            seconds = time.process_time() - began
            weights = np.exp(np.asarray(log_weight) - np.max(log_weight))
            weights /= weights.sum()
            values = {
                key: np.asarray(v)[0] for key, v in target.evaluate(np.asarray(points)[None], data).values.items()
            }
            error = np.abs((moments(values, weights)[0] - mean) / sd).max()
            rows[name].append((float(khat), 1 / (weights**2).sum(), error, seconds))
    for name, mine in rows.items():
        khat, ess, error, seconds = np.array(mine[1:]).T
        shares, effective = f"{np.median(khat):.2f} | {(khat > 0.7).sum()} of {count}", f"{np.median(ess):,.0f}"
        if np.isnan(khat).all():  # particles have no weights
            shares, effective = "|", ""
        print(
            f"| {model} | {name} | {shares} | {effective} | {np.median(error):.2f} | {error.max():.2f} | "
            f"{np.median(seconds):.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--models", nargs="+", default=["overdamped", "s_curve"])
    options = parser.parse_args()
    print(
        "| law | method | k-hat, median | above 0.7 | ESS | error of means, median | largest | s |\n" + "|---" * 8 + "|"
    )
    for model in options.models:
        compared(model, options.runs)


if __name__ == "__main__":
    main()

"""Runs a second where many runs of one length are sampled in one vectorised call: for a machine with an accelerator.

The device is JAX's default. On a processor one run at a time is faster, so `bayes_grpo.batch` fits runs singly. The
second table compares the device with the processor: log-likelihoods of every law at the same points, and a fit.

    python -m benchmarks.vectorised --runs 1 10 100 1000 10000
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import bayes_grpo
from bayes_grpo.inference.importance.draws import SETTINGS
from bayes_grpo.inference.importance.quality import trusted_weights
from bayes_grpo.inference.importance.sampler import Weighted, sample_weighted
from bayes_grpo.inference.importance.target import Evaluated, target_of
from bayes_grpo.inference.layout import ModelData, prepare
from bayes_grpo.inference.posterior import draw_posterior
from bayes_grpo.inference.sampler_settings import Sampler
from benchmarks.posterior import simulated


def sample_together(model: str, data: ModelData, count: int, seed: int) -> Weighted:
    """Weighted points of several runs whose data are stacked."""
    target = target_of(bayes_grpo.load_model(model))
    at_points = jax.vmap(jax.vmap(target._at, (0, None)), (0, None))
    every = jax.jit(jax.vmap(at_points, (0, 0)))
    rng = np.random.default_rng(seed)
    runs = (jax.tree.map(lambda leaf, place=i: np.asarray(leaf)[place], data) for i in range(count))
    start = [target.draw_prior(rng, run, SETTINGS.repetitions, SETTINGS.points)[0] for run in runs]

    def density(points: jax.Array) -> Evaluated:
        by_run = points.reshape(count, SETTINGS.repetitions, *points.shape[1:])
        evaluated: Evaluated = every(by_run, data)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, leaf.shape[-1]), evaluated)

    return sample_weighted(
        density, jnp.asarray(np.concatenate(start)), rng, SETTINGS, lambda weights: trusted_weights(weights[:1])
    )


def agreement(model: str, steps: int) -> tuple[float, float]:
    """Largest relative difference of log-likelihoods from the processor's, and of means in standard deviations."""
    spec = bayes_grpo.load_model(model)
    prepared = prepare(simulated(steps, 0), spec)
    target = target_of(spec)
    points, _ = target.draw_prior(np.random.default_rng(0), prepared.data, 1, 1024)
    likelihoods, draws = [], []
    for device in (jax.devices()[0], jax.devices("cpu")[0]):
        with jax.default_device(device):
            data = jax.tree.map(jnp.asarray, prepared.data)
            evaluate = jax.jit(jax.vmap(target._at, (0, None)))
            likelihoods.append(np.asarray(evaluate(jnp.asarray(points[0]), data).log_likelihood))
            values = draw_posterior(spec, prepared, Sampler("importance", seed=1)).values
            draws.append({name: np.asarray(value).ravel() for name, value in values.items()})
    here, there = likelihoods
    apart = [abs(draws[0][name].mean() - value.mean()) / value.std() for name, value in draws[1].items()]
    return float(np.nanmax(np.abs(here - there) / np.maximum(1, np.abs(there)))), float(max(apart))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="overdamped")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--laws", nargs="*", default=["overdamped", "oscillator", "s_curve", "population"])
    options = parser.parse_args()
    spec = bayes_grpo.load_model(options.model)
    runs = [prepare(simulated(options.steps, seed), spec).data for seed in range(min(32, max(options.runs)))]
    print(f"device {jax.devices()[0].device_kind}")
    print("| runs | first call, s | second call, s | runs a second |\n|---|---|---|---|")
    for count in options.runs:
        chosen = [runs[i % len(runs)] for i in range(count)]
        data = jax.tree.map(lambda *leaves: np.stack(leaves), *chosen)  # JAX would compile a stack of 4,000 arrays
        seconds = []
        for seed in range(2):
            began = time.perf_counter()
            sample_together(options.model, data, count, seed)
            seconds.append(time.perf_counter() - began)
        print(f"| {count} | {seconds[0]:.1f} | {seconds[1]:.2f} | {count / seconds[1]:.1f} |", flush=True)
    print("| law | log-likelihoods, relative | means, sd |\n|---|---|---|")
    for law in options.laws:
        print("| {} | {:.1g} | {:.3f} |".format(law, *agreement(law, options.steps)), flush=True)


if __name__ == "__main__":
    main()

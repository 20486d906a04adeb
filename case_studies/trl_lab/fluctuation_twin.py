"""Long runs of the twin at many group sizes at once: how the settled fluctuation depends on G, under SGD and Adam.

One compiled program holds all group sizes, momenta and seeds of an optimizer: each group has room for the largest G and
counts its first G members. One update a batch, so nothing is clipped; all else is as in ``twin.py``. A GPU makes the
whole study in minutes; a few seeds and updates run on a processor.
"""

import argparse
import csv
import itertools
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from case_studies.trl_lab import twin
from case_studies.trl_lab.moments import moments_of

SIZES = (2, 4, 8, 16, 32, 64, 128)
PROMPTS, WIDTH, INITIALIZER, KL, ERROR = 4, 64, 0.02, 0.4, 0.2
#: Learning rate of each optimizer at momentum 0.9 and at none. SGD starts as steeply as AdamW does at G = 8.
RATES = {"adamw_torch": {0.9: 1e-3, 0.0: 1e-3}, "sgd": {0.9: 2e-3, 0.0: 2e-2}}
CHUNK = 500  # updates of one call


def loss(weights: Any, prompt: Array, answer: Array, advantage: Array, reference: Array) -> Array:
    """GRPO's loss on fresh rollouts; prompt (prompts, 1), answer and advantage (prompts, G), which is 0 off the group.

    Members beyond the group have the advantage NaN, and count in neither term.
    """
    log_p = twin.log_policy(weights)[prompt, answer]
    ratio = jnp.exp(log_p - jax.lax.stop_gradient(log_p))
    away = reference[prompt, answer] - log_p
    each = KL * (jnp.exp(away) - away - 1) * ratio - ratio * jnp.nan_to_num(advantage)
    member = ~jnp.isnan(advantage)
    return jnp.where(member, each, 0.0).sum() / member.sum()


def update(state: Any, inputs: tuple[Array, Array], size: Array, optimizer: str, momentum: Array, rate: Array) -> Any:
    """One update of one run; gives the state after it, and the expected reward and the update's squared length."""
    weights, moments, reference = state
    key, count = inputs
    score = twin.scores_of("copy").astype(jnp.float32)
    a, b, c = random.split(key, 3)
    log_p = twin.log_policy(weights)
    prompt = random.randint(a, (PROMPTS, 1), 0, len(score))
    answer = random.categorical(b, log_p[prompt], shape=(PROMPTS, max(SIZES)))
    reward = score[prompt, answer]
    reward = jnp.where(random.uniform(c, reward.shape) < ERROR, 1 - reward, reward)
    reward = jnp.where(jnp.arange(max(SIZES)) < size, reward, jnp.nan)
    spread = jnp.nanstd(reward, 1, ddof=1, keepdims=True)
    advantage = (reward - jnp.nanmean(reward, 1, keepdims=True)) / (spread + 1e-4)
    gradient = jax.grad(loss)(weights, prompt, answer, advantage, reference)
    after, moments = twin.step(weights, moments, gradient, count, optimizer, rate, momentum)
    length = sum(jnp.sum((x - y) ** 2) for x, y in zip(jax.tree.leaves(after), jax.tree.leaves(weights), strict=True))
    paid = score * (1 - 2 * ERROR) + ERROR
    expected = (jnp.exp(twin.log_policy(after)) * paid).sum(-1).mean()
    return (after, moments, reference), (expected, length)


def start(key: Array, optimizer: str) -> Any:
    """State of one run before its first update."""
    weights = twin.fresh(key, WIDTH, INITIALIZER)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return weights, zeros if optimizer == "sgd" else (zeros, zeros), twin.log_policy(weights)


@partial(jax.jit, static_argnames="optimizer", donate_argnums=0)
def advance(state: Any, keys: Array, first: Array, size: Array, momentum: Array, rate: Array, optimizer: str) -> Any:
    """All runs by ``CHUNK`` updates; ``keys``, ``size``, ``momentum`` and ``rate`` have shape (runs,)."""

    def single(state: Any, key: Array, size: Array, momentum: Array, rate: Array) -> Any:
        inputs = (random.split(key, CHUNK), first + jnp.arange(1.0, CHUNK + 1))
        return jax.lax.scan(lambda s, i: update(s, i, size, optimizer, momentum, rate), state, inputs)

    return jax.vmap(single)(state, keys, size, momentum, rate)


def paths(optimizer: str, seeds: int, updates: int, first_seed: int) -> tuple[list[tuple[float, int, int]], Any, Any]:
    """Settings (momentum, group size, seed) of all runs, and their expected rewards and squared lengths of updates.

    Both have the shape (runs, updates).
    """
    settings = list(itertools.product(RATES[optimizer], SIZES, range(seeds)))
    momentum, size, _ = (jnp.array(values, jnp.float32) for values in zip(*settings, strict=True))
    rate = jnp.array([RATES[optimizer][m] for m, _, _ in settings], jnp.float32)
    key = random.split(random.key(first_seed), len(settings))
    state = jax.jit(jax.vmap(partial(start, optimizer=optimizer)))(key)
    parts = []
    for place in range(0, updates, CHUNK):
        keys = jax.vmap(partial(random.fold_in, data=place + 1))(key)
        state, figures = advance(state, keys, jnp.float32(place), size, momentum, rate, optimizer=optimizer)
        parts.append([np.asarray(figure) for figure in figures])
    expected, length = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return settings, expected, length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--updates", type=int, default=12_000)
    parser.add_argument("--settled", type=int, default=4_000, help="updates left out at the beginning")
    parser.add_argument("--first-seed", type=int, default=535)
    parser.add_argument("--optimizers", nargs="+", choices=list(RATES), default=list(RATES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "twin" / "fluctuation_long.csv")
    options = parser.parse_args()
    jax.config.update("jax_default_matmul_precision", "highest")
    rows = []
    for optimizer in options.optimizers:
        began = time.perf_counter()
        settings, expected, length = paths(optimizer, options.seeds, options.updates, options.first_seed)
        for (momentum, size, seed), path, steps in zip(settings, expected, length, strict=True):
            row = {"optimizer": optimizer, "momentum": momentum, "group_size": size, "seed": seed}
            late = path[options.settled :].astype(float)
            halves = {f"variance_{n}": moments_of(part)["variance"] for n, part in enumerate(np.split(late, 2), 1)}
            rows.append(row | moments_of(late) | halves | {"update": float(steps[options.settled :].mean())})
        print(f"{optimizer}: {len(settings)} runs, {time.perf_counter() - began:.0f} s", flush=True)
        with options.out.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()

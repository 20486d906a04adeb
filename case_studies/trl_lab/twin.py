"""The laboratory without TRL: transformer, task, loss and optimizer in one JAX program, some twenty times faster.

What it is for: runs too long for the laboratory, and looking for laws before the laboratory judges them. It leaves out
nothing that the laboratory's runs have: a Llama of two layers, group-normalised advantages, importance ratios and
clipping, TRL's estimator of the KL term (weighted by the ratio), AdamW with its bias correction and clipping of the
gradient's norm, or SGD with momentum. `check` compares it with the laboratory's runs.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from case_studies.trl_lab import tasks
from case_studies.trl_lab.lab import Trial

HEADS, LAYERS = 4, 2
WORDS = len(tasks.WORDS)


class Knobs(NamedTuple):
    """Settings that may differ between runs of one compiled program."""

    refresh_interval: Any
    learning_rate: Any
    kl: Any
    clip: Any
    error: Any
    initializer: Any
    frozen: Any


@dataclass(frozen=True)
class Shape:
    """Settings that a compiled program is made for."""

    group_size: int
    prompts: int
    updates: int
    width: int
    momentum: float
    optimizer: str
    task: str


def fresh(key: Array, width: int, initializer: float) -> dict[str, Array]:
    """Freshly drawn weights."""
    shapes = {"embed": (WORDS, width), "head": (width, WORDS)}
    for layer in range(LAYERS):
        shapes |= {f"{name}{layer}": (width, width) for name in "qkvo"}
        shapes |= {f"gate{layer}": (width, 2 * width), f"up{layer}": (width, 2 * width)}
        shapes |= {f"down{layer}": (2 * width, width)}
    keys = random.split(key, len(shapes))
    weights = {
        n: initializer * random.normal(k, s, jnp.float32) for k, (n, s) in zip(keys, shapes.items(), strict=True)
    }
    for name in (*(f"{kind}{layer}" for layer in range(LAYERS) for kind in ("before", "after")), "last"):
        weights[name] = jnp.ones(width, jnp.float32)
    return weights


def _norm(x: Array, weight: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * weight


def _rotated(x: Array) -> Array:
    """Rotary positions 0 and 1; x of shape (prompts, 2, heads, size)."""
    half = x.shape[-1] // 2
    angle = jnp.arange(2.0)[:, None] * (10_000.0 ** (-jnp.arange(half) / half))
    cos, sin = jnp.cos(angle)[:, None].astype(x.dtype), jnp.sin(angle)[:, None].astype(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def log_policy(weights: dict[str, Array]) -> Array:
    """Log probability of each word after each of the eight prompts, shape (8, words)."""
    asked = np.array([[3 + n, 2] for n in range(tasks.SYMBOLS)])  # the symbol, then "="
    x = weights["embed"][asked]
    size = x.shape[-1] // HEADS
    mask = jnp.array([[0.0, -jnp.inf], [0.0, 0.0]])
    for layer in range(LAYERS):
        y = _norm(x, weights[f"before{layer}"])
        q, k, v = ((y @ weights[f"{n}{layer}"]).reshape(*y.shape[:2], HEADS, size) for n in "qkv")
        scores = jnp.einsum("pihd,pjhd->phij", _rotated(q), _rotated(k)) / np.sqrt(size) + mask
        mixed = jnp.einsum("phij,pjhd->pihd", jax.nn.softmax(scores, -1), v).reshape(x.shape)
        x = x + mixed @ weights[f"o{layer}"]
        y = _norm(x, weights[f"after{layer}"])
        x = x + (jax.nn.silu(y @ weights[f"gate{layer}"]) * (y @ weights[f"up{layer}"])) @ weights[f"down{layer}"]
    return jax.nn.log_softmax(_norm(x[:, -1], weights["last"]) @ weights["head"])


class Batch(NamedTuple):
    """Rollouts: prompts, answers, advantages and the log probabilities that answers had."""

    prompt: Array
    answer: Array
    advantage: Array
    log_p: Array


def scores_of(task: str) -> Array:
    """Score of each word after each prompt, shape (8, words)."""
    table = tasks.TASKS[task]
    return jnp.array([[table[f"s{n}"].get(word, 0.0) for word in tasks.WORDS] for n in range(tasks.SYMBOLS)])


def draw(key: Array, log_p: Array, score: Array, knobs: Knobs, shape: Shape) -> tuple[Batch, Array]:
    """A batch of rollouts, and its mean reward."""
    a, b, c = random.split(key, 3)
    prompt = jnp.repeat(random.randint(a, (shape.prompts,), 0, tasks.SYMBOLS), shape.group_size)
    answer = random.categorical(b, log_p[prompt])
    reward = score[prompt, answer]
    reward = jnp.where(random.uniform(c, reward.shape) < knobs.error, 1 - reward, reward)
    groups = reward.reshape(-1, shape.group_size)
    advantage = (groups - groups.mean(1, keepdims=True)) / (groups.std(1, ddof=1, keepdims=True) + 1e-4)
    return Batch(prompt, answer, advantage.reshape(-1), log_p[prompt, answer]), reward.mean()


def loss(weights: dict[str, Array], batch: Batch, reference: Array, knobs: Knobs) -> tuple[Array, dict[str, Array]]:
    """GRPO's loss as TRL has it, and what the importance ratios look like."""
    log_policy_now = log_policy(weights)
    log_p = log_policy_now[batch.prompt, batch.answer]
    log_ratio = log_p - batch.log_p
    ratio = jnp.exp(log_ratio)
    gain = jnp.minimum(ratio * batch.advantage, jnp.clip(ratio, 1 - knobs.clip, 1 + knobs.clip) * batch.advantage)
    away = reference[batch.prompt, batch.answer] - log_p
    pull = (jnp.exp(away) - away - 1) * ratio
    clipped = ((ratio > 1 + knobs.clip) & (batch.advantage > 0)) | ((ratio < 1 - knobs.clip) & (batch.advantage < 0))
    weight = jnp.abs(batch.advantage)
    seen = {
        "clip": clipped.mean(),
        "drive": (weight * clipped).sum() / weight.sum(),
        "log_ratio": log_ratio.mean(),
        "variance": log_ratio.var(),
        "ess": ratio.mean() ** 2 / (ratio**2).mean(),
        "kl": (jnp.exp(log_policy_now) * (log_policy_now - reference)).sum(-1).mean(),
    }
    return (knobs.kl * pull - gain).mean(), seen


def step(
    weights: Any, moments: Any, gradient: Any, count: Array, optimizer: str, learning_rate: Any, momentum: Any
) -> tuple[Any, Any]:
    """One step of the optimizer: the weights and the moments after it."""
    if optimizer == "sgd":
        moments = jax.tree.map(lambda m, g: momentum * m + g, moments, gradient)
        return jax.tree.map(lambda w, m: w - learning_rate * m, weights, moments), moments
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradient)))
    gradient = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)), gradient)
    b1, b2 = momentum, 0.999
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, moments[0], gradient)
    second = jax.tree.map(lambda m, g: b2 * m + (1 - b2) * g * g, moments[1], gradient)
    c1, c2 = 1 - b1**count, 1 - b2**count

    def moved(w: Array, m: Array, v: Array) -> Array:
        return w - learning_rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8)

    return jax.tree.map(moved, weights, first, second), (first, second)


@partial(jax.jit, static_argnames="shape")
def run(key: Array, knobs: Knobs, shape: Shape) -> dict[str, Array]:
    """Runs side by side, one a key: exact expected reward and figures of the ratios, shape (runs, updates)."""
    score = scores_of(shape.task).astype(jnp.float32)
    paid = score * (1 - 2 * knobs.error) + knobs.error
    slope = jax.grad(loss, has_aux=True)

    def single(key: Array) -> dict[str, Array]:
        key, first = random.split(key)
        weights = fresh(first, shape.width, knobs.initializer)
        zeros = jax.tree.map(jnp.zeros_like, weights)
        reference = log_policy(weights)
        moments = zeros if shape.optimizer == "sgd" else (zeros, zeros)

        def update(state: Any, inputs: tuple[Array, Array]) -> tuple[Any, dict[str, Array]]:
            weights, moments, rollouts, reward, kept = state
            key, place = inputs
            new = place % knobs.refresh_interval == 0
            rollouts, reward = jax.lax.cond(
                new,
                lambda: draw(key, log_policy(weights), score, knobs, shape),
                lambda: (rollouts, reward),
            )
            gradient, seen = slope(weights, rollouts, reference, knobs)
            kept = jax.lax.cond(knobs.frozen & ~new, lambda: kept, lambda: gradient)
            weights, moments = step(
                weights, moments, kept, place + 1.0, shape.optimizer, knobs.learning_rate, shape.momentum
            )
            seen |= {"expected": (jnp.exp(log_policy(weights)) * paid).sum(-1).mean(), "reward": reward}
            return (weights, moments, rollouts, reward, kept), seen

        rollouts, reward = draw(key, reference, score, knobs, shape)
        start = (weights, moments, rollouts, reward, zeros)
        return jax.lax.scan(update, start, (random.split(key, shape.updates), jnp.arange(shape.updates)))[1]

    return jax.vmap(single)(key)


def runs(trial: Trial, seeds: int, first_seed: int = 100, updates: int | None = None) -> dict[str, np.ndarray]:
    """Runs of a trial's setting with several seeds, arrays of shape (seeds, updates)."""
    shape = Shape(
        trial.group_size,
        trial.prompts,
        updates or trial.updates,
        trial.width,
        trial.momentum,
        trial.optimizer.split("_")[0],
        trial.task,
    )
    keys = random.split(random.key(first_seed), seeds)
    values = (trial.learning_rate, trial.kl, trial.clip, trial.error, trial.initializer)
    knobs = Knobs(jnp.int32(trial.refresh_interval), *(jnp.float32(value) for value in values), jnp.bool_(trial.frozen))
    return {name: np.asarray(values) for name, values in run(keys, knobs, shape).items()}

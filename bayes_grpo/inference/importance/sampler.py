"""Tempered adaptive importance sampling with mixtures of Student t's, for many runs at once.

Prior draws are weighted by a power of the likelihood that leaves enough of them with weight, a mixture is fitted to them, drawn from, and so on
until the power is one (population Monte Carlo, Cappe et al. 2008; tempered as in adaptive sequential Monte Carlo, Del Moral et al.
2012). The last few generations count together, each point weighted by the mean of the proposals it could have come from (deterministic
mixture; Cornuet et al. 2012). Several repetitions begin at prior draws of their own: where they disagree, a mode was missed.
No gradient is needed, and the only program that knows the model is its density at many points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.scipy.special import logsumexp

from bayes_grpo.inference.importance.mixture import Mixture, about_points, draw, fit_weighted, log_density
from bayes_grpo.inference.importance.target import Densities

#: Log density of points where the model has none; finite, so that differences are numbers.
_NONE = -1e250
#: Density of points, shape (run, point, dimension), each of shape (run, point).
Density = Callable[[Array], Densities]


@dataclass(frozen=True)
class Settings:
    """How much is drawn.

    Parameters
    ----------
    points : int
        Points of a generation in each repetition.
    final_points, final_rounds : int
        Points of a final round in each repetition, and how many rounds there are.
    repetitions : int
        Independent samplers of each run.
    components : int
        Of a mixture.
    memory : int
        Generations that count together.
    goal : float
        Share of a generation's points that must keep weight when the temperature is lowered.
    polish : int
        Generations at the full likelihood before the final rounds.
    more_rounds : int
        Final rounds that may follow where the weights are not to be trusted.
    most : int
        Generations at most.
    """

    points: int = 512
    final_points: int = 1024
    final_rounds: int = 2
    repetitions: int = 2
    components: int = 3
    memory: int = 3
    goal: float = 0.4
    polish: int = 2
    more_rounds: int = 4
    most: int = 60


class Weighted(NamedTuple):
    """Weighted points of runs: coordinates (run, repetition, point, dimension); log weights and log posterior densities without the last.

    ``proposal`` are the last mixtures, rows ordered by run and repetition; ``power`` (run,) is the power of the likelihood that was
    reached, one if all is well; ``generations`` and ``evaluations`` (a run) say what it cost.
    """

    points: np.ndarray
    log_weight: np.ndarray
    log_posterior: np.ndarray
    proposal: Mixture
    power: np.ndarray = np.ones(1)
    generations: int = 0
    evaluations: int = 0


class _Memory(NamedTuple):
    """The last generations: their points, densities, proposals, and every proposal's density at every point."""

    points: Array  # (row, slot, point, dimension)
    log_prior: Array  # (row, slot, point)
    log_likelihood: Array
    proposals: Mixture  # leaves (row, slot, ...)
    log_proposal: Array  # (row, slot of the proposal, slot, point)
    from_prior: Array  # (slot,)
    filled: Array  # (slot,)


def sample_weighted(
    density: Density, start: Array, key: Array, settings: Settings, trusted: Callable[[np.ndarray], bool]
) -> Weighted:
    """Sample runs whose density is known.

    Parameters
    ----------
    density : callable
        Log prior and log-likelihood of points.
    start : jax.Array
        Prior draws, shape (run, repetition, point, dimension), `Settings.points` of them.
    key : jax.Array
        Of all else that is drawn.
    settings : Settings
        How much is drawn.
    trusted : callable
        Whether log weights, shape (run, repetition, point), are good enough.
    """
    runs, repetitions, count, dimension = start.shape
    rows = runs * repetitions

    def evaluate(points: Array) -> Densities:
        found = density(points.reshape(runs, -1, dimension))
        return Densities(*(_finite(part).reshape(rows, -1) for part in found))

    points = start.reshape(rows, count, dimension)
    key, key_first = random.split(key)
    mixture = about_points(points, key_first, settings.components)
    memory, power = _empty(mixture, rows, count, dimension, settings.memory), jnp.zeros(rows)
    generations, polished, from_prior = 0, 0, True
    while True:
        densities = evaluate(points)
        key, key_advance = random.split(key)
        slot = generations % settings.memory
        memory, mixture, power, points = _advance(
            memory, slot, mixture, from_prior, points, densities, power, key_advance, settings.goal * count
        )
        from_prior = False
        generations += 1
        polished += bool(float(power.min()) >= 1.0)
        if polished > settings.polish or generations >= settings.most:
            break
    weighted, rounds = _finish(evaluate, mixture, key, settings, (runs, repetitions), trusted)
    return weighted._replace(
        power=np.asarray(power).reshape(runs, repetitions).min(1),
        generations=generations,
        evaluations=repetitions * (generations * count + rounds * settings.final_points),
    )


def _finite(values: Array) -> Array:
    return jnp.where(jnp.isfinite(values), values, _NONE)


def _empty(mixture: Mixture, rows: int, count: int, dimension: int, slots: int) -> _Memory:
    blank = jnp.zeros((rows, slots, count))
    return _Memory(
        points=jnp.zeros((rows, slots, count, dimension)),
        log_prior=blank,
        log_likelihood=blank,
        proposals=jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], slots, axis=1), mixture),
        log_proposal=jnp.zeros((rows, slots, slots, count)),
        from_prior=jnp.zeros(slots, bool),
        filled=jnp.zeros(slots, bool),
    )


@jax.jit
def _advance(
    memory: _Memory,
    slot: int,
    proposal: Mixture,
    from_prior: bool,
    points: Array,
    densities: Densities,
    power: Array,
    key: Array,
    goal: float,
) -> tuple[_Memory, Mixture, Array, Array]:
    """Take in a generation, lower the temperature as far as enough points keep weight, fit the proposal and draw from it."""
    memory = _remembered(memory, slot, proposal, from_prior, points, densities)
    rows, _, count, dimension = memory.points.shape
    log_proposals = jnp.where(memory.filled[:, None, None], memory.log_proposal, -jnp.inf)
    log_mean = logsumexp(log_proposals, axis=1) - jnp.log(memory.filled.sum())
    base = jnp.where(memory.filled[:, None], memory.log_prior - log_mean, -jnp.inf).reshape(rows, -1)
    log_likelihood = memory.log_likelihood.reshape(rows, -1)

    def enough(power: Array) -> Array:
        return _effective(base + power[:, None] * log_likelihood) >= goal

    def bisect(_: int, limits: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = limits
        middle = (low + high) / 2
        reached = enough(middle)
        return jnp.where(reached, middle, low), jnp.where(reached, high, middle)

    ones = jnp.ones(rows)
    low, _ = lax.fori_loop(0, 40, bisect, (power, ones))
    power = jnp.where(enough(ones), ones, low)
    weights = jax.nn.softmax(base + power[:, None] * log_likelihood, axis=1)
    key_fit, key_draw = random.split(key)
    proposal = fit_weighted(proposal, memory.points.reshape(rows, -1, dimension), weights, key_fit, iterations=8)
    return memory, proposal, power, draw(proposal, key_draw, count)


def _remembered(
    memory: _Memory, slot: int, proposal: Mixture, from_prior: bool, points: Array, densities: Densities
) -> _Memory:
    rows, slots, count, dimension = memory.points.shape
    all_points = memory.points.at[:, slot].set(points)
    proposals = jax.tree.map(lambda leaves, leaf: leaves.at[:, slot].set(leaf), memory.proposals, proposal)
    of_prior = memory.from_prior.at[slot].set(from_prior)
    log_prior = memory.log_prior.at[:, slot].set(densities.log_prior)
    # The new proposal at all points, then every proposal at the new points.
    across = log_density(proposal, all_points.reshape(rows, -1, dimension)).reshape(rows, slots, count)
    log_proposal = memory.log_proposal.at[:, slot].set(jnp.where(from_prior, log_prior, across))
    here = jax.vmap(log_density, (1, None), 1)(proposals, points)
    here = jnp.where(of_prior[:, None], densities.log_prior[:, None], here)
    return _Memory(
        points=all_points,
        log_prior=log_prior,
        log_likelihood=memory.log_likelihood.at[:, slot].set(densities.log_likelihood),
        proposals=proposals,
        log_proposal=log_proposal.at[:, :, slot].set(here),
        from_prior=of_prior,
        filled=memory.filled.at[slot].set(True),
    )


def _effective(log_weights: Array) -> Array:
    """Effective number of weighted points in each row."""
    return jnp.exp(2 * logsumexp(log_weights, axis=1) - logsumexp(2 * log_weights, axis=1))


class _Final(NamedTuple):
    """Final rounds: their points, log posterior densities and proposals."""

    points: list[Array]
    log_posterior: list[Array]
    proposals: list[Mixture]


def _finish(
    evaluate: Callable[[Array], Densities],
    mixture: Mixture,
    key: Array,
    settings: Settings,
    shape: tuple[int, int],
    trusted: Callable[[np.ndarray], bool],
) -> tuple[Weighted, int]:
    """Final rounds, whose points count together with the weight of all final proposals of their run; how many they were.

    More rounds follow while the weights are not to be trusted, each from a proposal that is fitted to the points of the one before.
    """
    rounds = _Final([], [], [])
    for number in range(settings.final_rounds + settings.more_rounds):
        key, key_draw, key_fit = random.split(key, 3)
        points = _draw(mixture, key_draw, settings.final_points)
        log_posterior = sum(evaluate(points), start=jnp.zeros(()))
        rounds.points.append(points)
        rounds.log_posterior.append(log_posterior)
        rounds.proposals.append(mixture)
        if number + 1 >= settings.final_rounds:
            weighted = _weighted(rounds, mixture, shape)
            if trusted(weighted.log_weight):
                break
        mixture = _refit(mixture, points, log_posterior, key_fit)
    return weighted, number + 1


def _weighted(rounds: _Final, mixture: Mixture, shape: tuple[int, int]) -> Weighted:
    runs, repetitions = shape
    points = jnp.concatenate(rounds.points, axis=1)
    log_posterior = jnp.concatenate(rounds.log_posterior, axis=1)
    proposals = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *rounds.proposals)
    log_weight = log_posterior - _mean_proposal(proposals, points, runs)
    return Weighted(
        points=np.asarray(points).reshape(runs, repetitions, -1, points.shape[-1]),
        log_weight=np.asarray(log_weight).reshape(runs, repetitions, -1),
        log_posterior=np.asarray(log_posterior).reshape(runs, repetitions, -1),
        proposal=mixture,
    )


_draw = partial(jax.jit, static_argnums=2)(draw)


@jax.jit
def _refit(mixture: Mixture, points: Array, log_posterior: Array, key: Array) -> Mixture:
    weights = jax.nn.softmax(log_posterior - log_density(mixture, points), axis=1)
    return fit_weighted(mixture, points, weights, key, iterations=6)


@partial(jax.jit, static_argnums=2)
def _mean_proposal(mixtures: Mixture, points: Array, runs: int) -> Array:
    """Log of the mean density of all final proposals of a run at its points, (row, point); leaves are (row, round, ...)."""
    rows, count, dimension = points.shape
    of_run = points.reshape(runs, -1, dimension)
    by_proposal = jax.tree.map(
        lambda leaf: leaf.reshape(runs, -1, *leaf.shape[2:]).swapaxes(0, 1), mixtures
    )  # (proposal, run, ...)
    densities = lax.map(lambda mixture: log_density(mixture, of_run), by_proposal)
    mean: Array = logsumexp(densities, axis=0) - np.log(densities.shape[0])
    return mean.reshape(rows, count)

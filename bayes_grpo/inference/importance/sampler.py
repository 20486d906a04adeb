"""Tempered adaptive importance sampling with mixtures of Student t's, for many runs at once.

Prior draws are weighted by a power of the likelihood that leaves enough of them with weight, a mixture is fitted to
them, a generation of points is drawn from it, and so on until the power is one (population Monte Carlo, Cappe et al.
2008; tempered as in adaptive sequential Monte Carlo, Del Moral et al. 2012). The last generations count together, and
those on the way with them, each point weighted by the mean of the proposals it could have come from (deterministic
mixture; Cornuet et al. 2012). Those on the way are wide and so guard the tails (defensive mixture; Hesterberg 1995).
Several repetitions begin at prior draws of their own: where they disagree, a mode was missed. No gradient is needed,
and the only program that knows the model is its density at many points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.scipy.special import logsumexp

from bayes_grpo.inference.importance.mixture import Mixture, about_points, draw, fit_weighted, log_density, widened
from bayes_grpo.inference.importance.target import Evaluated
from bayes_grpo.inference.programs import program

#: Log density of points where the model has none; finite, so that differences are numbers.
_NONE = -1e250
#: Given points, an array of shape (row, point, dimension), the model at them. Rows are the repetitions of one run after
#: those of another.
Density = Callable[[Any], Evaluated]


@dataclass(frozen=True)
class Settings:
    """How much is drawn.

    Parameters
    ----------
    points : int
        Points of a generation in each repetition.
    repetitions : int
        Independent samplers of each run.
    rounds, more_rounds : int
        Last generations, at the full likelihood, and how many may follow where the weights are not to be trusted.
    polish : int
        Generations at the full likelihood before the last ones.
    history : int
        Generations before the last ones that count, too. Their proposals are wide, since most of them saw a power of
        the likelihood: they reach the far ends of ridges, which the last proposals may have lost.
    width : float
        Factor by which the scales of a fitted mixture are widened. A mixture that is fitted to points of its
        predecessor loses a little of the tails in each generation.
    components : int
        Of a mixture.
    memory : int
        Generations that a mixture is fitted to.
    goal : float
        Share of a generation's points that must keep weight when the power of the likelihood is raised.
    most : int
        Generations at most, before those that are kept.
    """

    points: int = 768
    repetitions: int = 2
    rounds: int = 3
    more_rounds: int = 8
    polish: int = 2
    history: int = 8
    width: float = 1.2
    components: int = 3
    memory: int = 6
    goal: float = 0.4
    most: int = 60


class Weighted(NamedTuple):
    """Weighted points of runs, shape (run, repetition, point): parameters, log weights and log posterior densities.

    ``points`` are coordinates, with a last dimension. ``log_weight`` counts the proposals of all repetitions together;
    by ``log_weight_alone`` each repetition is an estimate of its own. ``power`` (run,) is the power of the likelihood
    that was reached, one if all is well; ``generations`` and ``evaluations`` (of a run) say what it cost.
    """

    points: np.ndarray
    values: dict[str, np.ndarray]
    log_weight: np.ndarray
    log_weight_alone: np.ndarray
    log_posterior: np.ndarray
    power: np.ndarray
    generations: int
    evaluations: int


class _Memory(NamedTuple):
    """The last generations: their points, densities, proposals, and every proposal's density at every point."""

    points: Array  # (row, slot, point, dimension)
    log_prior: Array  # (row, slot, point)
    log_likelihood: Array
    proposals: Mixture  # leaves (row, slot, ...)
    log_proposal: Array  # (row, slot of the proposal, slot, point)
    from_prior: Array  # (slot,)
    filled: Array  # (slot,)


class _Kept(NamedTuple):
    """A generation that counts: its points, the model at them, and the proposal that they are from."""

    points: Array | np.ndarray
    evaluated: Evaluated
    proposal: Mixture


def sample_weighted(
    density: Density,
    start: Array | np.ndarray,
    rng: np.random.Generator,
    settings: Settings,
    trusted: Callable[[np.ndarray], bool],
) -> Weighted:
    """Sample runs whose density is known.

    Parameters
    ----------
    density : callable
        The model at points, shape (row, point, dimension).
    start : jax.Array or numpy.ndarray
        Prior draws, shape (row, point, dimension), `Settings.repetitions` rows a run and `Settings.points` points a
        row.
    rng : numpy.random.Generator
        Of all else that is drawn.
    settings : Settings
        How much is drawn.
    trusted : callable
        Whether log weights, shape (run, repetition, point), are good enough.
    """
    rows, count, _ = start.shape
    memory, proposal = _begin(start, _bits(rng), settings.components, settings.memory)
    points, power = start, np.zeros(rows)
    generations, polished, final = 0, 0, 0
    kept: list[_Kept] = []
    while True:
        evaluated = density(points)
        if generations > 0:  # the first points are prior draws, from no mixture
            kept.append(_Kept(points, evaluated, proposal))
        if (polished > settings.polish and generations > settings.history) or generations >= settings.most:
            final += 1
            if final >= settings.rounds:
                weighted = _weighted(kept, settings.repetitions, power, generations + 1)
                if trusted(weighted.log_weight) or final >= settings.rounds + settings.more_rounds:
                    return weighted
        else:
            kept = kept[-settings.history :]
        memory, proposal, power, points = _advance(
            memory,
            np.int32(generations % settings.memory),
            proposal,
            np.bool_(generations == 0),
            points,
            evaluated.log_prior,
            evaluated.log_likelihood,
            power,
            _bits(rng),
            settings.goal * count,
            settings.width,
        )
        generations += 1
        polished += bool(np.asarray(power).min() >= 1.0)


def _bits(rng: np.random.Generator) -> np.ndarray:
    """A key for JAX, made without it."""
    return rng.integers(0, 2**32, size=2, dtype=np.uint32)


@program(static=2, returns=(_Memory, Mixture))
def _begin(start: Array, bits: Array, components: int, slots: int) -> tuple[_Memory, Mixture]:
    """No memory yet, and a wide first mixture."""
    rows, count, dimension = start.shape
    mixture = about_points(start, random.wrap_key_data(bits), components)
    blank = jnp.zeros((rows, slots, count))
    memory = _Memory(
        points=jnp.zeros((rows, slots, count, dimension)),
        log_prior=blank,
        log_likelihood=blank,
        proposals=jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], slots, axis=1), mixture),
        log_proposal=jnp.zeros((rows, slots, slots, count)),
        from_prior=jnp.zeros(slots, bool),
        filled=jnp.zeros(slots, bool),
    )
    return memory, mixture


@program(returns=(_Memory, Mixture))
def _advance(
    memory: _Memory,
    slot: int,
    proposal: Mixture,
    from_prior: bool,
    points: Array,
    log_prior: Array,
    log_likelihood: Array,
    power: Array,
    bits: Array,
    goal: float,
    width: float,
) -> tuple[_Memory, Mixture, Array, Array]:
    """Take in a generation, raise the power as far as enough points keep weight, fit the proposal and draw from it."""
    finite = (jnp.where(jnp.isfinite(part), part, _NONE) for part in (log_prior, log_likelihood))
    memory = _remembered(memory, slot, proposal, from_prior, points, *finite)
    rows, _, count, dimension = memory.points.shape
    log_proposals = jnp.where(memory.filled[:, None, None], memory.log_proposal, -jnp.inf)
    log_mean = logsumexp(log_proposals, axis=1) - jnp.log(memory.filled.sum())
    base = jnp.where(memory.filled[:, None], memory.log_prior - log_mean, -jnp.inf).reshape(rows, -1)
    log_likelihoods = memory.log_likelihood.reshape(rows, -1)

    def enough(power: Array) -> Array:
        return _effective(base + power[:, None] * log_likelihoods) >= goal

    def bisect(_: int, limits: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = limits
        middle = (low + high) / 2
        reached = enough(middle)
        return jnp.where(reached, middle, low), jnp.where(reached, high, middle)

    ones = jnp.ones(rows)
    low, _ = lax.fori_loop(0, 40, bisect, (power, ones))
    power = jnp.where((power >= 1) | enough(ones), ones, low)
    weights = jax.nn.softmax(base + power[:, None] * log_likelihoods, axis=1)
    key_fit, key_draw = random.split(random.wrap_key_data(bits))
    proposal = fit_weighted(proposal, memory.points.reshape(rows, -1, dimension), weights, key_fit, iterations=8)
    proposal = widened(proposal, width)
    return memory, proposal, power, draw(proposal, key_draw, count)


def _remembered(
    memory: _Memory,
    slot: int,
    proposal: Mixture,
    from_prior: bool,
    points: Array,
    log_prior: Array,
    log_likelihood: Array,
) -> _Memory:
    rows, slots, count, dimension = memory.points.shape
    all_points = memory.points.at[:, slot].set(points)
    proposals = jax.tree.map(lambda leaves, leaf: leaves.at[:, slot].set(leaf), memory.proposals, proposal)
    of_prior = memory.from_prior.at[slot].set(from_prior)
    log_priors = memory.log_prior.at[:, slot].set(log_prior)
    # The new proposal at all points, then every proposal at the new points.
    across = log_density(proposal, all_points.reshape(rows, -1, dimension)).reshape(rows, slots, count)
    log_proposal = memory.log_proposal.at[:, slot].set(jnp.where(from_prior, log_priors, across))
    here = jax.vmap(log_density, (1, None), 1)(proposals, points)
    here = jnp.where(of_prior[:, None], log_prior[:, None], here)
    return _Memory(
        points=all_points,
        log_prior=log_priors,
        log_likelihood=memory.log_likelihood.at[:, slot].set(log_likelihood),
        proposals=proposals,
        log_proposal=log_proposal.at[:, :, slot].set(here),
        from_prior=of_prior,
        filled=memory.filled.at[slot].set(True),
    )


def _effective(log_weights: Array) -> Array:
    """Effective number of weighted points in each row."""
    return jnp.exp(2 * logsumexp(log_weights, axis=1) - logsumexp(2 * log_weights, axis=1))


def _weighted(kept: list[_Kept], repetitions: int, power: np.ndarray, generations: int) -> Weighted:
    """All kept generations, weighted by the mean of all kept proposals of their run."""
    proposals = [entry.proposal for entry in kept]
    means = [_mean_proposals(proposals, entry.points, repetitions) for entry in kept]
    log_proposal, log_proposal_alone = (
        np.stack([np.asarray(mean) for mean in column], axis=1) for column in zip(*means, strict=True)
    )
    points = np.stack([np.asarray(entry.points) for entry in kept], axis=1)
    evaluated = jax.tree.map(
        lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves], axis=1), *(e.evaluated for e in kept)
    )
    runs = points.shape[0] // repetitions

    def by_run(values: np.ndarray, *more: int) -> np.ndarray:
        return values.reshape(runs, repetitions, -1, *more)

    log_posterior = evaluated.log_prior + evaluated.log_likelihood
    log_posterior = np.where(np.isfinite(log_posterior), log_posterior, _NONE)
    return Weighted(
        points=by_run(points, points.shape[-1]),
        values={name: by_run(value) for name, value in evaluated.values.items()},
        log_weight=by_run(log_posterior - log_proposal),
        log_weight_alone=by_run(log_posterior - log_proposal_alone),
        log_posterior=by_run(log_posterior),
        power=np.asarray(power).reshape(runs, repetitions).min(1),
        generations=generations,
        evaluations=generations * repetitions * points.shape[2],
    )


@program(static=1)
def _mean_proposals(proposals: list[Mixture], points: Array, repetitions: int) -> tuple[Array, Array]:
    """Log of the mean density at points, (row, point), of all proposals of a run, and of those of a repetition."""
    rows, count, dimension = points.shape
    runs = rows // repetitions
    of_run = points.reshape(runs, -1, dimension)

    def by_repetition(leaf: Array) -> Array:
        return leaf.reshape(runs, repetitions, *leaf.shape[1:]).swapaxes(0, 1)

    stacked = jax.tree.map(lambda *leaves: jnp.concatenate([by_repetition(leaf) for leaf in leaves]), *proposals)
    densities = lax.map(lambda mixture: log_density(mixture, of_run), stacked)
    mean = logsumexp(densities, axis=0) - np.log(densities.shape[0])
    each = densities.reshape(-1, repetitions, runs, repetitions, count)
    alone = logsumexp(jnp.diagonal(each, axis1=1, axis2=3), axis=0) - np.log(len(proposals))
    return mean.reshape(rows, -1), jnp.moveaxis(alone, -1, 1).reshape(rows, -1)

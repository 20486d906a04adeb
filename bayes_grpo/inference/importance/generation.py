"""One generation of the sampler: rows take in points, and draw new ones.

A row is a sampler of its own, and rows that are computed apart have the numbers that they have together.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.scipy.special import logsumexp

from bayes_grpo.inference.importance.families import AnyArray
from bayes_grpo.inference.importance.mixture import Mixture, Noise, draw, fit_weighted, log_density, noise, widened
from bayes_grpo.inference.programs import program

#: Log density of points where the model has none; finite, so that differences are numbers.
NONE = -1e250


class Memory(NamedTuple):
    """The last generations: their points, densities, proposals, and every proposal's density at every point."""

    points: AnyArray  # (row, slot, point, dimension)
    log_prior: AnyArray  # (row, slot, point)
    log_likelihood: AnyArray
    proposals: Mixture  # leaves (row, slot, ...)
    log_proposal: AnyArray  # (row, slot of the proposal, slot, point)
    from_prior: AnyArray  # (slot,)
    filled: AnyArray  # (slot,)


class State(NamedTuple):
    """Where rows stand: what they remember, their new points, the proposal of these, and the power reached, (row,)."""

    memory: Memory
    points: AnyArray
    proposal: Mixture
    power: AnyArray


class Chance(NamedTuple):
    """Random numbers of a generation: for the fit of its proposal, (row, component, point), and for its points."""

    gumbel: Array
    drawn: Noise


def begin_state(start: AnyArray, mixture: Mixture, slots: int) -> State:
    """The state of rows that begin at prior draws: no memory, no likelihood yet, and a first mixture to move."""
    rows, count, dimension = start.shape
    blank = np.zeros((rows, slots, count))
    memory = Memory(
        points=np.zeros((rows, slots, count, dimension)),
        log_prior=blank,
        log_likelihood=blank,
        proposals=jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[:, None], slots, axis=1), mixture),
        log_proposal=np.zeros((rows, slots, slots, count)),
        from_prior=np.zeros(slots, bool),
        filled=np.zeros(slots, bool),
    )
    return State(memory, start, mixture, np.zeros(rows))


@program(static=5, returns=(Chance, Noise))
def draw_chance(bits: Array, rows: int, count: int, dimension: int, components: int, slots: int) -> Chance:
    """Random numbers of so many rows, of ``count`` points each."""
    key_fit, key_draw = random.split(random.wrap_key_data(bits))
    gumbel = random.gumbel(key_fit, (rows, components, slots * count))
    return Chance(gumbel, noise(key_draw, rows, count, dimension))


@program(returns=(State, Memory, Mixture))
def advance(
    state: State,
    slot: int,
    from_prior: bool,
    log_prior: Array,
    log_likelihood: Array,
    chance: Chance,
    goal: float,
    width: float,
) -> State:
    """Take in a generation, raise the power as far as enough points keep weight, fit the proposal and draw from it."""
    memory, points, proposal, power = state
    finite = (jnp.where(jnp.isfinite(part), part, NONE) for part in (log_prior, log_likelihood))
    memory = _remembered(memory, slot, proposal, from_prior, points, *finite)
    rows, _, _, dimension = memory.points.shape
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
    every = memory.points.reshape(rows, -1, dimension)
    proposal = widened(fit_weighted(proposal, every, weights, chance.gumbel, iterations=8), width)
    return State(memory, draw(proposal, chance.drawn), proposal, power)


def _remembered(
    memory: Memory,
    slot: int,
    proposal: Mixture,
    from_prior: bool,
    points: Array,
    log_prior: Array,
    log_likelihood: Array,
) -> Memory:
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
    return Memory(
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

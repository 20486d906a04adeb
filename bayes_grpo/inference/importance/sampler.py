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
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.scipy.special import logsumexp

from bayes_grpo.inference.importance.generation import NONE, Chance, State, advance, begin_state, draw_chance
from bayes_grpo.inference.importance.mixture import Mixture, about_points, log_density
from bayes_grpo.inference.importance.target import Evaluated
from bayes_grpo.inference.programs import program
from bayes_grpo.inference.threads import on_all_cores, useful_threads

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
    rows, count, dimension = start.shape
    first = _begin(start, _bits(rng), settings.components)
    # The repetitions of a single run are computed at the same time; many runs are in one call.
    apart = rows == settings.repetitions and useful_threads() > 1
    parts = [slice(row, row + 1) for row in range(rows)] if apart else [slice(rows)]
    pairs = zip(_parted(start, parts), _parted(first, parts), strict=True)
    states = [begin_state(points, mixture, settings.memory) for points, mixture in pairs]
    generations, polished, final = 0, 0, 0
    kept: list[_Kept] = []
    while True:
        evaluated = density(_joined([state.points for state in states]))
        if generations > 0:  # the first points are prior draws, from no mixture
            points, proposal = _joined([(state.points, state.proposal) for state in states])
            kept.append(_Kept(points, evaluated, proposal))
        if (polished > settings.polish and generations > settings.history) or generations >= settings.most:
            final += 1
            if final >= settings.rounds:
                power = np.concatenate([state.power for state in states])
                weighted = _weighted(kept, settings.repetitions, power, generations + 1)
                if trusted(weighted.log_weight) or final >= settings.rounds + settings.more_rounds:
                    return weighted
        else:
            kept = kept[-settings.history :]
        chance = draw_chance(_bits(rng), rows, count, dimension, settings.components, settings.memory)
        given = zip(states, _parted(evaluated, parts), _parted(chance, parts), strict=True)
        states = list(on_all_cores(partial(_next, generations=generations, settings=settings), given))
        generations += 1
        polished += bool(min(np.asarray(state.power).min() for state in states) >= 1.0)


def _next(given: tuple[State, Evaluated, Chance], generations: int, settings: Settings) -> State:
    """The state of rows after so many generations and one more."""
    state, evaluated, chance = given
    slot, from_prior = np.int32(generations % settings.memory), np.bool_(generations == 0)
    goal = settings.goal * settings.points
    logs = evaluated.log_prior, evaluated.log_likelihood
    advanced: State = jax.block_until_ready(advance(state, slot, from_prior, *logs, chance, goal, settings.width))
    return advanced


def _parted[Tree](tree: Tree, parts: list[slice]) -> list[Tree]:
    """The rows of each part."""
    if len(parts) == 1:
        return [tree]
    arrays = jax.tree.map(np.asarray, tree)
    return [jax.tree.map(itemgetter(part), arrays) for part in parts]


def _joined[Tree](trees: list[Tree]) -> Tree:
    """The rows of all parts together."""
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)


def _bits(rng: np.random.Generator) -> np.ndarray:
    """A key for JAX, made without it."""
    return rng.integers(0, 2**32, size=2, dtype=np.uint32)


@program(static=1, returns=(Mixture,))
def _begin(start: Array, bits: Array, components: int) -> Mixture:
    """A wide first mixture."""
    return about_points(start, random.wrap_key_data(bits), components)


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
    log_posterior = np.where(np.isfinite(log_posterior), log_posterior, NONE)
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

"""Posterior draws of a model that is laid out already."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bayes_grpo.inference.backends.programs import Draws, Programs, programs
from bayes_grpo.inference.chains import Progress, sample
from bayes_grpo.inference.convergence import chains_agree
from bayes_grpo.inference.draws import flatten, labelled, unflatten
from bayes_grpo.inference.layout import Prepared
from bayes_grpo.models.spec import ModelSpec

#: Target acceptance of the second attempt, after a first one with divergences.
CAREFUL_ACCEPT = 0.995

#: Where R-hat or ESS fail their limits, the chains go on up to this many times the draws asked for.
MOST_DRAWS = 4


class Drawn(NamedTuple):
    """Posterior draws: recorded values and sampler statistics, shape (chain, draw) or (chain, draw, run).

    ``last`` holds the unconstrained values at which NumPyro's chains ended, shape (chain, ...).
    """

    values: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    compiled: Programs
    target_accept: float
    last: dict[str, np.ndarray] | None


def draw_posterior(
    spec: ModelSpec,
    prepared: Prepared,
    *,
    backend: str,
    seed: int,
    draws: int,
    tune: int,
    chains: int,
    target_accept: float,
    progress: Progress | None = None,
    starts: dict[str, np.ndarray] | None = None,
) -> Drawn:
    """Sample a model that is laid out already; with a more careful second attempt where a transition diverged.

    ``starts`` are values at which NumPyro's chains begin, as `Drawn.last`.
    """
    last = None
    settings: dict[str, Any] = {"seed": seed, "chains": chains, "draws": draws, "tune": tune, "progress": progress}
    for target in dict.fromkeys((target_accept, max(target_accept, CAREFUL_ACCEPT))):
        compiled = programs(spec, tune, target)
        if backend == "pymc":
            from bayes_grpo.inference.backends.pymc import sample_pymc

            values, statistics = sample_pymc(spec, prepared, target_accept=target, **settings)
        else:
            enough = partial(_settled, compiled, prepared)
            result = sample(compiled, prepared.data, enough=enough, most=MOST_DRAWS, starts=starts, **settings)
            last = {name: np.asarray(value[:, -1]) for name, value in result.values.items()}
            values, statistics = _constrained(compiled, prepared, result), _statistics(result)
        if not statistics["diverging"].any():
            break
    return Drawn(values, statistics, compiled, target, last)


def _constrained(compiled: Programs, prepared: Prepared, result: Draws) -> dict[str, np.ndarray]:
    """Recorded values of all draws, shape (chain, draw) or (chain, draw, run)."""
    return unflatten(compiled.constrain(flatten(result.values), prepared.data), len(result.diverging))


def _settled(compiled: Programs, prepared: Prepared, result: Draws) -> bool:
    """Whether going on would not help: the chains agree on every quantity, or some transition diverged."""
    if result.diverging.any():
        return True
    values = _constrained(compiled, prepared, result)
    derived = compiled.derive(flatten(values), prepared.data)
    return chains_agree(labelled(values | unflatten(derived, len(result.diverging))))


def _statistics(result: Draws) -> dict[str, np.ndarray]:
    return {
        "diverging": np.asarray(result.diverging),
        "energy": np.asarray(result.energy),
        "lp": -np.asarray(result.potential_energy),
        "n_steps": np.asarray(result.tree_steps),
        "tree_depth": np.floor(np.log2(np.maximum(result.tree_steps, 1))).astype(int) + 1,
        "acceptance_rate": np.asarray(result.acceptance_rate),
        "step_size": np.asarray(result.step_size),
    }

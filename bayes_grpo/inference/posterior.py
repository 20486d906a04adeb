"""Posterior draws of a model that is laid out already, by the method that was asked for."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayes_grpo.inference.convergence import chains_agree
from bayes_grpo.inference.draws import flatten, labelled, unflatten
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.importance.draws import ImportanceDraws, draw_importance
from bayes_grpo.inference.importance.population.draws import draw_population
from bayes_grpo.inference.importance.population.target import has_population
from bayes_grpo.inference.importance.quality import Quality
from bayes_grpo.inference.layout import Prepared
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.spec import ModelSpec

if TYPE_CHECKING:
    from bayes_grpo.inference.backends.nuts import Draws, Nuts

#: Target acceptance of the second attempt, after a first one with divergences.
CAREFUL_ACCEPT = 0.995

#: Where R-hat or ESS fail their limits, the chains go on up to this many times the draws asked for.
MOST_DRAWS = 4


class Posterior(NamedTuple):
    """Posterior draws: recorded values and sampler statistics, shape (chain, draw) or (chain, draw, run).

    ``quality`` are the diagnostics of importance sampling where it was tried, also where NUTS had to follow;
    ``weighted`` are its points where the draws are from them.
    """

    values: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    method: str
    target_accept: float
    quality: Quality | None = None
    weighted: ImportanceDraws | None = None


def draw_posterior(
    spec: ModelSpec, prepared: Prepared, sampler: Sampler, progress: Progress | None = None
) -> Posterior:
    """Sample a model that is laid out already.

    Importance sampling comes first unless NUTS is asked for, or PyMC is to sample, or runs that are fitted together
    keep a parameter of their own or lack a predictor. Where the method is ``auto`` and its draws cannot be trusted,
    NUTS follows, started from them where the model does not pool.
    """
    pooled = spec.pooled
    if sampler.method == "nuts" or sampler.backend == "pymc" or (pooled and not has_population(spec, prepared.data)):
        return SAMPLERS[sampler.backend](spec, prepared, sampler, progress)
    drawn = (draw_population if pooled else draw_importance)(spec, prepared.data, sampler, progress)
    if sampler.method == "auto" and drawn.quality.failures():
        chains = SAMPLERS[sampler.backend](spec, prepared, sampler, progress, None if pooled else drawn.values)
        return chains._replace(quality=drawn.quality)
    statistics = {"lp": drawn.log_posterior, "diverging": np.zeros(drawn.log_posterior.shape, bool)}
    return Posterior(drawn.values, statistics, "importance", sampler.target_accept, drawn.quality, drawn)


def settled(posterior: Posterior) -> bool:
    """Whether draws may be believed, as far as they tell by themselves."""
    if posterior.method == "importance" and posterior.quality is not None:
        return not posterior.quality.failures()
    return not posterior.statistics["diverging"].any() and chains_agree(labelled(posterior.values))


def _by_numpyro(
    spec: ModelSpec,
    prepared: Prepared,
    sampler: Sampler,
    progress: Progress | None = None,
    approximation: dict[str, np.ndarray] | None = None,
) -> Posterior:
    """NUTS in NumPyro; with a more careful second attempt where a transition diverged.

    Chains begin at the first draw of each chain of an ``approximation``, if there is one.
    """
    from bayes_grpo.inference.backends.nuts import nuts
    from bayes_grpo.inference.chains import sample

    starts = None
    if approximation is not None:
        starts = [{name: value[chain, 0] for name, value in approximation.items()} for chain in range(sampler.chains)]
    for target in dict.fromkeys((sampler.target_accept, max(sampler.target_accept, CAREFUL_ACCEPT))):
        kernel = nuts(spec, sampler.tune, target)
        enough = partial(_settled, kernel, prepared)
        drawn = sample(kernel, prepared.data, sampler, progress, enough=enough, most=MOST_DRAWS, starts=starts)
        if not drawn.diverging.any():
            break
    return Posterior(_constrained(kernel, prepared, drawn), _statistics(drawn), "nuts", target)


def _by_pymc(
    spec: ModelSpec,
    prepared: Prepared,
    sampler: Sampler,
    progress: Progress | None = None,
    approximation: dict[str, np.ndarray] | None = None,
) -> Posterior:
    """NUTS in nutpie on a PyMC model; with a more careful second attempt where a transition diverged."""
    from bayes_grpo.inference.backends.pymc import sample_pymc

    for target in dict.fromkeys((sampler.target_accept, max(sampler.target_accept, CAREFUL_ACCEPT))):
        values, statistics = sample_pymc(spec, prepared, sampler, target, progress)
        if not statistics["diverging"].any():
            break
    return Posterior(values, statistics, "nuts", target)


#: Libraries that run Markov chains, by the name of the back end.
SAMPLERS: dict[str, Callable[..., Posterior]] = {"numpyro": _by_numpyro, "pymc": _by_pymc}


def _constrained(kernel: "Nuts", prepared: Prepared, drawn: "Draws") -> dict[str, np.ndarray]:
    """Recorded values of all draws, shape (chain, draw) or (chain, draw, run)."""
    return unflatten(kernel.constrain(flatten(drawn.values), prepared.data), len(drawn.diverging))


def _settled(kernel: "Nuts", prepared: Prepared, drawn: "Draws") -> bool:
    """Whether going on would not help: the chains agree on every quantity, or some transition diverged."""
    if drawn.diverging.any():
        return True
    values = _constrained(kernel, prepared, drawn)
    derived = evaluator(kernel.spec).derive(flatten(values), prepared.data)
    return chains_agree(labelled(values | unflatten(derived, len(drawn.diverging))))


def _statistics(drawn: "Draws") -> dict[str, np.ndarray]:
    return {
        "diverging": np.asarray(drawn.diverging),
        "energy": np.asarray(drawn.energy),
        "lp": -np.asarray(drawn.potential_energy),
        "n_steps": np.asarray(drawn.tree_steps),
        "tree_depth": np.floor(np.log2(np.maximum(drawn.tree_steps, 1))).astype(int) + 1,
        "acceptance_rate": np.asarray(drawn.acceptance_rate),
        "step_size": np.asarray(drawn.step_size),
    }

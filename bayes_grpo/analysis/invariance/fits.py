"""Fits to the runs of some group sizes, and what they predict of runs of others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import random
from numpyro import handlers

from bayes_grpo.inference.backends.numpyro import priors
from bayes_grpo.inference.backends.nuts import Draws, nuts
from bayes_grpo.inference.chains import sample
from bayes_grpo.inference.convergence import chains_agree
from bayes_grpo.inference.draws import flatten, labelled, unflatten
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.importance.population.draws import draw_population
from bayes_grpo.inference.importance.population.target import has_population
from bayes_grpo.inference.importance.quality import MIN_ESS
from bayes_grpo.inference.layout import ModelData, Predictor, Prepared, observed_of
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.spec import ModelSpec

#: Laws that predict, by the name of their check.
LAWS = {"leading": "leading_order", "finite_groups": "finite_groups", "balance": "balance_groups"}
#: Of these, laws that are left out where the runs do not allow them: the balance law is for rewards between 0 and 1.
OPTIONAL = ("balance",)
#: Where R-hat or ESS miss their limits, the chains go on up to this many times the draws asked for.
MOST_DRAWS = 4
#: Limits of R-hat and ESS for draws that a prediction only averages over; what is reported keeps the limits of every
#: fit.
PREDICTIVE_RHAT, PREDICTIVE_ESS = 1.05, 100.0
#: Draws that predict runs of another group size.
PREDICTIONS = 2000
#: Share of divergent transitions above which a fit is called into question.
MOST_DIVERGENT = 0.01


class Shared(NamedTuple):
    """Draws of what the runs share, shape (chain, draw), and what is wrong with them."""

    values: dict[str, np.ndarray]
    faults: list[str]


class Predicted(NamedTuple):
    """Runs that were held out, as predicted and as logged.

    ``simulated`` (draw, run, n) and ``logged`` (run, n) rewards on the runs' grids; ``elpd`` (run,), the log predictive
    density of all rewards of a run together (nat), with its Monte Carlo error.
    """

    simulated: np.ndarray
    logged: np.ndarray
    elpd: np.ndarray
    monte_carlo_error: np.ndarray


def part(data: ModelData, which: np.ndarray) -> ModelData:
    """Data of some of the runs, with noise and predictors stated relative to all of them."""
    run = jax.tree.map(lambda entry: np.asarray(entry)[which], data.run)
    predictors = {
        name: Predictor(predictor.value[which], predictor.known[which], predictor.scale)
        for name, predictor in data.predictors.items()
    }
    return data._replace(run=run, predictors=predictors)


def without_idle_predictors(spec: ModelSpec, runs: xr.Dataset) -> ModelSpec:
    """The model without its predictor learning rate, where no run has logged that or all have the same."""
    peak = runs["learning_rate"].max("step").values if "learning_rate" in runs else np.zeros(0)
    peak = peak[np.isfinite(peak)]
    if peak.size and np.ptp(peak) > 1e-9 * peak.max():
        return spec
    kept = {
        name: replace(prior, predictors={k: p for k, p in prior.predictors.items() if k != "learning_rate"})
        for name, prior in spec.parameters.items()
    }
    return replace(spec, parameters=kept)


def fit_shared(
    spec: ModelSpec,
    data: ModelData,
    sampler: Sampler,
    progress: Progress | None = None,
    reported: Sequence[str] = (),
) -> Shared:
    """Sample a model that pools, and keep what the runs share.

    Importance sampling comes first, as in `bayes_grpo.inference.posterior.draw_posterior`. NUTS follows where its draws
    cannot be trusted. Draws must satisfy the limits of every fit for what is ``reported``; where nothing is, they serve
    a prediction only, and fewer are enough.
    """
    names = [name for name, _ in spec.sites()]
    if sampler.method != "nuts" and has_population(spec, data):
        drawn = draw_population(spec, data, sampler, progress)
        least = MIN_ESS if reported else PREDICTIVE_ESS
        faults = [note.text for note in drawn.quality.failures(least)]
        if sampler.method == "importance" or not faults:
            return Shared({name: drawn.values[name] for name in names}, faults)
    return _by_chains(spec, data, sampler, progress, reported)


def _by_chains(
    spec: ModelSpec, data: ModelData, sampler: Sampler, progress: Progress | None, reported: Sequence[str]
) -> Shared:
    """What the runs share, by NUTS."""
    kernel = nuts(spec, sampler.tune, sampler.target_accept)
    names = [name for name, _ in spec.sites()]

    def shared(result: Draws) -> xr.Dataset:
        values = kernel.constrain(flatten(result.values), data)
        return labelled(unflatten({name: values[name] for name in names}, len(result.diverging)))

    def agree(drawn: xr.Dataset) -> bool:
        if reported:
            return chains_agree(drawn[list(reported)])
        return chains_agree(drawn, PREDICTIVE_RHAT, PREDICTIVE_ESS)

    result = sample(
        kernel,
        data,
        sampler,
        progress,
        enough=lambda drawn: agree(shared(drawn)),
        most=MOST_DRAWS,
    )
    draws = shared(result)
    faults = [] if agree(draws) else ["the chains disagree or are too short; raise --draws and --tune"]
    if (share := float(result.diverging.mean())) > MOST_DIVERGENT:
        faults.append(f"{share:.1%} of the transitions diverged; raise --target-accept")
    return Shared({name: draws[name].values for name in names}, faults)


def predict(spec: ModelSpec, shared: Shared, data: ModelData, seed: int) -> Predicted:
    """Rewards of new runs of the same population, and the density of those that were logged."""
    flat = flatten(shared.values)
    count = next(iter(flat.values())).size
    key_new = random.key(seed)
    rows = np.linspace(0, count - 1, PREDICTIONS).round().astype(int)
    values = new_runs(spec, {name: value[rows] for name, value in flat.items()}, data, key_new)
    functions = evaluator(spec)
    _, logged = functions.simulate(values, data, np.random.default_rng(seed))
    terms = functions.pointwise(values, data)
    density = np.where(np.isfinite(terms), terms, -np.inf).sum(-1)
    most = density.max(0)
    weights = np.exp(density - most)
    elpd = most + np.log(weights.mean(0))
    error = weights.std(0) / weights.mean(0) / np.sqrt(PREDICTIONS)
    return Predicted(np.asarray(logged), np.asarray(data.run.grid.value), elpd, error)


def new_runs(spec: ModelSpec, shared: Mapping[str, jax.Array], data: ModelData, key: jax.Array) -> dict[str, jax.Array]:
    """Parameters of runs that were not fitted, drawn from the population; shape (draws, run) each."""
    runs = jnp.shape(data.run.closed_form_mass)

    def draw(values: Mapping[str, jax.Array], key_draw: jax.Array) -> dict[str, Any]:
        given = handlers.substitute(priors, data=dict(values))
        sites = handlers.trace(handlers.seed(given, key_draw)).get_trace(spec, data)
        return {name: jnp.broadcast_to(sites[name]["value"], runs) for name in spec.parameters}

    count = next(iter(shared.values())).size
    drawn: dict[str, jax.Array] = jax.jit(jax.vmap(draw))(dict(shared), random.split(key, count))
    return drawn


def rows_of(prepared: Prepared) -> list[tuple[np.ndarray, np.ndarray]]:
    """Grid position and optimizer step of the rewards of every run."""
    observed = observed_of(prepared)
    return [
        (observed.position[observed.run == i], observed.optimizer_step[observed.run == i])
        for i in range(len(prepared.runs))
    ]

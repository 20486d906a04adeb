"""The PyMC model beside the NumPyro program: the same densities, the same answers, and the ways a PyMC user takes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import arviz_stats as az
import jax
import numpy as np
import numpyro
import pymc as pm
import pytensor
import pytest
import xarray as xr
from numpyro.infer.util import potential_energy, unconstrain_fn

import bayes_grpo
from bayes_grpo import InputError, ModelSpec, fit, list_models, load_model, pymc_model
from bayes_grpo.inference.backends import numpyro as backend
from bayes_grpo.inference.backends.pymc import _site
from bayes_grpo.inference.evaluate import evaluator, over_runs, recorded
from bayes_grpo.inference.layout import ModelData, prepare
from bayes_grpo.inference.prior import log_prior
from bayes_grpo.laws.likelihood import log_likelihood
from bayes_grpo.models.spec import DISTRIBUTIONS, POOLINGS, Prior
from tests.common import FACTS, LIMIT, QUICK, SAMPLER, call, curve, options

# PyTensor's default linker, Numba, calls JAX through Python and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Numba will use object mode")

POINTS = 20
#: Fitted by both back ends: draws enough to compare, and a population of which only the layout is looked at.
COMPARED = {"overdamped": SAMPLER, "size_exponent": QUICK}
#: One model of each kind that a back end treats in its own way, by first-order laws where they do, as those compile
#: fast: a law without noise, one that is not linear, one with inertia, a relative statement, and each way of pooling;
#: in `group_dependence` that of a damping.
KINDS = ("exponential", "bounded_overdamped", "oscillator", "population", "size_exponent", "group_dependence")


def make(index: int, n: int, **facts: float) -> xr.Dataset:
    columns = {
        "optimizer_step": np.arange(1, n + 1),
        "reward": curve(n, index),
        "learning_rate": (index + 1) * np.linspace(1e-3, 2e-4, n),
    }
    return bayes_grpo.make_run(f"r{index}", columns, FACTS | {"planned_steps": n, "refresh_interval": 4} | facts)


@cache
def family() -> xr.Dataset:
    """Runs of different length; the size of one is unknown."""
    return bayes_grpo.combine(
        [
            make(0, 40, group_size=4, model_size=1e6),
            make(1, 50, group_size=8),
            make(2, 60, group_size=16, model_size=1e7, momentum=0.5),
        ]
    )


def runs_for(spec: ModelSpec) -> xr.Dataset:
    return family() if spec.pooled else family().sel(run=["r1"])


def spec_of(name: str) -> ModelSpec:
    """A model that comes with the package, or a pooled one whose plateau and start are pooled in another way."""
    if name not in POOLINGS:
        return load_model(name)
    pooled = load_model("size_exponent")
    changed = {
        key: replace(pooled.parameters[key], pooling=name, spread=None, predictors={})
        for key in ("plateau", "initial_reward")
    }
    return replace(pooled, parameters={**pooled.parameters, **changed})


def prior_points(spec: ModelSpec, data: ModelData, count: int = POINTS) -> tuple[dict, dict, dict]:
    """Prior draws: recorded values, values of all that is sampled, and the latter as NUTS moves them."""

    def one(key: jax.Array) -> tuple[dict, dict]:
        trace = numpyro.handlers.trace(numpyro.handlers.seed(backend.priors, key)).get_trace(spec, data)
        moved = {name: site["value"] for name, site in trace.items() if site["type"] == "sample"}
        return {name: trace[name]["value"] for name in recorded(spec)}, moved

    values, moved = jax.vmap(one)(jax.random.split(jax.random.key(1), count))
    free = jax.vmap(lambda point: unconstrain_fn(backend.priors, (spec, data), {}, point))(moved)
    return values, moved, free


@pytest.mark.parametrize("name", [model.name for model in list_models()])
def test_every_model_has_the_same_parameters_and_priors(name: str) -> None:
    spec = load_model(name)
    prepared = prepare(runs_for(spec), spec)
    made = pymc_model(runs_for(spec), spec)
    values, moved, free = prior_points(spec, prepared.data, 3)
    assert {rv.name for rv in made.free_RVs} == {key.replace("damping_moved", "damping") for key in moved}
    prior = log_prior(spec, values, prepared.data)
    sites = [rv for rv in made.free_RVs if rv.name in prior]  # a population's standard offsets are its backend's own
    assert {rv.name for rv in sites} == set(prior)
    free_values = [made.rvs_to_values[rv] for rv in made.free_RVs]
    densities = made.logp(vars=sites, jacobian=False, sum=False)
    at = made.compile_fn(densities, inputs=free_values, mode="JAX", point_fn=False, on_unused_input="ignore")
    keys = ["damping_moved" if rv.name == "damping" else rv.name for rv in made.free_RVs]
    for i in range(3):
        for rv, entry in zip(sites, at(*(np.asarray(free[key][i]) for key in keys)), strict=True):
            assert entry.sum() == pytest.approx(float(prior[rv.name][i]), rel=1e-9), rv.name


@pytest.mark.parametrize("name", [*KINDS, "separate", "shared"])
def test_densities_and_gradients_are_those_of_the_numpyro_program(name: str) -> None:
    spec = spec_of(name)
    prepared = prepare(runs_for(spec), spec)
    made = pymc_model(runs_for(spec), spec)
    values, _, free = prior_points(spec, prepared.data)

    def numpyro_at(point: dict, recorded: dict) -> tuple:
        energy, slope = jax.value_and_grad(
            partial(potential_energy, partial(backend.program, spec), (prepared.data,), {})
        )(point)
        parameters = {
            key: jax.numpy.broadcast_to(recorded[key], np.shape(prepared.data.run.duration)) for key in spec.parameters
        }
        likelihood = over_runs(spec, log_likelihood)(parameters, prepared.data.run).sum()
        return -energy, jax.tree.map(jax.numpy.negative, slope), likelihood

    numpyro_at = jax.jit(numpyro_at)
    free_values = [made.rvs_to_values[rv] for rv in made.free_RVs]
    total = made.logp()
    outputs = [
        total,
        *pytensor.grad(total, free_values),
        made.logp(vars=made.observed_RVs, jacobian=False),
    ]
    pymc_at = made.compile_fn(outputs, inputs=free_values, mode="JAX", point_fn=False)

    finite = 0
    for i in range(POINTS):
        expected, slope, likelihood = numpyro_at(
            *(jax.tree.map(lambda entry, i=i: entry[i], part) for part in (free, values))
        )
        keys = ["damping_moved" if rv.name == "damping" else rv.name for rv in made.free_RVs]
        found = pymc_at(*(np.asarray(free[key][i]) for key in keys))
        if not np.isfinite(expected):
            assert found[0] == expected
            continue
        finite += 1
        count = len(keys)
        assert found[0] == pytest.approx(float(expected), rel=1e-9)
        largest = max(np.abs(entry).max() for entry in slope.values())
        for key, entry in zip(keys, found[1 : count + 1], strict=True):
            np.testing.assert_allclose(entry, slope[key], rtol=1e-9, atol=1e-9 * largest, err_msg=key)
        assert found[count + 1] == pytest.approx(float(likelihood), rel=1e-9)
    assert finite > 0.8 * POINTS


def test_every_distribution_has_the_same_density() -> None:
    arguments = {"loc": 0.3, "scale": 0.7, "df": 3.0, "low": 0.1, "high": 0.9, "rate": 2.0}
    arguments |= {"concentration": 1.7, "concentration1": 1.5, "concentration0": 2.5}
    priors = {
        family: Prior(family, {key: arguments[key] for key in wanted}, "1", "s", "r")
        for family, (wanted, _) in DISTRIBUTIONS.items()
    }
    spec = load_model("exponential")
    data = prepare(runs_for(spec), spec).data._replace(priors={name: prior.arguments for name, prior in priors.items()})
    points = np.random.default_rng(0).uniform(0.15, 0.85, (20, len(priors)))
    with pm.Model() as made:
        for name, prior in priors.items():
            _site(name, prior, data)
        plain = made.logp(sum=False, jacobian=False)
    free = [made.rvs_to_values[rv] for rv in made.free_RVs]
    at = pytensor.function(free, plain, mode="JAX")
    theirs = [backend.distribution(prior.distribution, prior.arguments) for prior in priors.values()]
    # NumPyro's HalfCauchy takes log 2 in single precision: 2e-9 from the truth.
    for point in points:
        free = [numpyro.distributions.biject_to(d.support).inv(x) for d, x in zip(theirs, point, strict=True)]
        expected = [float(d.log_prob(x)) for d, x in zip(theirs, point, strict=True)]
        np.testing.assert_allclose([float(entry) for entry in at(*map(float, free))], expected, rtol=1e-9, atol=2e-9)


@pytest.fixture(scope="module")
def fits() -> dict[tuple[str, str], xr.DataTree]:
    """The same models and runs by either back end."""
    return {
        (name, library): fit(runs_for(load_model(name)), name, backend=library, method="nuts", seed=4, **settings)
        for name, settings in COMPARED.items()
        for library in ("numpyro", "pymc")
    }


def test_means_agree_within_their_errors(fits: dict[tuple[str, str], xr.DataTree]) -> None:
    # 4 standard errors each: with 9 means in all, a false alarm at 1 seed in 1,700.
    first, second = (fits["overdamped", library]["posterior"].to_dataset() for library in ("numpyro", "pymc"))
    for tree in (first, second):
        assert float(max(value.max() for value in az.rhat(tree).values())) < 1.03
    for key in first.data_vars:
        error = np.hypot(az.mcse(first[[key]])[key], az.mcse(second[[key]])[key])
        gap = np.abs(first[key].mean(("chain", "draw")) - second[key].mean(("chain", "draw")))
        assert (gap < 4 * error).all(), (key, float(gap.max()), float(error.max()))


@pytest.mark.parametrize("name", COMPARED)
def test_the_layout_is_the_same(name: str, fits: dict[tuple[str, str], xr.DataTree]) -> None:
    def layout(tree: xr.DataTree) -> dict:
        return {
            group.path: {
                key: (value.dims, value.dtype.kind, value.attrs.get("units")) for key, value in group.variables.items()
            }
            for group in tree.subtree
        }

    numpyro_fit, pymc_fit = (fits[name, library] for library in ("numpyro", "pymc"))
    assert layout(pymc_fit) == layout(numpyro_fit)
    assert set(pymc_fit.attrs) == set(numpyro_fit.attrs)
    assert (pymc_fit.attrs["backend"], numpyro_fit.attrs["backend"]) == ("pymc", "numpyro")
    assert pymc_fit["constant_data"].to_dataset().identical(numpyro_fit["constant_data"].to_dataset())
    # NumPyro's statistics mean the same: log density of the free values, depth of a tree of so many steps.
    stats = pymc_fit["sample_stats"]
    assert (2 ** (stats["tree_depth"] - 1) <= stats["n_steps"]).all() and (
        stats["n_steps"] < 2 ** stats["tree_depth"]
    ).all()
    if COMPARED[name] == SAMPLER:
        gap = stats["lp"].mean() - numpyro_fit["sample_stats"]["lp"].mean()
        errors = (az.mcse(tree["sample_stats"].to_dataset()[["lp"]])["lp"] for tree in (pymc_fit, numpyro_fit))
        assert abs(float(gap)) < 4 * float(np.hypot(*errors))


def test_the_same_seed_gives_the_same_draws_and_another_does_not() -> None:
    told = []

    def draws(seed: int) -> xr.Dataset:
        def progress(made: int, wanted: int) -> None:
            told.append((made, wanted))

        tree = fit(family(), "exponential", run="r0", backend="pymc", seed=seed, progress=progress, **QUICK)
        return tree["posterior"].to_dataset()

    first = draws(5)
    assert first.identical(draws(5))
    assert not first.equals(draws(6))
    assert told[-1] == (100, 100)
    assert all(0 <= made <= wanted == 100 for made, wanted in told)


@pytest.fixture(scope="module")
def sampled() -> tuple[pm.Model, xr.DataTree]:
    """A PyMC user's way: the model with something added, sampled by nutpie."""
    made = pymc_model(family(), "overdamped", run="r1")
    with made:
        pm.Deterministic("rise", made["plateau"] - made["initial_reward"])
        settings = {"draws": 200, "tune": 300, "chains": 2, "random_seed": 1, "progressbar": False}
        tree = pm.sample(nuts_sampler="nutpie", backend="jax", **settings)
        pm.compute_log_likelihood(tree, backend="jax", progressbar=False)
    return made, tree


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")  # the first row is influential
def test_pointwise_terms_are_one_step_ahead(sampled: tuple[pm.Model, xr.DataTree]) -> None:
    _, tree = sampled
    terms, posterior = tree["log_likelihood"]["reward"], tree["posterior"].to_dataset()
    assert terms.sizes == {"chain": 2, "draw": 200, "step": 50}
    assert (posterior["rise"] == posterior["plateau"] - posterior["initial_reward"]).all()
    assert np.isfinite(az.loo(tree).elpd)
    spec = load_model("overdamped")
    prepared = prepare(runs_for(spec), spec)
    flat = {name: posterior[name].values.reshape(-1) for name in spec.parameters}
    expected = evaluator(spec).pointwise(flat, prepared.data)[:, prepared.rows[0]]
    np.testing.assert_allclose(terms.values.reshape(400, 50), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(terms["step"], np.arange(50))
    np.testing.assert_array_equal(tree["constant_data"]["optimizer_step"], np.arange(1, 51))


def test_predictive_draws_follow_the_law(sampled: tuple[pm.Model, xr.DataTree]) -> None:
    # Means and spreads at 50 steps within 4.5 standard errors: a false alarm at 1 seed in 1,500.
    made, tree = sampled
    spec = load_model("overdamped")
    prepared = prepare(runs_for(spec), spec)
    count = 1500
    one = {name: float(tree["posterior"][name][0, 0]) for name in spec.parameters}
    fixed = xr.Dataset({name: (("chain", "draw"), np.full((1, count), value)) for name, value in one.items()})
    draw = partial(
        pm.sample_posterior_predictive, xr.DataTree.from_dict({"posterior": fixed}), model=made, progressbar=False
    )
    found = draw(random_seed=3)["posterior_predictive"]["reward"]
    assert found.equals(draw(random_seed=3)["posterior_predictive"]["reward"])
    repeated = {name: np.full(count, value) for name, value in one.items()}
    _, logged = evaluator(spec).simulate(repeated, prepared.data, np.random.default_rng(8))
    ours, theirs = found.values[0], np.asarray(logged)[:, prepared.rows[0]]
    error = np.sqrt((ours.var(0) + theirs.var(0)) / count)
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4.5 * error).all()
    assert (np.abs(np.log(ours.std(0) / theirs.std(0))) < 4.5 / np.sqrt(count)).all()
    prior = pm.sample_prior_predictive(3, model=made, random_seed=1)
    assert prior["prior_predictive"]["reward"].sizes == {"chain": 1, "draw": 3, "step": 50}
    assert {"timescale", "temperature", *spec.parameters} <= set(prior["prior"].data_vars)


def test_pooled_models_have_their_runs_as_coordinates() -> None:
    made = pymc_model(family(), "size_exponent")
    assert made.coords["run"] == ("r0", "r1", "r2")
    assert len(made.coords["observation"]) == 150
    assert made.named_vars_to_dims["stiffness"] == ("run",)
    assert made.named_vars_to_dims["reward"] == ("observation",)
    drawn = pm.sample_prior_predictive(2, model=made, random_seed=1)
    assert drawn["prior_predictive"]["reward"].sizes == {"chain": 1, "draw": 2, "observation": 150}
    assert (drawn["constant_data"]["run_index"].values == np.repeat([0, 1, 2], [40, 50, 60])).all()


FORKING = """
import numpy as np, pymc as pm, bayes_grpo, warnings
warnings.simplefilter("ignore")
reward = 0.7 - 0.5 * np.exp(-np.arange(40) / 9) + 0.03 * np.sin(np.arange(40.0) ** 2)
facts = {"reward_lower": 0, "reward_upper": 1}
run = bayes_grpo.make_run("a", {"optimizer_step": np.arange(40), "reward": reward}, facts)
model = bayes_grpo.pymc_model(run, "exponential")
pm.sample(20, tune=20, chains=2, cores=2, nuts_sampler="pymc", mp_ctx="fork", model=model)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_samplers_are_refused_with_the_cure() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=LIMIT)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "hangs in forked processes" in last and 'nuts_sampler="nutpie"' in last, done.stderr


def test_runs_that_a_model_cannot_take_are_refused() -> None:
    with pytest.raises(InputError, match="expected one run, found 3"):
        pymc_model(family(), "overdamped")
    with pytest.raises(InputError, match="expected at least 2"):
        pymc_model(family().sel(run=["r0"]), "pooled")
    with pytest.raises(InputError, match="no run 'r9'"):
        pymc_model(family(), "overdamped", run="r9")


def test_the_command_line_has_both(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{value:.4f}" for i, value in enumerate(curve(40)))
    (tmp_path / "log.csv").write_text(f"step,reward\n{rows}\n")
    quick = ("--model", "exponential", *options(QUICK))
    done = call("fit", "log.csv", "--backend", "pymc", "--out", "fit.nc", "--json", *quick, folder=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout)["backend"] == "pymc"
    assert bayes_grpo.load_fit(tmp_path / "fit.nc").attrs["backend"] == "pymc"
    assert call("fit", "log.csv", "--backend", "stan", folder=tmp_path).returncode == 2

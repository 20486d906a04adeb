"""Runs fitted together by importance sampling: every part against an independent way to the same number."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array
from numpyro import handlers
from scipy.stats import multivariate_normal

from bayes_grpo import combine, fit, load_model, make_run, summarise
from bayes_grpo.inference.backends.numpyro import priors
from bayes_grpo.inference.importance.population import draws as population_draws
from bayes_grpo.inference.importance.population.correction import learnt, no_correction
from bayes_grpo.inference.importance.population.places import places_of
from bayes_grpo.inference.importance.population.sites import Sites, conditional, improved, no_sites
from bayes_grpo.inference.importance.population.target import PopulationTarget, has_population, population_of
from bayes_grpo.inference.importance.quality import MAX_DISAGREEMENT, effective_draws
from bayes_grpo.inference.importance.resampling import log_mean_weight
from bayes_grpo.inference.layout import ModelData, prepare
from bayes_grpo.inference.sampler_settings import Sampler
from tests.common import FACTS

POOLED = ("pooled", "leading_order", "group_dependence", "split_noise", "pooled_lag", "balance_groups")


def runs(count: int = 4, rows: int = 40, seed: int = 0) -> xr.Dataset:
    """Rises to 0.7 with stiffness 0.08 at the learning rate 2e-6 and in proportion to it; two group sizes."""
    rng, out = np.random.default_rng(seed), []
    for i in range(count):
        rate = 1e-6 * 2 ** (i % 3)
        reward = 0.7 - 0.5 * np.exp(-0.08 * rate / 2e-6 * np.arange(rows)) + 0.04 * rng.normal(size=rows)
        columns = {"optimizer_step": np.arange(rows), "reward": reward, "learning_rate": np.full(rows, rate)}
        out.append(make_run(f"run{i}", columns, FACTS | {"group_size": (4, 8)[i % 2], "model_size": 1e9}))
    return combine(out)


def data_of(model: str) -> ModelData:
    data: ModelData = jax.tree.map(jnp.asarray, prepare(runs(), load_model(model)).data)
    return data


def random_sites(runs: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    root = rng.normal(size=(runs, size, size + 2))
    return root @ root.swapaxes(1, 2), rng.normal(size=(runs, size))


def test_the_marginal_of_a_site_is_that_of_dense_normals() -> None:
    """``exp(-u'Pu/2 + h'u)`` is a normal density of P^-1 h up to a factor; two of four places do not scatter."""
    rng = np.random.default_rng(0)
    precision, pull = random_sites(3, 4, rng)
    centres, spreads, scattered = rng.normal(size=(3, 4)), np.array([0.5, 0.0, 2.0, 0.0]), np.array([0, 2])
    given = conditional(Sites(precision, pull), jnp.asarray(centres), jnp.asarray(spreads), scattered)
    for i in range(3):
        covariance = np.linalg.inv(precision[i])
        mean = covariance @ pull[i]
        factor = multivariate_normal(mean, covariance).logpdf(mean) - pull[i] @ mean / 2
        prior = np.diag(spreads**2)
        marginal = multivariate_normal(centres[i], covariance + prior).logpdf(mean) - factor
        assert float(given.log_marginal[i]) == pytest.approx(marginal, rel=1e-9)
        gain = prior @ np.linalg.inv(covariance + prior)
        places = centres[i] + gain @ (mean - centres[i])
        found = centres[i, scattered] + spreads[scattered] * np.asarray(given.mean[i])
        np.testing.assert_allclose(found, places[scattered], rtol=1e-8)
        inner = np.asarray(given.factor[i]) @ np.asarray(given.factor[i]).T
        exact = (prior - gain @ prior)[np.ix_(scattered, scattered)] / np.outer(spreads[scattered], spreads[scattered])
        np.testing.assert_allclose(np.linalg.inv(inner), exact, rtol=1e-7)


def test_a_normal_likelihood_is_found_in_one_pass() -> None:
    rng = np.random.default_rng(1)
    (cavity, cavity_pull), (old, old_pull), (true, true_pull) = (random_sites(3, 4, rng) for _ in range(3))

    def moments(precision: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        covariance = np.linalg.inv(cavity + precision)
        return np.einsum("rij,rj->ri", covariance, cavity_pull + pull), covariance

    sites = improved(Sites(old, old_pull), moments(old, old_pull), moments(true, true_pull))
    np.testing.assert_allclose(sites.precision, true, rtol=1e-4)
    np.testing.assert_allclose(sites.pull, true_pull, rtol=1e-3, atol=1e-4)


def test_a_likelihood_that_widens_a_place_leaves_a_site_that_hardly_pulls() -> None:
    """One site cannot have a negative precision; a pull without one would go on for ever."""
    nothing = Sites(np.zeros((1, 2, 2)), np.zeros((1, 2)))
    sites = improved(nothing, (np.zeros((1, 2)), np.eye(2)[None]), (np.ones((1, 2)), np.diag([4.0, 0.25])[None]))
    mean = np.linalg.solve(sites.precision[0], sites.pull[0])
    assert 0 < sites.precision[0, 0, 0] < 0.05 and abs(mean[0]) < 1.5
    assert sites.precision[0, 1, 1] == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize("model", POOLED)
def test_points_and_places_are_the_program_that_nuts_samples(model: str) -> None:
    """Parameters and log prior from a point and standard offsets, against NumPyro's program given the same values."""
    spec, data = load_model(model), data_of(model)
    target, rng = population_of(spec), np.random.default_rng(3)
    assert has_population(spec, data)
    point = jnp.asarray(target.draw_prior(rng, data))
    values, log_prior = target.unpack(point, data)
    centres, spreads = target.centres(point, data)
    offsets = rng.normal(size=centres.shape)
    found = target.parameters(centres + spreads * offsets, data)
    given: dict[str, Any] = {**values}
    given |= {f"{name}_offset": offsets[:, i] for i, name in enumerate(spec.parameters)}
    given |= {f"{name}_missing": np.zeros(4) for name in spec.predictors}
    trace = handlers.trace(handlers.substitute(priors, data=given)).get_trace(spec, data)
    for name in spec.parameters:
        np.testing.assert_allclose(found[name], np.broadcast_to(trace[name]["value"], 4), rtol=1e-9)
    # The density of a point is that of the values times the slope of the map, which differences tell.
    sampled = {name: trace[name] for name, _ in target.sites}
    density = sum(float(np.sum(site["fn"].log_prob(site["value"]))) for site in sampled.values())
    step = 1e-6
    for i, (name, _) in enumerate(target.sites):
        above, below = (target.unpack(point.at[i].add(sign * step), data)[0][name] for sign in (1, -1))
        density += float(jnp.log(jnp.abs(above - below) / (2 * step)))
    assert float(log_prior) == pytest.approx(density, rel=1e-6, abs=1e-5)


@pytest.fixture(scope="module")
def scattered_plateaus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of which the plateau alone scatters between runs."""
    path = tmp_path_factory.mktemp("models") / "scattered.toml"
    spread = (
        '{ distribution = "HalfNormal", scale = 0.7, unit = "1", source = "between runs", reason = "a factor of two" }'
    )
    shared = "\n".join(f'[parameters.{name}]\npooling = "shared"' for name in ("initial_reward", "stiffness"))
    path.write_text(
        'extends = "exponential"\nsummary = "Exponential rises to plateaus that scatter."\n'
        f'[parameters.plateau]\npooling = "partial"\nspread = {spread}\n{shared}\n'
        '[parameters.observation_sd]\npooling = "shared"\n'
    )
    return path


def test_estimates_of_the_marginal_likelihood_have_no_bias(scattered_plateaus: Path) -> None:
    """Mean of 4,096 estimates against quadrature over the one place that scatters, within five standard errors."""
    spec = load_model(scattered_plateaus)
    data = jax.tree.map(jnp.asarray, prepare(runs(), spec).data)
    target = PopulationTarget(spec)
    values = {"plateau_location": 0.65, "plateau_spread": 0.3, "initial_reward": 0.2, "stiffness": 0.08}
    point = jnp.asarray(
        [_point_of(target, name, (values | {"observation_sd": 0.05})[name], data) for name, _ in target.sites]
    )
    centres, spreads = target.centres(point, data)
    column = int(target.scattered[0])
    grid = np.linspace(-8, 8, 4001)
    places = jnp.broadcast_to(centres[:, None], (4, grid.size, centres.shape[1]))
    places = places.at[..., column].add(spreads[column] * grid)
    log_terms = np.asarray(target.densities(places, data)) - grid**2 / 2 - np.log(2 * np.pi) / 2
    exact = np.log(np.trapezoid(np.exp(log_terms - log_terms.max(1, keepdims=True)), grid, axis=1)) + log_terms.max(1)
    peak = grid[np.argmax(log_terms, axis=1)] * float(spreads[column]) + np.asarray(centres[:, column])
    precision = np.zeros((4, centres.shape[1], centres.shape[1]))
    precision[:, column, column] = 200.0  # near enough to draw from, wrong enough to need the weights
    pull = np.zeros(centres.shape)
    pull[:, column] = 200.0 * (peak + 0.05)
    sites = Sites(precision, pull)
    drawn = places_of(target).draw(jnp.tile(point, (256, 1)), data, sites, np.array([1, 2], np.uint32), 16)
    site_marginal = conditional(sites, centres, spreads, target.scattered).log_marginal
    ratio = np.exp(np.asarray(drawn.log_ratio + site_marginal) - exact)
    error = ratio.std(0) / np.sqrt(len(ratio))
    assert (error < 0.05).all()
    np.testing.assert_array_less(np.abs(ratio.mean(0) - 1), 5 * error)


def _point_of(target: PopulationTarget, site: str, value: float, data: ModelData) -> float:
    """The coordinate at which a site has a value, by bisection."""
    place = [name for name, _ in target.sites].index(site)
    low, high = -30.0, 30.0
    for _ in range(80):
        middle = (low + high) / 2
        at = float(target.unpack(jnp.zeros(len(target.sites)).at[place].set(middle), data)[0][site])
        low, high = (middle, high) if at < value else (low, middle)
    return (low + high) / 2


@pytest.fixture(scope="module")
def together() -> xr.DataTree:
    return fit(runs(), "leading_order", method="importance", seed=1)


def test_a_fit_says_how_it_was_made(together: xr.DataTree) -> None:
    """And is the same bit for bit with the same seed; its weighted points are kept."""
    summary = summarise(together)
    assert summary["diagnostics"]["method"] == "importance" and summary["diagnostics"]["khat"] < 0.7
    assert summary["diagnostics"]["importance_ess"] > 400
    points = together["importance"].to_dataset()
    assert points["plateau"].dims == ("repetition", "point", "run")
    assert points["plateau_location"].dims == points["log_weight"].dims == ("repetition", "point")
    again = fit(runs(), "leading_order", method="importance", seed=1)
    xr.testing.assert_identical(again["posterior"].to_dataset(), together["posterior"].to_dataset())


def test_where_the_sites_are_the_likelihood_the_last_step_changes_nothing() -> None:
    """Means, spreads and evidence of the points before and after it, within five standard errors."""
    spec, data = load_model("leading_order"), data_of("leading_order")
    sites = population_draws._Population(population_of(spec), data, Sampler(seed=0), None).first_sites()
    target = PopulationTarget(spec)

    def quadratic(places: Array, _: ModelData) -> Array:
        return -jnp.einsum("rni,rij,rnj->rn", places, sites.precision, places) / 2 + jnp.einsum(
            "rni,ri->rn", places, sites.pull
        )

    target.densities = quadratic
    sampling = population_draws._Population(target, data, Sampler(seed=1), None)
    weighted = sampling.points_under(sites, no_correction(len(target.sites)))
    last = sampling.last_step(sites, weighted)
    before = _moments(weighted.points[0], weighted.log_weight[0])
    after = _moments(last.points, last.log_weight)
    assert min(before.effective, after.effective) > 1000
    error = 5 / np.sqrt(min(before.effective, after.effective))
    np.testing.assert_array_less(np.abs(after.mean - before.mean) / before.sd, error)
    np.testing.assert_array_less(np.abs(np.log(after.sd / before.sd)), error)
    assert after.evidence == pytest.approx(before.evidence, abs=error)


class Moments(NamedTuple):
    mean: np.ndarray
    sd: np.ndarray
    effective: float
    evidence: float


def _moments(points: np.ndarray, log_weight: np.ndarray) -> Moments:
    """Of weighted points (repetition, point, site)."""
    flat, log_weight = points.reshape(-1, points.shape[-1]), log_weight.ravel()
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = weight @ flat
    return Moments(mean, np.sqrt(weight @ (flat - mean) ** 2), effective_draws(log_weight), log_mean_weight(log_weight))


def test_wrong_sites_are_not_believed() -> None:
    """Sites three posterior standard deviations off in every place: the weights must tell."""
    spec, data = load_model("leading_order"), data_of("leading_order")
    sampling = population_draws._Population(population_of(spec), data, Sampler(seed=0), None)
    sites = sampling.first_sites()
    off = 3 / np.sqrt(np.diagonal(np.asarray(sites.precision), axis1=1, axis2=2))
    moved = Sites(sites.precision, sites.pull + np.einsum("rij,rj->ri", sites.precision, off))
    nothing = no_correction(len(sampling.target.sites))
    weighted = sampling.points_under(moved, nothing)
    quality = sampling.collected(moved, nothing, weighted, sampling.last_step(moved, weighted)).quality
    assert {note.subject for note in quality.failures()} & {"khat", "importance_ess"}


def test_repetitions_are_compared_by_what_runs_share_and_by_each_run() -> None:
    """One repetition moved by a standard deviation, in one coordinate of the population or in one of one run."""
    spec, data = load_model("leading_order"), data_of("leading_order")
    sampling = population_draws._Population(population_of(spec), data, Sampler(seed=0), None)
    sites, nothing = sampling.first_sites(), no_correction(len(sampling.target.sites))
    weighted = sampling.points_under(sites, nothing)
    last = sampling.last_step(sites, weighted)
    assert sampling.collected(sites, nothing, weighted, last).quality.disagreement < MAX_DISAGREEMENT
    scattered = int(sampling.target.scattered[0])
    for name, place in (("points", (0, ..., -1)), ("places", (0, slice(None), 2, scattered))):
        moved = getattr(last, name).copy()
        moved[place] += moved[:, *place[1:]].std()
        quality = sampling.collected(sites, nothing, weighted, last._replace(**{name: moved})).quality
        assert "disagreement" in {note.subject for note in quality.failures()}, name


def test_what_the_sites_miss_is_learnt() -> None:
    """A quadratic from noisy values of it, within a tenth of its range; far away it goes on as a constant."""
    rng = np.random.default_rng(4)
    points = rng.normal(size=(1024, 5)) * [1, 0.1, 10, 2, 1] + [3, 0, -5, 1, 0]
    root = rng.normal(size=(5, 5))

    def truth(points: np.ndarray) -> np.ndarray:
        offset = (points - points.mean(0)) / points.std(0)
        value: np.ndarray = offset @ [2.0, -1, 0, 0.5, 1] - 0.1 * (offset @ root * offset).sum(1)
        return value

    correction = learnt(points, truth(points) + rng.normal(size=1024))
    error = np.asarray(correction.at(jnp.asarray(points))) - truth(points)
    assert error.std() < 0.1 * truth(points).std()
    far = jnp.asarray([[1e3, 0.0, 0, 0, 0], [1e6, 0.0, 0, 0, 0]])
    near, beyond = np.asarray(correction.at(far))
    assert beyond == pytest.approx(near, rel=1e-2) and abs(beyond) < 100


def test_points_without_a_likelihood_teach_nothing_and_break_nothing() -> None:
    rng = np.random.default_rng(6)
    points = rng.normal(size=(1024, 3))
    remainder = 2 * points[:, 0]
    remainder[:30] = [-np.inf, np.nan, -1e250] * 10
    correction = learnt(points, remainder)
    slope = np.asarray(correction.at(jnp.asarray(points + np.array([0.1, 0, 0])))) - np.asarray(
        correction.at(jnp.asarray(points))
    )
    assert np.median(slope) == pytest.approx(0.2, rel=0.3)
    assert not np.any(learnt(points, np.full(1024, np.nan)).slope)
    assert not np.any(learnt(np.tile(points[:1], (1024, 1)), remainder).slope)


def test_points_that_are_not_numbers_teach_nothing() -> None:
    points = np.full((400, 3), np.nan)
    assert not learnt(points, np.zeros(400)).slope.any()


def test_an_upward_curvature_leaves_a_posterior_that_ends() -> None:
    points = np.random.default_rng(5).normal(size=(1024, 3))
    correction = learnt(points, 5 * points[:, 0] ** 2)
    assert np.linalg.eigvalsh(correction.curvature).max() < 1.01


def test_a_lesson_mends_what_small_faults_of_many_sites_add_up_to() -> None:
    """Forty likelihoods are their sites moved by half their standard deviation, all to one side."""
    spec, target = load_model("leading_order"), PopulationTarget(load_model("leading_order"))
    first = population_draws._Population(target, data_of("leading_order"), Sampler(seed=0), None).first_sites()
    sites = Sites(np.tile(first.precision, (10, 1, 1)), np.tile(first.pull, (10, 1)))
    moved = sites.pull + 0.5 * np.sqrt(np.diagonal(sites.precision, axis1=1, axis2=2))

    def quadratic(places: Array, _: ModelData) -> Array:
        return -jnp.einsum("rni,rij,rnj->rn", places, sites.precision, places) / 2 + jnp.einsum(
            "rni,ri->rn", places, moved
        )

    target.densities = quadratic
    data: ModelData = jax.tree.map(jnp.asarray, prepare(runs(40), spec).data)
    sampling = population_draws._Population(target, data, Sampler(seed=1), None)
    before = sampling.round_of_points(sites, sampling.points_under(sites, no_correction(len(target.sites))))
    lesson = learnt(before.points.reshape(-1, before.points.shape[-1]), before.remainder.ravel())
    after = sampling.round_of_points(sites, sampling.points_under(sites, lesson))
    assert effective_draws(before.log_weight.ravel()) < 30
    assert effective_draws(after.log_weight.ravel()) > 150


@pytest.mark.parametrize("scatters", [[2.5, 9.0], [5.0, np.nan]])
def test_where_a_pass_leads_astray_the_sites_are_those_before_it(
    scatters: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pass makes sites that say nothing; the next finds that these miss the likelihood by far more."""
    target = PopulationTarget(load_model("leading_order"))
    sampling = population_draws._Population(target, data_of("leading_order"), Sampler(seed=0), None)
    first, nothing = sampling.first_sites(), no_sites(4, len(target.spec.parameters))
    told = iter(scatters)
    monkeypatch.setattr(sampling, "improve", lambda *_: (nothing, next(told)))
    sites, weighted = sampling.improved_sites(first, no_correction(len(target.sites)))
    assert sites is first
    again = sampling.places.surrogate(weighted.points[0][:, :4], sampling.data, first, no_correction(len(target.sites)))
    np.testing.assert_allclose(np.add(*again), weighted.log_posterior[0][:, :4], rtol=1e-9)


def test_a_run_without_its_predictor_goes_to_nuts() -> None:
    several = runs().copy(deep=True)
    several["model_size"].values[1] = np.nan
    assert not has_population(load_model("size_exponent"), prepare(several, load_model("size_exponent")).data)

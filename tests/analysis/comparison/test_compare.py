"""Predictive scores against refits without the data they predict, and comparisons over runs.

Statistical tests fix their seeds; a limit of 5 Monte-Carlo errors is exceeded by chance once in a million values.
"""

import json
from functools import partial

import arviz_stats as az
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.comparison.compare import Comparison
from bayes_grpo.analysis.comparison.crossval import Refits, loo, masked
from bayes_grpo.analysis.posterior.checks import leave_one_out_tree
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.laws import likelihood
from tests.common import FACTS, SAMPLER, curve

SHORT = FACTS | {"planned_steps": 12}
LAWS = ["exponential", "random_walk"]
SETTINGS = SAMPLER | {"seed": 3}


def short_run(name: str = "short", n: int = 12, seed: int = 0, **facts: float) -> xr.Dataset:
    columns = {"optimizer_step": np.arange(1, n + 1), "reward": curve(60, seed)[: 3 * n : 3]}
    return bayes_grpo.make_run(name, columns, SHORT | facts)


def log_mean_exp(terms: np.ndarray, share: float) -> tuple[float, float]:
    """Log of the mean of exp(terms) and its Monte-Carlo error, where a share of the draws count as independent."""
    top = terms.max()
    weights = np.exp(terms - top)
    return top + np.log(weights.mean()), weights.std() / weights.mean() / np.sqrt(share * weights.size)


def psis_error(result, terms: xr.DataArray, share: float) -> np.ndarray:
    """Monte-Carlo error of each importance-sampling estimate, by the delta method."""
    weights = np.exp(result.log_weights.transpose("chain", "draw", ...).values.reshape(-1, terms.shape[-1]))
    density = np.exp(terms.values.reshape(weights.shape))
    weights = weights / weights.sum(0)
    mean = (weights * density).sum(0)
    return np.sqrt((weights**2 * (density - mean) ** 2).sum(0) / share) / mean


def test_leave_one_out_equals_refits_without_each_reward() -> None:
    fit = bayes_grpo.fit(short_run(), "overdamped", **SETTINGS | {"seed": 2, "draws": 1000})
    spec, prepared = reopen(fit)
    result, terms = loo(fit), fit["leave_one_out"]["reward"]
    share = 0.25  # effective draws a draw: ESS of these fits lies above
    errors = psis_error(result, terms, share)
    refits = Refits(fit, spec, prepared, evaluator(spec).pointwise)
    differences, limits = [], []
    some = [0, 1, 4, 6, 9, 11]
    for left_out in some:
        data, _ = refits.sel_observations(np.array([left_out]))
        drawn = refits.sample(data)
        flat = {name: value.reshape(-1) for name, value in drawn.values.items()}
        # p(y_t | all other y, theta) as the ratio of two likelihoods: no smoother involved.
        both = (evaluator(spec).pointwise(flat, d).sum(1) for d in (prepared.data, data))
        exact, error = log_mean_exp(next(both) - next(both), share)
        differences.append(float(result.elpd_i[left_out]) - exact)
        limits.append(5 * np.hypot(error, errors[left_out]))
    good = result.pareto_k.values[some] < 0.5
    assert good.sum() >= 4
    assert np.all(np.abs(differences)[good] < np.array(limits)[good]), (differences, limits)
    assert np.max(np.array(limits)[good]) < 0.25
    # Importance sampling is biased where k nears its limit; the first reward alone fixes initial_reward.
    assert np.max(np.abs(differences)) < 0.8


def left_out_ratio(model: str, run: xr.Dataset, draws: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Terms log p(y_t | all other y, theta) at draws near the data: by the smoother, and as ratio of likelihoods."""
    spec = bayes_grpo.load_model(model)
    prepared = prepare(run, spec)
    rng = np.random.default_rng(0)
    near = {"plateau": 0.7, "initial_reward": 0.2, "stiffness": 0.2, "observation_sd": 0.05, "fluctuation": 0.08}
    left_out, whole = (jax.jit(partial(f, spec.law)) for f in (likelihood.leave_one_out, likelihood.log_likelihood))
    there = np.flatnonzero(prepared.data.run.grid.observed)
    parts = [masked(prepared, np.array([i])).run for i in range(there.size)]
    smoothed, ratio = [], []
    for _ in range(draws):
        parameters = {name: near[name] * np.exp(0.2 * rng.normal()) for name in spec.parameters}
        smoothed.append(np.asarray(left_out(parameters, prepared.data.run))[there])
        ratio.append([float(whole(parameters, prepared.data.run) - whole(parameters, part)) for part in parts])
    return np.array(smoothed), np.array(ratio)


def test_leave_one_out_terms_are_exact_for_linear_laws() -> None:
    """With windows, a gap and a step that was logged twice."""
    step = np.array([2, 4, 6, 6, 8, 14, 16, 18])
    reward = np.array([0.2, 0.33, 0.4, 0.44, np.nan, 0.6, 0.66, 0.7])
    run = bayes_grpo.make_run("odd", {"optimizer_step": step, "reward": reward}, SHORT | {"logging_window": 2})
    smoothed, ratio = left_out_ratio("overdamped", run, draws=3)
    assert np.max(np.abs(smoothed - ratio)) < 1e-9


def test_leave_one_out_terms_of_the_bounded_law_are_near() -> None:
    """The filter's straight lines were drawn with the left-out reward in sight: mostly below 0.01 nats a reward."""
    smoothed, ratio = left_out_ratio("bounded_overdamped", short_run(), draws=20)
    assert np.max(np.abs(smoothed - ratio)) > 1e-6  # it is an approximation
    assert np.median(np.abs(smoothed - ratio)) < 0.01
    assert np.max(np.abs(smoothed - ratio)) < 0.2
    assert np.max(np.abs((smoothed - ratio).sum(1))) < 0.2  # errors do not add up over a run


def test_leave_future_out_equals_refits_at_every_origin() -> None:
    fit = bayes_grpo.fit(short_run(), "exponential", **SETTINGS)
    near, exact = (bayes_grpo.lfo(fit, min_observations=7, method=method) for method in ("approx", "exact"))
    assert near.n_data_points == exact.n_data_points == 5
    assert exact.n_refits == 5 and near.n_refits < 5
    assert np.nanmax(near.pareto_k) <= 0.7
    # The same draws at the first origin; later by importance sampling, within 5 errors of about 0.03 nats.
    assert float(near.elpd_i[0]) == pytest.approx(float(exact.elpd_i[0]))
    assert np.max(np.abs(near.elpd_i - exact.elpd_i)) < 0.15


def test_a_refit_does_not_see_what_is_left_out() -> None:
    spec = bayes_grpo.load_model("overdamped")
    step = np.array([1, 2, 3, 3, 4, 5, 5, 6])
    reward = np.array([0.2, 0.33, 0.4, 0.44, 0.5, 0.6, 0.66, 0.7])
    changed = np.where(step >= 4, reward[::-1], reward)
    parameters = {"plateau": 0.7, "initial_reward": 0.2, "stiffness": 0.2, "observation_sd": 0.05, "fluctuation": 0.08}
    values = []
    for rewards in (reward, changed):
        run = bayes_grpo.make_run("masked", {"optimizer_step": step, "reward": rewards}, SHORT)
        data = masked(prepare(run, spec), np.array([3, 4, 5]))
        values.append(
            np.asarray(likelihood.filtered(spec.law, jax.tree.map(jnp.asarray, parameters), data.run).log_density)
        )
    np.testing.assert_array_equal(*values)
    assert np.count_nonzero(values[0]) == 3


@pytest.fixture(scope="module")
def compared() -> tuple[Comparison, list[xr.DataTree]]:
    """Two laws on two runs, and the fits."""
    fits: list[xr.DataTree] = []
    runs = [short_run("one", n=20, seed=1), short_run("two", n=17, seed=2)]
    done = bayes_grpo.compare(runs, LAWS, on_fit=fits.append, **SETTINGS)
    return done, fits


def test_scores_add_up_over_runs(compared) -> None:
    done, fits = compared
    own = {name: [loo(fit) for fit in fits if fit.attrs["model"] == name] for name in LAWS}
    assert list(done.table["elpd"]) == sorted(done.table["elpd"], reverse=True)
    best, other = done.table.index
    for name, results in own.items():
        row = done.table.loc[name]
        assert row["elpd"] == pytest.approx(sum(result.elpd for result in results))
        assert row["max_khat"] == pytest.approx(max(float(result.pareto_k.max()) for result in results))
    first, second = (np.concatenate([result.elpd_i.values for result in own[name]]) for name in (best, other))
    assert done.table.loc[best, "delta"] == done.table.loc[best, "delta_se"] == 0
    assert done.table.loc[other, "delta"] == pytest.approx((second - first).sum())
    assert done.table.loc[other, "delta_se"] == pytest.approx(np.sqrt(37) * (second - first).std())
    assert done.table["weight"].sum() == pytest.approx(1)
    assert sorted(set(done.per_run["run"])) == ["one", "two"] and len(done.per_run) == 4
    for label, rows in done.per_run.groupby("run"):
        assert rows["delta"].max() == 0, label
    assert "does best" not in done.statement and "37 rewards of 2 runs" in done.statement


def test_saved_fits_compare_to_the_same(compared, tmp_path) -> None:
    done, fits = compared
    loaded = [bayes_grpo.load_fit(bayes_grpo.save_fit(fit, tmp_path / f"{i}.nc")) for i, fit in enumerate(fits)]
    again = bayes_grpo.compare_fits(loaded)
    assert again.as_dict() == done.as_dict()
    assert again.pointwise.equals(done.pointwise)


def test_the_json_object(compared) -> None:
    result = json.loads(json.dumps(compared[0].as_dict(), allow_nan=False))
    assert {"criterion", "table", "statement", "warnings"} <= set(result)
    for row in result["table"]:
        assert {"model", "elpd", "se", "delta", "delta_se", "weight", "max_khat"} <= set(row)
    assert any("37 rewards" in text for text in result["warnings"])


def altered(fit: xr.DataTree, **changes: np.ndarray) -> xr.DataTree:
    copy = fit.copy(deep=True)
    rows = copy["constant_data"].to_dataset()
    copy["constant_data"] = xr.DataTree(rows.assign({name: rows[name].copy(data=v) for name, v in changes.items()}))
    return copy


def test_fits_of_other_data_are_refused_with_all_faults(compared) -> None:
    first, _, third, fourth = compared[1]
    rows = third["constant_data"].to_dataset()
    reward, step = rows["reward"].values, rows["optimizer_step"].values
    other_rewards = altered(third, reward=np.where(step == 4, 0.5, reward))
    other_steps = altered(third, optimizer_step=step + 1)
    repeated = altered(third, reward=np.where(step == 4, np.nan, reward))
    for fits, expected in (
        ([first, other_rewards], "different rewards (1 of 20, first in row 4) of run one"),
        ([first, other_steps], "different steps"),
        ([first, repeated], "20 and 19 rewards of run one"),
        ([first, fourth], "run one is not fitted by random_walk"),
        ([first], "at least 2 models, found 1 (exponential)"),
        ([first, first, third], "two fits of run one"),
    ):
        with pytest.raises(bayes_grpo.InputError) as caught:
            bayes_grpo.compare_fits(fits)
        assert expected in str(caught.value)
    with pytest.raises(bayes_grpo.InputError) as caught:
        bayes_grpo.compare_fits([first, fourth])
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize(
    ("runs", "models", "options", "expected"),
    [
        (["one"], ["overdamped"], {}, ["at least 2, found 1"]),
        (["one"], ["overdamped", "overdampd"], {}, ["did you mean 'overdamped'"]),
        (["one"], ["overdamped", "overdamped"], {}, ["overdamped is named twice"]),
        (["one", "one"], ["overdamped", "exponential"], {}, ["run one is given twice"]),
        (["one", "copy"], ["overdamped", "exponential"], {}, ["one and copy hold the same"]),
        (["one", "other one"], ["overdamped", "exponential"], {}, ["2 different runs are labelled one"]),
        (["one"], ["overdamped", "pooled"], {}, ["pooled pools over runs: expected at least 2 runs, found 1 (one)"]),
        (["one", "two"], ["overdamped", "pooled"], {"criterion": "lfo"}, ["pooled pools over runs, but lfo"]),
        (["one"], ["overdamped", "exponential"], {"criterion": "waic"}, ["expected one of loo, lfo, found 'waic'"]),
        (["one"], ["overdamped", "exponential"], {"min_observations": 3}, ["only lfo has an origin"]),
        (["one"], ["overdamped", "exponential"], {"criterion": "lfo", "min_observations": 12}, ["fewer than its 12"]),
        (["one"], ["overdamped", "exponential"], {"draws": 0}, ["draws: expected"]),
        (
            ["one", "copy", "one"],
            ["pooled", "nosuch", "pooled"],
            {"criterion": "lfo"},
            ["nosuch", "pooled is named twice", "one and copy hold", "run one is given twice", "but lfo"],
        ),
    ],
)
def test_what_cannot_be_compared(runs: list[str], models: list[str], options: dict, expected: list[str]) -> None:
    made = {"one": short_run("one"), "two": short_run("two", seed=2), "copy": short_run("copy")}
    made["other one"] = short_run("one", seed=5)
    with pytest.raises(bayes_grpo.InputError) as caught:
        bayes_grpo.compare([made[name] for name in runs], models, **options)
    for text in expected:
        assert text in str(caught.value)


def test_a_run_that_cannot_be_fitted_does_not_lose_the_others() -> None:
    dead = short_run("dead", seed=4)
    dead["learning_rate"] = xr.zeros_like(dead["reward"])
    done = bayes_grpo.compare([short_run("good"), dead], LAWS, **SETTINGS)
    assert done.as_dict()["runs"] == ["good"]
    assert any(text.startswith("dead is left out") and "learning_rate" in text for text in done.warnings)
    with pytest.raises(bayes_grpo.InputError, match="dead: .*learning_rate"):
        bayes_grpo.compare(dead, LAWS)


def test_a_model_that_pools_is_scored_on_the_same_rewards(tmp_path) -> None:
    shared = tmp_path / "shared.toml"
    shared.write_text('extends = "exponential"\n[parameters.plateau]\npooling = "shared"\n')
    runs = [short_run("one", n=20, seed=1), short_run("two", n=17, seed=2)]
    done = bayes_grpo.compare(runs, ["exponential", shared], **SETTINGS)
    assert done.pointwise.sizes == {"model": 2, "observation": 37}
    assert list(done.pointwise["run"].values) == ["one"] * 20 + ["two"] * 17
    assert list(done.pointwise["optimizer_step"].values) == [*range(1, 21), *range(1, 18)]
    # Nearly the same law of the same rewards: what one finds surprising, the other does too.
    assert np.corrcoef(done.pointwise["elpd"].values)[0, 1] > 0.9
    assert set(done.per_run["model"]) == {"exponential", "shared"} and len(done.per_run) == 4


def test_a_pool_that_cannot_be_fitted_is_found_out_first() -> None:
    runs = [short_run("one", seed=1), short_run("two", seed=2)]
    with pytest.raises(bayes_grpo.InputError, match="learning_rate: predicts stiffness") as caught:
        bayes_grpo.compare(runs, ["exponential", "pooled"], on_fit=lambda fit: pytest.fail("found out after a fit"))
    assert len(caught.value.faults) == 1


def test_simulated_runs_are_not_lost_to_other_laws() -> None:
    """A run of each of two laws; case_studies/comparison states the rate at which a law loses its own run."""
    from case_studies.comparison.recovery import study

    laws = ["overdamped", "random_walk"]
    settings = {"draws": 400, "tune": 400, "chains": 2}
    found = {law: done for law, _, _, done in study(laws, [*laws, "exponential"], range(1), 120, "loo", **settings)}
    assert all(not found[law].difference(other, law).clear for law in laws for other in found[law].table.index)
    # What is far from the truth is found to be.
    for law in laws:
        gap = found[law].difference(law, "exponential")
        assert gap.nats > 20 and gap.nats > 4 * gap.error


def test_sensitivity_tells_prior_from_data(small_fit: xr.DataTree) -> None:
    table = bayes_grpo.sensitivity(small_fit)
    assert {"plateau", "stiffness", "timescale"} <= set(table.index)
    assert set(table.columns) == {"prior", "likelihood", "diagnosis"}
    # Sixty rewards that rise and settle fix the start; its prior is flat.
    assert table.loc["initial_reward", "prior"] < 0.05 < table.loc["initial_reward", "likelihood"]


def test_left_out_predictions_know_their_neighbours(small_fit: xr.DataTree) -> None:
    tree = leave_one_out_tree(small_fit)
    drawn, observed = tree["posterior_predictive"]["reward"], tree["observed_data"]["reward"]
    terms, posterior = tree["log_likelihood"]["reward"], tree["posterior"]
    # The terms are the densities of what is drawn: with r the distance from the mean and v the variance,
    # -2 log p = log(2 pi v) + r^2 / v, averaged over draws of like parameters.
    spread = drawn.std(("chain", "draw"))
    assert float((drawn - observed).std()) < 2 * float(posterior["observation_sd"].mean())
    gaussian = -0.5 * np.log(2 * np.pi * spread**2) - (observed - drawn.mean(("chain", "draw"))) ** 2 / (2 * spread**2)
    assert float(np.abs(gaussian - terms.mean(("chain", "draw"))).median()) < 0.1
    # Uniform places; Kolmogorov's distance of 60 uniform values exceeds 0.25 once in a thousand.
    pit = np.sort(az.loo_pit(tree)["reward"].values)
    assert np.max(np.abs(pit - (np.arange(60) + 0.5) / 60)) < 0.25


def test_figures_of_the_checks(small_fit: xr.DataTree) -> None:
    from bayes_grpo.analysis.posterior.figure_checks import plot_leave_one_out, plot_predictive

    for figure in (
        plot_predictive(small_fit),
        plot_leave_one_out(small_fit),
        plot_leave_one_out(small_fit, coverage=True),
    ):
        (axes,) = figure.axes
        assert axes.get_title() == "small: overdamped"
        assert len(axes.lines) >= 1 and axes.get_xlabel()

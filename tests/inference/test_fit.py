"""Fits: structure, determinism, lossless storage, recovery, calibration, compiled once."""

import json
from pathlib import Path

import arviz_stats as az
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo import InputError, fit, load_fit, load_model, make_run, prior_predictive, save_fit, summarise
from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.inference.evaluate import evaluator, forget_programs
from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.store import is_fit
from bayes_grpo.laws.kalman import kalman_filter
from bayes_grpo.laws.likelihood import state_space
from bayes_grpo.report.single import look_into
from tests.common import FACTS, QUICK, SAMPLER, curve, shapes_compiled


def test_the_tree_holds_all_that_is_needed(small_fit: xr.DataTree) -> None:
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data", "prior"} <= set(
        small_fit.children
    )
    assert small_fit["posterior"].sizes == {"chain": SAMPLER["chains"], "draw": small_fit.attrs["draws"]}
    assert small_fit.attrs["draws"] % SAMPLER["draws"] == 0
    assert small_fit["log_likelihood"]["reward"].dims == ("chain", "draw", "step")
    assert small_fit.attrs["model_file"] == load_model("overdamped").history
    assert json.loads(small_fit.attrs["hyperparameters"])["group_size"] == 8
    assert {"numpyro", "jax", "bayes-grpo"} <= set(json.loads(small_fit.attrs["versions"]))
    for name, value in small_fit["posterior"].data_vars.items():
        assert value.attrs["units"], name


def test_arviz_takes_it_as_it_is(small_fit: xr.DataTree) -> None:
    assert float(az.rhat(small_fit)["plateau"]) < 1.02
    assert {"plateau", "stiffness"} <= set(az.psense_summary(small_fit).index)


def test_pointwise_terms_belong_to_their_draw(small_fit: xr.DataTree, small_run: xr.Dataset) -> None:
    spec = load_model("overdamped")
    prepared = prepare(small_run, spec)
    for chain, draw in ((0, 0), (1, 499)):
        one = small_fit["posterior"].to_dataset().isel(chain=chain, draw=draw)
        parameters = {name: jnp.asarray(one[name].values) for name in spec.parameters}
        terms = kalman_filter(*state_space(spec.law, parameters, prepared.data.run)).log_density
        stored = small_fit["log_likelihood"]["reward"].isel(chain=chain, draw=draw).values
        np.testing.assert_allclose(stored, np.asarray(terms)[prepared.rows[0]], rtol=1e-12)


def test_the_same_seed_gives_the_same_draws_and_another_does_not(small_run: xr.Dataset) -> None:
    def draws(seed: int) -> xr.Dataset:
        return fit(small_run, "exponential", seed=seed, **QUICK)["posterior"].to_dataset()

    first = draws(5)
    assert first.identical(draws(5))
    assert not first.equals(draws(6))


def test_saving_loses_nothing(small_fit: xr.DataTree, tmp_path: Path) -> None:
    path = save_fit(small_fit, tmp_path / "fit.nc")
    loaded = load_fit(path)
    xr.testing.assert_identical(small_fit, loaded)
    assert loaded["sample_stats"]["diverging"].dtype == bool
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.nc"]


def test_a_damaged_fit_is_refused(small_fit: xr.DataTree, tmp_path: Path) -> None:
    content = bytearray(save_fit(small_fit, tmp_path / "fit.nc").read_bytes())
    for place in np.random.default_rng(0).integers(0, len(content) - 90, 5):
        damaged = content.copy()
        damaged[place] ^= 0xFF
        (tmp_path / "d.nc").write_bytes(damaged)
        with pytest.raises(InputError, match="damaged file"):
            load_fit(tmp_path / "d.nc")
        assert not is_fit(tmp_path / "d.nc") and look_into(tmp_path / "d.nc") is None


def test_other_files_are_no_fits(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_text("hello")
    with pytest.raises(InputError, match="another format"):
        load_fit(tmp_path / "a.nc")
    with pytest.raises(InputError, match="found a folder"):
        load_fit(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        load_fit(tmp_path / "b.nc")
    xr.Dataset({"x": 1}).to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="not a fit"):
        load_fit(tmp_path / "c.nc")


def test_all_bad_arguments_are_listed(small_run: xr.Dataset) -> None:
    with pytest.raises(InputError) as caught:
        fit(small_run, seed=-1, draws=0, target_accept=1.5)
    assert len(caught.value.faults) == 3
    two = bayes_grpo.combine([small_run, small_run.assign_coords(run=["other"])])
    with pytest.raises(InputError, match="small, other"):
        fit(two)
    with pytest.raises(InputError, match="no run 'x'"):
        fit(two, run="x")


def test_summary_reports_intervals_units_and_what_the_law_fixes(small_fit: xr.DataTree) -> None:
    summary = summarise(small_fit)
    plateau = summary["parameters"]["plateau"]
    draws = small_fit["posterior"]["plateau"].values
    assert plateau["lower"] == pytest.approx(np.quantile(draws, 0.05))
    assert plateau["upper"] == pytest.approx(np.quantile(draws, 0.95))
    assert summary["interval"] == {"prob": INTERVAL_PROB, "kind": "eti"}
    assert summary["parameters"]["damping"] | {"fixed": True, "mean": 1.0} == summary["parameters"]["damping"]
    assert summary["parameters"]["damping_ratio"]["mean"] is None
    product = small_fit["posterior"]["timescale"] * small_fit["posterior"]["stiffness"]
    np.testing.assert_allclose(product.values, 1.0)
    json.dumps(summary, allow_nan=False)


def test_a_fit_that_fails_says_so(small_run: xr.Dataset) -> None:
    summary = summarise(fit(small_run, "exponential", method="nuts", **QUICK | {"draws": 5}))
    assert summary["converged"] is False
    assert any(text.startswith("NOT CONVERGED") for text in summary["warnings"])


def test_runs_of_like_length_share_one_compilation() -> None:
    """Fits of 41 to 59 rows: one trace of each program, so that memory does not grow with the number of runs."""
    spec, compiled = load_model("exponential"), []
    for n in (41, 50, 59):
        run = make_run(f"r{n}", {"optimizer_step": np.arange(n), "reward": curve(n, seed=n)}, FACTS)
        fit(run, "exponential", **QUICK)
        compiled.append((shapes_compiled(target_of(spec)._evaluate), shapes_compiled(evaluator(spec)._account)))
    assert compiled[-1] == compiled[0] and min(compiled[0]) > 0


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the kernel's memory maps are Linux's")
def test_compiled_programs_are_dropped_before_the_kernel_refuses_more(small_run: xr.Dataset) -> None:
    def maps() -> int:
        return Path("/proc/self/maps").read_bytes().count(b"\n")

    fit(small_run, "exponential", method="nuts", **QUICK)
    held = maps()
    assert not forget_programs(1.0)
    assert forget_programs(0.0)
    assert maps() < held - 500
    again = fit(small_run, "exponential", **QUICK)
    assert again["posterior"].sizes["draw"] >= 25


def test_prior_predictive_covers_the_scale_of_the_rewards_at_any_length() -> None:
    """Rewards in [0, 1] and [-5, 10], 40 and 5,000 steps: draws stay near the bounds, timescales near the run.

    Rewards are expected to rise, by 0.15 of the range in the median.
    """
    for lower, upper in ((0, 1), (-5, 10)):
        for length in (40, 5000):
            steps = np.linspace(1, length, 40).round()
            facts = FACTS | {"reward_lower": lower, "reward_upper": upper, "planned_steps": length}
            reward = lower + (upper - lower) * curve(40)
            draws = prior_predictive(
                make_run("a", {"optimizer_step": steps, "reward": reward}, facts), draws=400, seed=1
            )
            middle, span = (lower + upper) / 2, upper - lower
            path = draws["expected_reward"].values
            assert abs(np.median(path) - middle - 0.1 * span) < 0.1 * span
            assert np.quantile(np.abs(path - middle), 0.9) < span
            assert 0.1 < np.median(draws["timescale"]) / length < 0.4


def test_calibration_in_the_small() -> None:
    """Simulation-based calibration: 24 prior draws, ranks of each parameter in 8 bins by chi-square.

    False-alarm rate: 1e-4 a parameter, 5 parameters, seed fixed. The full study, 200 replicates of every model, is
    case_studies/calibration.
    """
    from case_studies.calibration import sbc as study

    ranks = study.ranks("overdamped", replicates=24, blank=study.blank_runs(40), seed=11)
    assert ranks.pop("fallback").sum() <= 2
    assert set(ranks) >= {"plateau", "stiffness"}
    for name, values in ranks.items():
        assert study.uniformity_p_value(values) > 1e-4, (name, values)

"""Thresholds and ringing computed from posterior draws, and what is said where something is unknown."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from bayes_grpo import (
    InputError,
    combine,
    fit,
    load_model,
    make_run,
    oscillation,
    plot_oscillation,
    plot_threshold,
    save_fit,
    summarise_oscillation,
    summarise_threshold,
    threshold,
)
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.analysis.stability.table import threshold_table
from bayes_grpo.cli import main
from bayes_grpo.inference.layout import prepare
from bayes_grpo.laws.delay import exact_delay_threshold
from bayes_grpo.laws.likelihood import simulated
from bayes_grpo.laws.stability import refresh_cycle, refresh_threshold, spectral_radius
from tests.common import FACTS, SAMPLER, call, curve, options

#: Rows of the simulated runs with lag.
ROWS = 96


def test_thresholds_are_the_closed_forms_at_the_draws(ringing_fit: xr.DataTree) -> None:
    found = threshold(ringing_fit, lag_share=0.8)
    k = found["stiffness"].values
    assert np.isclose(k[:, None], ringing_fit["posterior"]["stiffness"].values.ravel(), rtol=1e-12).any(1).all()
    assert k.size == min(1000, ringing_fit["posterior"]["stiffness"].size)
    np.testing.assert_allclose(found["leading"], 1 + 2 / (0.8 * k))
    np.testing.assert_array_equal(found["exact"], refresh_threshold(k, 0.9, 0.8))
    np.testing.assert_array_equal(found["frozen"], refresh_threshold(k, 0.9, 1.0))
    np.testing.assert_allclose(found["delay"], exact_delay_threshold(k, 0.9, 0.8))
    assert found.attrs["lag_share_source"] == "stated" and found["exact"].attrs["units"] == "step"


def test_raising_the_learning_rate_by_the_margin_is_marginal(ringing_fit: xr.DataTree) -> None:
    found = threshold(ringing_fit, lag_share=1.0, refresh_interval=12)
    for i in (0, 50, 200):
        k = float(found["stiffness"][i] * found["learning_rate_margin"][i])
        assert (
            spectral_radius(refresh_cycle(k * 0.999, 0.9, 12)) < 1 < spectral_radius(refresh_cycle(k * 1.001, 0.9, 12))
        )


def test_the_probability_grows_with_the_refresh_interval(ringing_fit: xr.DataTree) -> None:
    chances = []
    for interval in (1, 30, 60, 400):
        summary = summarise_threshold(threshold(ringing_fit, refresh_interval=interval, lag_share=1.0))
        chances.append(summary["probability_beyond_threshold"])
        assert summary["probability_unstable"] == chances[-1]  # its name of version 0.1.0
        assert summary["refresh_interval"] == interval
    assert chances[0] == 0 and chances == sorted(chances) and chances[-1] > 0.95


def test_what_is_unknown_is_said(ringing_fit: xr.DataTree, small_run: xr.Dataset) -> None:
    summary = summarise_threshold(threshold(ringing_fit), ringing_fit)
    assert any(note.kind == "assumption" and note.subject == "lag_share" for note in notes_of(summary))
    assert 0.35 < summary["threshold"]["exact"]["probability_none"] < 0.65  # half of lambda lies below 1/2
    bare = small_run.drop_vars(["refresh_interval", "momentum"])
    loose = fit(bare, "overdamped", **SAMPLER)
    summary = summarise_threshold(threshold(loose), loose)
    assert summary["probability_beyond_threshold"] is None and summary["learning_rate_margin"] is None
    subjects = {(note.kind, note.subject) for note in notes_of(summary)}
    assert ("limit", "refresh_interval") in subjects
    assert any("--refresh-interval" in text for text in summary["warnings"])
    json.dumps(summary, allow_nan=False)
    with pytest.raises(InputError) as caught:
        threshold(ringing_fit, refresh_interval=0, lag_share=2)
    assert len(caught.value.faults) == 2


def test_laws_without_a_plateau_are_refused(small_run: xr.Dataset) -> None:
    walk = fit(small_run, "random_walk", **SAMPLER)
    with pytest.raises(InputError, match="random_walk has no stiffness"):
        threshold(walk)
    with pytest.raises(InputError, match="random_walk has no stiffness"):
        oscillation(walk)


def test_curves_in_time_are_refused(small_run: xr.Dataset) -> None:
    """Nothing pulls back at their plateau: the stiffness of their rise would be taken for it."""
    curve_fit = fit(small_run, method="importance", draws=100, chains=2)
    assert curve_fit.attrs["model"] == "s_curve"
    for question in (threshold, oscillation):
        with pytest.raises(InputError, match="s_curve is a curve in time.*--model oscillator"):
            question(curve_fit)


def test_ringing_is_that_of_the_damped_oscillator(ringing_fit: xr.DataTree) -> None:
    """Period and overshoot against the solution of m x'' + c x' + k x = 0 from rest, integrated numerically."""
    from scipy.integrate import solve_ivp

    found = oscillation(ringing_fit)
    posterior = ringing_fit["posterior"].to_dataset()
    flat = {name: posterior[name].values.ravel() for name in ("stiffness", "damping", "damping_ratio")}
    thin = np.unique(np.linspace(0, flat["damping"].size - 1, 1000).round().astype(int))
    flat = {name: value[thin] for name, value in flat.items()}
    np.testing.assert_allclose(found["damping_ratio"], flat["damping_ratio"])
    rings = np.flatnonzero((flat["damping_ratio"] > 0.2) & (flat["damping_ratio"] < 0.8))
    assert rings.size > 5
    for i in rings[:3]:
        k, c = flat["stiffness"][i], flat["damping"][i]
        period = float(found["period"][i])
        times = np.linspace(0, period, 4001)
        path = solve_ivp(
            lambda _, s, k=k, c=c: [s[1], -(c * s[1] + k * s[0]) / 9.5],
            (0, period),
            [1.0, 0.0],
            t_eval=times,
            rtol=1e-9,
            atol=1e-12,
        ).y[0]
        assert -path.min() == pytest.approx(float(found["overshoot"][i]), rel=1e-4)
        assert times[path.argmin()] == pytest.approx(period / 2, rel=1e-3)
    factor = found["learning_rate_factor"].values
    np.testing.assert_allclose(flat["damping"] ** 2 / (4 * 9.5 * flat["stiffness"] * factor), 1.0, rtol=1e-9)
    summary = summarise_oscillation(found, ringing_fit)
    rings = ((flat["damping_ratio"] > 0) & (flat["damping_ratio"] < 1)).mean()
    assert summary["probability_oscillatory"] == summary["probability_underdamped"] == pytest.approx(rings)
    json.dumps(summary, allow_nan=False)


def test_a_law_without_mass_cannot_ring(small_fit: xr.DataTree) -> None:
    summary = summarise_oscillation(oscillation(small_fit), small_fit)
    assert summary["probability_oscillatory"] == 0 and summary["period"] is None
    assert [note.subject for note in notes_of(summary) if note.kind == "limit"] == ["mass"]


def test_commands_take_fits_and_logs(ringing_fit: xr.DataTree, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    saved = save_fit(ringing_fit, tmp_path / "fit.nc")
    drawn = [tmp_path / "threshold.png", tmp_path / "oscillation.svg"]
    asked = ["--refresh-interval", "4", "--lag-share", "1", "--figure", str(drawn[0])]
    main(["threshold", str(saved), *asked, "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert set(summary) >= {"threshold", "probability_unstable", "learning_rate_margin", "warnings"}
    assert set(summary["threshold"]) >= {"leading", "exact", "delay"}
    main(["oscillation", str(saved), "--figure", str(drawn[1])])
    assert all(path.stat().st_size > 10_000 for path in drawn)
    table = capsys.readouterr().out
    assert "damping ratio" in table and "P(rings)" in table and max(map(len, table.splitlines())) <= 100
    log = tmp_path / "log.csv"
    rows = "\n".join(f"{i},{value:.4f}" for i, value in enumerate(curve(40)))
    log.write_text(f"step,reward\n{rows}\n")
    main(["threshold", str(log), "--model", "overdamped", "--momentum", "0.9", *options(SAMPLER)])
    assert "constant delay, exact" in capsys.readouterr().out
    narrow = call("threshold", saved, *asked[:4], columns=80).stdout
    assert "networks broke" in narrow and max(map(len, narrow.splitlines())) <= 80
    assert main(["threshold", str(saved), "--refresh-interval", "x"]) == 2
    assert "--refresh-interval: expected a number at least 1, found 'x'" in capsys.readouterr().err
    assert main(["threshold", str(saved), "--refresh-interval", "0.5"]) == 2
    assert "--refresh-interval: expected a number at least 1, found 0.5" in capsys.readouterr().err


def test_the_figures_show_what_was_found(ringing_fit: xr.DataTree, small_fit: xr.DataTree) -> None:
    """Curves are the shares of draws; a row a run; what does not exist is said to be none."""
    asked = threshold(ringing_fit, lag_share=1.0, refresh_interval=12)
    figure = plot_threshold({"a": asked, "b": threshold(ringing_fit)})
    panels = figure.axes
    assert [axes.get_title() for axes in panels if axes.get_title()] == ["a", "b"]
    lines = {str(line.get_label()): line for line in panels[0].get_lines()}
    steps, chance = lines["refresh, exact"].get_data()
    np.testing.assert_allclose(chance, [(asked["exact"].values <= step).mean() for step in steps])
    assert "K = 12" in lines
    found = oscillation(ringing_fit)
    ratio = found["damping_ratio"].values
    text = plot_oscillation(found).axes[0].get_title(loc="left")
    assert f"{((ratio > 0) & (ratio < 1)).mean():.2f}" in text
    none = plot_oscillation(oscillation(small_fit)).axes
    assert [text.get_text() for axes in none for text in axes.texts] == ["none"] * 4


def test_runs_of_several_intervals_tell_the_lag_share() -> None:
    """Two simulated runs, K = 1 and 40, with lambda k (K - 1) / 2 = 0.8 at lambda = 1: small shares become improbable.

    Seed fixed; P(lambda < 1/4) is 1/4 before the rewards and must fall below 1/10.
    """
    law, runs = load_model("delayed_oscillator"), []
    truth = {"plateau": 0.6, "initial_reward": 0.2, "stiffness": 0.04, "lag_share": 1.0, "initial_velocity": 1.0}
    truth |= {"fluctuation": 0.05, "observation_sd": 0.03}
    for interval in (1, 40):
        facts = FACTS | {"refresh_interval": interval, "planned_steps": ROWS}
        columns = {
            "optimizer_step": np.arange(ROWS),
            "reward": np.linspace(0.2, 0.6, ROWS),
            "learning_rate": np.full(ROWS, 1e-6),
        }
        blank = make_run(f"K{interval}", columns, facts)
        data = prepare(blank, law).data.run
        point = jax.tree.map(jnp.asarray, truth)
        logged = np.asarray(simulated(law.law, point, data, jax.random.key(interval))[1])[:ROWS]
        runs.append(make_run(f"K{interval}", columns | {"reward": logged.clip(0, 1)}, facts))
    pooled = fit(combine(runs), "pooled_lag", seed=1, **SAMPLER | {"draws": 300})
    share = pooled["posterior"]["lag_share"].values
    assert (share < 0.25).mean() < 0.1
    found = threshold(pooled, run="K40")
    assert found.attrs["lag_share_source"] == "posterior" and found.attrs["refresh_interval"] == 40
    summary = summarise_threshold(found, pooled)
    assert summary["lag_share"]["source"] == "posterior"
    assert "learned from the runs" in " ".join(threshold_table(summary).split())
    assert "lag_share" not in {note["subject"] for note in summary["notes"] if note["kind"] == "little_learned"}
    with pytest.raises(InputError, match="run: expected one of K1, K40"):
        threshold(pooled)


def test_runs_that_say_nothing_of_the_lag_share_are_told(ringing_fit: xr.DataTree) -> None:
    """Two runs on fresh rollouts have no lag: the share is its prior, and the answer says so, and what lag took."""
    runs = []
    for seed in (1, 2):
        steps = np.arange(48)
        reward = 0.6 - 0.4 * np.exp(-steps / 10) + 0.02 * np.random.default_rng(seed).normal(size=48)
        columns = {"optimizer_step": steps, "reward": reward, "learning_rate": np.full(48, 1e-6)}
        runs.append(make_run(f"run{seed}", columns, FACTS | {"refresh_interval": 1, "planned_steps": 48}))
    pooled = fit(combine(runs), "pooled_lag", seed=1, method="importance")
    found = threshold(pooled, run="run1", refresh_interval=8)
    summary = summarise_threshold(found)
    share = summary["lag_share"]
    assert share["source"] == "prior"
    np.testing.assert_allclose([share["lower"], share["median"], share["upper"]], [0.05, 0.5, 0.95], atol=0.08)
    notes = [note for note in summary["notes"] if note["subject"] == "lag_share"]
    assert [note["kind"] for note in notes] == ["little_learned"] and "take 0% of the damping" in notes[0]["text"]
    assert "the runs say nothing of it" in " ".join(threshold_table(summary).split())
    stated = threshold(pooled, run="run1", lag_share=0.5)
    assert stated.attrs["lag_share_source"] == "stated" and "lag_share" not in stated.attrs["notes"]
    assert summarise_threshold(threshold(ringing_fit))["lag_share"]["source"] == "uniform"

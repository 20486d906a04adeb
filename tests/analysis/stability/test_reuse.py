"""The limits of reuse from a posterior: what binds, what it rests on, and what each refresh interval earns."""

import json

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, balance_plateau, fit, make_run, summarise_threshold, threshold
from bayes_grpo.analysis.stability import reuse as limits_of
from bayes_grpo.analysis.stability.conditions import INFERRED, Conditions, conditions_of
from bayes_grpo.analysis.stability.law_error import LAW_DISCREPANCY, LAW_OFFSET, Seen, law_offset
from bayes_grpo.analysis.stability.reuse import INTERVALS
from bayes_grpo.analysis.stability.reuse_summary import ONLY_LAG, reuse_summary
from bayes_grpo.analysis.stability.reuse_table import reuse_text
from bayes_grpo.analysis.stability.table import threshold_table
from bayes_grpo.laws import reuse
from tests.common import FACTS, curve

GROWTH, INTERVAL = 0.04, 8


def run_with(channels: bool, **facts: float) -> xr.Dataset:
    rng = np.random.default_rng(2)
    columns = {"optimizer_step": np.arange(1, 161), "reward": curve(160)}
    if channels:
        share = float(reuse.clipped_share(GROWTH, INTERVAL, 0.2))
        columns["clip_ratio"] = share * (1 + 0.05 * rng.normal(size=160))
        columns["step_time"] = np.where(np.arange(160) % INTERVAL == 0, 9.0, 1.0)
        columns["rollout_age"] = np.arange(160) % INTERVAL
    known = {"refresh_interval": INTERVAL, "clip_range": 0.2, "kl_weight": 0.4, "planned_steps": 160}
    return make_run("reused", columns, FACTS | known | facts)


@pytest.fixture(scope="module")
def reused() -> xr.DataTree:
    return fit(run_with(True), "overdamped", seed=1, draws=200, tune=300, chains=2)


def summary_of(tree: xr.DataTree, stated: dict[str, float] | None = None, **more: float) -> dict:
    result = threshold(tree, lag_share=1.0, hyperparameters=stated)
    return {"run": "reused", "refresh_interval": INTERVAL} | reuse_summary(tree, result, **more)


def test_limits_stand_side_by_side(reused: xr.DataTree) -> None:
    summary = summary_of(reused)
    assert set(summary["limit"]) == {"lag", "ess", "starvation"} and summary["rests_on"] == ["clip_ratio"]
    assert summary["limit"]["ess"]["probability_none"] == 1.0  # clipping stops the spread before
    assert (
        0 < summary["limit"]["starvation"]["probability_none"] <= 1
    )  # a clip share below a half leaves most of this gain
    assert summary["binding"] in ("lag", "starvation") and 0 <= summary["probability_unstable"] <= 1
    json.dumps({key: value for key, value in summary.items() if key != "notes"}, allow_nan=False)


def test_hours_come_from_the_log_or_are_stated(reused: xr.DataTree) -> None:
    """Drawing takes 8 s and an update 1 s in the log: reuse pays per hour; where drawing is free, it does not."""
    dear, free = summary_of(reused), summary_of(reused, generation_seconds=1e-3, update_seconds=10.0)
    assert dear["best"]["per_hour"] > 1
    assert free["best"]["per_hour"] < dear["best"]["per_hour"]
    first = dear["intervals"][0]
    assert first["hours"]["median"] == pytest.approx(first["updates"]["median"] * 9 / 3600)
    assert "hours" in reuse_text(dear) and "What binds is" in reuse_text(dear)
    with pytest.raises(InputError) as refusal:
        summary_of(reused, generation_seconds=-1, update_seconds=0)
    assert len(refusal.value.faults) == 2


def test_a_run_that_broke_down_contradicts_its_limits(reused: xr.DataTree) -> None:
    """Its reward falls to nothing at the interval that the limits allow: no interval and no raise is recommended."""
    run = run_with(True)
    run["reward"].values[0, 110:] = 0.01 * np.abs(np.random.default_rng(3).normal(size=50))
    tree = fit(run, "overdamped", seed=1, draws=200, tune=300, chains=2)
    result = threshold(tree, lag_share=1.0)
    summary = summarise_threshold(result, tree) | reuse_summary(tree, result)
    assert summary["broke_down"]["refresh_interval"] == INTERVAL and summary["broke_down"]["level"] < 0.02
    assert summary["learning_rate_margin"] is summary["refresh_interval_margin"] is None
    assert summary["best"]["per_batch"] is summary["best"]["probability_best"]["per_hour"] is None
    text = reuse_text(summary)
    assert text.startswith(f"This run broke down at its own refresh interval of K = {INTERVAL:g}: it contradicts")
    assert "Most reward" not in text and "could be raised" not in threshold_table(summary)
    assert next(n["subject"] for n in summarise_threshold(result, tree)["notes"]) == "refresh_interval"
    sound = summarise_threshold(threshold(reused, lag_share=1.0), reused)
    assert sound["broke_down"] is None and sound["learning_rate_margin"] is not None


def test_where_only_the_lag_is_known_the_command_says_so() -> None:
    tree = fit(run_with(False), "overdamped", seed=1, draws=150, tune=200, chains=2)
    summary = summary_of(tree)
    assert summary["binding"] == "lag" and summary["limit"]["ess"] is None and summary["intervals"] is None
    assert ONLY_LAG in summary["warnings"]
    text = " ".join(reuse_text(summary).split())
    assert "unknown" in text and "What binds" not in text and "lowest" not in text
    assert text.startswith("By lag alone the limit is ") and "this log does not tell where" in text


def test_paths_end_at_the_closed_form_and_take_the_time_that_an_ode_takes() -> None:
    ones = np.ones(3)
    place = (0.255 - 0.2) / 0.6
    start = np.log(place / (1 - place)) * ones
    conditions = Conditions(0.05 * ones, start, start, 0.4 * ones, 0.2, 0.8, 8, 0.2)
    clipped = np.array([0.0, 0.1, 0.3])
    z, time = conditions.paths(clipped)
    plateau = balance_plateau(0.4, 8, place, 0.2, 0.8, clipped=clipped)
    np.testing.assert_allclose(conditions.reward(z[:, -1]), plateau, atol=5e-4)
    state, updates = start[:1].copy(), 0
    while conditions.reward(state)[0] < 0.5:
        state = state + 0.05 * 0.1 * (conditions.drive(state) - 0.4 * (state - start[0]))
        updates += 0.1
    assert np.interp(0.5, conditions.reward(z[0]), time[0]) == pytest.approx(updates, rel=0.02)


def test_starvation_is_where_half_of_the_gain_is_gone() -> None:
    ones = np.ones(5)
    place = (0.255 - 0.2) / 0.6
    start = np.log(place / (1 - place)) * ones
    conditions = Conditions(0.05 * ones, start, start, 0.4 * ones, 0.2, 0.8, 8, 0.1)
    limit = float(limits_of.limits(0.05 * ones, conditions, 0.1)["starvation"][0])
    full, left = (
        balance_plateau(0.4, 8, place, 0.2, 0.8, clipped=float(share)) - 0.255
        for share in (0.0, reuse.clipped_share(0.05, round(limit), 0.1))
    )
    assert left / full == pytest.approx(0.5, abs=0.05)
    without = Conditions(0.05 * ones, start, start, 0 * ones, 0.2, 0.8, 8, 0.1)
    assert np.isinf(limits_of.limits(0.05 * ones, without, 0.1)["starvation"]).all()


def test_from_any_start_paths_end_where_the_reference_puts_them() -> None:
    """Below, at and above the plateau: the fixed point does not know the start."""
    ones = np.ones(3)
    reference = np.log(0.1 / 0.9) * ones
    start = np.log(np.array([0.02, 0.1, 0.97]) / np.array([0.98, 0.9, 0.03]))
    conditions = Conditions(0.05 * ones, start, reference, 0.4 * ones, 0.2, 0.8, 8, 0.2)
    z, time = conditions.paths(0 * ones)
    np.testing.assert_allclose(conditions.reward(z[:, -1]), balance_plateau(0.4, 8, 0.1, 0.2, 0.8), atol=5e-4)
    np.testing.assert_array_equal(z[:, 0], start)
    assert (np.diff(time, axis=1) > 0).all() and (np.diff(z[2]) < 0).all()


STATED = {"kl_weight": 0.4, "reference_reward": 0.255, "wrong_reward": 0.2, "right_reward": 0.8, "clip_range": 0.2}


def width(row: dict) -> float:
    return row["upper"] - row["lower"]


def test_what_is_stated_narrows_the_answer_and_ends_its_note() -> None:
    rng = np.random.default_rng(4)
    share = float(reuse.clipped_share(GROWTH, INTERVAL, 0.2))
    steps = np.arange(1, 121)
    columns = {
        "optimizer_step": steps,
        "reward": 0.255 + 0.28 * (1 - np.exp(-steps / 20)) + 0.03 * rng.normal(size=120),
        "clip_ratio": share * (1 + 0.05 * rng.normal(size=120)),
    }
    facts = {**FACTS, "group_size": 8, "refresh_interval": INTERVAL, "planned_steps": 120}
    tree = fit(make_run("reused", columns, facts), "overdamped", seed=1, draws=200, tune=300, chains=2)
    nothing, all_stated = summary_of(tree), summary_of(tree, STATED)
    named = {note["subject"] for note in nothing["notes"] if note["kind"] == "assumption"}
    assert set(STATED) <= named and all(
        f"--{name.replace('_', '-')}" in " ".join(nothing["warnings"]) for name in STATED
    )
    assert not set(STATED) & {note["subject"] for note in all_stated["notes"]}
    assert not any(note["kind"] == "alarm" for note in all_stated["notes"])
    before, after = ([width(row["plateau"]) for row in summary["intervals"]] for summary in (nothing, all_stated))
    own = INTERVALS.index(INTERVAL)
    assert after[0] > after[own], "the law is known better at the run's own K"
    plateau = all_stated["intervals"][own]["plateau"]
    assert plateau["lower"] < float(tree["posterior"]["plateau"].median()) < plateau["upper"]
    others = [place for place in range(4) if place != own]
    assert all(after[place] < before[place] for place in others), (before, after)
    law = [balance_plateau(0.4, 8, (0.255 - 0.2) / 0.6, 0.2, 0.8, clipped=float(c)) for c in (0.0, share)]
    first = all_stated["intervals"][0]["plateau"]["median"]
    assert law[0] < first and law[1] < plateau["median"], "the run lies above the law, so it would at K = 1"


def test_the_runs_own_plateau_tells_how_far_the_law_is_off() -> None:
    """A plateau known well moves the law's by what it is off, at every K alike; one known badly moves it less."""
    count, share = 4000, float(reuse.clipped_share(GROWTH, INTERVAL, 0.2))
    start = np.full(count, np.log((0.255 - 0.2) / (0.8 - 0.255)))
    conditions = Conditions(0.05 * np.ones(count), start, start, np.full(count, 0.4), 0.2, 0.8, 8, 0.2)
    law = balance_plateau(0.4, 8, (0.255 - 0.2) / 0.6, 0.2, 0.8, clipped=share)
    logit = np.log((law - 0.2) / (0.8 - law))
    draws = np.random.default_rng(5).normal(size=count)
    sharp = law_offset(conditions, conditions.reward(logit - 0.7 + 0.05 * draws), share)
    assert sharp.mean() == pytest.approx(-0.7, abs=0.01) and sharp.std() == pytest.approx(0.05, rel=0.1)
    vague = law_offset(conditions, conditions.reward(logit - 0.7 + LAW_OFFSET * draws), share)
    assert vague.mean() == pytest.approx(-0.35, abs=0.04)  # prior and run weigh alike
    assert vague.std() == pytest.approx(LAW_OFFSET / np.sqrt(2), rel=0.1)
    growth = np.full(count, GROWTH)
    seen = [Seen(INTERVAL, share, offset) for offset in (np.zeros(count), sharp)]
    tables = [limits_of.interval_table(growth, conditions, 100, None, None, at) for at in seen]
    plain, moved = (np.log((t["plateau"] - 0.2) / (0.8 - t["plateau"])) for t in tables)
    np.testing.assert_allclose((moved - plain).mean("sample"), -0.7, atol=0.01)
    own = plain.sel(refresh_interval=INTERVAL).std("sample")
    assert float(own) < 1e-6
    np.testing.assert_allclose(plain.sel(refresh_interval=[1, 16]).std("sample"), LAW_DISCREPANCY, rtol=0.1)


def test_a_run_that_contradicts_what_is_stated_is_told_and_keeps_its_time(reused: xr.DataTree) -> None:
    """Without a KL term the law has no plateau but the bound; this run has one, and takes its time to it."""
    summary = summary_of(reused, {"kl_weight": 0.0})
    assert any(note["kind"] == "alarm" and note["subject"] == "plateau" for note in summary["notes"])
    assert summary["limit"]["starvation"]["probability_none"] == 1.0
    timescale = float(reused["posterior"]["timescale"].median())
    assert summary["intervals"][0]["updates"]["median"] > timescale


def test_what_a_balance_law_has_inferred_is_used() -> None:
    """Draws of the KL weight and the reference, as a balance law has, take the place of guesses."""
    count = 50
    draws = xr.Dataset(
        {
            name: ("sample", np.full(count, value))
            for name, value in {
                "initial_reward": 0.4,
                "plateau": 0.54,
                "stiffness": 0.02,
                **{name: STATED[name] for name in INFERRED},
            }.items()
        }
    )
    known = {"reward_lower": 0.0, "reward_upper": 1.0, "group_size": 8.0, "clip_range": 0.2}
    conditions, notes = conditions_of(draws, known, 0.0)
    assert conditions is not None and notes == []
    np.testing.assert_allclose(conditions.kl, 0.4)
    np.testing.assert_allclose(conditions.reward(conditions.reference), 0.255)
    np.testing.assert_allclose(conditions.reward(conditions.start), 0.4)


def test_everything_wrong_with_what_is_stated_at_once(reused: xr.DataTree) -> None:
    with pytest.raises(InputError) as refusal:
        threshold(reused, refresh_interval=0, hyperparameters={"kl_weight": -1, "clip_range": 0, "momentum": 0.9})
    words = " ".join(refusal.value.faults)
    assert len(refusal.value.faults) == 4
    assert all(name in words for name in ("refresh_interval", "kl_weight", "clip_range", "momentum"))
    with pytest.raises(InputError, match="reference_reward: expected a number above wrong_reward = 0.2, found 0.1"):
        threshold(reused, hyperparameters=STATED | {"reference_reward": 0.1})

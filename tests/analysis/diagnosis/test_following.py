"""Channels that follow an onset, units of the evaluation, and what a last row alone may say."""

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo import make_run, summarise_diagnosis
from bayes_grpo.analysis.diagnosis.joint import _followed
from bayes_grpo.analysis.diagnosis.modes import FOLLOWING, MODES
from bayes_grpo.analysis.diagnosis.summary import Onset, _earlier, first_seen

BOUNDS = {"reward_lower": 0.0, "reward_upper": 1.0}


def run_of(reward: np.ndarray, facts: dict[str, float] | None = None, **columns: np.ndarray) -> xr.Dataset:
    rows = {"optimizer_step": np.arange(1.0, reward.size + 1), "reward": reward, **columns}
    run: xr.Dataset = make_run("a", rows, BOUNDS | (facts or {}))
    return run


def chances(run: xr.Dataset) -> dict[str, float]:
    found: dict[str, float] = summarise_diagnosis(bayes_grpo.diagnose(run))["probabilities"]
    return found


def entropy_that_leads(seed: int, fall: float, rows: int = 600) -> xr.Dataset:
    """Entropy rises from row 350 to row 500; the reward falls about row 480 if it does; two channels do nothing."""
    rng, row = np.random.default_rng(seed), np.arange(rows)
    reward = 0.3 + 0.3 * (1 - np.exp(-row / 100)) - fall / (1 + np.exp(-(row - 480) / 15))
    entropy = 0.3 + 1.7 * np.clip((row - 350) / 150, 0, 1)
    return run_of(
        reward + 0.025 * rng.standard_normal(rows),
        entropy=entropy * np.exp(0.05 * rng.standard_normal(rows)),
        grad_norm=0.2 * np.exp(0.1 * rng.standard_normal(rows)),
        completion_length=9000 * np.exp(0.03 * rng.standard_normal(rows)),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_reward_that_falls_after_the_entropy_rose_is_one_failure(seed: int) -> None:
    summary = summarise_diagnosis(bayes_grpo.diagnose(entropy_that_leads(seed, fall=0.2)))
    assert summary["probabilities"]["dynamical_instability"] > 0.6
    assert 280 <= summary["onset_step"]["median"] <= 390  # the entropy's, not the reward's


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_entropy_that_rises_alone_is_none(seed: int) -> None:
    assert chances(entropy_that_leads(seed, fall=0.0))["dynamical_instability"] < 0.3


def test_what_follows_does_so_at_any_of_the_next_rows_alike() -> None:
    log = np.random.default_rng(0).normal(size=(2, 20))
    found, most = _followed(log, 0.4), round(FOLLOWING * 20)
    after = np.concatenate([np.exp(log), np.ones((2, most))], axis=1)  # nothing is seen of what is still to come
    for onset in range(20):
        expected = 0.6 * after[:, onset] + 0.4 * after[:, onset + 1 : onset + 1 + most].mean(1)
        np.testing.assert_allclose(np.exp(found[:, onset]), expected, rtol=1e-12)
    assert _followed(log, 0.0) is log


def test_where_only_the_reward_is_logged_nothing_follows() -> None:
    """A fall that is plain to see has its onset where it is."""
    reward = np.where(np.arange(120) < 70, 0.6, 0.2) + 0.03 * np.random.default_rng(3).standard_normal(120)
    onset = summarise_diagnosis(bayes_grpo.diagnose(run_of(reward)))["onset_step"]
    assert 68 <= onset["lower"] <= onset["upper"] <= 73
    assert MODES["dynamical_instability"].follows["reward"] > 0


@pytest.mark.parametrize("rows", [100, 200])
def test_an_evaluation_in_per_cent_says_what_the_share_says(rows: int) -> None:
    """It falls from 50 to 20 % from a third of the run on, while the reward rises to 0.8: reward hacking."""
    rng, part = np.random.default_rng(4), np.arange(rows) / rows
    share = 0.5 - 0.3 * np.clip((part - 0.3) / 0.7, 0, 1) + 0.02 * rng.standard_normal(rows)
    reward = 0.2 + 0.6 * (1 - np.exp(-4 * part)) + 0.03 * rng.standard_normal(rows)
    shares, cents = (chances(run_of(reward, evaluation_reward=factor * share)) for factor in (1, 100))
    assert shares == pytest.approx(cents, abs=1e-9)
    assert shares["reward_hacking"] > 0.5


def test_a_last_row_alone_is_no_onset() -> None:
    """In the last row, or in the last six, no group carries a signal; in all others half or a quarter of them do."""
    rng = np.random.default_rng(5)
    dead = rng.choice([0.5, 0.75], size=80)
    reward = 0.25 + 0.02 * rng.standard_normal(80)
    facts = {"group_size": 2, "prompts_per_step": 400}
    one, three = dead.copy(), dead.copy()
    one[-1], three[-6:] = 1.0, 1.0
    steady, alone, borne_out = (
        chances(run_of(reward, facts, zero_spread_share=column))["advantage_degeneracy"]
        for column in (dead, one, three)
    )
    assert alone == pytest.approx(steady, abs=0.02)
    assert borne_out > 0.9


def test_what_passed_is_not_taken_for_the_first_sight_of_what_began_later() -> None:
    """A fall at row 60 is seen soon after; an onset later than that cannot have been seen then."""
    reward = np.where(np.arange(120) < 60, 0.6, 0.1) + 0.02 * np.random.default_rng(6).standard_normal(120)
    found = bayes_grpo.diagnose(run_of(reward.clip(0, 1)))
    seen = first_seen(found)
    assert seen is not None and 61 <= seen <= 70
    assert first_seen(found, since=80) == pytest.approx(80, abs=2)
    later = Onset(failure="dynamical_instability", median=90, lower=85, upper=95, prob=0.9)
    (note,) = _earlier(found, later)
    assert f"seen at step {seen:g} already" in note.text
    assert not _earlier(found, Onset(later | {"lower": seen})) and not _earlier(found, None)


@pytest.mark.parametrize("row", [60, 61, 62, 63])
def test_a_break_within_one_row_is_found_at_any_row_of_a_long_run(row: int) -> None:
    """Of 120 rows 80 are tried as the onset; 0.6 falls to 0.1, which is 25 times the noise, between two rows."""
    reward = np.where(np.arange(120) < row, 0.6, 0.1) + 0.02 * np.random.default_rng(6).standard_normal(120)
    found = bayes_grpo.diagnose(run_of(reward.clip(0, 1)))
    summary, seen = summarise_diagnosis(found), first_seen(found)
    assert summary["probabilities"]["dynamical_instability"] > 0.9
    assert summary["onset_step"] is not None and summary["onset_step"]["lower"] == row + 1  # steps count from one
    assert seen is not None and row < seen <= row + 20


def test_a_collapse_that_is_not_called_a_failure_is_told() -> None:
    """A fall that came back makes the model take the second for noise; that the gain is lost is still said."""
    row = np.arange(120)
    level = np.where(((row >= 30) & (row < 45)) | (row >= 90), 0.05, 0.2 + 0.5 * (1 - np.exp(-row / 5)))
    reward = np.clip(level + 0.02 * np.random.default_rng(6).standard_normal(120), 0, 1)
    summary = summarise_diagnosis(bayes_grpo.diagnose(run_of(reward)))
    assert summary["onset_step"] is None
    assert any("lost most of what it had gained" in text for text in summary["warnings"])
    steady = summarise_diagnosis(bayes_grpo.diagnose(run_of(np.sort(reward))))
    assert not any("had gained" in text for text in steady["warnings"])

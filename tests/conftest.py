"""Shared runs and fits; plots go to memory, computation to the CPU."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
import pytest
import xarray as xr

import bayes_grpo


def curve(n: int = 60, seed: int = 0) -> np.ndarray:
    """Rewards in [0, 1] that rise with timescale 15 to 0.7, with sampling noise 0.04."""
    rng = np.random.default_rng(seed)
    return np.clip(0.7 - 0.5 * np.exp(-np.arange(n) / 15) + 0.04 * rng.normal(size=n), 0, 1)


FACTS = {
    "group_size": 8,
    "prompts_per_step": 16,
    "momentum": 0.9,
    "refresh_interval": 1,
    "logging_window": 1,
    "planned_steps": 60,
    "reward_lower": 0,
    "reward_upper": 1,
}


@pytest.fixture(scope="session")
def small_run() -> xr.Dataset:
    return bayes_grpo.make_run("small", {"optimizer_step": np.arange(1, 61), "reward": curve()}, FACTS)


@pytest.fixture(scope="session")
def ringing_fit(small_run: xr.Dataset) -> xr.DataTree:
    """An oscillator fit of few draws, for what is computed from them."""
    return bayes_grpo.fit(small_run, "oscillator", seed=3, draws=150, tune=300, chains=2, target_accept=0.995)


@pytest.fixture(scope="session")
def small_fit(small_run: xr.Dataset) -> xr.DataTree:
    """An overdamped fit that converges."""
    return bayes_grpo.fit(small_run, "overdamped", seed=1)

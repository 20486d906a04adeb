"""Shared runs and fits; plots go to memory, computation to the CPU."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from tests.common import FACTS, curve


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

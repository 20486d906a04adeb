"""Runs and fits that tests share, and what happens around them."""

import contextlib
import ctypes
import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.evaluate import forget_programs
from tests import COMPILED
from tests.browser import started
from tests.common import FACTS, SAMPLER, curve

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Programs that tests start; they hold no tests.
collect_ignore_glob = ["**/run_*.py"]

#: Memory (bytes) above which a worker drops its compiled programs after a test; it finds them again in the folder.
MOST_MEMORY = 5 << 28


def pytest_unconfigure() -> None:
    """Remove the folder of compiled programs."""
    if COMPILED is not None:
        shutil.rmtree(COMPILED, ignore_errors=True)
        del os.environ["JAX_COMPILATION_CACHE_DIR"]


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Say in the summary line why tests are skipped: a plain clone has neither a browser nor the public runs."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    reason = (
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
    )
    return f"skipped ({reason})", "s", "SKIPPED"


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Keep what a worker holds of compiled programs small."""
    yield
    if held_memory() > MOST_MEMORY:
        forget_programs(0.0)
        gc.collect()
        with contextlib.suppress(AttributeError):  # the allocator of another system
            ctypes.CDLL(None).malloc_trim(0)  # hands back to the system what was freed


def held_memory() -> int:
    """Memory of this process (bytes); 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="session")
def small_run() -> xr.Dataset:
    return bayes_grpo.make_run("small", {"optimizer_step": np.arange(1, 61), "reward": curve()}, FACTS)


@pytest.fixture(scope="session")
def ringing_fit(small_run: xr.Dataset) -> xr.DataTree:
    """An oscillator fit, for what is computed from its draws."""
    return bayes_grpo.fit(small_run, "oscillator", seed=3, **SAMPLER)


@pytest.fixture(scope="session")
def small_fit(small_run: xr.Dataset) -> xr.DataTree:
    """An overdamped fit that converges."""
    return bayes_grpo.fit(small_run, "overdamped", seed=1, **SAMPLER)


@pytest.fixture(scope="session")
def ahead_fit(small_run: xr.Dataset) -> xr.DataTree:
    """A fit of the model that forecasts use."""
    return bayes_grpo.fit(small_run, "population", seed=1, **SAMPLER)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One browser for a module; it ends before other modules, which may run an event loop."""
    with started() as browser:
        yield browser

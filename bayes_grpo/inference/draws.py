"""Draws by chain, as one batch and back, and few of many."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

#: Dimensions of recorded values; parameters that each run has its own of have all three.
DIMS = ("chain", "draw", "run")


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of shape (chain, draw, ...) as one batch of shape (chain * draw, ...), chain after chain."""
    return {name: value.reshape(-1, *value.shape[2:]) for name, value in values.items()}


def unflatten(values: Mapping[str, Any], chains: int) -> dict[str, np.ndarray]:
    """A batch of shape (chain * draw, ...) by chain again, shape (chain, draw, ...)."""
    return {name: np.reshape(value, (chains, -1, *np.shape(value)[1:])) for name, value in values.items()}


def labelled(values: Mapping[str, Any]) -> xr.Dataset:
    """Values of shape (chain, draw) or (chain, draw, run) with their dimensions, chains and draws numbered."""
    data = {name: (DIMS[: np.ndim(value)], np.asarray(value)) for name, value in values.items()}
    chains, draws = np.shape(next(iter(values.values())))[:2]
    return xr.Dataset(data, {"chain": np.arange(chains), "draw": np.arange(draws)})


def batch(draws: xr.Dataset, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Variables of a Dataset with dims (chain, draw, ...) as one batch; all of them, or those named."""
    wanted = draws.data_vars if names is None else names
    return flatten({str(name): draws[name].transpose("chain", "draw", ...).values for name in wanted})


def evenly(count: int, most: int) -> np.ndarray:
    """Places of at most ``most`` of ``count`` things, evenly, the first and the last among them."""
    places: np.ndarray = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
    return places

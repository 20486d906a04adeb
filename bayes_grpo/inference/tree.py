"""Draws to an `xarray.DataTree` that ArviZ takes as it is; the same layout whichever back end made the draws."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jax import random

from bayes_grpo.inference.backends.numpyro import log_prior
from bayes_grpo.inference.backends.programs import Programs
from bayes_grpo.inference.draws import DIMS, evenly, flatten, unflatten
from bayes_grpo.inference.layout import Prepared, observed_of
from bayes_grpo.laws.units import UNITS
from bayes_grpo.models.spec import ModelSpec

#: Draws of the expected reward, of the prior and of predictive paths kept with a fit.
LATENT_DRAWS = 400
PRIOR_DRAWS = 1000
PATHS = 200
#: Pointwise terms kept of a fit; where there are more, draws are left out evenly.
MOST_TERMS = 20_000_000

_OWN_KEY = 1_000_000


def unit_of(name: str) -> str:
    """Unit of a recorded quantity; spreads and coefficients are on a log or logit scale."""
    return UNITS.get(name) or UNITS.get(name.removesuffix("_location"), "1")


class TreeBuilder:
    """Makes the groups of a fit from draws, with everything that follows from them computed by the compiled programs.

    Parameters
    ----------
    spec, prepared, compiled
        The model, the runs laid out for it, and its programs.
    seed : int
        Of the draws made here: latent, prior and predictive ones.
    """

    def __init__(self, spec: ModelSpec, prepared: Prepared, compiled: Programs, seed: int) -> None:
        self.spec, self.prepared, self.compiled = spec, prepared, compiled
        # Apart from the chains' keys: split(key, n)[i] is fold_in(key, i).
        self.key = random.fold_in(random.key(seed), _OWN_KEY)
        self.observed = observed_of(prepared)
        steps = ("observation" if spec.pooled else "step", self.observed.optimizer_step)
        self.dim = steps[0]
        self.coords: dict[str, object] = {"optimizer_step": steps}
        if spec.pooled:
            labels = np.array([str(run["run"].values) for run in prepared.runs])
            self.coords |= {"run": labels, "observed_run": ("observation", labels[self.observed.run])}
        else:
            self.coords["step"] = self.observed.row

    def at_observations(self, values: np.ndarray) -> np.ndarray:
        """Values on the grid, shape (..., n) or (..., run, n), at the observations."""
        if self.spec.pooled:
            return values[..., self.observed.run, self.observed.position]
        return values[..., self.observed.position]

    def build(self, values: Mapping[str, np.ndarray], statistics: Mapping[str, np.ndarray]) -> xr.DataTree:
        """All groups from recorded values, shape (chain, draw) or (chain, draw, run), and sampler statistics."""
        chains, draws = next(iter(statistics.values())).shape
        coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
        flat = flatten(values)
        joined = unflatten(flat | self.compiled.derive(flat, self.prepared.data), chains)
        groups = {
            "posterior": self._named(joined, coords),
            "sample_stats": xr.Dataset({name: (("chain", "draw"), v) for name, v in statistics.items()}, coords),
            **self._terms(flat, chains, draws),
            "observed_data": self._rewards(self.at_observations(self.prepared.data.run.grid.value)),
            "constant_data": self._constant(),
            "latent": self._latent(flat),
            **self._predictive("posterior_predictive", flat, 3),
            **self._prior(),
        }
        return xr.DataTree.from_dict(groups)

    def _named(self, values: Mapping[str, np.ndarray], coords: Mapping[str, object]) -> xr.Dataset:
        """Parameters with units; those with a value a run get the dimension run."""
        data = {}
        for name, value in values.items():
            data[name] = (DIMS[: np.ndim(value)], np.asarray(value), {"units": unit_of(name)})
        by_run = {"run": self.coords["run"]} if self.spec.pooled else {}
        return xr.Dataset(data, {**coords, **by_run})

    def _rewards(
        self, values: np.ndarray, coords: Mapping[str, np.ndarray] | None = None, name: str = "reward"
    ) -> xr.Dataset:
        """Values at the observations, below further dimensions with their coordinates."""
        coords = coords or {}
        return xr.Dataset({name: ((*coords, self.dim), values, {"units": "reward"})}, coords={**self.coords, **coords})

    def _terms(self, flat: Mapping[str, np.ndarray], chains: int, draws: int) -> dict[str, xr.Dataset]:
        """Pointwise densities and prior densities, chain by chain: memory stays bounded by a chain's grid."""
        stride = max(1, -(-chains * draws * self.observed.row.size // MOST_TERMS))
        kept = np.arange(0, draws, stride)
        at = {"chain": np.arange(chains), "draw": kept}
        out = {}
        parts = [{name: value[chain * draws + kept] for name, value in flat.items()} for chain in range(chains)]
        for group, function in (
            ("log_likelihood", self.compiled.pointwise),
            ("leave_one_out", self.compiled.leave_one_out),
        ):
            terms = [self.at_observations(np.asarray(function(part, self.prepared.data))) for part in parts]
            out[group] = self._rewards(np.stack(terms), at)
            out[group]["reward"].attrs.pop("units")
        densities = log_prior(self.spec, flat, self.prepared.data)
        by_chain = unflatten(densities, chains)
        pair = {name: (("chain", "draw"), density[:, kept]) for name, density in by_chain.items()}
        return out | {"log_prior": xr.Dataset(pair, at)}

    def _constant(self) -> xr.Dataset:
        """The runs as they were read."""
        if not self.spec.pooled:
            run = self.prepared.runs[0]
            return run.rename(step="row").drop_vars("run").assign_coords(row=np.arange(run.sizes["step"]))
        return xr.concat(
            [
                run.rename(step="row").assign_coords(row=np.arange(run.sizes["step"])).expand_dims("run")
                for run in self.prepared.runs
            ],
            dim="run",
            join="outer",
            data_vars="all",
            combine_attrs="drop_conflicts",
        )

    def _latent(self, flat: Mapping[str, np.ndarray]) -> xr.Dataset:
        some, which = _thinned(flat, LATENT_DRAWS)
        drawn = np.asarray(self.compiled.latent(some, self.prepared.data, random.fold_in(self.key, 1)))
        return self._rewards(self.at_observations(drawn), {"sample": which}, name="expected_reward")

    def _predictive(self, group: str, flat: Mapping[str, np.ndarray], fold: int) -> dict[str, xr.Dataset]:
        some, which = _thinned(flat, PATHS)
        _, logged = self.compiled.simulate(some, self.prepared.data, random.fold_in(self.key, fold))
        values = self.at_observations(np.asarray(logged))[None]
        return {group: self._rewards(values, {"chain": np.zeros(1, int), "draw": np.arange(which.size)})}

    def _prior(self) -> dict[str, xr.Dataset]:
        drawn = self.compiled.prior(random.fold_in(self.key, 2), self.prepared.data, PRIOR_DRAWS)
        more = self.compiled.derive(drawn, self.prepared.data)
        coords = {"chain": [0], "draw": np.arange(PRIOR_DRAWS)}
        named = {name: np.asarray(value)[None] for name, value in {**drawn, **more}.items()}
        flat = {name: np.asarray(value) for name, value in drawn.items()}
        return {"prior": self._named(named, coords), **self._predictive("prior_predictive", flat, 4)}


def _thinned(flat: Mapping[str, np.ndarray], most: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """At most so many draws, evenly, and which."""
    count = next(iter(flat.values())).shape[0]
    which = evenly(count, most)
    return {name: value[which] for name, value in flat.items()}, which

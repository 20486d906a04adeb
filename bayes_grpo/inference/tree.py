"""Draws to an `xarray.DataTree` that ArviZ takes as it is; the same layout whichever back end made the draws."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_grpo.inference.draws import DIMS, evenly, flatten, unflatten
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.importance.draws import ImportanceDraws
from bayes_grpo.inference.layout import Prepared, observed_of
from bayes_grpo.inference.prior import draw_prior, log_prior
from bayes_grpo.laws.units import UNITS
from bayes_grpo.models.spec import ModelSpec

#: Draws of the expected reward, of the prior and of predictive paths kept with a fit.
LATENT_DRAWS = 400
PRIOR_DRAWS = 1000
PATHS = 200
#: Pointwise terms kept of a fit; where there are more, draws are left out evenly.
MOST_TERMS = 4_000_000

_OWN_KEY = 1_000_000


def unit_of(name: str, spec: ModelSpec) -> str:
    """Unit of a recorded quantity; spreads and coefficients are on a log or logit scale."""
    prior = spec.parameters.get(name)
    stated = "1" if prior is None else prior.unit
    return UNITS.get(name) or UNITS.get(name.removesuffix("_location"), stated)


class TreeBuilder:
    """Makes the groups of a fit from draws, with everything that follows from them.

    Parameters
    ----------
    spec, prepared
        The model, and the runs laid out for it.
    seed : int
        Of the draws made here: latent, prior and predictive ones.
    """

    def __init__(self, spec: ModelSpec, prepared: Prepared, seed: int) -> None:
        self.spec, self.prepared, self.evaluator = spec, prepared, evaluator(spec)
        self.seed = seed
        self.observed = observed_of(prepared)
        steps = ("observation" if spec.pooled else "step", self.observed.optimizer_step)
        self.dim = steps[0]
        self.coords: dict[str, object] = {"optimizer_step": steps}
        if spec.pooled:
            labels = np.array([str(run["run"].values) for run in prepared.runs])
            self.coords |= {"run": labels, "observed_run": ("observation", labels[self.observed.run])}
        else:
            self.coords["step"] = self.observed.row

    def _rng(self, part: int) -> np.random.Generator:
        """Randomness of one part of the fit, apart from the sampler's."""
        return np.random.default_rng([self.seed, _OWN_KEY, part])

    def at_observations(self, values: np.ndarray) -> np.ndarray:
        """Values on the grid, shape (..., n) or (..., run, n), at the observations."""
        if self.spec.pooled:
            return values[..., self.observed.run, self.observed.position]
        return values[..., self.observed.position]

    def build(
        self,
        values: Mapping[str, np.ndarray],
        statistics: Mapping[str, np.ndarray],
        weighted: ImportanceDraws | None = None,
    ) -> xr.DataTree:
        """All groups from recorded values, shape (chain, draw) or (chain, draw, run), and sampler statistics.

        The points of importance sampling become the group ``importance``.
        """
        flat = flatten(values)
        groups = {
            **self._drawn(values, statistics),
            **self._account(flat, *next(iter(statistics.values())).shape),
            **self._predictive("posterior_predictive", flat, 3),
            **self._prior(),
        }
        if weighted is not None:
            points = {**weighted.points, "log_weight": weighted.log_weight}
            dims = ("repetition", "point", "run")
            groups["importance"] = xr.Dataset({name: (dims[: np.ndim(v)], v) for name, v in points.items()})
        return xr.DataTree.from_dict(groups)

    def build_light(self, values: Mapping[str, np.ndarray], statistics: Mapping[str, np.ndarray]) -> xr.DataTree:
        """The draws and the runs alone."""
        return xr.DataTree.from_dict(self._drawn(values, statistics))

    def _drawn(self, values: Mapping[str, np.ndarray], statistics: Mapping[str, np.ndarray]) -> dict[str, xr.Dataset]:
        """Draws with what follows from them, sampler statistics, and the runs."""
        chains, draws = next(iter(statistics.values())).shape
        coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
        flat = flatten(values)
        joined = unflatten(flat | self.evaluator.derive(flat, self.prepared.data), chains)
        return {
            "posterior": self._named(joined, coords),
            "sample_stats": xr.Dataset({name: (("chain", "draw"), v) for name, v in statistics.items()}, coords),
            "observed_data": self._rewards(self.at_observations(self.prepared.data.run.grid.value)),
            "constant_data": self._constant(),
        }

    def _named(self, values: Mapping[str, np.ndarray], coords: Mapping[str, object]) -> xr.Dataset:
        """Parameters with units; those with a value a run get the dimension run."""
        data = {}
        for name, value in values.items():
            data[name] = (DIMS[: np.ndim(value)], np.asarray(value), {"units": unit_of(name, self.spec)})
        by_run = {"run": self.coords["run"]} if self.spec.pooled else {}
        return xr.Dataset(data, {**coords, **by_run})

    def _rewards(
        self, values: np.ndarray, coords: Mapping[str, np.ndarray] | None = None, name: str = "reward"
    ) -> xr.Dataset:
        """Values at the observations, below further dimensions with their coordinates."""
        coords = coords or {}
        return xr.Dataset({name: ((*coords, self.dim), values, {"units": "reward"})}, coords={**self.coords, **coords})

    def _account(self, flat: Mapping[str, np.ndarray], chains: int, draws: int) -> dict[str, xr.Dataset]:
        """Pointwise densities, draws of the expected reward, and prior densities."""
        stride = max(1, -(-chains * draws * self.observed.row.size // MOST_TERMS))
        kept = np.arange(0, draws, stride)
        rows = (np.arange(chains)[:, None] * draws + kept).ravel()
        thinned = {name: value[rows] for name, value in flat.items()}
        account = self.evaluator.account(thinned, self.prepared.data, self._rng(1))
        at = {"chain": np.arange(chains), "draw": kept}
        out = {}
        for group, terms in (("log_likelihood", account.log_density), ("leave_one_out", account.leave_one_out)):
            out[group] = self._rewards(self.at_observations(terms).reshape(chains, kept.size, -1), at)
            out[group]["reward"].attrs.pop("units")
        densities = log_prior(self.spec, thinned, self.prepared.data)
        by_chain = unflatten(densities, chains)
        pair = {name: (("chain", "draw"), density) for name, density in by_chain.items()}
        sample = evenly(rows.size, LATENT_DRAWS)
        latent = self.at_observations(account.expected_reward[sample])
        return out | {
            "log_prior": xr.Dataset(pair, at),
            "latent": self._rewards(latent, {"sample": rows[sample]}, name="expected_reward"),
        }

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

    def _predictive(self, group: str, flat: Mapping[str, np.ndarray], part: int) -> dict[str, xr.Dataset]:
        rows = evenly(next(iter(flat.values())).shape[0], PATHS)
        thinned = {name: value[rows] for name, value in flat.items()}
        _, logged = self.evaluator.simulate(thinned, self.prepared.data, self._rng(part))
        values = self.at_observations(np.asarray(logged))[None]
        return {group: self._rewards(values, {"chain": np.zeros(1, int), "draw": np.arange(rows.size)})}

    def _prior(self) -> dict[str, xr.Dataset]:
        drawn = draw_prior(self.spec, self.prepared.data, PRIOR_DRAWS, self._rng(2))
        more = self.evaluator.derive(drawn, self.prepared.data)
        coords = {"chain": [0], "draw": np.arange(PRIOR_DRAWS)}
        named = {name: np.asarray(value)[None] for name, value in {**drawn, **more}.items()}
        flat = {name: np.asarray(value) for name, value in drawn.items()}
        return {"prior": self._named(named, coords), **self._predictive("prior_predictive", flat, 4)}

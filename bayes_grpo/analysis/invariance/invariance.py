"""Group-size invariance: whether runs of one group size behave as those of other group sizes say they should.

Each group size is left out in turn, the others are fitted together, and what they say of new runs is held against the runs left
out: mean trajectory, fluctuation, lag-1 autocorrelation, and the density of all rewards. This is done for a law in which group
size enters the noise alone, and for the same law with the closed-form factor of finite groups. Fits to all runs then tell how
noise, plateau and stiffness depend on the group size.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import interval
from bayes_grpo.analysis.invariance import statistics
from bayes_grpo.analysis.invariance.design import doubts, group_sizes
from bayes_grpo.analysis.invariance.fits import (
    LAWS,
    Predicted,
    fit_population,
    part,
    predict,
    rows_of,
    without_idle_predictors,
)
from bayes_grpo.analysis.invariance.residual import REPORTED, logs_spread, posterior, spread
from bayes_grpo.errors import InputError
from bayes_grpo.inference.cache import Kept
from bayes_grpo.inference.layout import Prepared, prepare
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec

Told = Callable[[str], AbstractContextManager[Progress | None]]


def invariance(
    runs: xr.Dataset,
    *,
    hold_out: Sequence[float] | None = None,
    progress: Told | None = None,
    keep: str | Path | None = None,
    seed: int = 0,
    draws: int = 400,
    tune: int = 400,
    chains: int = 2,
    target_accept: float = 0.9,
) -> xr.Dataset:
    """Check whether the dynamics are the same for all group sizes but for the noise.

    Parameters
    ----------
    runs : xarray.Dataset
        Dims (run, step), of one task; at least two group sizes.
    hold_out : sequence of float, optional
        Group sizes to predict from the others; by default each in turn.
    progress : callable, optional
        Called with a title before each fit; the context manager it returns yields what `bayes_grpo.fit` takes as ``progress``.
    keep : str or Path, optional
        Folder for the fits that are finished: called again with the same runs and settings, only the others are made.
    seed, draws, tune, chains, target_accept
        Of each fit; chains that do not agree go on, up to four times ``draws``.

    Returns
    -------
    xarray.Dataset
        ``p_value`` and ``discrepancy``, dims (law, group, statistic), of each group size predicted from the others: the
        mean trajectory (``discrepancy`` is the root mean square of standardised deviations, 1 by chance), the log variance of the
        later half of the runs and its lag-1 autocorrelation (in predictive standard deviations). ``observed`` (group, bin) and
        ``predicted``, ``predicted_lower``, ``predicted_upper`` (law, group, bin), mean rewards in stretches of steps. ``elpd`` and
        ``elpd_error`` (law, run): log predictive density of a whole run (nat) and its Monte Carlo error. Posterior
        draws, dim sample: ``temperature_exponent`` (a in q ~ G^-a), ``observation_exponent``, ``temperature_share`` and
        ``observation_share`` (the part of the noise between prompts), ``plateau_change`` (reward per doubling of G),
        ``stiffness_exponent``. ``spread_exponent`` (law, bound): exponent of G in the within-group spread over sqrt(p (1 - p)), and
        over the mean deviation of finite groups.
        Attributes: ``warnings``, ``failures`` (fits that did not converge), one a line.

    Raises
    ------
    InputError
        With one group size, an unknown one, or runs that cannot be fitted together; before anything is fitted.
    """
    sizes = group_sizes(runs)
    known = np.unique(sizes)
    held = _held_out(hold_out, known)
    sampler = Sampler("nuts", seed=seed, draws=draws, tune=tune, chains=chains, target_accept=target_accept)
    names = [*LAWS.values(), *REPORTED]
    specs = {name: without_idle_predictors(load_model(name), runs) for name in names}
    prepared = {name: prepare(runs, spec) for name, spec in specs.items()}
    told: Told = progress or (lambda title: nullcontext())
    kept = Kept(keep, runs, repr(sampler))

    def predicted(size: float, name: str) -> xr.Dataset:
        with told(f"G = {size:g} left out: {name}") as report:
            return _leave_out(specs[name], prepared[name], sizes == size, sampler, report)

    def dependence(name: str) -> xr.Dataset:
        with told(f"all runs: {name}") as report:
            population = fit_population(specs[name], prepared[name].data, sampler, report, REPORTED[name])
        return posterior(name, population, prepared[name]).assign_attrs(faults="\n".join(population.faults))

    failures: list[str] = []
    checks = []
    for size in held:
        by_law = {}
        for law, name in LAWS.items():
            one = kept.get(f"{name}-without-{size:g}", specs[name].history, partial(predicted, size, name))
            failures += [f"{name} without G = {size:g}: {fault}" for fault in one.attrs.pop("faults").splitlines()]
            by_law[law] = one
        checks.append(xr.concat(list(by_law.values()), dim=xr.Variable("law", list(by_law)), join="outer"))
    found = xr.concat(checks, dim=xr.Variable("group", held), join="outer", data_vars="all")
    found["observed"] = found["observed"].isel(law=0)
    elpd = found[["elpd", "elpd_error"]].sum("group", min_count=1)
    found = found.drop_vars(["elpd", "elpd_error"]).merge(elpd)
    for name in REPORTED:
        one = kept.get(name, specs[name].history, partial(dependence, name))
        failures += [f"{name}: {fault}" for fault in one.attrs.pop("faults").splitlines()]
        found = found.merge(one)
    found["spread_exponent"] = spread(prepared["leading_order"], sizes)
    by_run = dict(zip(runs["run"].values, sizes, strict=True))
    found = found.assign_coords(group_size=("run", [by_run[label] for label in found["run"].values]))
    found.attrs = {"warnings": "\n".join(_warnings(runs, sizes, prepared)), "failures": "\n".join(failures)}
    return found


def _held_out(asked: Sequence[float] | None, known: np.ndarray) -> list[float]:
    if asked is None:
        return [float(size) for size in known]
    missing = [f"{size:g}" for size in asked if size not in known]
    if missing or not len(asked):
        listed = ", ".join(f"{size:g}" for size in known)
        raise InputError("invariance", f"hold_out: expected some of {listed}, found {', '.join(missing) or 'none'}")
    return sorted({float(size) for size in asked})


def _edges(prepared: Prepared) -> np.ndarray:
    steps = np.concatenate([step for _, step in rows_of(prepared)])
    return np.linspace(steps.min(), steps.max(), statistics.BINS + 1)


def _leave_out(
    spec: ModelSpec, prepared: Prepared, left: np.ndarray, sampler: Sampler, progress: Progress | None
) -> xr.Dataset:
    """Fit the other runs, predict those left out, and check them; the attribute ``faults`` has those of the fit."""
    kept, out = np.flatnonzero(~left), np.flatnonzero(left)
    population = fit_population(spec, part(prepared.data, kept), sampler, progress)
    predicted = predict(spec, population, part(prepared.data, out), sampler.seed)
    return _checked(predicted, prepared, left).assign_attrs(faults="\n".join(population.faults))


def _checked(predicted: Predicted, prepared: Prepared, left: np.ndarray) -> xr.Dataset:
    """Statistics of the runs left out against those of simulated ones."""
    edges = _edges(prepared)
    out = np.flatnonzero(left)
    places = [rows_of(prepared)[i] for i in out]
    logged = [predicted.logged[j, position] for j, (position, _) in enumerate(places)]
    simulated = [predicted.simulated[:, j, position] for j, (position, _) in enumerate(places)]
    steps = [step for _, step in places]
    observed, drawn = (statistics.mean_trajectory(rewards, steps, edges) for rewards in (logged, simulated))
    none = statistics.Check(np.nan, np.nan)
    checks = [statistics.check_trajectory(observed, drawn), none, none]
    scatter, of_drawn = statistics.settled_scatter(logged), statistics.settled_scatter(simulated)
    if scatter is not None and of_drawn is not None:
        checks[1:] = [statistics.check_scalar(float(scatter[i]), of_drawn[i]) for i in (0, 1)]
    lower, middle, upper = interval(drawn)
    labels = [str(prepared.runs[i]["run"].values) for i in out]
    return xr.Dataset(
        {
            "p_value": ("statistic", [check.p_value for check in checks]),
            "discrepancy": ("statistic", [check.discrepancy for check in checks]),
            "observed": ("bin", observed, {"units": "reward"}),
            "predicted": ("bin", middle, {"units": "reward"}),
            "predicted_lower": ("bin", lower, {"units": "reward"}),
            "predicted_upper": ("bin", upper, {"units": "reward"}),
            "elpd": ("run", predicted.elpd, {"units": "nat"}),
            "elpd_error": ("run", predicted.monte_carlo_error, {"units": "nat"}),
        },
        coords={
            "statistic": list(statistics.STATISTICS),
            "optimizer_step": ("bin", (edges[1:] + edges[:-1]) / 2),
            "run": labels,
        },
    )


def _warnings(runs: xr.Dataset, sizes: np.ndarray, prepared: dict[str, Prepared]) -> list[str]:
    """What the design cannot tell, and what was assumed of the runs."""
    assumed: list[str] = []
    for one in prepared.values():
        for setting in one.settings:
            assumed += [text for name, text in setting.assumptions.items() if name != "planned_steps"]
    if not logs_spread(runs):
        assumed.append("no spread of rewards within groups is logged: its dependence on the group size is not stated")
    return list(dict.fromkeys([*doubts(runs, sizes), *assumed]))

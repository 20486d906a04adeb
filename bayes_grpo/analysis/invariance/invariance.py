"""Group-size invariance: whether runs of one group size behave as those of other group sizes say they should.

Each group size is held out in turn, the others are fitted together, and what they say of new runs is held against the
runs held out: mean trajectory, fluctuation, lag-1 autocorrelation, and the density of all rewards. This is done for a
law in which group size enters the noise alone, for the same law with the closed-form factor of finite groups on its
whole drift, and for the balance law, where the factor is on the rewards' drive and not on the reference's pull. Fits to
all runs then tell how noise, plateau and stiffness depend on the group size.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from bayes_grpo.analysis.invariance.dependence import REPORTED, logs_spread, posterior, within_group_exponents
from bayes_grpo.analysis.invariance.design import doubts, group_sizes
from bayes_grpo.analysis.invariance.fits import LAWS, OPTIONAL, fit_shared, part, predict, without_idle_predictors
from bayes_grpo.analysis.invariance.heldout import check_prediction, stretch_edges
from bayes_grpo.analysis.notes import stored
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.cache import Kept
from bayes_grpo.inference.layout import Prepared, prepare
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model

#: Called with a title before each fit; the context manager that it returns yields what `bayes_grpo.fit` takes as
#: ``progress``.
Reporting = Callable[[str], AbstractContextManager[Progress | None]]


def invariance(
    runs: xr.Dataset,
    *,
    hold_out: Sequence[float] | None = None,
    progress: Reporting | None = None,
    keep: str | Path | None = None,
    method: str = "auto",
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
        Called with a title before each fit; the context manager it returns yields what `bayes_grpo.fit` takes as
        ``progress``.
    keep : str or Path, optional
        Folder for the fits that are finished: called again with the same runs and settings, only the others are made.
    method, seed, draws, tune, chains, target_accept
        Of each fit, see `bayes_grpo.fit`; chains that do not agree go on, up to four times ``draws``.

    Returns
    -------
    xarray.Dataset
        Of each group size, predicted from the others:

        - ``p_value``, ``discrepancy`` (law, group, statistic): of the mean trajectory (``discrepancy`` is the root mean
          square of
          standardised deviations, 1 by chance), and of the log variance of the later half of the runs and its lag-1
          autocorrelation (in predictive standard deviations).
        - ``observed`` (group, bin), ``predicted``, ``predicted_lower``, ``predicted_upper`` (law, group, bin): mean
          rewards in
          stretches of steps.
        - ``elpd``, ``elpd_error`` (law, run): log predictive density of a whole run (nat) and its Monte Carlo error.

        Posterior draws from all runs, dim sample:

        - ``temperature_exponent``, ``observation_exponent``: a in q ~ G^-a, of the update's noise and of the logged
          means'.
        - ``temperature_share``, ``observation_share``: the part of either noise that lies between prompts.
        - ``plateau_change`` (reward per doubling of G), ``stiffness_exponent``.

        And ``spread_exponent`` (law, bound): exponent of G in the within-group spread over sqrt(p (1 - p)), and over
        the mean deviation of finite groups. Attributes: notes.

    Raises
    ------
    InputError
        With one group size, an unknown one, or runs that cannot be fitted together; before anything is fitted.

    Examples
    --------
    >>> import bayes_grpo
    >>> from bayes_grpo.bandit import Bandit, simulate
    >>> runs = [simulate(Bandit(group_size=size, steps=40), [0]) for size in (4, 16)]
    >>> runs = bayes_grpo.combine([run.assign_coords(run=[f"G{run['group_size'].item():g}"]) for run in runs])
    >>> check = bayes_grpo.invariance(runs, hold_out=[4], method="nuts", draws=25, tune=50, keep="fits")
    >>> check["p_value"].sizes["statistic"], check["group"].values.tolist()
    (3, [4.0])
    """
    sizes = group_sizes(runs)
    held_out = _held_out(hold_out, np.unique(sizes))
    fits = _Fits(runs, sizes, Sampler(method, "numpyro", seed, draws, tune, chains, target_accept), keep, progress)
    checks = [fits.held_out(size) for size in held_out]
    result = xr.concat(checks, dim=xr.Variable("group", held_out), join="outer", data_vars="all")
    result["observed"] = result["observed"].isel(law=0)
    elpd = result[["elpd", "elpd_error"]].sum("group", min_count=1)
    result = result.drop_vars(["elpd", "elpd_error"]).merge(elpd)
    for name in REPORTED:
        result = result.merge(fits.all_runs(name))
    result["spread_exponent"] = within_group_exponents(fits.prepared["leading_order"], sizes)
    by_run = dict(zip(runs["run"].values, sizes, strict=True))
    result = result.assign_coords(group_size=("run", [by_run[label] for label in result["run"].values]))
    result.attrs = stored([*fits.failures, *doubts(runs, sizes), *_assumptions(runs, fits.prepared)])
    return result


def _held_out(asked: Sequence[float] | None, known: np.ndarray) -> list[float]:
    if asked is None:
        return [float(size) for size in known]
    missing = [f"{size:g}" for size in asked if size not in known]
    if missing or not len(asked):
        listed = ", ".join(f"{size:g}" for size in known)
        raise InputError("invariance", f"hold_out: expected some of {listed}, found {', '.join(missing) or 'none'}")
    return sorted({float(size) for size in asked})


class _Fits:
    """The fits of a check, made or taken from the folder where finished ones are kept; and what failed in them."""

    def __init__(
        self,
        runs: xr.Dataset,
        sizes: np.ndarray,
        sampler: Sampler,
        keep: str | Path | None,
        progress: Reporting | None,
    ) -> None:
        names = [*LAWS.values(), *REPORTED]
        self.specs = {name: without_idle_predictors(load_model(name), runs) for name in names}
        self.failures: list[Note] = []
        self.laws = dict(LAWS)
        self.prepared = self._laid_out(runs)
        self.sizes, self.sampler = sizes, sampler
        self.kept = Kept(keep, runs, repr(sampler))
        self.reporting: Reporting = progress or (lambda title: nullcontext())

    def _laid_out(self, runs: xr.Dataset) -> dict[str, Prepared]:
        """The runs as each model sees them; an optional law that does not allow them is left out, with a note."""
        prepared = {}
        for name, spec in self.specs.items():
            law = next((law for law, model in LAWS.items() if model == name), None)
            try:
                prepared[name] = prepare(runs, spec)
            except InputError as error:
                if law not in OPTIONAL:
                    raise
                del self.laws[law]
                self.failures.append(Note("left_out", law, f"the law {law} is left out: {error.faults[0]}"))
        return prepared

    def held_out(self, size: float) -> xr.Dataset:
        """The runs of a group size against their prediction from the others, dims (law, ...)."""
        by_law = {
            law: self._finished(
                f"{name}-without-{size:g}", name, partial(self._predicted, size, name), f" without G = {size:g}"
            )
            for law, name in self.laws.items()
        }
        return xr.concat(list(by_law.values()), dim=xr.Variable("law", list(by_law)), join="outer")

    def all_runs(self, name: str) -> xr.Dataset:
        """What a fit to all runs says, dim sample."""
        return self._finished(name, name, partial(self._dependence, name), "")

    def _finished(self, label: str, name: str, compute: Callable[[], xr.Dataset], where: str) -> xr.Dataset:
        result = self.kept.get(label, self.specs[name].history, compute)
        faults = result.attrs.pop("faults").splitlines()
        self.failures += [Note("not_converged", name, f"{name}{where}: {fault}") for fault in faults]
        return result

    def _predicted(self, size: float, name: str) -> xr.Dataset:
        prepared, out = self.prepared[name], self.sizes == size
        with self.reporting(f"G = {size:g} left out: {name}") as report:
            shared = fit_shared(self.specs[name], part(prepared.data, np.flatnonzero(~out)), self.sampler, report)
            data = part(prepared.data, np.flatnonzero(out))
            predicted = predict(self.specs[name], shared, data, self.sampler.seed)
        check = check_prediction(predicted, prepared, np.flatnonzero(out), stretch_edges(prepared))
        return check.assign_attrs(faults="\n".join(shared.faults))

    def _dependence(self, name: str) -> xr.Dataset:
        prepared = self.prepared[name]
        with self.reporting(f"all runs: {name}") as report:
            shared = fit_shared(self.specs[name], prepared.data, self.sampler, report, REPORTED[name])
        return posterior(name, shared, prepared).assign_attrs(faults="\n".join(shared.faults))


def _assumptions(runs: xr.Dataset, prepared: dict[str, Prepared]) -> list[Note]:
    """What was assumed of the runs, and what they do not log."""
    settings = [setting for laid_out in prepared.values() for setting in laid_out.settings]
    assumed = [
        Note("assumption", name, text)
        for setting in settings
        for name, text in setting.assumptions.items()
        if name != "planned_steps"
    ]
    if not logs_spread(runs):
        text = "no spread of rewards within groups is logged: its dependence on the group size is not stated"
        assumed.append(Note("limit", "reward_spread", text))
    return list(dict.fromkeys(assumed))

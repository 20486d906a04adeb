"""Forecasts of a run that is still being trained."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.alarms import FALSE_ALARMS, Alarm, alarms, boundary_for, spacing_of
from bayes_grpo.analysis.forecast.ahead import LEAST_REWARDS
from bayes_grpo.analysis.forecast.forecast import forecast_from, forecast_mixed
from bayes_grpo.analysis.forecast.mixture import LEAST_SHARE, MIXTURE, MemberFit, fit_members, load_mixture
from bayes_grpo.analysis.forecast.summary import ForecastSummary, summarise_forecast
from bayes_grpo.errors import InputError
from bayes_grpo.inference.posterior import Posterior, settled
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import hyperparameters_of, one_run

#: A refit draws so much; where NUTS is needed, it warms up as long.
DRAWS, TUNE, CHAINS = 500, 250, 2
#: Means over a few hundred draws are good enough to act on below this R-hat.
LARGEST_RHAT = 1.05


class LiveSummary(ForecastSummary):
    """What a `Refitter` says after each fit; see there."""

    converged: bool
    probability_unstable: float | None
    alarms: list[dict[str, Any]]
    seconds: float


class Refitter:
    """Fits a growing run again and again, and says after each fit what `bayes-grpo forecast` would.

    Parameters
    ----------
    model : str, Path or ModelSpec
        What forecasts: the mixture of laws, or one law.
    stability_model : str, Path or ModelSpec, optional
        A second law that tells how likely the run is to be unstable; none is fitted if None.
    until : float, optional
        Step to forecast to; by default the planned last step, else twice the last logged one.
    schedule, epsilon, seed, method
        As for `bayes_grpo.forecast` and `bayes_grpo.summarise_forecast`.
    false_alarms : float
        False alarms per 1,000 steps of a healthy run, for ``alarms``.
    """

    def __init__(
        self,
        model: str | Path | ModelSpec = MIXTURE,
        *,
        stability_model: str | Path | ModelSpec | None = "oscillator",
        until: float | None = None,
        schedule: str | Path = "planned",
        epsilon: float | None = None,
        seed: int = 0,
        method: str = "auto",
        false_alarms: float = FALSE_ALARMS,
    ) -> None:
        self.mixture = load_mixture() if model == MIXTURE else None
        self.specs = _specs(model) if self.mixture is None else self.mixture.specs
        self.stability = {} if stability_model is None else _specs(stability_model)
        self.false_alarms = false_alarms
        self.until, self.schedule, self.epsilon, self.seed, self.method = until, schedule, epsilon, seed, method

    def __call__(self, run: xr.Dataset) -> LiveSummary:
        """Fit and forecast a run, dims (run, step), of one label.

        Parameters
        ----------
        run : xarray.Dataset
            The rows so far.

        Returns
        -------
        dict
            That of `bayes_grpo.summarise_forecast`, and

            - ``converged``: whether the chains agree well enough to act on their means.
            - ``alarms``: falls of the reward so far, see `bayes_grpo.analysis.alarms.Alarm`.
            - ``probability_unstable``: that the mean runs away; None where no law with inertia is fitted.
            - ``seconds``: duration of the refit.

        Raises
        ------
        InputError
            If the run has too few rewards yet, or cannot be used.
        """
        began = time.perf_counter()
        label = str(run["run"].values[0])
        single = one_run(run, label)
        seen = np.isfinite(single["reward"].values)
        if seen.sum() < LEAST_REWARDS:
            raise InputError(label, f"expected at least {LEAST_REWARDS} rewards, found {seen.sum()}: wait")
        planned = hyperparameters_of(single).get("planned_steps")
        steps = single["optimizer_step"].values[seen]
        until = self.until or planned
        until = until if until and until > steps[-1] else 2 * float(steps[-1])
        fits = self._fit(self.specs, run)
        options: dict[str, Any] = {"schedule": self.schedule, "seed": self.seed}
        if self.mixture is None:
            paths = forecast_from(next(iter(fits.values())).basis, until, **options)
        else:
            paths = forecast_mixed(fits, self.mixture, until, **options)
        summary = summarise_forecast(paths, epsilon=self.epsilon)
        shares = summary["shares"] or {}
        converged = all(_trusted(fit.posterior) for name, fit in fits.items() if shares[name] >= LEAST_SHARE)
        unstable = None
        for fit in self._fit(self.stability, run).values():
            converged = converged and _trusted(fit.posterior)
            if "damping" in fit.basis.values:
                unstable = float((fit.basis.values["damping"] <= 0).mean())
        return {
            **summary,
            "converged": converged,
            "probability_unstable": unstable,
            "alarms": [alarm._asdict() for alarm in self.alarms(single)],
            "seconds": round(time.perf_counter() - began, 2),
        }

    def alarms(self, run: xr.Dataset) -> list[Alarm]:
        """Falls of the reward so far.

        Parameters
        ----------
        run : xarray.Dataset
            The rows so far, dim (step).

        Returns
        -------
        list of Alarm
            In the order in which they were raised.
        """
        seen = np.isfinite(run["reward"].values)
        steps = run["optimizer_step"].values[seen]
        return alarms(steps, run["reward"].values[seen], boundary_for(self.false_alarms, spacing_of(steps)))

    def _fit(self, specs: dict[str, ModelSpec], run: xr.Dataset) -> dict[str, MemberFit]:
        sampler = Sampler(self.method, seed=self.seed, draws=DRAWS, tune=TUNE, chains=CHAINS, target_accept=0.9)
        return fit_members(run, specs, sampler)


def _specs(model: str | Path | ModelSpec) -> dict[str, ModelSpec]:
    """A law by its name."""
    spec = model if isinstance(model, ModelSpec) else load_model(model)
    return {spec.name: spec}


def _trusted(posterior: Posterior) -> bool:
    """Whether draws are good enough to act on."""
    if posterior.method == "importance":
        return settled(posterior)
    import arviz_stats as az

    rhat = az.rhat(xr.Dataset({name: (("chain", "draw"), value) for name, value in posterior.values.items()}))
    diverged = posterior.statistics["diverging"].mean()
    return max(float(value) for value in rhat.values()) < LARGEST_RHAT and float(diverged) < 0.02


def headline(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a live forecast that a tracker plots, by short names."""
    gain = summary["gain_per_100_steps"]
    out = {
        "plateau": summary["plateau"]["median"],
        "plateau_lower": summary["plateau"]["lower"],
        "plateau_upper": summary["plateau"]["upper"],
        "final_reward": summary["mean"]["median"][-1],
        "gain_per_100_steps": gain["median"],
        "probability_of_gain": gain["probability_above_epsilon"],
        "remaining_gain": summary["recommendation"]["gain_forgone_by_stopping_now"]["median"],
        "probability_unstable": summary["probability_unstable"],
        "alarms": len(summary["alarms"]),
    }
    return {name: float(value) for name, value in out.items() if value is not None}

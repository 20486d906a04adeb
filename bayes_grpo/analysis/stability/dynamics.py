"""The dynamics near the plateau, at the draws of a posterior: what thresholds, ringing and remedies rest on."""

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import fixed, quantities
from bayes_grpo.inference.draws import batch, evenly
from bayes_grpo.models.spec import ModelSpec

#: Draws that the exact maps are evaluated at.
DRAWS = 1000
#: Probability that the run itself runs away above which an answer says so.
MOST_UNSTABLE = 0.05


def is_curve(fit: xr.DataTree) -> bool:
    """Whether the law of a fit is a curve in time with a fluctuation about it, which nothing pulls to its plateau."""
    return "correlation_time" in fit["posterior"]


def check_law(spec: ModelSpec) -> None:
    """Refuse a law that is not pulled to a plateau, before it is fitted: what asks for its stiffness has no answer.

    Raises
    ------
    InputError
        If it is such a law.
    """
    if not spec.law.relaxes:
        raise InputError(
            f"model {spec.name}", "nothing pulls back at its plateau; fit a law of motion: --model oscillator"
        )


def fitted_dynamics(
    fit: xr.DataTree, run: str | None = None, *, curves: bool = False
) -> tuple[xr.Dataset, dict[str, float]]:
    """Posterior draws (dim sample) of a run's stiffness at its plateau, damping and mass, and its known quantities.

    With ``curves``, curves in time are taken as well, with the stiffness of their rise.

    Raises
    ------
    InputError
        If the fit's law has no plateau to be pulled to, or is a curve in time, or the fit is of several runs and
        ``run`` names none of them.
    """
    posterior = fit["posterior"].to_dataset()
    if "timescale" not in posterior:
        raise InputError(
            f"fit {fit.attrs['run']}",
            f"{fit.attrs['model']} has no stiffness; fit a law with a plateau, such as oscillator",
        )
    if is_curve(fit) and not curves:
        raise InputError(
            f"fit {fit.attrs['run']}",
            f"{fit.attrs['model']} is a curve in time: its stiffness is that of the rise, and nothing pulls back at "
            "the plateau; fit a law of motion: --model oscillator",
        )
    known = quantities(fit, run)
    if "run" in posterior.dims:
        posterior = posterior.sel(run=run)
    drawn = batch(posterior[[name for name in posterior.data_vars if posterior[name].ndim == 2]])
    rows = evenly(drawn["timescale"].size, DRAWS)
    by_law = fixed(fit)
    values = {"stiffness": 1 / drawn["timescale"][rows]}
    for name in ("damping", "mass", "lag_share"):
        if name in drawn:
            values[name] = drawn[name][rows]
        elif name in by_law:
            values[name] = np.full(rows.size, float(by_law[name]))
    if "mass" not in values:  # runs of different momentum: each has its own
        values["mass"] = np.full(rows.size, known["closed_form_mass"])
    return xr.Dataset({name: ("sample", value) for name, value in values.items()}), known


def running_away(fit: xr.DataTree, run: str | None = None) -> float:
    """Posterior probability that a run's mean runs away; 0 for laws that cannot."""
    posterior = fit["posterior"].to_dataset()
    if "damping_ratio" not in posterior:
        return 0.0
    ratio = posterior["damping_ratio"]
    return float(((ratio.sel(run=run) if "run" in ratio.dims else ratio) <= 0).mean())


def damping_ratio(draws: xr.Dataset, damping: np.ndarray | None = None) -> np.ndarray:
    """Damping ratio ``c / (2 sqrt(m k))`` at draws of `fitted_dynamics`; infinite without mass.

    Parameters
    ----------
    draws : xarray.Dataset
        Dim sample.
    damping : numpy.ndarray, optional
        In place of that of the draws.
    """
    mass = draws["mass"].values
    massive = mass > 0
    damping = damping_of(draws) if damping is None else damping
    root = np.sqrt(np.where(massive, mass, 1.0) * draws["stiffness"].values)
    return np.asarray(np.where(massive, damping / (2 * root), np.inf))


def damping_of(draws: xr.Dataset) -> np.ndarray:
    """Damping at draws of `fitted_dynamics`: 1 for laws that do not have it as a parameter."""
    return draws["damping"].values if "damping" in draws else np.ones(draws.sizes["sample"])


def overshoot_of(ratio: np.ndarray) -> np.ndarray:
    """Overshoot at damping ratios, as a share of the way: 0 from 1 on, infinite at or below 0."""
    inside = np.clip(ratio, 1e-9, 1 - 1e-9)
    ringing = np.exp(-np.pi * inside / np.sqrt(1 - inside**2))
    return np.asarray(np.where(ratio >= 1, 0.0, np.where(ratio <= 0, np.inf, ringing)))
